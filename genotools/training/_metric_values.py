"""What the metrics of all tasks share: checks of their arguments, blocks of labels, means, and rows of JSON."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError

__all__ = [
    "BLOCK_ELEMENTS",
    "Floats",
    "Labels",
    "Scores",
    "check_no_nan",
    "check_shapes",
    "count",
    "label_blocks",
    "mean_of",
    "median",
    "or_null",
    "raise_counts",
    "table_rows",
]

Labels: TypeAlias = NDArray[np.bool_] | NDArray[np.integer] | NDArray[np.floating]
Scores: TypeAlias = NDArray[np.floating]
Floats: TypeAlias = NDArray[np.float64]

# About 80 bytes of working memory per element: 40 MB, or one label where a label alone has more windows.
# Blocks of a quarter or of four times this size take the same time.
BLOCK_ELEMENTS = 1 << 19


def check_shapes(labels: Labels, scores: Scores, names: Sequence[str] | None) -> None:
    """Refuse arguments that are not both ``(N, K)`` of K names, and no windows."""
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ValueError(f"labels and scores must both be (N, K), got {labels.shape} and {scores.shape}.")
    if names is not None and len(names) != labels.shape[1]:
        raise ValueError(f"{len(names)} names for {labels.shape[1]} labels.")
    if labels.shape[0] == 0:
        raise DataError("There are no windows to score.")


def check_no_nan(values: Scores, names: Sequence[str], what: str = "predictions") -> None:
    """Refuse NaN, naming every column that has one."""
    raise_counts(f"NaN {what}", names, count(values, np.isnan), len(values))


def raise_counts(what: str, names: Sequence[str], counts: NDArray[np.int64], total: int) -> None:
    """Raise DataError if something was counted in a column."""
    faults = [f"{name}: {n:,} of {total:,}" for name, n in zip(names, counts, strict=True) if n]
    if faults:
        raise DataError.from_faults(what, faults)


def count(values: Labels, is_wrong: Callable[[Labels], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return how many values of each column are wrong."""
    counts = np.empty(values.shape[1], dtype=np.int64)
    for columns in label_blocks(values):
        counts[columns] = is_wrong(values[:, columns]).sum(axis=0)
    return counts


def label_blocks(array: Labels) -> Iterator[slice]:
    """Yield slices of columns that bound the working memory."""
    n_windows, n_labels = array.shape
    step = max(1, BLOCK_ELEMENTS // n_windows)
    for start in range(0, n_labels, step):
        yield slice(start, start + step)


def mean_of(values: Floats) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean()) if len(values) else math.nan


def median(values: Floats) -> float:
    """Return the median, NaN of nothing."""
    return float(np.median(values)) if len(values) else math.nan


def table_rows(names: Sequence[str], columns: Mapping[str, Floats]) -> list[dict[str, str | float | None]]:
    """Return a JSON object for each name."""
    return [
        {"name": name, **{key: or_null(column[index]) for key, column in columns.items()}}
        for index, name in enumerate(names)
    ]


def or_null(value: float) -> float | None:
    """Return a number as JSON has it: null for NaN."""
    return None if math.isnan(value) else float(value)
