"""Both strands of a window: labels that change places between them, and predictions on each.

Most labels of a window mean the same on both strands. Stranded ones come in pairs, ``NAME_plus`` and ``NAME_minus``:
what is ``NAME_plus`` on one strand is ``NAME_minus`` on the other.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import reverse_complement
from genotools.errors import DataError
from genotools.predictor import Predictor

__all__ = [
    "Strands",
    "averages_strands",
    "default_strands",
    "describe_forward",
    "n_strand_pairs",
    "opposite_labels",
    "predict_strands",
]

Strands = Literal["both", "forward"]

PLUS, MINUS = "_plus", "_minus"


def opposite_labels(names: Sequence[str]) -> NDArray[np.int64]:
    """Return, for each label, the index of the label it becomes on the other strand; shape ``(K,)``.

    A label without a partner, or whose name appears more than once, stays itself.

    >>> opposite_labels(["start_plus", "ARS", "start_minus", "end_plus"]).tolist()
    [2, 1, 0, 3]
    """
    opposite = np.arange(len(names))
    for index, name in enumerate(names):
        stem = name.removesuffix(PLUS)
        if stem != name and names.count(name) == names.count(stem + MINUS) == 1:
            partner = names.index(stem + MINUS)
            opposite[[index, partner]] = partner, index
    return opposite


def n_strand_pairs(names: Sequence[str]) -> int:
    """Return how many pairs of labels change places on the other strand."""
    return int((opposite_labels(names) != np.arange(len(names))).sum()) // 2


def default_strands(model: Predictor) -> Strands:
    """Return ``both``, or ``forward`` for a model whose outputs hold for one strand only or are the mean of both."""
    return "forward" if averages_strands(model) or _is_of_one_strand(model) else "both"


def averages_strands(model: Predictor) -> bool:
    """Return whether a model's outputs are means over both strands already, as those of an exported file can be."""
    return bool(getattr(model, "averages_strands", False))


def describe_forward(model: Predictor) -> str:
    """Return in words what predictions of windows as they are given stand for."""
    return "both strands, averaged inside the model" if averages_strands(model) else "forward strand only"


def _is_of_one_strand(model: Predictor) -> bool:
    task = getattr(model, "task", None)  # a predictor of somebody else's need not have one
    return task is not None and bool(task.one_strand)


def predict_strands(
    model: Predictor,
    codes: NDArray[np.uint8],
    *,
    strands: Strands = "both",
    batch_size: int = 256,
    name_of: Callable[[int], str] = "window {}".format,
) -> NDArray[np.float32]:
    """Return outputs of shape ``(S, N, K)`` for windows of shape ``(N, L)``: S is 2 with both strands, else 1.

    The second strand is the reverse complement of the same windows. Its outputs keep the order of labels, but labels
    that come in strand pairs (``NAME_plus``, ``NAME_minus``) change places: what starts a gene on one strand of a
    reversed window starts it on the other strand of the window.
    ``batch_size`` counts windows in one call of the model, strands included; ``name_of`` tells a person which one
    the i-th of them is.

    Raises
    ------
    DataError
        If the model returns another shape than ``(N, K)``, or values that are not finite, whose windows are named; or
        if both strands are asked of a model whose outputs hold for one.
    """
    if strands == "both" and _is_of_one_strand(model):
        raise DataError("the model's outputs hold for the strand that is given: use --strands forward.")
    n = len(codes)
    rows = np.concatenate([codes, reverse_complement(codes)]) if strands == "both" else codes
    n_strands = 2 if strands == "both" else 1
    outputs = np.empty((len(rows), len(model.names)), dtype=np.float32)
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        probs = _of_expected_shape(model, batch)
        _check_finite(probs, model.names, lambda row: name_of((start + row) % n))  # noqa: B023 - called at once
        outputs[start : start + len(batch)] = probs
    by_strand = outputs.reshape(n_strands, n, len(model.names))
    if strands == "both":
        by_strand[1] = by_strand[1][:, opposite_labels(model.names)]
    return by_strand


def _of_expected_shape(model: Predictor, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    probs = model.predict(batch)
    expected = (len(batch), len(model.names))
    if probs.shape != expected:
        raise DataError(
            f"the model returned shape {probs.shape} for {len(batch)} windows, expected {expected}."
        )
    return probs


def _check_finite(probs: NDArray[np.float32], outputs: Sequence[str], name_of: Callable[[int], str]) -> None:
    """Refuse values that are not finite, naming the first window and output."""
    is_bad = ~np.isfinite(probs)
    if not is_bad.any():
        return
    rows = np.flatnonzero(is_bad.any(axis=1)).tolist()
    others = f" and {len(rows) - 1:,} more windows" if len(rows) > 1 else ""
    raise DataError(
        f"the model returned {int(is_bad.sum()):,} values that are not finite (NaN or infinite), first for "
        f"{name_of(rows[0])}{others}, output {outputs[int(is_bad[rows[0]].argmax())]!r}: its weights are broken. "
        "Train it anew, or export it with --precision fp32."
    )
