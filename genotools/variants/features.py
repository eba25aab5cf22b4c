"""Choosing some of a model's outputs, and naming their columns."""

import difflib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from genotools.errors import DataError
from genotools.files import read_bytes

__all__ = ["read_features", "select_features"]

MAX_PART = 1000
"""Characters of a line in a list of outputs."""
MAX_BYTES = 16 * 1024 * 1024
_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_INDEX = re.compile(r"[0-9]{1,9}")


def select_features(names: Sequence[str], chosen: str | Sequence[int | str] | None) -> list[int]:
    """Return the indices of the chosen outputs, in the order of the choice, none twice.

    Parameters
    ----------
    names
        All names of the model's outputs.
    chosen
        None for all; or a list (or one text, its parts separated by commas) of indices ``7``, ranges ``0-124``
        (both ends included), names, or regular expressions found in names. A name goes before an index.

    Raises
    ------
    DataError
        Naming every part that chooses nothing.
    """
    if chosen is None:
        return list(range(len(names)))
    if isinstance(chosen, str):
        parts: list[int | str] = [chosen] if chosen in names else [part.strip() for part in chosen.split(",")]
    else:
        parts = list(chosen)
    faults: list[str] = []
    indices: dict[int, None] = {}
    for part in parts:
        try:
            indices.update(dict.fromkeys(_matches(names, part)))
        except DataError as error:
            faults.append(str(error))
    if faults or not parts:
        raise DataError.from_faults("features", faults or ["none chosen."])
    return list(indices)


def _matches(names: Sequence[str], part: int | str) -> list[int]:
    if isinstance(part, str):
        exact = [index for index, name in enumerate(names) if name == part]
        if exact:
            return exact
    text = str(part)
    span = _RANGE.fullmatch(text)
    if span or _INDEX.fullmatch(text):
        first, last = map(int, span.groups()) if span else (int(text), int(text))
        if not first <= last < len(names):
            raise DataError(f"{text}: the model's outputs are 0 to {len(names) - 1}.")
        return list(range(first, last + 1))
    return _pattern_matches(names, text)


def _pattern_matches(names: Sequence[str], text: str) -> list[int]:
    try:
        with warnings.catch_warnings(action="ignore"):  # about sets that may mean something else one day
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"{text[:60]!r} is no output's name and no regular expression ({error}).") from error
    found = [index for index, name in enumerate(names) if text and pattern.search(name)]
    if not found:
        near = difflib.get_close_matches(text, names, n=3, cutoff=0.4) or list(names[:5])
        raise DataError(f"{text[:60]!r} matches no output. Names like it: {', '.join(near)}.")
    return found


def read_features(text: str | None) -> str | list[str] | None:
    """Return what was typed to choose outputs: ``@FILE`` is its lines, blank ones and ``#`` comments left out.

    Raises
    ------
    DataError
        If the file cannot be read or chooses nothing.
    """
    if text is None or not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        text = read_bytes(path, max_bytes=MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a readable list of outputs ({error}).") from error
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_PART:
            raise DataError(
                f"{path}: line {number}: {len(line):,} characters, a name or a pattern has at most {MAX_PART:,}."
            )
    chosen = [line for line in lines if line and not line.startswith("#")]
    if not chosen:
        raise DataError(f"{path}: no output is named in it.")
    return list(chosen)
