"""Tables of predictions, streamed: tab-separated text, plain or gzip, or HDF5.

Text begins with ``##key=value`` lines that say where the numbers come from, then a line of column names. HDF5 has
the same keys as attributes of the file, the describing columns as datasets under ``rows``, ``predictions``
``(n, K)`` float32, and ``outputs``, the K names.
"""

import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.data.hdf5_writing import writing_hdf5
from genotools.data.labels import column_names
from genotools.errors import DataError
from genotools.files import check_output, replacing
from genotools.formats import PREDICTIONS

__all__ = ["SUFFIXES", "Column", "Table", "check_table_output", "open_table"]

SUFFIXES = (".tsv", ".tsv.gz", ".h5")

Column = Sequence[str] | Sequence[int]


class Table(Protocol):
    """Somewhere rows go."""

    def add(self, columns: Mapping[str, Column], probs: NDArray[np.float32]) -> None:
        """Append rows: their columns by name, and predictions ``(n, K)``."""
        ...


def check_table_output(path: Path | str, *, force: bool = False) -> Path:
    """Return ``path`` once it is clear that a table may be written there.

    Raises
    ------
    OutputExistsError
        If it is taken and ``force`` is off.
    DataError
        If its suffix is another than ``.tsv``, ``.tsv.gz`` and ``.h5``, or its folder does not exist.
    """
    if not str(path).endswith(SUFFIXES):
        raise DataError(f"{path}: predictions are written as {', '.join(SUFFIXES)}.")
    return check_output(path, force=force)


@contextmanager
def open_table(
    path: Path, *, columns: Mapping[str, type], outputs: Sequence[str], header: Mapping[str, str]
) -> Iterator[Table]:
    """Open a table that appears at ``path`` when all went well; the suffix says which kind.

    Parameters
    ----------
    path
        As :func:`check_table_output` returns it.
    columns
        Names of the describing columns, each ``str`` or ``int``.
    outputs
        Names of the K predictions.
    header
        Where the numbers come from.
    """
    header = {**PREDICTIONS.text_header, **header}
    with replacing(path) as temporary:
        if path.suffix == ".h5":
            with writing_hdf5(temporary) as file:
                yield _Hdf5Table(file, columns, outputs, header)
        else:
            with _open_text(temporary, packed=path.suffix == ".gz") as text:
                yield _TextTable(text, columns, outputs, header)


@contextmanager
def _open_text(path: Path, *, packed: bool) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        if not packed:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as text:
                yield text
            return
        # Without name and time in its header, equal tables make equal files.
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as file,
            io.TextIOWrapper(file, encoding="utf-8", newline="\n") as text,
        ):
            yield text


class _TextTable:
    def __init__(
        self, file: IO[str], columns: Mapping[str, type], outputs: Sequence[str], header: Mapping[str, str]
    ) -> None:
        self._file = file
        self._columns = list(columns)
        self._pattern = "\t".join(["%.6g"] * len(outputs))
        file.writelines(f"##{key}={value}\n" for key, value in header.items())
        file.write("\t".join([*self._columns, *column_names(outputs)]) + "\n")

    def add(self, columns: Mapping[str, Column], probs: NDArray[np.float32]) -> None:
        described = zip(*(columns[name] for name in self._columns), strict=True)
        for row, values in zip(described, probs.tolist(), strict=True):
            self._file.write("\t".join(map(str, row)) + "\t" + self._pattern % tuple(values) + "\n")


class _Hdf5Table:
    def __init__(
        self, file: h5py.File, columns: Mapping[str, type], outputs: Sequence[str], header: Mapping[str, str]
    ) -> None:
        file.attrs.update(header)
        text = h5py.string_dtype()
        file.create_dataset("outputs", data=list(outputs), dtype=text)
        rows = file.create_group("rows")
        self._columns = {
            name: rows.create_dataset(
                name, shape=(0,), maxshape=(None,), dtype=text if kind is str else np.int64
            )
            for name, kind in columns.items()
        }
        self._probs = file.create_dataset(
            "predictions", shape=(0, len(outputs)), maxshape=(None, len(outputs)), dtype=np.float32
        )

    def add(self, columns: Mapping[str, Column], probs: NDArray[np.float32]) -> None:
        n_before = len(self._probs)
        for name, dataset in self._columns.items():
            dataset.resize(n_before + len(probs), axis=0)
            dataset[n_before:] = columns[name]
        self._probs.resize(n_before + len(probs), axis=0)
        self._probs[n_before:] = probs
