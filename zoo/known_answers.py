"""Known answers: what a model says of a few windows, kept in its card, so that anybody sees whether it still does."""

from typing import Any

import numpy as np

from genotools.data.encoding import BASES, decode, encode
from genotools.data.known_windows import comparison_windows, largest_difference
from genotools.errors import DataError
from genotools.files import parse_json
from genotools.predictor import Predictor
from genotools.zoo.card import MAX_TOLERANCE, Inputs, KnownAnswers

__all__ = ["ask", "check_answers", "inputs_of"]

N_WINDOWS = 2
MAX_OUTPUTS, MAX_WINDOW_BP = 1000, 100_000
"""Of known answers: a card is no file of data."""
TOLERANCE = 1e-4
"""Between machines, and between PyTorch and the ONNX runtime."""


def inputs_of(model: Predictor) -> Inputs:
    """Return how windows are given to a model, and where in them a variant lies."""
    return Inputs(bases=BASES, length=model.length, variant_index=(model.length - 1) // 2)


def ask(model: Predictor) -> dict[str, Any] | None:
    """Return what a model says of windows that are the same for the same model, some of their bases unknown.

    None where windows are too long for a card, or an answer is not finite.
    """
    if model.length > MAX_WINDOW_BP:
        return None
    codes = comparison_windows(model.digest, model.length, N_WINDOWS)
    outputs = model.predict(codes)[:, :MAX_OUTPUTS]
    if not np.isfinite(outputs).all():
        return None
    windows = [decode(row) for row in codes]
    return {"windows": windows, "outputs": outputs.astype(float).tolist(), "tolerance": _tolerance(model)}


def check_answers(known: KnownAnswers, model: Predictor, *, where: str) -> float:
    """Return the largest difference of a model to known answers, of the answer itself where that is above 1.

    Raises
    ------
    DataError
        If the windows are not of the model's length, its answers not of the same number, or too different.
    """
    lengths, numbers = {len(window) for window in known.windows}, {len(row) for row in known.outputs}
    n_outputs = min(len(model.names), MAX_OUTPUTS)
    if lengths != {model.length} or len(known.outputs) != len(known.windows):
        raise DataError(
            f"{where}: known_answers: windows of {model.length} bp and an answer to each are needed."
        )
    if numbers != {n_outputs}:
        raise DataError(f"{where}: known_answers: {max(numbers)} outputs, the model has {n_outputs}.")
    wanted = np.array(known.outputs)
    found = model.predict(np.stack([encode(window) for window in known.windows]))[:, :MAX_OUTPUTS]
    difference = largest_difference(found, wanted)
    if not difference <= known.tolerance:
        raise DataError(
            f"{where}: the model differs from its known answers by {difference:.2g}, {known.tolerance:g} is allowed."
        )
    return difference


def _tolerance(model: Predictor) -> float:
    """Return how far answers may be off: an ONNX file of fewer bits says so itself."""
    text = getattr(model, "metadata", {}).get("known_answers", "{}")
    own = parse_json(text, where="known_answers of the ONNX file")
    stated = own.get("tolerance") if isinstance(own, dict) else None
    return min(max(TOLERANCE, stated), MAX_TOLERANCE) if isinstance(stated, float) else TOLERANCE
