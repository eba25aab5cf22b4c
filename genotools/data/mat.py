"""DeepSEA's training files: one-hot windows and labels in MATLAB files of either kind, as base codes.

======== ============================== ================================================================
kind     read as                        arrays, as they are read
======== ============================== ================================================================
v7.3     HDF5, blocks of rows           ``trainxdata (L, 4, N)``, ``traindata (K, N)``: axes reversed
v5       columns, packed in memory      ``validxdata (N, 4, L)``, ``validdata (N, K)``
======== ============================== ================================================================

A one-hot may hold any numbers that are 0 or 1; an all-zero column is an unknown base.
Reference: Zhou and Troyanskaya (2015), supplementary readme.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN
from genotools.data.hdf5 import HDF5_ERRORS, MAX_CHUNK_BYTES, foreign_parts, open_hdf5
from genotools.data.mat5 import Mat5Array, columns, is_mat5, scan
from genotools.errors import DataError
from genotools.files import check_ordinary

__all__ = ["ChannelOrder", "MatRows", "open_mat"]

N_BASES = 4
BLOCK_BYTES = 2**26
"""One-hot bytes that are read at once from an HDF5 file."""

MAX_PACKED_BYTES = 700 * 2**20
"""What a v5 file may take in memory, packed; the format itself ends at 2 GB an array."""

ChannelOrder = str
"""Which base each channel stands for, e.g. ``AGCT``."""


class MatRows(Protocol):
    """Windows and labels of one file, a range of rows at a time."""

    path: Path
    kind: str
    layout: str
    n_rows: int
    length: int
    n_labels: int

    def codes(self, rows: slice) -> NDArray[np.uint8]:
        """Return channel numbers 0 to 3, 4 where no channel is set, ``(n, L)``."""
        ...

    def labels(self, rows: slice) -> NDArray[np.uint8]:
        """Return 0 or 1, ``(n, K)``."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def open_mat(path: Path | str) -> MatRows:
    """Open a MATLAB file of one-hot windows and labels.

    Raises
    ------
    DataError
        If it is missing, cut off, no MATLAB file, or holds other arrays.
    """
    path = check_ordinary(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if h5py.is_hdf5(path):
        return _Mat73(path)
    if is_mat5(path):
        return _Mat5(path)
    raise DataError(f"{path}: neither a MATLAB v5 nor a v7.3 (HDF5) file.")


@dataclass(frozen=True, slots=True)
class _Found:
    """Names of the two arrays."""

    windows: str
    labels: str


def _find(path: Path, shapes: dict[str, tuple[int, ...]], *, channel_axis: int, row_axis: int) -> _Found:
    """Return which array is the one-hot and which the labels; say what is there where that is not clear."""
    listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no numeric arrays"
    windows = [name for name, shape in shapes.items() if len(shape) == 3]
    labels = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(windows) != 1 or len(labels) != 1:
        raise DataError(
            f"{path}: one array of windows (3 axes) and one of labels (2 axes) expected: {listing}."
        )
    x, y = shapes[windows[0]], shapes[labels[0]]
    if x[channel_axis] != N_BASES:
        raise DataError(f"{path}: {windows[0]} {x}: axis {channel_axis} should have the 4 bases.")
    if min(*x, *y) < 1:
        raise DataError(f"{path}: {windows[0]} {x} and {labels[0]} {y}: one of them is empty.")
    if x[row_axis] != y[row_axis]:
        raise DataError(f"{path}: {windows[0]} {x} and {labels[0]} {y} have different numbers of rows.")
    return _Found(windows[0], labels[0])


class _Mat73:
    """A v7.3 file: rows are the last axis, so blocks of rows are read in one go."""

    kind, layout = "v7.3", "last axis"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open_hdf5(path)
            if faults := foreign_parts(self._file, may_be_sparse=True):
                self._file.close()
                raise DataError.from_faults(path, faults)
            shapes = {
                name: tuple(item.shape)
                for name, item in self._file.items()
                if isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "buif"
            }
        except DataError:
            raise
        except HDF5_ERRORS as error:
            raise DataError(f"{path}: the HDF5 file is damaged or cut off ({error}).") from error
        found = _find(path, shapes, channel_axis=1, row_axis=-1)
        self._x, self._y = self._file[found.windows], self._file[found.labels]
        self.length, _, self.n_rows = self._x.shape
        self.n_labels = self._y.shape[0]

    def codes(self, rows: slice) -> NDArray[np.uint8]:
        """Return channel numbers 0 to 3, 4 where no channel is set, ``(n, L)``."""
        start, stop, _ = rows.indices(self.n_rows)
        codes = np.empty((stop - start, self.length), dtype=np.uint8)
        for first, block in self._blocks(self._x, start, stop):
            where = f"{self.path}: windows, rows {first} to {first + block.shape[-1] - 1}"
            by_position = codes_of_channels(block.transpose(1, 0, 2), where)  # (L, n)
            codes[first - start : first - start + block.shape[-1]] = by_position.T
        return codes

    def labels(self, rows: slice) -> NDArray[np.uint8]:
        """Return 0 or 1, ``(n, K)``."""
        start, stop, _ = rows.indices(self.n_rows)
        labels = np.empty((stop - start, self.n_labels), dtype=np.uint8)
        for first, block in self._blocks(self._y, start, stop):
            where = f"{self.path}: labels, rows {first} to {first + block.shape[-1] - 1}"
            labels[first - start : first - start + block.shape[-1]] = zeros_and_ones(block, where).T
        return labels

    def _blocks(
        self, dataset: h5py.Dataset, start: int, stop: int
    ) -> Iterator[tuple[int, NDArray[np.generic]]]:
        row_bytes = math.prod(map(int, dataset.shape[:-1])) * dataset.dtype.itemsize
        size = max(1, BLOCK_BYTES // row_bytes)
        if dataset.chunks is not None:  # a chunk is decompressed once, if it can be
            size = max(size // dataset.chunks[-1], 1) * dataset.chunks[-1]
        if size * row_bytes > MAX_CHUNK_BYTES:
            raise DataError(
                f"{self.path}: {dataset.name[1:]}: {size:,} rows are packed together, {size * row_bytes:,} bytes; at "
                f"most {MAX_CHUNK_BYTES:,} are read at once."
            )
        for first in range(start, stop, size):
            try:
                yield first, dataset[..., first : min(first + size, stop)]
            except HDF5_ERRORS as error:
                raise DataError(f"{self.path}: damaged or cut off near row {first} ({error}).") from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class _Mat5:
    """A v5 file: its columns are walked along once and packed in memory, 2 bits a base and 1 a label."""

    kind, layout = "v5", "first axis"

    def __init__(self, path: Path) -> None:
        self.path = path
        arrays = {array.name: array for array in scan(path)}
        found = _find(path, {name: array.shape for name, array in arrays.items()}, channel_axis=1, row_axis=0)
        self._x, self._y = arrays[found.windows], arrays[found.labels]
        self.n_rows, _, self.length = self._x.shape
        self.n_labels = self._y.shape[1]
        needed = self.n_rows * (self.length // 4 + self.n_labels // 8)
        if needed > MAX_PACKED_BYTES:
            raise DataError(f"{path}: {self.n_rows:,} rows are too many for a v5 file; save it as v7.3.")
        self._packed: NDArray[np.uint8] | None = None
        self._labels: NDArray[np.uint8] | None = None
        self._unknown = np.zeros(0, dtype=np.int64)

    def codes(self, rows: slice) -> NDArray[np.uint8]:
        """Return channel numbers 0 to 3, 4 where no channel is set, ``(n, L)``."""
        if self._packed is None:
            self._packed, self._unknown = self._read_windows(self._x)
        start, stop, _ = rows.indices(self.n_rows)
        packed = self._packed[:, start:stop]  # (L / 4, n)
        codes = np.empty((4 * len(packed), stop - start), dtype=np.uint8)
        for offset in range(4):
            codes[offset::4] = packed >> np.uint8(2 * offset) & np.uint8(3)
        result = np.ascontiguousarray(codes[: self.length].T)
        first, last = np.searchsorted(self._unknown, [start * self.length, stop * self.length])
        result.reshape(-1)[self._unknown[first:last] - start * self.length] = UNKNOWN
        return result

    def labels(self, rows: slice) -> NDArray[np.uint8]:
        """Return 0 or 1, ``(n, K)``."""
        if self._labels is None:
            self._labels = self._read_labels(self._y)
        start, stop, _ = rows.indices(self.n_rows)
        bits = np.unpackbits(self._labels[:, start:stop], axis=0, count=self.n_labels, bitorder="little")
        return np.ascontiguousarray(bits.T)

    def _read_windows(self, array: Mat5Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        packed = np.zeros((-(-self.length // 4), self.n_rows), dtype=np.uint8)
        unknown = [np.zeros(0, dtype=np.int64)]
        source = columns(self.path, array)
        for position in range(self.length):
            channels = np.stack([next(source) for _ in range(N_BASES)])
            codes = codes_of_channels(channels, f"{self.path}: windows, position {position}")
            is_unknown = codes == UNKNOWN
            unknown.append(np.flatnonzero(is_unknown) * self.length + position)
            codes[is_unknown] = 0
            packed[position // 4] |= codes << np.uint8(2 * (position % 4))
        return packed, np.sort(np.concatenate(unknown))

    def _read_labels(self, array: Mat5Array) -> NDArray[np.uint8]:
        packed = np.zeros((-(-self.n_labels // 8), self.n_rows), dtype=np.uint8)
        for label, column in enumerate(columns(self.path, array)):
            values = zeros_and_ones(column, f"{self.path}: label {label}")
            packed[label // 8] |= values << np.uint8(label % 8)
        return packed

    def close(self) -> None:
        """Let go of the memory."""
        self._packed = self._labels = None


def codes_of_channels(channels: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    """Return the number of the channel that is set, 4 for none, for channels along the first axis.

    Raises
    ------
    DataError
        If a value is neither 0 nor 1, or two channels are set at one place.
    """
    a, b, c, d = (zeros_and_ones(channel, where) for channel in channels)
    if (a + b + c + d).max(initial=0) > 1:
        raise DataError(f"{where}: two bases at one position: the windows are no one-hot.")
    # 0 to 3 for a single channel; of none, 4.
    return np.asarray(UNKNOWN - UNKNOWN * a - 3 * b - 2 * c - d, dtype=np.uint8)


def zeros_and_ones(values: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    """Return values that must be 0 or 1 as uint8; raise DataError for others."""
    result = values.astype(np.uint8)
    is_whole = values.dtype.kind in "bu" or bool((result == values).all())
    if not is_whole or result.max(initial=0) > 1:
        raise DataError(f"{where}: values other than 0 and 1.")
    return result
