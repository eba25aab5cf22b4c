"""HDF5 files that are written, also where the disk becomes full: HDF5 2.0 ends the program then.

HDF5 keeps what it could not write and tries again whenever it frees something, until it frees what it no longer has.
So it never hears of a fault: what fails, and all that follows, is dropped, and told once the file is closed.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py

__all__ = ["writing_hdf5"]

KEPT_BYTES = 1 << 16
"""Largest block that may be HDF5's own numbers."""


@contextmanager
def writing_hdf5(path: Path | str, mode: Literal["w", "r+"] = "w") -> Iterator[h5py.File]:
    """Yield an HDF5 file to write: a new one, or one to be added to.

    Raises
    ------
    OSError
        At the end of the block, if the disk refused something; what lies at ``path`` is damaged then.
    """
    with _Disk(path, "w+" if mode == "w" else "r+") as disk:
        try:
            with h5py.File(disk, mode) as file:
                yield file
        except Exception as error:
            if disk.fault is None or error is disk.fault:
                raise
            raise disk.fault from error  # of what was dropped something may be missing
        if disk.fault is not None:
            raise disk.fault


class _Disk(io.FileIO):
    """A file whose writes do not fail, and which gives back what was written to it even so.

    HDF5 reads its own numbers again, and does not survive others. Large blocks are data and are forgotten.
    """

    fault: OSError | None = None

    def __init__(self, path: Path | str, mode: str) -> None:
        super().__init__(path, mode)
        self._dropped: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        start, n_written = self.tell(), 0
        try:
            while n_written < len(view) and self.fault is None:
                n_written += super().write(view[n_written:]) or 0
        except OSError as error:
            self.fault = error
        if n_written < len(view) <= KEPT_BYTES:
            self._dropped.append((start, bytes(view)))
        self.seek(start + len(view))
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start, n_read = self.tell(), 0
        while n_read < len(view) and (n_more := super().readinto(view[n_read:])):
            n_read += n_more
        view[n_read:] = bytes(len(view) - n_read)
        for place, data in self._dropped:
            first, last = max(start, place), min(start + len(view), place + len(data))
            if first < last:
                view[first - start : last - start] = data[first - place : last - place]
        self.seek(start + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size) if self.fault is None else 0
        except OSError as error:
            self.fault = error
            return 0
