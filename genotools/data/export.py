"""A store as files that other tools read: one-hot HDF5, a numpy archive, or FASTA."""

import gzip
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import decode, one_hot
from genotools.data.hdf5_writing import writing_hdf5
from genotools.data.store import SequenceStore
from genotools.files import check_output, replacing

__all__ = ["ExportKind", "export_store"]

ExportKind = Literal["h5", "npz", "fasta"]
BLOCK_ROWS = 1024


def export_store(
    store: SequenceStore,
    output: Path | str,
    kind: ExportKind,
    *,
    split: str | None = None,
    force: bool = False,
) -> int:
    """Write the rows of a store, or of one of its splits, and return how many; memory does not grow with them.

    Parameters
    ----------
    store
        An open store.
    output
        The file; FASTA is compressed where it ends with ``.gz``.
    kind
        ``h5``: ``x`` one-hot ``(N, 4, L)`` uint8, channels A, C, G, T, and ``y`` ``(N, K)`` as the store gives its
        labels, both gzipped, and ``names``. ``npz``: ``codes`` ``(N, L)``, ``labels`` ``(N, K)``, ``names``.
        ``fasta``: one record a window, named by its place, its labels in the description.
    split
        ``train``, ``valid`` or ``test``; all rows without it.
    force
        Replace what lies at ``output``.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    ValueError
        If there is no such split.
    """
    path = check_output(output, force=force)
    rows = np.arange(len(store)) if split is None else store.rows(split)
    writers: dict[ExportKind, Callable[[SequenceStore, NDArray[np.int64], Path], None]] = {
        "h5": _h5,
        "npz": _npz,
        "fasta": partial(_fasta, is_gzip=path.suffix == ".gz"),
    }
    with replacing(path) as temporary:
        writers[kind](store, rows, temporary)
    return len(rows)


def _blocks(rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for first in range(0, len(rows), BLOCK_ROWS):
        yield first, rows[first : first + BLOCK_ROWS]


def _label_type(store: SequenceStore) -> np.dtype[Any]:
    return store.labels([]).dtype


def _description(store: SequenceStore, labels: NDArray[Any]) -> str:
    """Return the labels of a row in words: their names, or names with values where those are measured."""
    if labels.dtype.kind == "f":
        return ";".join(f"{store.names[i]}={labels[i]:g}" for i in np.flatnonzero(~np.isnan(labels)))
    return ";".join(store.names[label] for label in np.flatnonzero(labels))


def _h5(store: SequenceStore, rows: NDArray[np.int64], path: Path) -> None:
    n, n_labels = len(rows), len(store.names)
    with writing_hdf5(path) as file:
        options = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if n else {}
        x = file.create_dataset("x", (n, 4, store.length), "u1", **options)
        y = file.create_dataset("y", (n, n_labels), _label_type(store), **(options if n_labels else {}))
        file.create_dataset("names", data=list(store.names), dtype=h5py.string_dtype())
        file.attrs["channels"], file.attrs["store"] = "ACGT", store.digest
        for first, block in _blocks(rows):
            here = slice(first, first + len(block))
            x[here], y[here] = one_hot(store.codes(block)).astype(np.uint8), store.labels(block)


def _npz(store: SequenceStore, rows: NDArray[np.int64], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, width, dtype in (
            ("codes", store.length, np.dtype(np.uint8)),
            ("labels", len(store.names), _label_type(store)),
        ):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                descr = np.lib.format.dtype_to_descr(dtype)
                header = {"descr": descr, "fortran_order": False, "shape": (len(rows), width)}
                np.lib.format.write_array_header_1_0(member, header)
                for _, block in _blocks(rows):
                    member.write((store.codes(block) if name == "codes" else store.labels(block)).tobytes())
        with archive.open("names.npy", "w") as member:
            np.lib.format.write_array(member, np.array(store.names, dtype=np.str_), allow_pickle=False)


def _fasta(store: SequenceStore, rows: NDArray[np.int64], path: Path, *, is_gzip: bool) -> None:
    with path.open("wb") as plain:
        if is_gzip:
            # Without a time, so that equal stores give equal files.
            with gzip.GzipFile(fileobj=plain, mode="wb", filename="", mtime=0) as packed:
                _write_records(store, rows, packed)
        else:
            _write_records(store, rows, plain)


def _write_records(store: SequenceStore, rows: NDArray[np.int64], file: "IO[bytes] | gzip.GzipFile") -> None:
    for _, block in _blocks(rows):
        codes, labels, where = store.codes(block), store.labels(block), store.coordinates(block)
        for index, row in enumerate(block):
            place = (
                f"{where.contigs[index]}:{where.starts[index]}-{where.ends[index]}"
                if where.contigs[index]
                else f"row_{row}"
            )
            file.write(
                f">{place} {_description(store, labels[index])}".rstrip().encode()
                + b"\n"
                + decode(codes[index]).encode()
                + b"\n"
            )
