"""Writing a sequence store, block by block: in one step, or so that a killed conversion goes on.

A store in the making lies in ``NAME.partial``, beside it what is known of how far it is. Its datasets have their
place in the file from the beginning, so that a kill at any moment leaves an HDF5 file that can be written on.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

import genotools
from genotools.data._layout import (
    SPLITS,
    Contents,
    bytes_for_bases,
    content_digest,
)
from genotools.data._partial import PartialStore, UnknownBases
from genotools.data.encoding import UNKNOWN
from genotools.data.hdf5 import open_hdf5
from genotools.data.hdf5_writing import writing_hdf5
from genotools.data.label_layout import LabelLayout
from genotools.errors import DataError
from genotools.files import check_output, replacing, to_json
from genotools.formats import STORE
from genotools.genotype.task import TaskKind
from genotools.temporaries import temporary_file

__all__ = ["RowSource", "write_store", "write_store_resumably"]

_BLOCK_ROWS = 8192


class RowSource(Protocol):
    """Rows that come a slice at a time: an array, or something that makes them when asked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole, rows first."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
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
    kind: TaskKind = TaskKind.MULTILABEL,
    one_strand: bool = False,
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
        Shape ``(N, K)``: 0 or 1 (of classes one-hot), or values, NaN where nothing was measured.
    names, groups
        Of the K labels.
    kind, one_strand
        What they mean, and whether they hold for one strand only; see :class:`~genotools.genotype.task.Task`.
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
        If shapes do not agree, a code exceeds 4, a label is not of its kind, or the disk is full.
    """
    path = check_output(path, force=force)
    rest = _rest_of(path, codes, labels, names, groups, splits, contig_names, contigs, starts, provenance)
    rest = replace(rest, kind=TaskKind(kind), one_strand=one_strand)
    with replacing(path) as temporary, _named_faults(path):
        unknown = UnknownBases(None)
        places = _reserve(temporary, rest)
        _write_blocks(path, codes, labels, rest.label_layout, temporary, places, unknown)
        return _write_rest(temporary, replace(rest, unknown=unknown.read()))


def write_store_resumably(
    path: Path | str,
    *,
    codes: RowSource,
    labels: RowSource,
    names: Sequence[str],
    splits: NDArray[np.integer[Any]],
    provenance: Mapping[str, object],
    identity: Mapping[str, object],
    resume: bool = False,
    force: bool = False,
    on_rows: Callable[[int, int], None] = lambda n_done, n_rows: None,
) -> str:
    """Write a store that may take long; a store that was killed half-way ends byte for byte the same.

    The caller holds :func:`genotools.files.claimed_output` of ``path``: two that write at once would mix their rows.

    Parameters
    ----------
    path, codes, labels, names, splits, provenance, force
        As in :func:`write_store`.
    identity
        JSON values that tell what is written from anything else; a store is gone on with only where they agree.
    resume
        Go on with what lies beside ``path``, if anything does.
    on_rows
        Called with rows done and rows in all after every block; may raise to stop.

    Raises
    ------
    OutputExistsError, DataError
        As :func:`write_store`; and if something half-done lies there and ``resume`` was not asked for, or it belongs
        to other inputs.
    """
    path = check_output(path, force=force)
    rest = _rest_of(path, codes, labels, names, None, splits, (), None, None, provenance)
    partial = PartialStore(path, identity)
    first = partial.begin(resume=resume)
    unknown = UnknownBases(partial.unknown, n_known=partial.n_unknown)

    def keep(n_done: int) -> None:
        partial.save(n_done, unknown.flush())
        on_rows(n_done, len(splits))

    with partial.discarded_if_wrong(), _named_faults(path):
        places = _begin_again(partial.data, rest) if first else _reserve(partial.data, rest)
        _write_blocks(
            path, codes, labels, rest.label_layout, partial.data, places, unknown, first=first, on_block=keep
        )
        digest = _write_rest(partial.data, replace(rest, unknown=unknown.read()))
    partial.finish()
    return digest


def _rest_of(
    path: Path,
    codes: RowSource,
    labels: RowSource,
    names: Sequence[str],
    groups: Sequence[str] | None,
    splits: NDArray[np.integer[Any]],
    contig_names: Sequence[str],
    contigs: NDArray[np.integer[Any]] | None,
    starts: NDArray[np.integer[Any]] | None,
    provenance: Mapping[str, object],
) -> Contents:
    """Return a store without its bases and labels, once everything is found to fit together."""
    n_rows = len(splits)
    groups = [""] * len(names) if groups is None else groups
    contigs = np.full(n_rows, -1) if contigs is None else contigs
    starts = np.zeros(n_rows, dtype=np.int64) if starts is None else starts
    _check_shapes(
        path, codes, labels, {"names": len(names), "groups": len(groups)}, [contigs, starts, splits]
    )
    _check_splits_and_contigs(path, splits, contigs, len(contig_names))
    none = np.zeros((0, 0), dtype=np.uint8)
    return Contents(
        bases=none,
        labels=none,
        digest="",
        length=codes.shape[1],
        names=tuple(names),
        groups=tuple(groups),
        contig_names=tuple(contig_names),
        contigs=contigs.astype(np.int32),
        starts=starts.astype(np.int64),
        splits=splits.astype(np.uint8),
        provenance={**provenance, "channel_order": "ACGT", "genotools": genotools.__version__},
        unknown=np.zeros(0, dtype=np.int64),
    )


@contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    """Turn the system's faults, a full disk above all, into ones that name the store."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno is not None else str(error)
        raise DataError(f"{path}: it could not be written: {why}.") from error


Places = Mapping[str, int]
"""At which byte of the file a dataset begins."""


def _reserve(path: Path, rest: Contents) -> Places:
    """Make the file, give bases and labels their place in it, and return where that is."""
    layout = rest.label_layout
    shapes = {
        "bases": (len(rest.splits), bytes_for_bases(rest.length)),
        "labels": (len(rest.splits), layout.width),
    }
    dtypes = {"bases": np.dtype(np.uint8), "labels": layout.dtype.newbyteorder("<")}
    with writing_hdf5(path) as file:
        for name, shape in shapes.items():
            early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            file.create_dataset(name, shape=shape, dtype=dtypes[name], track_times=False, dcpl=early)
    return _places(path)


def _places(path: Path) -> Places:
    with open_hdf5(path) as file:
        return {name: file[name].id.get_offset() for name in ("bases", "labels") if file[name].size}


def _begin_again(path: Path, rest: Contents) -> Places:
    """Make a file that holds rows what :func:`_reserve` had made of it, but for its rows; return their places.

    Its end may have been written in part when it was stopped, and with it HDF5's own numbers all over the file.
    """
    with temporary_file(path) as empty:
        places = _reserve(empty, rest)  # takes no room: nothing is written to the places
        with open_hdf5(empty) as file:
            taken = sorted((place, place + file[name].nbytes) for name, place in places.items())
        n_bytes = empty.stat().st_size
        os.truncate(path, n_bytes)
        with empty.open("rb") as source, path.open("r+b") as target:
            for begin, end in zip(
                [0, *(end for _, end in taken)], [*(at for at, _ in taken), n_bytes], strict=True
            ):
                source.seek(begin)
                target.seek(begin)
                target.write(source.read(end - begin))
    return places


def _write_blocks(
    path: Path,
    codes: RowSource,
    labels: RowSource,
    layout: LabelLayout,
    data: Path,
    places: Places,
    unknown: UnknownBases,
    *,
    first: int = 0,
    on_block: Callable[[int], None] = lambda n_done: None,
) -> None:
    """Pack and write bases and labels from row ``first`` on; note the unknown bases as ``row * L + position``.

    The bytes go to their places without HDF5, which is only opened before and after: so the file is the same however
    often this was stopped.
    """
    n_rows, length = codes.shape
    with data.open("r+b") as file:
        for start in range(first, n_rows, _BLOCK_ROWS):
            block = slice(start, min(start + _BLOCK_ROWS, n_rows))
            block_codes, block_labels = codes[block], labels[block]
            if block_codes.max(initial=0) > UNKNOWN:
                raise DataError(
                    f"{path}: base codes are 0 to 4, found {block_codes.max()} after row {start}."
                )
            packed = {
                "bases": _packed_bases(block_codes),
                "labels": layout.pack(block_labels, where=f"{path}: after row {start}"),
            }
            for name, place in places.items():
                array = packed[name]
                file.seek(place + start * array.shape[1] * array.itemsize)
                file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
            file.flush()
            unknown.add(np.flatnonzero(block_codes == UNKNOWN) + start * length)
            on_block(block.stop)


def _packed_bases(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    n_rows, length = codes.shape
    padded = np.zeros((n_rows, bytes_for_bases(length) * 4), dtype=np.uint8)
    np.copyto(padded[:, :length], codes, where=codes != UNKNOWN)
    packed = padded[:, 0::4].copy()
    for offset in (1, 2, 3):
        packed |= padded[:, offset::4] << np.uint8(2 * offset)
    return packed


def _write_rest(path: Path, rest: Contents) -> str:
    """Add everything but bases and labels; return the digest."""
    with writing_hdf5(path, "r+") as file:
        for name in ("unknown", "contigs", "starts", "splits"):
            array = getattr(rest, name)
            dtype = array.dtype.newbyteorder("<")
            file.create_dataset(name, shape=array.shape, dtype=dtype, track_times=False)[...] = array
        for name in ("names", "groups", "contig_names"):
            _write_texts(file, name, getattr(rest, name))
        text = to_json(rest.provenance).encode()
        file.create_dataset(
            "provenance", data=text, dtype=h5py.string_dtype("utf-8", len(text)), track_times=False
        )
        digest = content_digest(replace(rest, bases=file["bases"], labels=file["labels"]))
        file.attrs["format"], file.attrs["version"] = STORE.name, rest.version
        file.attrs["genotools_version"] = genotools.__version__
        if rest.version == 2:
            file.attrs["task"] = str(rest.kind)
            file.attrs["one_strand"] = rest.one_strand
        file.attrs["length"] = rest.length
        file.attrs["digest"] = digest
    return digest


def _write_texts(file: h5py.File, name: str, texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    dtype = h5py.string_dtype("utf-8", max([1, *map(len, encoded)]))
    file.create_dataset(name, data=np.array(encoded, dtype=dtype), track_times=False)


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
