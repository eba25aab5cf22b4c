"""Signals from bigWig files: numbers of stretches of a genome, found through an index, packed in blocks.

Read without the C library for it, which a damaged file takes down together with the whole program. What a query reads
is bounded by the size of the file, and what it fills in by that of the stretch.

Reference: Kent et al., BigWig and BigBed: enabling browsing of large distributed datasets (2010), supplement.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.binary_file import BinaryFile
from genotools.errors import DataError

__all__ = ["BigWig", "is_bigwig"]

_ORDERS = {b"\x26\xfc\x8f\x88": "<", b"\x88\x8f\xfc\x26": ">"}
"""Byte order by the first four bytes."""
_BIG_BED = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")

_HEADER = (
    ("magic", "u4"),
    ("version", "u2"),
    ("zooms", "u2"),
    ("contigs", "u8"),
    ("data", "u8"),
    ("index", "u8"),
    ("fields", "u2"),
    ("defined_fields", "u2"),
    ("sql", "u8"),
    ("summary", "u8"),
    ("unpacked", "u4"),
    ("reserved", "u8"),
)
_TREE = (("magic", "u4"), ("block", "u4"), ("key", "u4"), ("value", "u4"), ("n", "u8"), ("reserved", "u8"))
_NODE = (("is_leaf", "u1"), ("reserved", "u1"), ("n", "u2"))
_SPAN = (("first_contig", "u4"), ("start", "u4"), ("last_contig", "u4"), ("end", "u4"), ("offset", "u8"))
_BLOCK = (
    ("contig", "u4"),
    ("start", "u4"),
    ("end", "u4"),
    ("step", "u4"),
    ("span", "u4"),
    ("kind", "u1"),
    ("reserved", "u1"),
    ("n", "u2"),
)
_ITEMS = {
    1: (("start", "u4"), ("end", "u4"), ("value", "f4")),  # intervals
    2: (("start", "u4"), ("value", "f4")),  # of one width
    3: (("value", "f4"),),  # and at one distance
}
"""What the items of a block hold, by its kind."""

CONTIG_MAGIC, INDEX_MAGIC = 0x78CA8C91, 0x2468ACE0
INDEX_HEADER_BYTES = 48
MAX_BLOCK_BYTES = 24 + 12 * 0xFFFF
"""A block counts its items in 16 bits."""
MAX_DEPTH = 32
MAX_OVERLAP = 16
"""Numbers of a base, on the average of a stretch."""


def is_bigwig(path: Path) -> bool:
    """Return whether a file begins as bigWig does; raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _ORDERS
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error


class BigWig(BinaryFile):
    """A bigWig file, open for reading.

    Attributes
    ----------
    contigs
        Their lengths in bp.
    n_covered
        Bases with a number; 0 where the file does not say.

    Raises
    ------
    DataError
        If the file cannot be read, or is damaged.
    """

    format_name = "bigWig"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            magic = self._bytes(0, 4)
            if magic in _BIG_BED:
                raise DataError(f"{path}: a bigBed file, a bigWig was expected.")
            self._order = _ORDERS.get(magic, "<")
            header = self._read(0, _HEADER)[0]
            self._index = int(header["index"])
            self._is_packed = bool(header["unpacked"])
            summary = int(header["summary"])
            self.n_covered = int(self._read(summary, (("n", "u8"),))[0]["n"]) if summary else 0
            self._ids, lengths = self._contigs(int(header["contigs"]))
            has_numbers = self._index or self.n_covered  # without any there is no index
            if has_numbers and self._read(self._index, (("magic", "u4"),))[0]["magic"] != INDEX_MAGIC:
                raise self._damage("there is no index where it should be")
        except DataError:
            self.close()
            raise
        self.contigs: Mapping[str, int] = MappingProxyType(lengths)

    def values(self, contig: str, start: int, end: int) -> NDArray[np.float32]:
        """Return the numbers of ``contig[start:end]``, ``(end - start,)``, NaN where there is none.

        Where records overlap, as those of sliding windows do, the last one counts.

        Raises
        ------
        DataError
            If the file is damaged there.
        """
        found = np.full(end - start, np.nan, dtype=np.float32)
        n_left, bytes_left = MAX_OVERLAP * len(found), 2 * self._size
        for offset, n_bytes in self._blocks(self._ids[contig], start, end):
            bytes_left -= n_bytes
            first, last, numbers = self._items(offset, n_bytes, self._ids[contig])
            first, last = np.clip(first - start, 0, len(found)), np.clip(last - start, 0, len(found))
            widths = last - first
            n = int(widths.sum())
            n_left -= n
            if n_left < 0 or bytes_left < 0:
                raise self._damage(f"numbers lie over each other in {contig}:{start:,}-{end:,}")
            before = np.cumsum(widths) - widths
            found[np.repeat(first - before, widths) + np.arange(n)] = np.repeat(numbers, widths)
        return found

    def _contigs(self, offset: int) -> tuple[dict[str, int], dict[str, int]]:
        """Return number and length of every contig by name."""
        tree = self._read(offset, _TREE)[0]
        key = int(tree["key"])
        if tree["magic"] != CONTIG_MAGIC or not 1 <= key <= 0xFFFF:
            raise self._damage("there are no contigs where they should be")
        leaf = (("name", f"S{key}"), ("id", "u4"), ("length", "u4"))
        inner = (("name", f"S{key}"), ("offset", "u8"))
        ids: dict[str, int] = {}
        lengths: dict[str, int] = {}
        for items in self._leaves(offset + 32, leaf, inner, lambda items: items):
            names = [name.decode("utf-8", errors="replace") for name in items["name"].tolist()]
            ids.update(zip(names, items["id"].tolist(), strict=True))
            lengths.update(zip(names, items["length"].tolist(), strict=True))
        return ids, lengths

    def _blocks(self, contig: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield place and size of the blocks that may have something of a stretch."""
        if not self._index:
            return

        def touching(items: NDArray[Any]) -> NDArray[Any]:
            first, last = items["first_contig"], items["last_contig"]
            begins_before = (first < contig) | ((first == contig) & (items["start"] < end))
            ends_behind = (last > contig) | ((last == contig) & (items["end"] > start))
            chosen: NDArray[Any] = items[begins_before & ends_behind]
            return chosen

        leaf = (*_SPAN, ("size", "u8"))
        for items in self._leaves(self._index + INDEX_HEADER_BYTES, leaf, _SPAN, touching):
            yield from zip(items["offset"].tolist(), items["size"].tolist(), strict=True)

    def _leaves(
        self,
        root: int,
        leaf: tuple[Any, ...],
        inner: tuple[Any, ...],
        wanted: Callable[[NDArray[Any]], NDArray[Any]],
    ) -> Iterator[NDArray[Any]]:
        """Yield the wanted items of the leaves of a tree, in order."""
        places, bytes_left = [(root, 0)], 2 * self._size
        while places:
            offset, depth = places.pop()
            node = self._read(offset, _NODE)[0]
            items = self._read(offset + 4, leaf if node["is_leaf"] else inner, int(node["n"]))
            bytes_left -= 4 + items.nbytes
            if bytes_left < 0 or depth > MAX_DEPTH:
                raise self._damage("its index goes round in circles")
            items = wanted(items)
            if node["is_leaf"]:
                yield items
            else:
                places += [(int(place), depth + 1) for place in items["offset"][::-1]]

    def _items(
        self, offset: int, n_bytes: int, contig: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return starts, ends and numbers of a block; nothing where it is of another contig."""
        data = self._bytes(offset, n_bytes)
        if self._is_packed:
            try:
                data = zlib.decompressobj().decompress(data, MAX_BLOCK_BYTES)
            except zlib.error as error:
                raise self._damage(f"a block cannot be unpacked: {error}") from error
        if len(data) < self._type(_BLOCK).itemsize:
            raise self._damage("a block is cut off")
        head = np.frombuffer(data, self._type(_BLOCK), 1)[0]
        kind = self._type(_ITEMS.get(int(head["kind"]), ()))
        n, first = int(head["n"]), self._type(_BLOCK).itemsize
        if not kind.itemsize or len(data) < first + n * kind.itemsize:
            raise self._damage("a block is of an unknown kind, or cut off")
        items = np.frombuffer(data, kind, n if head["contig"] == contig else 0, first)
        numbers = items["value"].astype(np.float32)
        if head["kind"] == 3:
            starts = int(head["start"]) + int(head["step"]) * np.arange(len(items), dtype=np.int64)
        else:
            starts = items["start"].astype(np.int64)
        ends = items["end"].astype(np.int64) if head["kind"] == 1 else starts + int(head["span"])
        return starts, np.maximum(starts, ends), numbers

    def _type(self, fields: tuple[Any, ...]) -> np.dtype[Any]:
        return np.dtype([(name, kind if kind[0] == "S" else self._order + kind) for name, kind in fields])

    def _read(self, offset: int, fields: tuple[Any, ...], n: int = 1) -> NDArray[Any]:
        kind = self._type(fields)
        return np.frombuffer(self._bytes(offset, n * kind.itemsize), kind)
