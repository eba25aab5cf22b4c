"""Axes of the report's charts: where values lie, and at which numbers an axis is labelled."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "Scale", "nice_ticks", "time_axis"]

LOG_RATIO = 50.0
"""Largest over smallest value from which an axis that may be logarithmic is."""

MAX_POWERS = 6
"""Powers of ten that a logarithmic axis labels."""

SAME = 1e-10
"""Difference over size of two values below which an axis cannot tell them apart."""

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
WHOLE_STEPS = (1.0, 2.0, 5.0, 10.0)

LARGEST = 1e300
"""Values beyond it lie at the end of the axis: the width of an axis must not overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows.

    Parameters
    ----------
    label
        Its name, with the unit.
    low, high
        Ends; None leaves them to the data.
    is_whole
        Whether only whole numbers mean anything.
    may_be_log
        Whether it is logarithmic where the values span orders of magnitude.
    """

    label: str
    low: float | None = None
    high: float | None = None
    is_whole: bool = False
    may_be_log: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """A map from values to places, with the values to label and their texts."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool
    ticks: tuple[tuple[float, str], ...]

    def __call__(self, value: float) -> float:
        """Return the place of a value; beyond the ends it is the end's."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (self.end - self.start) * ((at - low) / (high - low))

    @classmethod
    def of(cls, axis: Axis, values: Iterable[float], start: float, end: float, *, n_ticks: int) -> "Scale":
        """Return the scale of an axis for ``values``, of which there may be none."""
        found = [max(-LARGEST, min(LARGEST, value)) for value in values]
        low = axis.low if axis.low is not None else min(found, default=0.0)
        high = axis.high if axis.high is not None else max(found, default=1.0)
        if axis.may_be_log and low > 0 and high / low >= LOG_RATIO:
            low, high = low / 1.15, high * 1.15
            return cls(low, high, start, end, True, _labelled(_log_ticks(low, high)))
        size = max(abs(low), abs(high))
        if high - low <= size * SAME:
            margin = max(1.0, size * 1e-6) if axis.is_whole else size * 0.1 or 1.0
            low, high = (low if axis.low is not None else low - margin), high + margin
        else:
            margin = (high - low) * 0.04
            low = low if axis.low is not None else low - margin
            high = high if axis.high is not None else high + margin
        ticks = nice_ticks(low, high, n_ticks, is_whole=axis.is_whole)
        return cls(low, high, start, end, False, _labelled(ticks))


def nice_ticks(low: float, high: float, n: int, *, is_whole: bool = False) -> list[float]:
    """Return about ``n`` round numbers from ``low`` to ``high``; whole ones where nothing else means anything.

    >>> nice_ticks(0.31, 0.48, 4)
    [0.35, 0.4, 0.45]
    >>> nice_ticks(0.5, 12.4, 5, is_whole=True)
    [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """
    rough = max((high - low) / max(n, 1), 1.0 if is_whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = WHOLE_STEPS if is_whole else STEPS
    step = power * min(steps, key=lambda candidate: abs(math.log(candidate * power / rough)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return list(dict.fromkeys(float(f"{number * step:.12g}") for number in range(first, last + 1)))


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first, last + 1, math.ceil((last - first) / MAX_POWERS))
    factors = (1.0, 2.0, 5.0) if len(powers) <= 4 else (1.0,)
    ticks = [float(f"{factor * 10.0**power:.12g}") for power in powers for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _labelled(ticks: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Return the ticks with texts of one unit and one number of decimals."""
    largest = max(map(abs, ticks), default=0.0)
    factor, unit = 1.0, ""
    for size, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if largest >= size:
            factor, unit = (1e3 if name == " k" else size), name
            break
    scaled = [float(f"{tick / factor:.12g}") for tick in ticks]
    decimals = max((_decimals(value) for value in scaled), default=0)
    return tuple(
        (tick, f"{value:,.{decimals}f}{unit if value else ''}")
        for tick, value in zip(ticks, scaled, strict=True)
    )


def _decimals(value: float) -> int:
    return next((n for n in range(10) if abs(value - round(value, n)) <= 1e-9 * max(1.0, abs(value))), 10)


def time_axis(label: str, longest_s: float) -> tuple[Axis, float]:
    """Return an axis of time from 0 in a unit that suits ``longest_s``, and the unit's seconds."""
    units = {"hours": 3600.0, "minutes": 60.0}
    unit, seconds = next((item for item in units.items() if longest_s >= 2 * item[1]), ("seconds", 1.0))
    return Axis(label=f"{label} ({unit})", low=0.0), seconds
