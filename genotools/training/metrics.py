"""How good predictions of yes-or-no labels are: ranking metrics of each.

One sort per label serves both AUROC and average precision. Labels for which these are not defined (no
positive or no negative window) are NaN and counted as skipped; nothing is filled in. Loading, predicting and
averaging the strands are left to the callers. Only numpy is needed here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.training._metric_values import (
    Floats,
    Labels,
    Scores,
    check_no_nan,
    check_shapes,
    count,
    label_blocks,
    mean_of,
    median,
    or_null,
    raise_counts,
    table_rows,
)

__all__ = [
    "MultilabelMetrics",
    "auroc",
    "average_precision",
    "evaluate_multilabel",
    "f1",
]


def auroc(labels: Labels, scores: Scores) -> Floats:
    """Return the area under the ROC curve of each label; tied scores count half.

    Parameters
    ----------
    labels
        Zeros and ones, shape ``(N, K)``.
    scores
        Higher means more likely positive, shape ``(N, K)``; compared at the precision they have.

    Returns
    -------
    NDArray
        Shape ``(K,)``, 0 to 1; NaN for a label without positives or without negatives.

    Raises
    ------
    DataError
        If a score is NaN (lists each label with its count) or a label is neither 0 nor 1.

    Examples
    --------
    >>> auroc(np.array([[0], [1], [0], [1]]), np.array([[0.1], [0.4], [0.4], [0.8]]))
    array([0.875])
    """
    _check(labels, scores)
    return _ranking_areas(labels, scores)[0]


def average_precision(labels: Labels, scores: Scores) -> Floats:
    """Return the average precision (AUPRC) of each label: the sum over thresholds of ΔRecall * Precision.

    Windows with equal scores pass the threshold together. Arguments, NaN and errors as for :func:`auroc`; the
    value expected of random scores is the label's positive rate.
    """
    _check(labels, scores)
    return _ranking_areas(labels, scores)[1]


def f1(labels: Labels, probs: Scores, threshold: float = 0.5) -> Floats:
    """Return F1 of each label, a window being called positive when its probability exceeds ``threshold``.

    A probability of exactly 0.5 is a negative call, as in rounding half to even. NaN for labels without
    positives. Arguments and errors as for :func:`auroc`.
    """
    _check(labels, probs)
    return _f1(labels, probs, threshold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultilabelMetrics:
    """Metrics of K labels on N windows; means and medians are over the scored labels only.

    ``auroc``, ``auprc`` and ``f1`` have shape ``(K,)`` and hold NaN where they are undefined for a label;
    ``n_positive`` counts the positive windows of each label.
    """

    names: tuple[str, ...]
    n_windows: int
    n_positive: NDArray[np.int64]
    auroc: Floats
    auprc: Floats
    f1: Floats

    @property
    def positive_rate(self) -> Floats:
        """Share of positive windows per label: the AUPRC of random scores."""
        return self.n_positive / self.n_windows

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """Whether a label has positive and negative windows."""
        return (self.n_positive > 0) & (self.n_positive < self.n_windows)

    @property
    def n_scored(self) -> int:
        """Number of labels that means and medians are over."""
        return int(self.is_scored.sum())

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the labels without positives or without negatives."""
        return tuple(name for name, scored in zip(self.names, self.is_scored, strict=True) if not scored)

    @property
    def mean_auroc(self) -> float:
        """Mean AUROC; NaN when no label is scored, as for the other means and medians."""
        return mean_of(self.auroc[self.is_scored])

    @property
    def median_auroc(self) -> float:
        """Median AUROC."""
        return median(self.auroc[self.is_scored])

    @property
    def mean_auprc(self) -> float:
        """Mean average precision."""
        return mean_of(self.auprc[self.is_scored])

    @property
    def median_auprc(self) -> float:
        """Median average precision."""
        return median(self.auprc[self.is_scored])

    @property
    def mean_positive_rate(self) -> float:
        """Mean share of positive windows: the mean AUPRC of random scores."""
        return mean_of(self.positive_rate[self.is_scored])

    @property
    def weighted_f1(self) -> float:
        """F1 averaged with the numbers of positives as weights; NaN without any positive."""
        has_positives = self.n_positive > 0
        if not has_positives.any():
            return math.nan
        return float(np.average(self.f1[has_positives], weights=self.n_positive[has_positives]))

    def summary(self) -> dict[str, float]:
        """Return the numbers that a training is watched by."""
        return {"auroc": self.mean_auroc, "auprc": self.mean_auprc, "weighted_f1": self.weighted_f1}

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON value, undefined numbers as null."""
        summary = {
            "mean_auroc": self.mean_auroc,
            "median_auroc": self.median_auroc,
            "mean_auprc": self.mean_auprc,
            "median_auprc": self.median_auprc,
            "mean_positive_rate": self.mean_positive_rate,
            "weighted_f1": self.weighted_f1,
        }
        columns = {
            "auroc": self.auroc,
            "auprc": self.auprc,
            "f1": self.f1,
            "positive_rate": self.positive_rate,
        }
        return {
            "n_windows": self.n_windows,
            "n_labels": len(self.names),
            "n_scored": self.n_scored,
            "skipped": list(self.skipped),
            **{key: or_null(value) for key, value in summary.items()},
            "labels": table_rows(self.names, columns),
        }


def evaluate_multilabel(labels: Labels, probs: Scores, names: Sequence[str]) -> MultilabelMetrics:
    """Return the metrics of ``probs`` against ``labels``, both ``(N, K)``, for labels called ``names``.

    Raises
    ------
    DataError
        If a prediction is NaN (lists each label with its count), a label is neither 0 nor 1, or there are no
        windows.
    """
    _check(labels, probs, names)
    area_roc, area_pr = _ranking_areas(labels, probs)
    return MultilabelMetrics(
        names=tuple(names),
        n_windows=labels.shape[0],
        n_positive=np.count_nonzero(labels, axis=0).astype(np.int64),
        auroc=area_roc,
        auprc=area_pr,
        f1=_f1(labels, probs, 0.5),
    )


def _check(labels: Labels, scores: Scores, names: Sequence[str] | None = None) -> None:
    """Refuse what cannot be scored, before any work."""
    check_shapes(labels, scores, names)
    names = names or [f"label {index}" for index in range(labels.shape[1])]
    check_no_nan(scores, names)
    n_other = count(labels, lambda block: (block != 0) & (block != 1))
    raise_counts("labels other than 0 and 1", names, n_other, len(labels))


def _ranking_areas(labels: Labels, scores: Scores) -> tuple[Floats, Floats]:
    """Return AUROC and average precision, each ``(K,)``, from one sort per label."""
    areas = np.empty((2, labels.shape[1]))
    for columns in label_blocks(labels):
        is_positive = np.ascontiguousarray(labels[:, columns].T != 0)
        areas[:, columns] = _block_areas(is_positive, np.ascontiguousarray(scores[:, columns].T))
    return areas[0], areas[1]


def _block_areas(is_positive: NDArray[np.bool_], scores: Scores) -> Floats:
    """Return both areas for a block of labels; the arguments are ``(labels, windows)``."""
    n_labels, n_windows = scores.shape
    order = np.argsort(scores, axis=1)[:, ::-1]
    descending = np.take_along_axis(scores, order, axis=1)
    hits = np.cumsum(np.take_along_axis(is_positive, order, axis=1), axis=1)

    # A threshold lies after the last of equal scores. All labels' thresholds go one after another.
    is_threshold = np.ones(scores.shape, dtype=np.bool_)
    np.not_equal(descending[:, 1:], descending[:, :-1], out=is_threshold[:, :-1])
    label, last = np.nonzero(is_threshold)
    true_pos = hits[label, last]
    n_called = last + 1
    false_pos = n_called - true_pos
    starts = np.searchsorted(label, np.arange(n_labels))
    new_true = np.diff(true_pos, prepend=0)
    new_true[starts] = true_pos[starts]
    new_false = np.diff(false_pos, prepend=0)
    new_false[starts] = false_pos[starts]

    # Counts stay whole or half in float64, so the sum under the ROC curve is exact.
    under_roc = np.bincount(label, weights=new_false * (true_pos - new_true / 2), minlength=n_labels)
    under_pr = np.bincount(label, weights=new_true * (true_pos / n_called), minlength=n_labels)
    n_positive = hits[:, -1]
    n_negative = n_windows - n_positive
    areas = np.full((2, n_labels), np.nan)
    is_scored = (n_positive > 0) & (n_negative > 0)
    np.divide(under_roc, n_positive * n_negative, out=areas[0], where=is_scored)
    np.divide(under_pr, n_positive, out=areas[1], where=is_scored)
    return areas


def _f1(labels: Labels, probs: Scores, threshold: float) -> Floats:
    values = np.full(labels.shape[1], np.nan)
    for columns in label_blocks(labels):
        is_positive, is_called = labels[:, columns] != 0, probs[:, columns] > threshold
        n_positive = is_positive.sum(axis=0)
        true_pos = (is_positive & is_called).sum(axis=0)
        np.divide(2 * true_pos, n_positive + is_called.sum(axis=0), out=values[columns], where=n_positive > 0)
    return values
