"""Base codes: text to ``uint8`` and back, reverse complement, one-hot.

A, C, G, T are 0, 1, 2, 3; everything else, ``N`` and the IUPAC ambiguity letters included, is 4. The channel
order of a one-hot is therefore A, C, G, T, and an unknown base is a zero column.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASES", "UNKNOWN", "decode", "encode", "one_hot", "reverse_complement", "shifted"]

BASES = "ACGT"
UNKNOWN = 4


def _byte_to_code() -> NDArray[np.uint8]:
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    for code, base in enumerate(BASES):
        table[[ord(base), ord(base.lower())]] = code
    return table


_CODE_OF_BYTE = _byte_to_code()
_BYTE_OF_CODE = np.frombuffer(b"ACGTN", dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)
_ONE_HOT_OF_CODE = np.eye(UNKNOWN + 1, 4, dtype=np.float32)


def encode(sequence: str | bytes) -> NDArray[np.uint8]:
    """Return the base codes of a sequence, one per character, in any case.

    >>> encode("ACgtN-").tolist()
    [0, 1, 2, 3, 4, 4]
    """
    if isinstance(sequence, str):
        sequence = sequence.encode("ascii", errors="replace")
    return _CODE_OF_BYTE[np.frombuffer(sequence, dtype=np.uint8)]


def decode(codes: NDArray[np.uint8]) -> str:
    """Return the upper-case text of one-dimensional base codes; unknown bases are ``N``.

    Raises
    ------
    ValueError
        If ``codes`` is not one-dimensional or holds a code above 4.

    >>> decode(encode("acgtr"))
    'ACGTN'
    """
    if codes.ndim != 1:
        raise ValueError(f"codes must have one dimension to become text, not shape {codes.shape}.")
    return _looked_up(_BYTE_OF_CODE, codes).tobytes().decode("ascii")


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the other strand: the last axis flipped, every base complemented, unknown bases unknown.

    Raises
    ------
    ValueError
        If ``codes`` holds a code above 4.

    >>> decode(reverse_complement(encode("AACGN")))
    'NCGTT'
    """
    return _looked_up(_COMPLEMENT, codes[..., ::-1])


def shifted(codes: NDArray[np.uint8], shifts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return every row of ``(N, L)`` codes moved right by its own number of bases, unknown ones in its place.

    >>> shifted(np.array([[0, 1, 2], [0, 1, 2]], dtype=np.uint8), np.array([1, -2])).tolist()
    [[4, 0, 1], [2, 4, 4]]
    """
    length = codes.shape[1]
    source = np.arange(length) - shifts[:, None]
    is_inside = (source >= 0) & (source < length)
    found = np.take_along_axis(codes, source.clip(0, length - 1), axis=1)
    return np.where(is_inside, found, np.uint8(UNKNOWN))


def one_hot(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the one-hot of ``(N, L)`` codes as ``(N, 4, L)``, channels A, C, G, T, unknown bases zero.

    Raises
    ------
    ValueError
        If ``codes`` is not two-dimensional or holds a code above 4.
    """
    if codes.ndim != 2:
        raise ValueError(f"codes must have shape (N, L), not {codes.shape}.")
    return np.ascontiguousarray(_looked_up(_ONE_HOT_OF_CODE, codes).transpose(0, 2, 1))


def _looked_up(table: NDArray[Any], codes: NDArray[np.uint8]) -> NDArray[Any]:
    try:
        return np.asarray(table[codes])
    except IndexError as error:
        raise ValueError(f"base codes are 0 to 4 (A, C, G, T, unknown), found {int(codes.max())}.") from error
