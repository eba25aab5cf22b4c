"""Writing a sequence store, block by block, in one step."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

import genotools
from genotools.data._layout import (
    FORMAT,
    SPLITS,
    VERSION,
    Contents,
    bytes_for_bases,
    bytes_for_labels,
    content_digest,
)
from genotools.data.encoding import UNKNOWN
from genotools.errors import DataError
from genotools.files import check_output, replacing, to_json

__all__ = ["RowSource", "write_store"]

_BLOCK_ROWS = 8192


class RowSource(Protocol):
    """Rows that come a slice at a time: a ``uint8`` array, or something that makes them when asked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole, rows first."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        """Return a range of rows."""
        ...


def write_store(
    path: Path | str,
    *,
    codes: RowSource,
    labels: RowSource,
    names: Sequence[str],
    splits: NDArray[np.integer[Any]],
    contig_names: Sequence[str] = (),
    contigs: NDArray[np.integer[Any]] | None = None,
    starts: NDArray[np.integer[Any]] | None = None,
    groups: Sequence[str] | None = None,
    provenance: Mapping[str, object],
    force: bool = False,
) -> str:
    """Write a store and return its digest. Equal content and provenance give equal bytes.

    Parameters
    ----------
    path
        The file; it appears complete or not at all.
    codes
        Base codes 0 to 4, shape ``(N, L)``.
    labels
        0 or 1, shape ``(N, K)``.
    names, groups
        Of the K labels.
    splits
        Index into ``SPLITS`` (0 train, 1 valid, 2 test), shape ``(N,)``.
    contig_names, contigs, starts
        Coordinates: names, and by row the index of its contig (-1: none) and the window's 0-based start.
    provenance
        JSON object; ``genotools`` (the version) and ``channel_order`` are added.

    Raises
    ------
    OutputExistsError
        If ``path`` exists and ``force`` is false.
    DataError
        If shapes do not agree, a code exceeds 4, a label exceeds 1, or the disk is full.
    """
    path = check_output(path, force=force)
    n_rows = len(splits)
    groups = [""] * len(names) if groups is None else groups
    contigs = np.full(n_rows, -1) if contigs is None else contigs
    starts = np.zeros(n_rows, dtype=np.int64) if starts is None else starts
    _check_shapes(
        path, codes, labels, {"names": len(names), "groups": len(groups)}, [contigs, starts, splits]
    )
    _check_splits_and_contigs(path, splits, contigs, len(contig_names))
    length = codes.shape[1]
    try:
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            bases_out = _dataset(file, "bases", (n_rows, bytes_for_bases(length)), "u1")
            labels_out = _dataset(file, "labels", (n_rows, bytes_for_labels(len(names))), "u1")
            unknown = _write_blocks(path, codes, labels, bases_out, labels_out)
            contents = Contents(
                length=length,
                bases=bases_out,
                unknown=unknown,
                labels=labels_out,
                names=tuple(names),
                groups=tuple(groups),
                contig_names=tuple(contig_names),
                contigs=contigs.astype(np.int32),
                starts=starts.astype(np.int64),
                splits=splits.astype(np.uint8),
                provenance={
                    **provenance,
                    "channel_order": "ACGT",
                    "genotools": genotools.__version__,
                },
                digest="",
            )
            return _write_rest(file, contents)
    except OSError as error:
        if error.errno is None:  # HDF5 refused, not the system
            raise
        raise DataError(f"{path}: it could not be written: {os.strerror(error.errno)}.") from error


def _write_blocks(
    path: Path, codes: RowSource, labels: RowSource, bases_out: h5py.Dataset, labels_out: h5py.Dataset
) -> NDArray[np.int64]:
    """Pack and write bases and labels; return the unknown bases as ``row * L + position``."""
    n_rows, length = codes.shape
    unknown = [np.zeros(0, dtype=np.int64)]
    for first in range(0, n_rows, _BLOCK_ROWS):
        block = slice(first, min(first + _BLOCK_ROWS, n_rows))
        block_codes, block_labels = codes[block], labels[block]
        if block_codes.max(initial=0) > UNKNOWN:
            raise DataError(f"{path}: base codes are 0 to 4, found {block_codes.max()} after row {first}.")
        if block_labels.max(initial=0) > 1:
            raise DataError(f"{path}: labels are 0 or 1, found {block_labels.max()} after row {first}.")
        if bases_out.size:
            bases_out[block] = _packed_bases(block_codes)
        if labels_out.size:
            labels_out[block] = np.packbits(block_labels, axis=1, bitorder="little")
        unknown.append(np.flatnonzero(block_codes == UNKNOWN) + first * length)
    return np.concatenate(unknown)


def _packed_bases(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    n_rows, length = codes.shape
    padded = np.zeros((n_rows, bytes_for_bases(length) * 4), dtype=np.uint8)
    np.copyto(padded[:, :length], codes, where=codes != UNKNOWN)
    packed = padded[:, 0::4].copy()
    for offset in (1, 2, 3):
        packed |= padded[:, offset::4] << np.uint8(2 * offset)
    return packed


def _write_rest(file: h5py.File, contents: Contents) -> str:
    for name in ("unknown", "contigs", "starts", "splits"):
        array = getattr(contents, name)
        _dataset(file, name, array.shape, array.dtype.newbyteorder("<"))[...] = array
    for name in ("names", "groups", "contig_names"):
        _write_texts(file, name, getattr(contents, name))
    text = to_json(contents.provenance).encode()
    file.create_dataset(
        "provenance", data=text, dtype=h5py.string_dtype("utf-8", len(text)), track_times=False
    )
    digest = content_digest(contents)
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION
    file.attrs["length"] = contents.length
    file.attrs["digest"] = digest
    return digest


def _write_texts(file: h5py.File, name: str, texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    dtype = h5py.string_dtype("utf-8", max([1, *map(len, encoded)]))
    file.create_dataset(name, data=np.array(encoded, dtype=dtype), track_times=False)


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: Any) -> h5py.Dataset:
    return file.create_dataset(name, shape=shape, dtype=dtype, track_times=False)


def _check_shapes(
    path: Path,
    codes: RowSource,
    labels: RowSource,
    n_by_text: Mapping[str, int],
    columns: Sequence[NDArray[np.integer[Any]]],
) -> None:
    n_rows = len(columns[-1])
    faults = []
    if len(codes.shape) != 2 or codes.shape[0] != n_rows or codes.shape[1] < 1:
        faults.append(f"codes have shape {codes.shape}, ({n_rows}, length) was expected")
    if len(labels.shape) != 2 or labels.shape[0] != n_rows:
        faults.append(f"labels have shape {labels.shape}, ({n_rows}, labels) was expected")
    else:
        faults += [
            f"{n} {text} for {labels.shape[1]} labels"
            for text, n in n_by_text.items()
            if n != labels.shape[1]
        ]
    faults += [f"a column has shape {column.shape}, ({n_rows},) was expected" for column in columns
               if column.shape != (n_rows,)]  # fmt: skip
    if faults:
        raise DataError.from_faults(path, faults)


def _check_splits_and_contigs(
    path: Path, splits: NDArray[np.integer[Any]], contigs: NDArray[np.integer[Any]], n_contigs: int
) -> None:
    if splits.size and not 0 <= splits.min() <= splits.max() < len(SPLITS):
        raise DataError(f"{path}: splits are 0 to {len(SPLITS) - 1}, found {splits.min()} to {splits.max()}.")
    if contigs.size and not -1 <= contigs.min() <= contigs.max() < n_contigs:
        raise DataError(f"{path}: contigs point outside the {n_contigs} contig names.")
