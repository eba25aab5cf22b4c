"""Values of journals and settings, which may be damaged: checked where they are read, and nowhere later."""

import sys
from typing import Any

from genotools.errors import DataError

__all__ = ["as_list", "as_number", "as_numbers", "as_object", "as_seconds", "as_whole"]

MAX_NUMBER = sys.float_info.max
MAX_WHOLE = 10**12


def as_object(value: object, where: str) -> dict[str, Any]:
    """Return a JSON object; raises DataError if it is none."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON object is expected, not {type(value).__name__}.")
    return value


def as_list(value: object, name: str, where: str) -> list[Any]:
    """Return a list, an empty one for null; raises DataError if it is none."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"{where}: {name} is {str(value)[:60]!r}, a list is expected.")
    return value


def as_number(
    value: object, name: str, where: str, *, least: float = -MAX_NUMBER, most: float = MAX_NUMBER
) -> float:
    """Return a finite number from ``least`` to ``most``; raises DataError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: {name} is {str(value)[:60]!r}, a number is expected.")
    if not least <= value <= most:  # NaN is not, either
        raise DataError(f"{where}: {name} is {str(value)[:60]}, {least:g} to {most:g} is possible.")
    return float(value)


def as_seconds(value: object, name: str, where: str) -> float:
    """Return a time; raises DataError if it is none."""
    return as_number(value, name, where, least=0, most=MAX_WHOLE)


def as_whole(value: object, name: str, where: str, *, least: int = 0, most: int = MAX_WHOLE) -> int:
    """Return a whole number from ``least`` to ``most``; raises DataError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DataError(
            f"{where}: {name} is {str(value)[:60]!r}, a whole number from {least} to {most:,} is expected."
        )
    return value


def as_numbers(values: object, name: str, where: str) -> dict[str, float]:
    """Return a JSON object of numbers; raises DataError if it is none."""
    return {key: as_number(value, f"{name}.{key}", where) for key, value in as_object(values, where).items()}
