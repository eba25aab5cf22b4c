"""Whether entrants differ: Welch's t over runs, Holm's correction, and a paired bootstrap over labels.

The two ask different things. Welch's test asks whether another training from another seed would come out the same way
round; with four runs it has little power, and it makes no assumption that networks vary alike. The bootstrap asks
whether other labels of the same kind would: per label, the difference of the means over runs is resampled.

References: Welch 1947; Holm 1979; Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "holm", "label_bootstrap", "welch"]

N_RESAMPLES = 10_000
MIN_LABELS = 5
"""With fewer labels there is nothing to resample."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of means over labels, and the bounds of its 95 % interval."""

    difference: float
    low: float
    high: float


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p value of Welch's t test that two samples have one mean; None where there is none.

    A sample of one is taken as a number without error, as that of the k-mer regression is, so that the test is the
    one-sample one; two such, or samples without any spread, have no test.

    >>> round(welch([1.0, 2.0, 3.0], [2.0, 3.0, 5.0]), 4)
    0.2956
    """
    if max(len(first), len(second)) < 2:
        return None
    parts = [
        statistics.variance(sample) / len(sample) if len(sample) > 1 else 0.0 for sample in (first, second)
    ]
    if sum(parts) == 0:
        return None
    t = (statistics.fmean(first) - statistics.fmean(second)) / math.sqrt(sum(parts))
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(sample) - 1) for part, sample in zip(parts, (first, second), strict=True) if part
    )
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected for their number by Holm's step-down method; None stays and does not count.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    order = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(order):
        largest = max(largest, min(1.0, value * (len(order) - rank)))
        corrected[index] = largest
    return corrected


def label_bootstrap(
    first: NDArray[np.float64], second: NDArray[np.float64], *, rng: np.random.Generator
) -> Interval | None:
    """Return the mean difference ``first - second`` over labels with its percentile interval.

    Parameters
    ----------
    first, second
        Mean over runs of every label, ``(K,)``; NaN where the label is not defined, which leaves it out.
    rng
        Of the resampling.

    Returns
    -------
    Interval | None
        None with fewer than 5 labels.
    """
    both = np.isfinite(first) & np.isfinite(second)
    differences = (first - second)[both]
    if len(differences) < MIN_LABELS:
        return None
    means = np.empty(N_RESAMPLES)
    for start in range(0, N_RESAMPLES, 1000):  # of 919 labels, 7 MB at a time
        drawn = rng.integers(0, len(differences), size=(1000, len(differences)))
        means[start : start + 1000] = differences[drawn].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(differences.mean()), float(low), float(high))
