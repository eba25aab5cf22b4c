"""Metrics of a model on one split of a store, both strands averaged unless told otherwise."""

from collections.abc import Callable

import numpy as np

from genotools.data.loader import batches
from genotools.data.store import SequenceStore
from genotools.data.strands import (
    Strands,
    default_strands,
    describe_forward,
    n_strand_pairs,
    predict_strands,
)
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.training.task_metrics import Metrics, evaluate_task

__all__ = ["Strands", "describe_strands", "evaluate"]


def evaluate(
    predictor: Predictor,
    store: SequenceStore,
    split: str = "test",
    *,
    batch_size: int = 256,
    strands: Strands | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Metrics:
    """Return the metrics of ``predictor`` on ``split`` of ``store``.

    Parameters
    ----------
    predictor
        A PyTorch network, an ONNX file, anything that predicts probabilities.
    store
        Its windows and labels must be the predictor's, by length and by names in order.
    split
        ``train``, ``valid`` or ``test``.
    batch_size
        Windows in one call of the predictor.
    strands
        ``both`` averages the predictions for a window and for its reverse complement, on which labels of a pair
        (``NAME_plus``, ``NAME_minus``) have changed places; ``forward`` takes the window as it is. By default both,
        or forward where labels hold for one strand only.
    on_progress
        Called with windows done and windows in all, after every batch.

    Raises
    ------
    DataError
        If model and store do not belong together, the split is empty, predictions are not finite (names the row), or
        both strands are asked for where labels hold for one.
    """
    _check(predictor, store, split)
    rows = store.rows(split)
    probs = np.empty((len(rows), len(store.names)), dtype=np.float32)
    labels = np.empty(probs.shape, dtype=store.labels([]).dtype)
    strands = strands or default_strands(predictor)
    n_done = 0
    for batch in batches(store, rows, batch_size, rng=None):
        window = slice(n_done, n_done + len(batch))
        probs[window] = predict_strands(
            predictor,
            batch.codes,
            strands=strands,
            batch_size=batch_size,
            name_of=batch.name_of,
        ).mean(axis=0)
        labels[window] = batch.labels
        n_done += len(batch)
        if on_progress is not None:
            on_progress(n_done, len(rows))
    return evaluate_task(store.task, labels, probs)


def describe_strands(strands: Strands, predictor: Predictor) -> str:
    """Return in words what ``strands`` does to predictions of a model."""
    if strands == "forward":
        return describe_forward(predictor)
    pairs = n_strand_pairs(predictor.names)
    exchanged = f"; {pairs} pairs of stranded labels exchanged on the reverse strand" if pairs else ""
    return f"predictions of both strands averaged{exchanged}"


def _check(predictor: Predictor, store: SequenceStore, split: str) -> None:
    faults = []
    if predictor.length != store.length:
        faults.append(f"its windows have {store.length} bp, the model takes {predictor.length} bp.")
    ours, theirs = tuple(predictor.names), store.names
    if len(ours) != len(theirs):
        faults.append(f"it has {len(theirs)} labels, the model {len(ours)} outputs.")
    elif ours != theirs:
        index = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        faults.append(
            f"its label {index} is {theirs[index]!r}, the model's output {index} is {ours[index]!r}."
        )
    task = getattr(predictor, "task", None)
    if task is not None and task.kind is not store.task.kind:
        faults.append(f"its labels are {store.task.kind}, the model's outputs {task.kind}.")
    if not len(store.rows(split)):
        faults.append(f"its split {split!r} is empty.")
    if faults:
        raise DataError.from_faults(store.path, faults)
