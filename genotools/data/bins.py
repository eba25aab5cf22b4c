"""Which bins of a contig an interval track marks: bin arithmetic on whole arrays, no dependency.

Bin ``i`` of width ``w`` covers ``[i w, (i + 1) w)``. Intervals are ``(n, 2)`` int64 arrays of 0-based half-open
``start, end``. Work grows with the number of bins touched, not with the length of the contig.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["merge_intervals", "overlap_by_bin", "positive_bins"]


def merge_intervals(intervals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the union of intervals as disjoint ones, ascending; touching ones become one.

    >>> merge_intervals(np.array([[5, 9], [0, 3], [2, 5], [20, 30]])).tolist()
    [[0, 9], [20, 30]]
    """
    if len(intervals) == 0:
        return intervals
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    is_first = np.concatenate([[True], ordered[1:, 0] > reach[:-1]])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(ordered)) - 1
    return np.stack([ordered[first, 0], reach[last]], axis=1)


def overlap_by_bin(
    intervals: NDArray[np.int64], *, bin_bp: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for every pair of an interval and a bin it touches, the bin and the overlap in bp."""
    starts, ends = intervals[:, 0], intervals[:, 1]
    first = starts // bin_bp
    counts = (ends - 1) // bin_bp - first + 1
    owner = np.repeat(np.arange(len(intervals)), counts)
    within = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    bins = first[owner] + within
    overlap = np.minimum(ends[owner], (bins + 1) * bin_bp) - np.maximum(starts[owner], bins * bin_bp)
    return bins, overlap


def positive_bins(
    intervals: NDArray[np.int64],
    *,
    bin_bp: int,
    min_overlap: float = 0.5,
    overlap_op: Literal["gt", "ge"] = "gt",
    merge: bool = True,
) -> NDArray[np.int64]:
    """Return the bins that a track marks, ascending and without repeats.

    Parameters
    ----------
    intervals
        Shape ``(n, 2)``, every start below its end.
    bin_bp
        Width of a bin.
    min_overlap
        An ``int`` is a number of bp, a ``float`` a fraction of the bin. The published DeepSEA rule is "more
        than half of the bin": 0.5 with ``gt``. Point peaks of 1 bp: 1 with ``ge``.
    overlap_op
        Whether the overlap must exceed ``min_overlap`` or may equal it.
    merge
        Whether the union of the track's intervals counts, or one interval alone must satisfy the rule.

    >>> positive_bins(np.array([[0, 101], [399, 500]]), bin_bp=200).tolist()
    [0]
    """
    if len(intervals) == 0:
        return np.zeros(0, dtype=np.int64)
    bins, overlap = overlap_by_bin(merge_intervals(intervals) if merge else intervals, bin_bp=bin_bp)
    if merge:
        bins, slot = np.unique(bins, return_inverse=True)
        overlap = np.bincount(slot, weights=overlap).astype(np.int64)
    needed = min_overlap if isinstance(min_overlap, int) else min_overlap * bin_bp
    is_positive = overlap > needed if overlap_op == "gt" else overlap >= needed
    return np.unique(bins[is_positive])
