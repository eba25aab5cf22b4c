"""What fewer bits cost: a file beside the network it was made of, on windows whose labels are known."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.data.loader import batches, spread
from genotools.data.store import SequenceStore
from genotools.data.strands import default_strands, predict_strands
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.training.task_metrics import HEADLINE, evaluate_task

__all__ = ["MAX_LOSS", "MAX_WINDOWS", "Comparison", "compare_on_store", "spread_rows"]

MAX_LOSS = 0.01
"""Largest share of the metric that counts that a file may lose."""

MAX_WINDOWS = 4096
"""Windows of a comparison; of a larger split every n-th is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Metrics and predictions of a file with fewer bits, beside those of the float32 file.

    Parameters
    ----------
    split, n_windows
        What was predicted.
    headline
        Name of the metric that counts.
    before, after
        Metrics of the float32 file and of this one.
    max_difference, mean_difference
        Of predictions.
    speed
        Windows a second, as a multiple of the float32 file's; measured here, in this run.
    """

    split: str
    n_windows: int
    headline: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    max_difference: float
    mean_difference: float
    speed: float

    @property
    def loss(self) -> float:
        """Share of the headline metric that is lost; below 0 where it has grown."""
        before, after = self.before[self.headline], self.after[self.headline]
        return (before - after) / abs(before) if before else 0.0


def spread_rows(store: SequenceStore, split: str, n: int) -> NDArray[np.int64]:
    """Return at most ``n`` rows of a split, spread evenly over it."""
    return spread(store.rows(split), n)


def compare_on_store(full: Predictor, reduced: Predictor, store: SequenceStore) -> Comparison:
    """Predict the test windows of a store with both files; those of validation where there is no test split.

    Raises
    ------
    DataError
        If neither split has windows, or a prediction is not finite.
    """
    split = next((name for name in ("test", "valid") if len(store.rows(name))), None)
    if split is None:
        raise DataError(f"{store.path}: no test or validation windows to compare predictions on.")
    rows = spread_rows(store, split, MAX_WINDOWS)
    labels = store.labels(rows)
    (before, slow), (after, fast) = (_predict(model, store, rows) for model in (full, reduced))
    difference = np.abs(after - before)
    return Comparison(
        split=split,
        n_windows=len(rows),
        headline=HEADLINE[store.task.kind],
        before=evaluate_task(store.task, labels, before).summary(),
        after=evaluate_task(store.task, labels, after).summary(),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        speed=slow / fast,
    )


def _predict(
    model: Predictor, store: SequenceStore, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], float]:
    """Return predictions ``(N, K)`` and the seconds they took."""
    strands, parts, seconds = default_strands(model), [], 0.0
    for batch in batches(store, rows, 64, rng=None):
        started = time.perf_counter()
        by_strand = predict_strands(model, batch.codes, strands=strands, name_of=batch.name_of)
        parts.append(by_strand.mean(axis=0))
        seconds += time.perf_counter() - started
    return np.concatenate(parts), seconds
