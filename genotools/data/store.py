"""The sequence store: one HDF5 file of windows, labels, coordinates and splits.

Bases take two bits and labels one, both in contiguous uncompressed datasets that are read through a memory
map: a batch costs what it touches, nothing is decompressed, and several processes share the same pages.

Layout, version 1 (N rows of L bp, K labels; HDF5 attributes ``format``, ``version``, ``length``, ``digest``):

============== ================== ====================================================================
dataset        dtype, shape       content
============== ================== ====================================================================
bases          uint8 (N, ⌈L/4⌉)   base ``i`` in bits ``2 (i % 4)`` upward of byte ``i // 4``
unknown        int64 (U,)         unknown bases as ``row * L + position``, ascending; their bits are 0
labels         uint8 (N, ⌈K/8⌉)   label ``k`` in bit ``k % 8`` of byte ``k // 8``; of version 2: see below
names, groups  UTF-8 (K,)         label names, and the groups they belong to (empty: none)
contig_names   UTF-8 (C,)
contigs        int32 (N,)         index into ``contig_names``; -1 where a row has no coordinates
starts         int64 (N,)         0-based start of the window; negative where it begins before the contig
splits         uint8 (N,)         0 train, 1 valid, 2 test
provenance     UTF-8 scalar       JSON object: sources, recipe, genome, channel order, genotools version
============== ================== ====================================================================

Version 2 is written where labels are no yes-or-no labels, or hold for one strand: it has the attributes ``task``
(a :class:`~genotools.genotype.task.TaskKind`) and ``one_strand``, and labels as in
:mod:`genotools.data.label_layout`.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genotools.data._layout import SPLITS, Contents, content_digest, read_contents
from genotools.data.encoding import UNKNOWN
from genotools.errors import DataError
from genotools.genotype.task import Task

__all__ = ["SPLITS", "Coordinates", "PackedRows", "SequenceStore"]

# Four codes at once: the byte's value to the four bytes of a little-endian uint32.
_CODES_OF_BYTE = np.ascontiguousarray(
    np.stack([np.arange(256) >> shift & 3 for shift in (0, 2, 4, 6)], axis=1).astype(np.uint8)
).view("<u4")[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Where windows lie in the genome: contig name (empty: nowhere) and 0-based half-open range, each (n,)."""

    contigs: NDArray[np.str_]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRows:
    """n rows as they are stored.

    ``bases`` ``(n, ⌈L/4⌉)`` uint8; ``labels`` as in :mod:`genotools.data.label_layout`; ``unknown`` bases
    ``(U,)`` as ``i * L + position`` of the i-th of these rows, ascending.
    """

    bases: NDArray[np.uint8]
    labels: NDArray[Any]
    unknown: NDArray[np.int64]


class SequenceStore:
    """Read access to a store. Made by :meth:`open`; pickling sends the path, the other side opens it anew.

    Examples
    --------
    >>> with SequenceStore.open("yeast.h5") as store:  # doctest: +SKIP
    ...     rows = store.rows("train")[:100]
    ...     codes, labels = store.codes(rows), store.labels(rows)
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self.path = path
        self._contents: Contents | None = contents

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a store and check all of its structure; the bases and labels themselves are not read.

        Raises
        ------
        DataError
            If the file is missing, cut off, not HDF5, another kind of HDF5, of another version, or has wrong
            shapes, dtypes or values; all faults are listed at once.
        """
        path = Path(path)
        return cls(path, read_contents(path))

    def close(self) -> None:
        """Let go of the memory map."""
        self._contents = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).open, (self.path,))

    def __len__(self) -> int:
        return len(self._open.splits)

    def __repr__(self) -> str:
        return f"SequenceStore({str(self.path)!r})"

    @property
    def length(self) -> int:
        """Length of every window in bp."""
        return self._open.length

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K labels, in order; they need not be distinct."""
        return self._open.names

    @property
    def groups(self) -> tuple[str, ...]:
        """Group of every label; empty text where it has none."""
        return self._open.groups

    @property
    def task(self) -> Task:
        """What a network that learns from this predicts."""
        contents = self._open
        return Task(len(contents.names), contents.kind, names=contents.names, one_strand=contents.one_strand)

    @property
    def row_bytes(self) -> int:
        """Bytes that bases and labels of a row take in the file."""
        return int(self._open.bases.shape[1]) + self._open.label_layout.row_bytes

    @property
    def contig_names(self) -> tuple[str, ...]:
        """Names of the contigs that windows come from."""
        return self._open.contig_names

    @property
    def provenance(self) -> dict[str, Any]:
        """How the store was made: sources with their sha256, recipe, genome, channel order, version."""
        return dict(self._open.provenance)

    @property
    def digest(self) -> str:
        """SHA-256 over everything but the provenance, as stored; :meth:`verify` computes it anew."""
        return self._open.digest

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of ``train``, ``valid`` or ``test``, ascending.

        Raises
        ------
        ValueError
            If ``split`` is none of the three.
        """
        if split not in SPLITS:
            raise ValueError(f"no split {split!r}; there are {', '.join(SPLITS)}.")
        return np.flatnonzero(self._open.splits == SPLITS.index(split))

    def codes(self, rows: ArrayLike) -> NDArray[np.uint8]:
        """Return base codes of the given rows, shape ``(n, length)``.

        Raises
        ------
        IndexError
            If a row is negative or not below ``len(self)``.
        """
        contents = self._open
        wanted = self._checked(rows)
        codes = _CODES_OF_BYTE[contents.bases[wanted]].view(np.uint8)[:, : contents.length]
        if contents.unknown.size:
            codes[self._unknown_in(wanted)] = UNKNOWN
        return codes

    def labels(self, rows: ArrayLike) -> NDArray[Any]:
        """Return the labels of the given rows, shape ``(n, K)``; raises like :meth:`codes`.

        0 or 1 as uint8 (classes one-hot), or float32 for values and counts, NaN where nothing was measured.
        """
        contents = self._open
        return contents.label_layout.unpack(contents.labels[self._checked(rows)])

    def packed(self, rows: ArrayLike) -> PackedRows:
        """Return the given rows as they are stored, to be decoded elsewhere; raises like :meth:`codes`."""
        contents, wanted = self._open, self._checked(rows)
        row, position = self._unknown_in(wanted)
        return PackedRows(
            bases=contents.bases[wanted],
            labels=contents.labels[wanted],
            unknown=np.sort(row * contents.length + position),
        )

    def coordinates(self, rows: ArrayLike) -> Coordinates:
        """Return where the windows of the given rows lie; raises like :meth:`codes`."""
        contents = self._open
        wanted = self._checked(rows)
        names = np.array([*contents.contig_names, ""], dtype=np.str_)  # index -1 is the empty name
        starts = contents.starts[wanted]
        return Coordinates(
            contigs=names[contents.contigs[wanted]], starts=starts, ends=starts + contents.length
        )

    def verify(self) -> None:
        """Read everything and compare with the stored digest.

        Raises
        ------
        DataError
            If the content is no longer what was written.
        """
        found = content_digest(self._open)
        if found != self.digest:
            raise DataError(
                f"{self.path}: damaged: its content has digest {found}, {self.digest} was written."
            )

    @property
    def _open(self) -> Contents:
        if self._contents is None:
            raise ValueError(f"{self.path} is closed.")
        return self._contents

    def _checked(self, rows: ArrayLike) -> NDArray[np.int64]:
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} asked for; {self.path} has {len(self)}.")
        return wanted

    def _unknown_in(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the unknown bases of ``rows``: which of them, and the position there."""
        unknown, length = self._open.unknown, self._open.length
        first = np.searchsorted(unknown, rows * length)
        counts = np.searchsorted(unknown, (rows + 1) * length) - first
        # The k-th unknown base of output row i is unknown[first[i] + k].
        output_row = np.repeat(np.arange(rows.size), counts)
        within = np.arange(output_row.size) - np.repeat(np.cumsum(counts) - counts, counts)
        return output_row, unknown[first[output_row] + within] % length
