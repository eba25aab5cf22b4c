"""How good a choice among classes is, beside choosing by their frequencies alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.training._metric_values import (
    Floats,
    Labels,
    Scores,
    check_no_nan,
    check_shapes,
    or_null,
    table_rows,
)

__all__ = ["MulticlassMetrics", "evaluate_multiclass"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MulticlassMetrics:
    """Metrics of one choice among K classes on N windows; ``cross_entropy`` in nats a window.

    ``n_windows_of`` counts the windows of each class, ``recall`` is the share of them that was found, NaN without
    any, both ``(K,)``.
    """

    names: tuple[str, ...]
    n_windows: int
    n_windows_of: NDArray[np.int64]
    accuracy: float
    cross_entropy: float
    recall: Floats

    @property
    def chance_accuracy(self) -> float:
        """Accuracy of always choosing the class that is most frequent in these windows."""
        return float(self.n_windows_of.max() / self.n_windows)

    @property
    def chance_cross_entropy(self) -> float:
        """Cross entropy of always giving the frequencies of the classes in these windows: the best constant."""
        shares = self.n_windows_of[self.n_windows_of > 0] / self.n_windows
        return float(-(shares * np.log(shares)).sum())

    @property
    def perplexity(self) -> float:
        """Among how many equally likely classes one would be as unsure."""
        return math.exp(self.cross_entropy)

    def summary(self) -> dict[str, float]:
        """Return the numbers that a training is watched by."""
        return {"accuracy": self.accuracy, "cross_entropy": self.cross_entropy}

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON value, undefined numbers as null."""
        numbers = ("accuracy", "cross_entropy", "perplexity", "chance_accuracy", "chance_cross_entropy")
        rows = table_rows(self.names, {"recall": self.recall})
        return {
            "n_windows": self.n_windows,
            **{name: or_null(getattr(self, name)) for name in numbers},
            "classes": [{**row, "n": int(n)} for row, n in zip(rows, self.n_windows_of, strict=True)],
        }


def evaluate_multiclass(labels: Labels, probs: Scores, names: Sequence[str]) -> MulticlassMetrics:
    """Return the metrics of class probabilities for one-hot ``labels``, both ``(N, K)``, of classes called ``names``.

    Probabilities of zero are raised to the precision of their type, so that one wrong certainty does not make
    the cross entropy infinite.

    Raises
    ------
    DataError
        If a probability is NaN, a row of labels is not of one class, or there are no windows.
    """
    check_shapes(labels, probs, names)
    check_no_nan(probs, names)
    if not ((labels != 0).sum(axis=1) == 1).all():
        raise DataError("labels: every window must be of one class.")
    classes, chosen = labels.argmax(axis=1), probs.argmax(axis=1)
    n_of = np.bincount(classes, minlength=len(names))
    found = np.bincount(classes[chosen == classes], minlength=len(names))
    true_probs = probs[np.arange(len(probs)), classes]
    floor = np.finfo(probs.dtype).eps
    return MulticlassMetrics(
        names=tuple(names),
        n_windows=len(probs),
        n_windows_of=n_of,
        accuracy=float(np.mean(chosen == classes)),
        cross_entropy=float(-np.log(np.maximum(true_probs, floor).astype(np.float64)).mean()),
        recall=np.divide(found, n_of, out=np.full(len(names), np.nan), where=n_of > 0),
    )
