"""Fetching files over HTTP from servers that are not trusted: no other schemes, bounded sizes and times."""

import http.client
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from genotools.errors import DataError, GenotoolsError

__all__ = ["HttpSource", "Source", "UnreachableError", "download"]

SCHEMES = ("http", "https")
TIMEOUT_S = 30.0
"""Longest silence of a server."""
SLOWEST_BYTES_PER_S = 20_000
"""A server that sends less on the whole, after a minute's grace, is given up."""
GRACE_S = 60.0
CHUNK_BYTES = 1 << 18


class UnreachableError(GenotoolsError):
    """A server did not answer, or could not."""


class Source(Protocol):
    """Where the files of a zoo are fetched from."""

    @property
    def location(self) -> str:
        """The name of the place, as a person writes it."""
        ...

    def fetch(self, file: str, target: Path, *, max_bytes: int) -> None:
        """Write ``file``, a path inside the zoo, to ``target``; raises GenotoolsError if that fails."""
        ...


class HttpSource:
    """A folder that a server shows as files."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if (
            parts.scheme not in SCHEMES
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise DataError(
                f"{url[:200]!r} is no place of a zoo. A URL is a folder: https://HOST/PATH, without user, ? and #."
            )
        self.location = url.removesuffix("/index.json").rstrip("/")

    def fetch(self, file: str, target: Path, *, max_bytes: int) -> None:
        """Write ``file`` to ``target``; see :func:`download`."""
        download(f"{self.location}/{file}", target, max_bytes=max_bytes)


def download(url: str, target: Path, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> None:
    """Write what ``url`` holds to ``target``.

    Parameters
    ----------
    max_bytes
        Most that is accepted.
    headers
        Sent to the host of ``url``, and to no other that it redirects to.

    Raises
    ------
    DataError
        If there is no such file, it is too large, cut short, or the server redirects to another scheme.
    UnreachableError
        If the server does not answer, is too slow, or fails.
    """
    with target.open("wb") as file:
        for chunk in _chunks(url, max_bytes, headers or {}):
            file.write(chunk)


def _chunks(url: str, max_bytes: int, headers: Mapping[str, str]) -> Iterator[bytes]:
    longest = GRACE_S + max_bytes / SLOWEST_BYTES_PER_S
    request = urllib.request.Request(url, headers={"User-Agent": "genotools", "Accept-Encoding": "identity"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    watch, n_bytes, end = _Watch(GRACE_S), 0, time.monotonic() + longest
    try:
        with watch, _opener(watch).open(request, timeout=TIMEOUT_S) as response:
            watch.allow(longest)
            announced = response.headers.get("Content-Length", "")
            if announced.isdecimal() and int(announced) > max_bytes:
                raise _too_large(url, int(announced), max_bytes)
            while chunk := response.read1(CHUNK_BYTES):
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise _too_large(url, n_bytes, max_bytes)
                if time.monotonic() > end:
                    raise _too_slow(url, n_bytes)
                yield chunk
            if watch.is_over:
                raise _too_slow(url, n_bytes)
            if announced.isdecimal() and n_bytes < int(announced):
                raise UnreachableError(f"{url}: cut short, {n_bytes:,} of {announced} bytes came. Try again.")
    except urllib.error.HTTPError as error:
        error.close()
        raise _answer(url, error.code) from error
    except urllib.error.URLError as error:
        if watch.is_over:
            raise _too_slow(url, n_bytes) from error
        raise UnreachableError(f"{url}: cannot be reached: {error.reason}.") from error
    except DataError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        if watch.is_over:
            raise _too_slow(url, n_bytes) from error
        raise UnreachableError(f"{url}: cannot be read: {error or type(error).__name__}.") from error


def _answer(url: str, code: int) -> GenotoolsError:
    """Return the error for an answer that is not the file."""
    if 300 <= code < 400:
        return DataError(f"{url}: redirects to where it may not: only https, or http from http, is followed.")
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "no known status"
    kind = UnreachableError if code >= 500 or code == HTTPStatus.TOO_MANY_REQUESTS else DataError
    return kind(f"{url}: the server answers {code} {phrase}.")


def _too_slow(url: str, n_bytes: int) -> UnreachableError:
    return UnreachableError(f"{url}: the server is too slow, {n_bytes:,} bytes came. Try again later.")


def _too_large(url: str, n_bytes: int, max_bytes: int) -> DataError:
    return DataError(f"{url}: {n_bytes:,} bytes or more, at most {max_bytes:,} are fetched.")


class _Watch:
    """Ends the connections of a fetch that takes too long.

    A silence is noticed by every socket itself. But headers, answers that announce another one, and what may follow a
    file can be sent for ever, a byte now and then, and :mod:`http.client` reads on.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)

    def connect(self, address: Any, timeout: Any = None, source_address: Any = None) -> socket.socket:
        """Return a connection that is ended in time."""
        made = socket.create_connection(address, timeout, source_address)
        self._sockets.append(made.dup())  # that which TLS wraps is no longer its own
        if self.is_over:  # while it was being made, so nobody else will end it
            made.close()
            raise TimeoutError("it took too long to connect")
        return made

    def allow(self, seconds: float) -> None:
        """Let it take so long from now on."""
        self._timer.cancel()
        self._timer = threading.Timer(seconds, self._end)
        self._start()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for one in self._sockets:
            one.close()

    def _start(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.is_over = True
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _connections(kind: type[http.client.HTTPConnection], watch: _Watch) -> Callable[..., Any]:
    """Return what makes connections that are watched."""

    def make(host: str, **options: Any) -> http.client.HTTPConnection:
        connection = kind(host, **options)
        connection._create_connection = watch.connect  # type: ignore[attr-defined]
        return connection

    return make


class _Http(urllib.request.HTTPHandler):
    """Asks by connections that are watched."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._connect = _connections(http.client.HTTPConnection, watch)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class _Https(urllib.request.HTTPSHandler):
    """Asks by connections that are watched."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._connect = _connections(http.client.HTTPSConnection, watch)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to http where the request went there by http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        allowed = SCHEMES if req.type == "http" else ("https",)
        if urllib.parse.urlsplit(newurl).scheme not in allowed:
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(watch: _Watch) -> urllib.request.OpenerDirector:
    """Return an opener that knows HTTP alone; that of the standard library opens files and FTP, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(watch),
        _Https(watch),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener
