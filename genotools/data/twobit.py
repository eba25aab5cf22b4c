"""Reference sequences from UCSC's 2bit files: four bases a byte, and blocks of unknown ones apart.

Read without the C library for it, which a damaged file takes down together with the whole program.
Reference: https://genome.ucsc.edu/FAQ/FAQformat.html#format7
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genotools.data.binary_file import BinaryFile
from genotools.data.encoding import BASES, UNKNOWN
from genotools.data.fasta import Fasta, near_names
from genotools.errors import DataError

__all__ = ["TwoBit", "is_two_bit", "open_sequences"]

_ORDERS = {b"\x43\x27\x41\x1a": "<", b"\x1a\x41\x27\x43": ">"}
"""Byte order by the first four bytes."""

# The bases of a byte, the first in its highest bits; 0 to 3 stand for T, C, A, G.
_CODE_OF_BITS = np.array([BASES.index(base) for base in "TCAG"], dtype=np.uint8)
_CODES_OF_BYTE = _CODE_OF_BITS[np.stack([np.arange(256) >> shift & 3 for shift in (6, 4, 2, 0)], axis=1)]


def is_two_bit(path: Path) -> bool:
    """Return whether a file begins as 2bit does; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _ORDERS
    except OSError:
        return False


def open_sequences(path: Path | str) -> "Fasta | TwoBit":
    """Open FASTA or 2bit, whichever it is; raises as the two do."""
    return TwoBit(path) if is_two_bit(Path(path)) else Fasta(path)


class _Record(NamedTuple):
    """Where the bases of a contig begin, and its unknown ones: starts and ends, ascending."""

    offset: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class TwoBit(BinaryFile):
    """Sequences of a 2bit file by contig and position; soft-masked bases are bases.

    Not to be shared between processes: each opens its own.

    Raises
    ------
    DataError
        If the file is damaged.
    """

    format_name = "2bit"

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        try:
            self._order = _ORDERS.get(self._bytes(0, 4), "<")
            self._offsets = self._index()
            lengths = {name: self._words(offset, 1)[0] for name, offset in self._offsets.items()}
            if sum(lengths.values()) > 4 * self._size:
                raise self._damage("it would hold more bases than fit into it")
        except DataError:
            self.close()
            raise
        self._records: dict[str, _Record] = {}
        self.contigs: Mapping[str, int] = MappingProxyType(lengths)

    def codes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        """Return base codes as :meth:`genotools.data.fasta.Fasta.codes` does."""
        if contig not in self.contigs:
            raise DataError(f"{self.path}: no contig {contig[:60]!r}. {near_names(contig, self.contigs)}")
        if end < start:
            raise ValueError(f"{contig}:{start}-{end}: the end lies before the start.")
        result = np.full(end - start, UNKNOWN, dtype=np.uint8)
        first, last = max(start, 0), min(end, self.contigs[contig])
        if first < last:
            result[first - start : last - start] = self._inside(contig, first, last)
        return result

    def genome(self, contigs: Iterable[str] | None = None) -> dict[str, NDArray[np.uint8]]:
        """Return whole contigs (all, or those named) as codes in memory, one byte a base."""
        names = self.contigs if contigs is None else contigs
        return {name: self.codes(name, 0, self.contigs.get(name, 0)) for name in names}

    def _index(self) -> dict[str, int]:
        """Return where the record of each contig begins."""
        version, n_contigs, _ = self._words(4, 3)
        if version > 1:
            raise self._damage(f"version {version}, 0 and 1 are read")
        width, place = 4 + 4 * version, 16  # version 1 has offsets of 8 bytes
        found: dict[str, int] = {}
        for _ in range(n_contigs):
            n_letters = self._bytes(place, 1)[0]
            name = self._bytes(place + 1, n_letters).decode("utf-8", errors="replace")
            if name in found:
                raise self._damage(f"contig {name!r} appears twice")
            found[name] = int(
                np.frombuffer(self._bytes(place + 1 + n_letters, width), f"{self._order}u{width}")[0]
            )
            place += 1 + n_letters + width
        return found

    def _inside(self, contig: str, first: int, last: int) -> NDArray[np.uint8]:
        record = self._records.get(contig) or self._records.setdefault(contig, self._record(contig))
        begin, end = first // 4, -(-last // 4)
        packed = np.frombuffer(self._bytes(record.offset + begin, end - begin), dtype=np.uint8)
        codes = _CODES_OF_BYTE[packed].reshape(-1)[first - 4 * begin : last - 4 * begin]
        for block in range(
            int(np.searchsorted(record.ends, first, side="right")), int(np.searchsorted(record.starts, last))
        ):
            codes[max(record.starts[block] - first, 0) : max(record.ends[block] - first, 0)] = UNKNOWN
        return codes

    def _record(self, contig: str) -> _Record:
        offset = self._offsets[contig] + 4
        n_blocks = self._words(offset, 1)[0]
        data = self._bytes(offset + 4, 8 * n_blocks)
        starts, lengths = np.frombuffer(data, f"{self._order}u4").astype(np.int64).reshape(2, n_blocks)
        ends = starts + lengths
        if (starts[1:] < ends[:-1]).any() or (len(ends) and ends[-1] > self.contigs[contig]):
            raise self._damage(f"the unknown bases of {contig!r} overlap or leave it")
        masked = offset + 4 + 8 * n_blocks  # bases in lower case are bases
        return _Record(masked + 8 + 8 * self._words(masked, 1)[0], starts, ends)

    def _words(self, offset: int, n: int) -> list[int]:
        return [int(word) for word in np.frombuffer(self._bytes(offset, 4 * n), f"{self._order}u4")]
