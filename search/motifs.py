"""Sequence motifs, and the MEME format in which collections of them are shared.

Read is what the format's minimal form requires: version, alphabet, and for each motif a letter-probability matrix.
Whatever else a file holds, such as background frequencies, log-odds matrices or addresses, is passed over.

Reference: https://meme-suite.org/meme/doc/meme-format.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.files import read_bytes

__all__ = ["Motif", "read_meme"]

MAX_BYTES = 16 * 1024 * 1024
"""Size of a motif file; the larger public collections have a few MB."""

MAX_WIDTH, MAX_MOTIFS = 1000, 100_000
MAX_NAME, MAX_HEADER, MAX_NUMBER = 200, 1000, 40
"""Characters."""

TOLERANCE = 0.02
"""How far from 1 the probabilities of a position may add up: files round them, some to two digits."""

VERSION = re.compile(r"MEME version\s+\d+")
MOTIF = re.compile(r"MOTIF(\s|$)")
HEADER = "letter-probability matrix:"
FIELD = re.compile(r"(\w+)\s*=\s*(\S+)")
NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motif:
    """A motif as the probabilities of the bases at each of its positions.

    Parameters
    ----------
    name
        Its identifier.
    probabilities
        float64, ``(4, width)``, rows A, C, G, T; every column sums to 1.
    alternative
        A second name, often that of the factor.

    Raises
    ------
    DataError
        If the shape is another, a value is not in [0, 1], or a column does not sum to 1.
    """

    name: str
    probabilities: NDArray[np.float64]
    alternative: str = ""

    def __post_init__(self) -> None:
        matrix = np.array(self.probabilities, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != 4 or not 1 <= matrix.shape[1] <= MAX_WIDTH:
            raise DataError(
                f"motif {self.name!r}: probabilities of shape {matrix.shape}; they must be (4, width), "
                f"the width 1 to {MAX_WIDTH}."
            )
        if not ((matrix >= 0) & (matrix <= 1)).all() or np.abs(matrix.sum(axis=0) - 1).max() > TOLERANCE:
            raise DataError(
                f"motif {self.name!r}: probabilities must be in [0, 1], each column adding up to 1."
            )
        matrix /= matrix.sum(axis=0)
        matrix.flags.writeable = False
        object.__setattr__(self, "probabilities", matrix)

    @property
    def width(self) -> int:
        """Number of positions."""
        return int(self.probabilities.shape[1])


class _FaultError(Exception):
    """What is wrong with a motif, and in which line."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"line {number}: {fault}")


def read_meme(path: Path | str) -> list[Motif]:
    """Read the motifs of a file in MEME format.

    Parameters
    ----------
    path
        Text, at most 16 MB. Probabilities are rounded there; positions are scaled so that they sum to 1.

    Raises
    ------
    DataError
        Listing, each with its line, what is wrong with the head of the file and the first fault of every motif: no
        version, an alphabet other than ACGT, a matrix that is missing, cut or not one of probabilities, a name
        twice. Also if the file cannot be read or holds no motif.
    """
    path = Path(path)
    lines = [line.strip() for line in _text_of(path).split("\n")]
    starts = [index for index, line in enumerate(lines) if MOTIF.match(line)]
    faults = _head_faults(lines[: starts[0]] if starts else lines)
    if not starts and not faults:
        faults.append("no motifs: none of its lines begins with MOTIF.")
    if len(starts) > MAX_MOTIFS:
        raise DataError(f"{path}: {len(starts):,} motifs, at most {MAX_MOTIFS:,} are read.")
    motifs: dict[str, Motif] = {}
    for start, end in pairwise([*starts, len(lines)]):
        try:
            motif = _motif_of(lines[start:end], start + 1)
            if motif.name in motifs:
                raise _FaultError(start + 1, f"a second motif {motif.name!r}.")
            motifs[motif.name] = motif
        except _FaultError as fault:
            faults.append(str(fault))
    if faults:
        raise DataError.from_faults(path, faults)
    return list(motifs.values())


def _head_faults(lines: Sequence[str]) -> list[str]:
    """Return what is wrong before the first motif."""
    faults = []
    if not any(VERSION.match(line) for line in lines):
        faults.append("no line 'MEME version 4' before the first motif: this is no file in MEME format.")
    for number, line in enumerate(lines, start=1):
        if line.startswith("ALPHABET"):
            letters = line.removeprefix("ALPHABET").removeprefix("=").strip()
            if letters != "ACGT":
                faults.append(f"line {number}: the alphabet is {letters[:60]!r}, only ACGT can be read.")
    return faults


def _motif_of(lines: Sequence[str], first: int) -> Motif:
    """Return the motif of the lines from one MOTIF to the next, of which ``first`` is the number."""
    _, name, *more = (*lines[0].split(), "")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise _FaultError(first, f"{lines[0][:60]!r}; MOTIF and a name are expected.")
    headers = [index for index, line in enumerate(lines) if line.startswith(HEADER)]
    if len(headers) != 1:
        raise _FaultError(first, f"motif {name!r} has {len(headers)} letter-probability matrices, not one.")
    header = headers[0]
    width = _width_of(lines[header], first + header)
    rows: list[list[float]] = []
    for index in range(header + 1, len(lines)):
        # Without a width, an empty line ends the matrix; some writers leave it out before an address.
        if len(rows) == width or (width is None and not NUMBER.match(lines[index])):
            break
        rows.append(_row_of(lines[index], first + index))
    if not rows or len(rows) > MAX_WIDTH or (width is not None and len(rows) < width):
        expected = width or f"1 to {MAX_WIDTH}"
        raise _FaultError(
            first + header, f"motif {name!r} has {len(rows)} positions, {expected} are expected."
        )
    return Motif(name=name, probabilities=np.array(rows).T, alternative=more[0][:MAX_NAME] if more else "")


def _width_of(header: str, number: int) -> int | None:
    """Return the width that the head of a matrix gives, if it does."""
    values = dict(FIELD.findall(header[len(HEADER) : MAX_HEADER]))
    if values.get("alength", "4") != "4":
        raise _FaultError(number, f"alength is {values['alength'][:20]}, with the four bases it is 4.")
    width = values.get("w")
    if width is not None and not (re.fullmatch("[0-9]{1,9}", width) and 1 <= int(width) <= MAX_WIDTH):
        raise _FaultError(number, f"w is {width[:20]}, a motif has 1 to {MAX_WIDTH} positions.")
    return None if width is None else int(width)


def _row_of(line: str, number: int) -> list[float]:
    words = line.split(maxsplit=5)
    row = [float(word) for word in words if len(word) <= MAX_NUMBER and NUMBER.fullmatch(word)]
    if len(words) != 4 or len(row) != 4:
        raise _FaultError(number, f"{line[:60]!r}; four probabilities are expected.")
    if max(row) > 1 or abs(sum(row) - 1) > TOLERANCE:
        raise _FaultError(number, f"{line[:60]!r}; four probabilities that add up to 1 are expected.")
    return row


def _text_of(path: Path) -> str:
    try:
        return read_bytes(path, max_bytes=MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text (byte {error.start}); a file in MEME format is.") from error
