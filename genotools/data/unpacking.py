"""Bytes of files that may be compressed and hostile: gzip that does not swell for ever.

A kilobyte of gzip may stand for a megabyte of text, and lists of what is read take several times as much. What people
compress shrinks to a fifth or a twentieth, tables of rare ones to a four-hundredth; what shrinks to less than a
two-hundredth is refused once it is large.
"""

import gzip
import io
import stat
from pathlib import Path
from typing import Any

from genotools.errors import DataError

__all__ = ["GZIP_MAGIC", "unpacked"]

GZIP_MAGIC = b"\x1f\x8b"

MAX_SWELLING = 200
FREE_BYTES = 1 << 28
"""So many may come out of any file."""


def unpacked(path: Path) -> "io.BufferedReader[Any]":
    """Open a file to read its bytes, those of gzip unpacked; told by the first two of them.

    Reading raises DataError where more than 256 MB, and more than 200 times the size of the file, come out of gzip;
    and what :mod:`gzip` raises where it is damaged.
    """
    file = path.open("rb")
    if file.peek(2)[:2] != GZIP_MAGIC:
        return file
    found = path.stat()
    # Of a pipe nothing is known beforehand; whoever makes one has the bytes already.
    most = max(FREE_BYTES, MAX_SWELLING * found.st_size) if stat.S_ISREG(found.st_mode) else None
    return io.BufferedReader(_Unpacked(file, path, most), 1 << 16)


class _Unpacked(io.RawIOBase):
    """What gzip holds, at most ``most`` bytes of it."""

    def __init__(self, file: "io.BufferedReader[Any]", path: Path, most: int | None) -> None:
        self._file, self._gzip = file, gzip.GzipFile(fileobj=file)
        self._path, self._most, self._n_bytes = path, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        n = self._gzip.readinto(buffer)
        self._n_bytes += n
        if self._most is not None and self._n_bytes > self._most:
            raise DataError(
                f"{self._path}: the gzip file unpacks into more than {MAX_SWELLING} times its size, as files do that "
                "are made to fill a memory. If you trust it, unpack it with gunzip first."
            )
        return n

    def close(self) -> None:
        if not self.closed:
            self._gzip.close()
            self._file.close()
        super().close()
