"""Checking an exported file again: its known answers, and the weights it was made of if they are there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genotools.data.encoding import encode
from genotools.data.known_windows import comparison_windows, largest_difference
from genotools.data.strands import Strands, predict_strands
from genotools.errors import DataError
from genotools.export.runtime import OnnxPredictor
from genotools.files import parse_json
from genotools.predictor import Predictor

__all__ = ["Verification", "verify_onnx"]

BATCH_SIZES = (1, 2, 17)

MAX_TOLERANCE = 0.5
"""Files of fewer bits say how far they are off; one that says more than this says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check found: known windows, the largest difference to their answers, and to the weights if given."""

    n_known: int
    known_difference: float
    weights_difference: float | None
    tolerance: float


def verify_onnx(path: Path | str, weights: Predictor | None = None) -> Verification:
    """Run a file on its known windows, and on random ones beside the weights it was exported from.

    Parameters
    ----------
    path
        A file of :func:`genotools.export.export_onnx`. Its digest over all bytes, its metadata and shapes are checked
        when it is opened.
    weights
        The network it should be, e.g. a :class:`genotools.training.TorchPredictor`.

    Raises
    ------
    DataError
        If the file is damaged or not ours, has no known answers, was exported from other weights, or predicts
        anything else than it should, by more than the tolerance it names.
    """
    model = OnnxPredictor(path)
    windows, outputs, tolerance = _known_answers(model)
    found = model.predict(windows)[:, : outputs.shape[1]]
    known = largest_difference(found, outputs)
    difference = None
    if weights is not None:
        if weights.digest != model.weights_digest:
            raise DataError(
                f"{path}: exported from other weights: {model.weights_digest[:12]}, these are "
                f"{weights.digest[:12]}."
            )
        difference = _difference(model, weights)
    for what, value in (("its known answers", known), ("the weights", difference or 0.0)):
        if not value <= tolerance:
            raise DataError(f"{path}: differs from {what} by {value:.2g}, {tolerance:g} is allowed.")
    return Verification(
        n_known=len(windows), known_difference=known, weights_difference=difference, tolerance=tolerance
    )


def _known_answers(model: OnnxPredictor) -> tuple[Any, Any, float]:
    """Return windows ``(n, L)``, the first outputs of each, and how far they may be off."""
    where = f"{model.path}: known_answers"
    document = parse_json(model.metadata.get("known_answers", "null"), where=where)
    if not isinstance(document, dict):
        raise DataError(f"{where}: there are none; export the network anew.")
    try:
        windows = np.stack([encode(str(text)) for text in document["windows"]])
        outputs = np.array(document["outputs"], dtype=np.float32)
        tolerance = float(document["tolerance"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: not what an export writes ({error}).") from error
    if outputs.ndim != 2 or len(outputs) != len(windows) or not 0 < tolerance <= MAX_TOLERANCE:
        raise DataError(f"{where}: not what an export writes.")
    return windows, outputs, tolerance


def _difference(model: OnnxPredictor, weights: Predictor) -> float:
    # The windows of the export: a file of fewer bits has said how far it is off on these.
    codes = comparison_windows(model.weights_digest, model.length, max(BATCH_SIZES))
    strands: Strands = "both" if model.averages_strands else "forward"
    expected = predict_strands(weights, codes, strands=strands).mean(axis=0)
    return max(largest_difference(model.predict(codes[:n]), expected[:n]) for n in BATCH_SIZES)
