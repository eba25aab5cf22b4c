"""Fetching one file: redirects, silence, slowness, answers cut short, and addresses that are none."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genotools.errors import DataError
from genotools.zoo import list_entries
from genotools.zoo.web import HttpSource, UnreachableError, download


@pytest.fixture
def server(serve: Callable[[Path], Any], tmp_path: Path) -> Any:
    return serve(tmp_path)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "gopher://127.0.0.1/"]
)
def test_redirects_to_other_schemes_are_not_followed(server: Any, tmp_path: Path, target: str) -> None:
    server.answers["/a"] = redirect(target)
    with pytest.raises(DataError, match=r"/a: redirects to where it may not"):
        download(f"{server.url}/a", tmp_path / "x", max_bytes=10_000)
    assert (tmp_path / "x").read_bytes() == b""


def redirect(target: str) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


def test_redirects_inside_http_are_followed_but_not_for_ever_and_without_secrets(
    server: Any, tmp_path: Path
) -> None:
    seen: list[str | None] = []

    def last(handler: Any) -> None:
        seen.append(handler.headers["Authorization"])
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"there")

    server.answers["/a"] = redirect(f"{server.url}/b")
    server.answers["/b"] = last
    download(f"{server.url}/a", tmp_path / "x", max_bytes=10, headers={"Authorization": "secret"})
    assert (tmp_path / "x").read_bytes() == b"there"
    assert seen == [None]
    server.answers["/c"] = redirect(f"{server.url}/c")
    with pytest.raises(DataError, match="redirects"):
        download(f"{server.url}/c", tmp_path / "x", max_bytes=10)


def test_an_answer_cut_short_is_noticed(server: Any, tmp_path: Path) -> None:
    def short(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"x" * 10)

    server.answers["/short"] = short
    with pytest.raises(UnreachableError, match=r"short: cut short, 10 of 100 bytes came"):
        download(f"{server.url}/short", tmp_path / "x", max_bytes=1000)


def test_a_silent_and_a_slow_server_are_given_up(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def silent(_: Any) -> None:
        done.wait(20)

    monkeypatch.setattr("genotools.zoo.web.TIMEOUT_S", 0.2)
    server.answers["/silent"] = silent
    with pytest.raises(UnreachableError, match="silent: cannot be r"):
        download(f"{server.url}/silent", tmp_path / "x", max_bytes=10)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not done.wait(0.02):
            handler.wfile.write(b"x")

    server.answers["/drip"] = drip
    monkeypatch.setattr("genotools.zoo.web.GRACE_S", 0.3)
    with pytest.raises(UnreachableError, match="the server is too slow"):
        download(f"{server.url}/drip", tmp_path / "x", max_bytes=1000)
    done.set()


def test_a_connection_that_takes_longer_than_the_whole_is_not_left_to_itself(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody watches over what is connected after the time is over."""
    connect = socket.create_connection

    def slowly(*arguments: Any) -> socket.socket:
        time.sleep(0.5)
        return connect(*arguments)

    (tmp_path / "file").write_bytes(b"there")
    monkeypatch.setattr("genotools.zoo.web.GRACE_S", 0.1)
    monkeypatch.setattr("genotools.zoo.web.socket.create_connection", slowly)
    with pytest.raises(UnreachableError, match="the server is too slow, 0 bytes came"):
        download(f"{server.url}/file", tmp_path / "x", max_bytes=1000)


def test_headers_answers_and_trailers_without_end_are_given_up(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is ever silent, nor a byte of the file."""
    done = threading.Event()
    monkeypatch.setattr("genotools.zoo.web.GRACE_S", 0.3)

    def endless(head: bytes, piece: bytes) -> Callable[[Any], None]:
        def answer(handler: Any) -> None:
            handler.wfile.write(head)
            while not done.wait(0.01):
                handler.wfile.write(piece)

        return answer

    server.answers["/header"] = endless(b"HTTP/1.1 200 OK\r\nX: ", b"x")
    server.answers["/continue"] = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    server.answers["/trailer"] = endless(chunked, b"X: y\r\n")
    for name, n_bytes in (("header", 0), ("continue", 0), ("trailer", 1)):
        with pytest.raises(UnreachableError, match=f"{name}: the server is too slow, {n_bytes} bytes came"):
            download(f"{server.url}/{name}", tmp_path / "x", max_bytes=1000)
    done.set()


def test_a_body_without_length_that_is_cut_for_slowness_does_not_count_as_whole(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setattr("genotools.zoo.web.GRACE_S", 0.3)

    def hold(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"half")
        done.wait(20)

    server.answers["/hold"] = hold
    with pytest.raises(UnreachableError, match="hold: the server is too slow, 4 bytes came"):
        download(f"{server.url}/hold", tmp_path / "x", max_bytes=1000)
    done.set()


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://host/x", "https://", "https://me:secret@host/x", "https://host/x?a=b"]
)
def test_what_is_no_address_of_a_zoo_is_refused(url: str) -> None:
    with pytest.raises(DataError, match="is no place of a zoo"):
        list_entries(url)


def test_an_address_may_end_in_a_slash_or_name_the_index() -> None:
    locations = {HttpSource(f"https://host/zoo{end}").location for end in ("", "/", "/index.json")}
    assert locations == {"https://host/zoo"}
