"""A way into the program, with a valid file to damage; the lists of them are in the modules beside."""

import atexit
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Reader",
    "as_bytes",
    "as_document",
    "as_gzip",
    "as_text",
    "folder_of",
    "scratch_folder",
    "write_once",
]


@dataclass(frozen=True, slots=True)
class Reader:
    """A way into the program.

    Parameters
    ----------
    name
        What is read.
    suffix
        How such files end.
    seed
        Writes a valid file.
    read
        Reads a file as a command does, to its end.
    modules
        Where the reading is done, below ``genotools``: what a fuzzer guided by coverage has to watch.
    is_slow
        Whether a file takes more than some ten milliseconds, or a valid one seconds to be made.
    """

    name: str
    suffix: str
    seed: Callable[[Path], object]
    read: Callable[[Path], object]
    modules: tuple[str, ...] = ()
    is_slow: bool = False


def as_bytes(data: Callable[[], bytes]) -> Callable[[Path], None]:
    """Return what writes ``data``."""

    def write(path: Path) -> None:
        path.write_bytes(data())

    return write


def as_text(text: str) -> Callable[[Path], None]:
    """Return what writes ``text``."""
    return as_bytes(lambda: text.encode("utf-8"))


def as_gzip(text: str) -> Callable[[Path], None]:
    """Return what writes ``text``, compressed."""
    return as_bytes(lambda: gzip.compress(text.encode("utf-8"), mtime=0))


def as_document(value: Callable[[], object]) -> Callable[[Path], None]:
    """Return what writes JSON."""
    return as_bytes(lambda: json.dumps(value()).encode("utf-8"))


def scratch_folder() -> Path:
    """Return an empty folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="genotools-hostile-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def folder_of(path: Path) -> Path:
    """Return the folder beside ``path`` in which the file lies among others; it is made."""
    folder = path.with_name(f"{path.name}.folder")
    folder.mkdir(exist_ok=True)
    return folder


def write_once(folder: Path, files: Mapping[str, Callable[[Path], object]]) -> None:
    """Write the files that are missing in ``folder``."""
    for name, write in files.items():
        if not (folder / name).exists():
            write(folder / name)
