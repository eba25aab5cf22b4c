"""What a file is: store, FASTA, BED, DeepSEA's MATLAB, other HDF5, or numpy archive, by content and not by name."""

import io
import lzma
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from genotools.data._layout import SPLITS, is_store
from genotools.data.bed import read_bed, read_text
from genotools.data.encoding import decode
from genotools.data.from_deepsea import channel_order_of, is_doubled
from genotools.data.hdf5 import HDF5_ERRORS, odd_attributes, open_hdf5, plain_attributes
from genotools.data.mat import open_mat
from genotools.data.mat5 import is_mat5, scan
from genotools.data.signal import bigwig_contents, is_bigwig
from genotools.data.store import SequenceStore
from genotools.data.twobit import is_two_bit, open_sequences
from genotools.errors import DataError
from genotools.files import check_ordinary

__all__ = ["FileReport", "inspect_file"]

Kind = Literal["store", "mat", "hdf5", "npz", "npy", "fasta", "2bit", "bed", "bigwig"]
_N_PREVIEW = 5
_PREVIEW_BP = 60
_N_SAMPLED = 1000

MAX_HEAD_BYTES = 20_000
"""Of an array in a numpy archive; numpy itself reads heads of 10,000 characters at most."""

NUMPY_ERRORS = (
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
"""What numpy raises of damaged files, whose heads are Python literals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was found: the kind in a word and a sentence, named facts, a table of parts, a few first rows."""

    path: Path
    kind: Kind
    title: str
    facts: dict[str, str | int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    parts: tuple[tuple[str | int, ...], ...] = ()
    preview: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "title": self.title,
            "facts": self.facts,
            "parts": [dict(zip(self.columns, part, strict=True)) for part in self.parts],
            "preview": list(self.preview),
        }


def inspect_file(path: Path | str) -> FileReport:
    """Say what a file is and what it holds, by its first bytes.

    Raises
    ------
    DataError
        If it is missing, empty, of no kind known here, or damaged.
    """
    path = check_ordinary(path)  # it is opened more than once, and read by place
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error
    if not head:
        raise DataError(f"{path}: the file is empty.")
    if h5py.is_hdf5(path):
        try:
            return _hdf5(path)
        except DataError:
            raise
        except HDF5_ERRORS as error:
            raise DataError(f"{path}: the HDF5 file is damaged or cut off ({error}).") from error
    if is_mat5(path):
        return _mat(path) or _mat_arrays(path)
    if head.startswith(b"\x93NUMPY"):
        return _npy(path)
    if zipfile.is_zipfile(path):
        return _npz(path)
    if is_bigwig(path):
        return _bigwig(path)
    return _sequences(path) if is_two_bit(path) else _text(path)


def _hdf5(path: Path) -> FileReport:
    with open_hdf5(path) as file:
        if not is_store(file):
            return _mat(path) or _other_hdf5(path, file)
    with SequenceStore.open(path) as store:
        rows = np.arange(min(len(store), _N_PREVIEW))
        where = store.coordinates(rows)
        codes = store.codes(rows)
        n_labels = (np.nan_to_num(store.labels(rows)) != 0).sum(axis=1)
        preview = [
            f"{where.contigs[row] or '-'}:{where.starts[row]}-{where.ends[row]}  {n_labels[row]} labels  "
            f"{decode(codes[row, :_PREVIEW_BP])}{'...' if store.length > _PREVIEW_BP else ''}"
            for row in rows
        ]
        return FileReport(
            path=path,
            kind="store",
            title=f"sequence store of {len(store):,} windows of {store.length:,} bp with {len(store.names)} labels",
            facts={
                **{f"{split} rows": store.rows(split).size for split in SPLITS},
                "labels": str(store.task.kind) + (", of the strand given" if store.task.one_strand else ""),
                "genome": str(store.provenance.get("genome", "unknown")),
                "channel order": str(store.provenance.get("channel_order", "ACGT")),
                "digest": store.digest,
            },
            columns=("index", "label", "group"),
            parts=tuple(
                (index, name, group)
                for index, (name, group) in enumerate(zip(store.names, store.groups, strict=True))
            ),
            preview=tuple(preview),
        )


def _mat(path: Path) -> FileReport | None:
    """Return what DeepSEA-like windows and labels there are; None where the arrays are others."""
    try:
        rows = open_mat(path)
    except DataError:
        return None
    try:
        order = channel_order_of(rows)
        sample = slice(0, min(rows.n_rows, _N_SAMPLED))
        rate = float(rows.labels(sample).mean()) if rows.n_labels and rows.n_rows else float("nan")
        shown = order or "AGCT"
        preview = rows.codes(slice(0, min(rows.n_rows, _N_PREVIEW)))[:, :_PREVIEW_BP]
        letters = np.frombuffer(f"{shown}N".encode(), dtype=np.uint8)
        return FileReport(
            path=path,
            kind="mat",
            title=f"MATLAB file ({rows.kind}) of {rows.n_rows:,} one-hot windows of {rows.length:,} bp with "
            f"{rows.n_labels} labels",
            facts={
                "channel order": order or "not to be told; the preview takes DeepSEA's, AGCT",
                "strands": "second half is the other strand" if is_doubled(rows) else "one",
                "rows": rows.layout,
                f"labels set, first {sample.stop:,} rows": f"{rate:.2%}",
            },
            preview=tuple(letters[row].tobytes().decode() for row in preview),
        )
    finally:
        rows.close()


def _mat_arrays(path: Path) -> FileReport:
    arrays = scan(path)
    return FileReport(
        path=path,
        kind="mat",
        title=f"MATLAB v5 file with {len(arrays)} numeric arrays, not windows and labels",
        columns=("array", "shape", "dtype"),
        parts=tuple((array.name, str(array.shape), str(array.dtype)) for array in arrays),
    )


def _other_hdf5(path: Path, file: h5py.File) -> FileReport:
    parts: list[tuple[str | int, ...]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layout = "contiguous" if item.chunks is None else f"chunks {item.chunks} {item.compression or ''}"
            parts.append((_shown(name), str(item.shape), str(item.dtype), layout.strip()))

    file.visititems(visit)
    return FileReport(
        path=path,
        kind="hdf5",
        title=f"HDF5 file with {len(parts)} datasets, not a sequence store",
        facts={
            **{name: str(value)[:200] for name, value in plain_attributes(file).items()},
            **dict.fromkeys(odd_attributes(file), "neither a number nor a text"),
        },
        columns=("dataset", "shape", "dtype", "layout"),
        parts=tuple(parts),
    )


def _shown(name: str | bytes) -> str:
    """Return a name in an HDF5 file, which is bytes where it is no text."""
    return name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name


def _npy(path: Path) -> FileReport:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except NUMPY_ERRORS as error:
        raise DataError(f"{path}: the numpy file is damaged or holds Python objects ({error}).") from error
    return FileReport(
        path=path,
        kind="npy",
        title="numpy array",
        facts={"shape": str(array.shape), "dtype": str(array.dtype)},
    )


def _npz(path: Path) -> FileReport:
    try:
        parts = tuple(_npz_parts(path))
    except (*NUMPY_ERRORS, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise DataError(f"{path}: the zip file is damaged or no numpy archive ({error}).") from error
    if not parts:
        raise DataError(f"{path}: a zip file without numpy arrays.")
    return FileReport(
        path=path,
        kind="npz",
        title=f"numpy archive with {len(parts)} arrays",
        columns=("array", "shape", "dtype"),
        parts=parts,
    )


def _npz_parts(path: Path) -> list[tuple[str | int, ...]]:
    """Read the headers alone: the arrays may be larger than memory."""
    parts: list[tuple[str | int, ...]] = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as member:
                head = io.BytesIO(member.read(MAX_HEAD_BYTES))
            if np.lib.format.read_magic(head) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(head)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(head)
            parts.append((name.removesuffix(".npy"), str(shape), str(dtype)))
    return parts


def _text(path: Path) -> FileReport:
    lines = [line for _, line in islice(read_text(path), 50)]
    first = next((line for line in lines if line.strip()), "")
    if first.startswith((">", ";")):
        return _sequences(path)
    if any(_looks_like_bed(line) for line in lines):
        return _bed(path, [line for line in lines if _looks_like_bed(line)][:_N_PREVIEW])
    raise DataError(
        f"{path}: no kind known here (sequence store, FASTA, 2bit, BED, bigWig, HDF5, .npy, .npz); it starts with "
        f"{first[:40]!r}."
    )


def _looks_like_bed(line: str) -> bool:
    fields = line.split("\t") if "\t" in line else line.split()
    return len(fields) >= 3 and fields[1].isdecimal() and fields[2].isdecimal()


def _bigwig(path: Path) -> FileReport:
    contigs, n_covered = bigwig_contents(path)
    return FileReport(
        path=path,
        kind="bigwig",
        title=f"bigWig over {len(contigs):,} contigs, {sum(contigs.values()):,} bp",
        facts={"bases with a number": n_covered},
        columns=("contig", "bp"),
        parts=tuple(contigs.items()),
    )


def _sequences(path: Path) -> FileReport:
    with open_sequences(path) as fasta:
        kind = "2bit" if is_two_bit(path) else "FASTA"
        preview = [
            f">{name} {decode(fasta.codes(name, 0, min(_PREVIEW_BP, length)))}"
            for name, length in islice(fasta.contigs.items(), _N_PREVIEW)
        ]
        return FileReport(
            path=path,
            kind="2bit" if kind == "2bit" else "fasta",
            title=f"{kind} of {len(fasta.contigs):,} contigs, {sum(fasta.contigs.values()):,} bp",
            columns=("contig", "bp"),
            parts=tuple(fasta.contigs.items()),
            preview=tuple(preview),
        )


def _bed(path: Path, preview: list[str]) -> FileReport:
    regions = read_bed(path)
    widths = regions.intervals[:, 1] - regions.intervals[:, 0]
    return FileReport(
        path=path,
        kind="bed",
        title=f"BED of {len(regions):,} intervals",
        facts={
            "names in column 4": len(set(regions.names)) if regions.names else 0,
            "shortest bp": int(widths.min()),
            "median bp": int(np.median(widths)),
            "longest bp": int(widths.max()),
        },
        columns=("contig", "intervals"),
        parts=tuple((contig, len(intervals)) for contig, intervals in regions.by_contig().items()),
        preview=tuple(preview),
    )
