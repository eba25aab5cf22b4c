"""What lies beside a store in the making, so that a conversion that was killed goes on."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

import genotools
from genotools.errors import DataError
from genotools.files import flush_to_disk, read_json, write_json

__all__ = ["PartialStore", "UnknownBases"]


class UnknownBases:
    """Places of unknown bases, ascending; in a file where they must survive a kill."""

    def __init__(self, path: Path | None, *, n_known: int = 0) -> None:
        self._path, self._fresh, self._blocks = path, list[NDArray[np.int64]](), list[NDArray[np.int64]]()
        self._n_kept = n_known
        if path is not None:
            with path.open("ab") as file:
                file.truncate(8 * n_known)

    def add(self, places: NDArray[np.int64]) -> None:
        """Note some more, behind those before."""
        self._fresh.append(places)

    def flush(self) -> int:
        """Put what was added into the file; return how many there are."""
        fresh = np.concatenate([np.zeros(0, dtype=np.int64), *self._fresh])
        self._fresh.clear()
        self._n_kept += len(fresh)
        if self._path is None:
            self._blocks.append(fresh)
        elif len(fresh):
            with self._path.open("ab") as file:
                file.write(fresh.astype("<i8").tobytes())
                file.flush()
                os.fsync(file.fileno())
        return self._n_kept

    def read(self) -> NDArray[np.int64]:
        """Return all of them."""
        self.flush()
        if self._path is None:
            return np.concatenate([np.zeros(0, dtype=np.int64), *self._blocks])
        return np.fromfile(self._path, dtype="<i8").astype(np.int64)


def _holds(path: Path, n_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size >= n_bytes


class PartialStore:
    """A store in the making: ``NAME.partial`` and, beside it, how far it is and its unknown bases so far."""

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self._path = path
        self.data = path.with_name(f"{path.name}.partial")
        self._progress = path.with_name(f"{path.name}.partial.json")
        self.unknown = path.with_name(f"{path.name}.partial.unknown")
        self._identity = {**identity, "genotools": genotools.__version__}
        self.n_unknown = 0

    def begin(self, *, resume: bool) -> int:
        """Return the rows that are done."""
        if self.data.exists() and not resume:
            raise DataError(f"{self.data} is half of a store: go on with --resume, or remove it.")
        if not (self.data.exists() and self._progress.exists()):
            self._remove()
            return 0
        progress = read_json(self._progress)
        if not isinstance(progress, dict) or progress.get("identity") != self._identity:
            raise DataError(f"{self.data} was begun from other files or with other options; remove it.")
        n_rows, self.n_unknown = progress.get("n_rows"), progress.get("n_unknown", -1)
        if not all(type(count) is int and count >= 0 for count in (n_rows, self.n_unknown)):
            raise DataError(f"{self._progress}: damaged: it does not say how many rows are done; remove it.")
        if self.n_unknown and not _holds(self.unknown, 8 * self.n_unknown):
            raise DataError(f"{self.unknown} is missing or shorter than was noted; remove {self.data}.")
        return cast(int, n_rows)

    def save(self, n_rows: int, n_unknown: int) -> None:
        """Keep how far it is, once the rows before it are on the disk."""
        flush_to_disk(self.data)
        document = {"identity": self._identity, "n_rows": n_rows, "n_unknown": n_unknown}
        write_json(self._progress, document)

    @contextmanager
    def discarded_if_wrong(self) -> Iterator[None]:
        """Remove everything where the inputs turn out to be wrong; after a kill or on a full disk it stays."""
        try:
            yield
        except DataError as error:
            if not isinstance(error.__cause__, OSError):
                self._remove()
            raise

    def finish(self) -> None:
        """Give the store its name."""
        flush_to_disk(self.data)
        self.data.replace(self._path)
        self._remove()

    def _remove(self) -> None:
        for path in (self.data, self._progress, self.unknown):
            path.unlink(missing_ok=True)
