"""Readers of zoos: cards, indexes, and what a server sends that is not trusted."""

import hashlib
import json
import shutil
import socketserver
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from genotools.errors import DataError
from genotools.testing._hostile_reader import Reader, as_bytes, folder_of

__all__ = ["READERS"]

ENTRY = "dense-heavy"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)


def _shipped(name: str) -> Path:
    from genotools.zoo.places import shipped_zoo

    return shipped_zoo() / ENTRY / name


def _index() -> bytes:
    from genotools.zoo.index import make_index
    from genotools.zoo.places import shipped_zoo

    whole = make_index(shipped_zoo())
    return whole.model_copy(update={"entries": {ENTRY: whole.entries[ENTRY]}}).model_dump_json().encode()


def _read_card(path: Path) -> object:
    from genotools.zoo.card import read_card

    return read_card(path)


class _Source:
    """A zoo whose files are in memory."""

    location = "https://hostile.invalid/zoo"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def fetch(self, file: str, target: Path, *, max_bytes: int) -> None:
        """Write a file, as much of it as is allowed."""
        if file not in self._files:
            raise DataError(f"{file}: the server answers 404 Not Found.")
        target.write_bytes(self._files[file][:max_bytes])


def _fetched(path: Path, files: Mapping[str, bytes]) -> object:
    """List and fetch what a zoo has; whatever it calls its entries and files, nothing lies outside of the cache."""
    from genotools.zoo.remote import RemoteZoo

    folder = folder_of(path)
    shutil.rmtree(folder)
    folder.mkdir()
    zoo = RemoteZoo(_Source(files), cache=folder / "cache")
    before = {found.name for found in path.parent.iterdir()}
    try:
        return [zoo.fetch(name) for name in zoo.names()]
    finally:
        outside = {found.name for found in path.parent.iterdir()} - before
        outside |= {found.name for found in folder.iterdir()} - {"cache"}
        assert not outside, outside


def _files(card: bytes) -> dict[str, bytes]:
    return {f"{ENTRY}/card.json": card, f"{ENTRY}/genotype.json": _shipped("genotype.json").read_bytes()}


def _read_index(path: Path) -> object:
    card = _shipped("card.json").read_bytes()
    return _fetched(path, {"index.json": path.read_bytes(), **_files(card)})


def _read_entry(path: Path) -> object:
    """Fetch an entry whose index agrees with its card: a hostile zoo has both in its hands."""
    card = path.read_bytes()
    index = json.loads(_index())
    index["entries"][ENTRY]["card"] = {"sha256": hashlib.sha256(card).hexdigest(), "size_bytes": len(card)}
    try:
        sums = json.loads(card)["files"]
        facts = {name: {"sha256": sha256, "size_bytes": 10_000} for name, sha256 in sums.items()}
        index["entries"][ENTRY]["files"] = facts
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        index["entries"][ENTRY]["files"] = {}
    return _fetched(path, {"index.json": json.dumps(index).encode(), **_files(card)})


class _Raw(socketserver.StreamRequestHandler):
    """Answers with bytes as they are."""

    def handle(self) -> None:
        while self.rfile.readline(65536).strip():
            pass
        self.wfile.write(_answers()[1][0])


@cache
def _answers() -> tuple[str, list[bytes]]:
    """Return the address of a server of this process, and the list whose first element it answers."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Raw)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/file", [b""]


def _read_answer(path: Path) -> object:
    from genotools.zoo.web import download

    data = path.read_bytes()
    if b"location" in data.lower():
        return None  # to where it redirects would be asked
    address, answers = _answers()
    answers[0] = data
    target = path.with_name(f"{path.name}.fetched")
    download(address, target, max_bytes=1000)
    return target.read_bytes()


def _card() -> Callable[[Path], None]:
    return as_bytes(lambda: _shipped("card.json").read_bytes())


READERS = (
    Reader("card", ".json", _card(), _read_card, ("zoo.card",)),
    Reader("zoo index", ".json", as_bytes(_index), _read_index, ("zoo.index", "zoo.remote")),
    Reader("zoo entry", ".json", _card(), _read_entry, ("zoo.card", "zoo.remote", "zoo.verify")),
    Reader("answer of a server", ".http", as_bytes(lambda: ANSWER), _read_answer, ("zoo.web",)),
)
