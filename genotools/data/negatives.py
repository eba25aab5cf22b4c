"""Windows without any label that are like the labelled ones in their share of G and C."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["matched_negatives"]

GC_STEP = 0.02
"""Width of a class of GC share."""


def matched_negatives(
    positive_gc: NDArray[np.float64],
    candidate_gc: NDArray[np.float64],
    ratio: float,
    *,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return which candidates to take, ascending: in every class of GC share ``ratio`` times as many as positives.

    Fewer where a class has fewer candidates, so that what is taken is never of another GC share.

    Parameters
    ----------
    positive_gc, candidate_gc
        Shares of G and C, 0 to 1, of labelled and of unlabelled windows.
    ratio
        Negatives for each positive, 0 or more.
    rng
        Draws among the candidates of a class.
    """
    positive_class, candidate_class = (
        np.floor(gc / GC_STEP + 1e-9).astype(np.int64) for gc in (positive_gc, candidate_gc)
    )
    taken = [np.zeros(0, dtype=np.int64)]
    for number, count in zip(*np.unique(positive_class, return_counts=True), strict=True):
        members = np.flatnonzero(candidate_class == number)
        wanted = min(len(members), round(ratio * int(count)))
        taken.append(rng.choice(members, wanted, replace=False))
    return np.sort(np.concatenate(taken))
