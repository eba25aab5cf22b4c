"""MATLAB v5 files, array by array, without holding an array: columns come one after the other.

SciPy reads a whole variable at once, which for DeepSEA's test set means gigabytes. A numeric array in such a file
lies column after column, its first axis fastest, so that it can be walked along with one column in memory.

Reference: MAT-File Format, The MathWorks, version 5.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError

__all__ = ["Mat5Array", "columns", "is_mat5", "scan"]

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
NUMBER_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""numpy's names of the types that numbers are stored in."""

NUMERIC_CLASSES = range(6, 16)
"""Classes of full numeric arrays: double, single, and the integers; not text, cells, structures or sparse ones."""

COMPLEX_FLAG = 0x0800

MAX_HEAD_BYTES = 1 << 16
"""Of flags, shape and name of an array, each."""

MAX_DEFLATION = 1032
"""How much zlib can make of a byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mat5Array:
    """A full real numeric array: where its element begins in the file, and what it holds."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int


class _Reader(Protocol):
    def read(self, n: int, /) -> bytes: ...


class _Tag(NamedTuple):
    type: int
    n_bytes: int
    small: bytes | None  # content of an element that fits into its own tag


def is_mat5(path: Path | str) -> bool:
    """Return whether a file begins like a MATLAB v5 file."""
    with Path(path).open("rb") as file:
        head = file.read(HEADER_BYTES)
    return len(head) == HEADER_BYTES and head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def scan(path: Path | str) -> list[Mat5Array]:
    """Return the full real numeric arrays of a file, in order.

    Raises
    ------
    DataError
        If the file is cut off or damaged.
    """
    path = Path(path)
    size, arrays = path.stat().st_size, []
    with path.open("rb") as file:
        order = _byte_order(file, path)
        while file.tell() < size:
            offset = file.tell()
            tag = _tag(file, order, path)
            end = file.tell() + tag.n_bytes
            if end > size:
                raise DataError(f"{path}: cut off: the array at byte {offset:,} should end at byte {end:,}.")
            array = _described(file, tag, order, offset, path)
            if array is not None:
                arrays.append(array)
            file.seek(end)
    return arrays


def columns(path: Path | str, array: Mat5Array) -> Iterator[NDArray[np.generic]]:
    """Yield the array along its first axis, ``(shape[0],)`` at a time, the second axis next.

    Raises
    ------
    DataError
        If the file is cut off or damaged.
    """
    path = Path(path)
    with path.open("rb") as file:
        order = _byte_order(file, path)
        file.seek(array.offset)
        reader = _inside(file, _tag(file, order, path), order, path)
        for _ in range(3):  # flags, shape, name
            _content(reader, order, path)
        _tag(reader, order, path)
        n_columns = math.prod(array.shape[1:])
        n_bytes = array.shape[0] * array.dtype.itemsize
        for _ in range(n_columns):
            yield np.frombuffer(_exactly(reader, n_bytes, path), dtype=array.dtype)


class _Inflated:
    """What a compressed element holds, read in order."""

    def __init__(self, file: BinaryIO, n_bytes: int, path: Path) -> None:
        self._file, self._left, self._path = file, n_bytes, path
        self._stream, self._ready = zlib.decompressobj(), bytearray()

    def read(self, n: int, /) -> bytes:
        """Return ``n`` bytes, fewer at the end."""
        while len(self._ready) < n and not self._stream.eof:
            data = self._stream.unconsumed_tail
            if not data:
                data = self._file.read(min(self._left, 1 << 20))
                self._left -= len(data)
                if not data:
                    break
            try:
                self._ready += self._stream.decompress(data, max(n - len(self._ready), 1 << 16))
            except zlib.error as error:
                raise DataError(f"{self._path}: a compressed array is damaged ({error}).") from error
        taken = bytes(self._ready[:n])
        del self._ready[:n]
        return taken


def _byte_order(file: BinaryIO, path: Path) -> str:
    head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES or head[126:128] not in (b"IM", b"MI"):
        raise DataError(f"{path}: no MATLAB v5 file.")
    return "<" if head[126:128] == b"IM" else ">"


def _tag(reader: _Reader, order: str, path: Path) -> _Tag:
    head = _exactly(reader, 8, path)
    first, second = (int(value) for value in np.frombuffer(head, dtype=f"{order}u4"))
    if first >> 16:  # small: size and type share a word, the content is the other one
        return _Tag(first & 0xFFFF, first >> 16, head[4:])
    return _Tag(first, second, None)


def _inside(file: BinaryIO, tag: _Tag, order: str, path: Path) -> _Reader:
    """Return a reader that stands behind the tag of a matrix, compressed or not."""
    if tag.type != COMPRESSED:
        return file
    reader = _Inflated(file, tag.n_bytes, path)
    _tag(reader, order, path)
    return reader


def _described(file: BinaryIO, tag: _Tag, order: str, offset: int, path: Path) -> Mat5Array | None:
    """Return what the element behind ``tag`` is, None if it is no full real numeric array."""
    if tag.type not in (MATRIX, COMPRESSED):
        return None
    reader: _Reader = file
    if tag.type == COMPRESSED:
        reader = _Inflated(file, tag.n_bytes, path)
        if _tag(reader, order, path).type != MATRIX:
            return None
    flags = _words(reader, order, path)
    if not flags or flags[0] & 0xFF not in NUMERIC_CLASSES or flags[0] & COMPLEX_FLAG:
        return None
    shape = _words(reader, order, path)
    name = _content(reader, order, path).decode("ascii", errors="replace")
    dtype = _number_type(_tag(reader, order, path), order, path)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > tag.n_bytes * (MAX_DEFLATION if tag.type == COMPRESSED else 1):
        raise DataError(f"{path}: array {name[:60]!r} {shape}: {n_bytes:,} bytes are not in the file.")
    return Mat5Array(name=name, shape=shape, dtype=dtype, offset=offset)


def _words(reader: _Reader, order: str, path: Path) -> tuple[int, ...]:
    """Return the content of the next element as whole numbers."""
    content = _content(reader, order, path)
    return tuple(int(n) for n in np.frombuffer(content[: len(content) // 4 * 4], dtype=f"{order}u4"))


def _number_type(tag: _Tag, order: str, path: Path) -> np.dtype[np.generic]:
    if tag.type not in NUMBER_TYPES:
        raise DataError(f"{path}: numbers of the unknown type {tag.type}.")
    if tag.small is not None:
        raise DataError(f"{path}: an array of at most 4 bytes is no training data.")
    return np.dtype(f"{order}{NUMBER_TYPES[tag.type]}")


def _content(reader: _Reader, order: str, path: Path) -> bytes:
    """Return the content of the next element, and step over its padding to 8 bytes."""
    tag = _tag(reader, order, path)
    if tag.small is not None:
        return tag.small[: tag.n_bytes]
    if tag.n_bytes > MAX_HEAD_BYTES:
        raise DataError(f"{path}: damaged: the head of an array would have {tag.n_bytes:,} bytes.")
    content = _exactly(reader, tag.n_bytes, path)
    _exactly(reader, -tag.n_bytes % 8, path)
    return content


def _exactly(reader: _Reader, n: int, path: Path) -> bytes:
    data = reader.read(n)
    if len(data) < n:
        raise DataError(f"{path}: cut off or damaged: {n:,} bytes were expected, {len(data):,} are left.")
    return data
