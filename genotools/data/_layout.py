"""The HDF5 layout of a sequence store: reading with every check, and the digest of its content.

Version 1 holds yes-or-no labels. Version 2 is the same with labels of another kind, and says which.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.data.hdf5 import (
    HDF5_ERRORS,
    foreign_parts,
    odd_attributes,
    open_hdf5,
    plain_attributes,
    text_of,
    texts_of,
)
from genotools.data.label_layout import MAX_CLASSES, LabelLayout
from genotools.errors import DataError
from genotools.files import MAX_JSON_BYTES, check_ordinary, parse_json
from genotools.formats import STORE
from genotools.genotype.macro import MAX_LENGTH_BP
from genotools.genotype.task import MAX_OUTPUTS, TaskKind

__all__ = [
    "SPLITS",
    "Contents",
    "bytes_for_bases",
    "combined_digest",
    "content_digest",
    "is_store",
    "read_contents",
]

SPLITS = ("train", "valid", "test")
DTYPES = {
    "bases": "uint8",
    "unknown": "int64",
    "contigs": "int32",
    "starts": "int64",
    "splits": "uint8",
}
TEXTS = ("names", "groups", "contig_names")
MAX_ROWS = 1_000_000_000
MAX_CONTIGS = 10_000_000
_HASH_BLOCK_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The arrays of one store as they lie in the file; ``bases`` and ``labels`` are memory maps."""

    length: int
    bases: NDArray[np.uint8]
    unknown: NDArray[np.int64]
    labels: NDArray[Any]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    contig_names: tuple[str, ...]
    contigs: NDArray[np.int32]
    starts: NDArray[np.int64]
    splits: NDArray[np.uint8]
    provenance: dict[str, Any]
    digest: str
    kind: TaskKind = TaskKind.MULTILABEL
    one_strand: bool = False

    @property
    def label_layout(self) -> LabelLayout:
        """How the labels lie in the file."""
        return LabelLayout(self.kind, len(self.names))

    @property
    def version(self) -> int:
        """Of the layout: the lowest that can hold this."""
        return 1 if self.kind is TaskKind.MULTILABEL and not self.one_strand else 2


def bytes_for_bases(length: int) -> int:
    """Return the bytes that a row of ``length`` bases takes."""
    return -(-length // 4)


def read_contents(path: Path) -> Contents:
    """Read and check a store; see :meth:`genotools.data.store.SequenceStore.open`."""
    check_ordinary(path)
    try:
        with open_hdf5(path) as file:
            _check_kind(path, file)
            faults = foreign_parts(file) or _structural_faults(file)
            if faults:
                raise DataError.from_faults(path, faults)
            contents = _read(path, file)
    except DataError:
        raise
    except HDF5_ERRORS as error:
        raise _unreadable(path, error) from error
    faults = _value_faults(contents)
    if faults:
        raise DataError.from_faults(path, faults)
    return contents


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return DataError(f"{path}: {os.strerror(error.errno)}.")
    if not path.is_file():
        return DataError(f"{path}: no such file.")
    if not h5py.is_hdf5(path):
        return DataError(f"{path}: not an HDF5 file, so not a sequence store.")
    return DataError(f"{path}: the HDF5 file is damaged or cut off ({error}).")


def is_store(file: h5py.File) -> bool:
    """Say whether an HDF5 file calls itself a sequence store, of whatever version."""
    return str(plain_attributes(file).get("format")) == STORE.name


def _check_kind(path: Path, file: h5py.File) -> None:
    if not is_store(file):
        raise DataError(
            f"{path}: HDF5, but not a sequence store (no attribute format={STORE.name!r}); it holds "
            f"{', '.join(sorted(file)[:10]) or 'nothing'}."
        )
    if odd := odd_attributes(file):
        raise DataError(f"{path}: attribute {odd[0]!r} is neither a number nor a text.")
    STORE.check_attributes(file.attrs, where=path)


def _structural_faults(file: h5py.File) -> list[str]:
    datasets = (*DTYPES, "labels", *TEXTS, "provenance")
    attributes = ("length", "digest", *(("task", "one_strand") if file.attrs["version"] == 2 else ()))
    faults = [f"dataset {name!r} is missing" for name in datasets if name not in file]
    faults += [f"attribute {name!r} is missing" for name in attributes if name not in file.attrs]
    if faults:
        return faults
    length = file.attrs["length"]
    if not isinstance(length, int | np.integer) or not 1 <= length <= MAX_LENGTH_BP:
        return [
            f"attribute 'length' is {length}, a whole number of bases up to {MAX_LENGTH_BP:,} was expected"
        ]
    if any(not isinstance(file[name], h5py.Dataset) for name in datasets):
        return ["groups where datasets were expected"]
    if any(file[name].shape is None for name in datasets):
        return ["datasets without a shape"]
    if "task" in attributes and str(file.attrs["task"]) not in set(TaskKind):
        return [f"attribute 'task' is {file.attrs['task']!r}, one of {', '.join(TaskKind)} was expected"]
    n_rows, n_labels = file["splits"].size, file["names"].size
    labels = LabelLayout(_kind_of(file), n_labels)
    faults += _excesses(n_rows, labels, file["contig_names"].size)
    shapes: dict[str, tuple[int, ...]] = {
        "bases": (n_rows, bytes_for_bases(int(length))),
        "unknown": (file["unknown"].size,),
        "labels": (n_rows, labels.width),
        "names": (n_labels,),
        "groups": (n_labels,),
        "contig_names": (file["contig_names"].size,),
        "contigs": (n_rows,),
        "starts": (n_rows,),
        "splits": (n_rows,),
        "provenance": (),
    }
    dtypes = {**DTYPES, "labels": labels.dtype.name}
    for name, shape in shapes.items():
        dataset = file[name]
        if dataset.shape != shape:
            faults.append(f"{name} has shape {dataset.shape}, {shape} was expected")
        if name in dtypes and dataset.dtype != np.dtype(dtypes[name]).newbyteorder("<"):
            faults.append(f"{name} is {dataset.dtype}, {dtypes[name]} was expected")
        if name not in dtypes and h5py.check_string_dtype(dataset.dtype) is None:
            faults.append(f"{name} is {dataset.dtype}, text was expected")
        if dataset.chunks is not None or dataset.external or dataset.is_virtual:
            faults.append(f"{name} is not contiguous in the file, so it cannot be memory-mapped")
    return faults


def _excesses(n_rows: int, labels: LabelLayout, n_contigs: int) -> list[str]:
    """Return a fault for everything that there is too much of."""
    max_labels = MAX_CLASSES if labels.kind is TaskKind.MULTICLASS else MAX_OUTPUTS
    counts = (
        ("rows", n_rows, MAX_ROWS),
        ("labels", labels.n_labels, max_labels),
        ("contigs", n_contigs, MAX_CONTIGS),
    )
    return [f"{n:,} {what}, at most {most:,} are read" for what, n, most in counts if n > most]


def _kind_of(file: h5py.File) -> TaskKind:
    return TaskKind(str(file.attrs["task"])) if file.attrs["version"] == 2 else TaskKind.MULTILABEL


def _read(path: Path, file: h5py.File) -> Contents:
    text = text_of(file["provenance"], MAX_JSON_BYTES)
    provenance = parse_json(text, where=f"{path}: provenance")
    if not isinstance(provenance, dict):
        raise DataError(f"{path}: provenance is not a JSON object.")
    return Contents(
        length=int(file.attrs["length"]),
        bases=_mapped(path, file["bases"]),
        unknown=file["unknown"][()],
        labels=_mapped(path, file["labels"]),
        names=texts_of(file["names"]),
        groups=texts_of(file["groups"]),
        contig_names=texts_of(file["contig_names"]),
        contigs=file["contigs"][()],
        starts=file["starts"][()],
        splits=file["splits"][()],
        provenance=provenance,
        digest=str(file.attrs["digest"]),
        kind=_kind_of(file),
        one_strand=bool(file.attrs.get("one_strand", False)),
    )


def _mapped(path: Path, dataset: h5py.Dataset) -> NDArray[Any]:
    offset = dataset.id.get_offset()
    if dataset.size == 0 or offset is None:  # HDF5 gives no room to an empty dataset
        return np.zeros(dataset.shape, dtype=dataset.dtype)
    if offset + dataset.nbytes > path.stat().st_size:
        raise DataError(
            f"{path}: cut off: {dataset.name[1:]} should end at byte {offset + dataset.nbytes:,}."
        )
    # A plain ndarray over the map: indexing np.memmap itself costs Python calls in every batch.
    return np.asarray(np.memmap(path, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape))


def _value_faults(contents: Contents) -> list[str]:
    faults = []
    n_rows = len(contents.splits)
    if n_rows and contents.splits.max() >= len(SPLITS):
        faults.append(f"splits holds {contents.splits.max()}, 0 to {len(SPLITS) - 1} were expected")
    n_contigs = len(contents.contig_names)
    if n_rows and not -1 <= contents.contigs.min() <= contents.contigs.max() < n_contigs:
        faults.append(f"contigs points outside the {n_contigs} contig names")
    unknown = contents.unknown
    if unknown.size and not (
        unknown[0] >= 0 and unknown[-1] < n_rows * contents.length and (np.diff(unknown) > 0).all()
    ):
        faults.append("unknown is not ascending, or points outside the rows")
    return faults


def combined_digest(
    length: int, texts: Sequence[Sequence[str]], array_digests: dict[str, str], task: dict[str, object]
) -> str:
    """Return the store's digest from its texts, the SHA-256 of each of its arrays, and what version 2 adds."""
    document = {"length": length, "texts": [list(text) for text in texts], "arrays": array_digests, **task}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def content_digest(contents: Contents) -> str:
    """Return the digest over everything but the provenance; it reads every byte once."""
    arrays = {name: getattr(contents, name) for name in (*DTYPES, "labels")}
    texts = (contents.names, contents.groups, contents.contig_names)
    task: dict[str, object] = {}
    if contents.version == 2:
        task = {"task": str(contents.kind), "one_strand": contents.one_strand}
    return combined_digest(
        contents.length, texts, {name: _sha256(array) for name, array in arrays.items()}, task
    )


def _sha256(array: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for first in range(0, len(array), _HASH_BLOCK_ROWS):
        block = array[first : first + _HASH_BLOCK_ROWS]
        digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
