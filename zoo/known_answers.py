"""Known answers: what a model says of a few windows, kept in its card, so that anybody sees whether it still does."""

import json

import numpy as np

from genotools.data.encoding import BASES, UNKNOWN, decode, encode
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.zoo.card import Inputs, KnownAnswers

__all__ = ["ask", "check_answers", "inputs_of"]

N_WINDOWS = 2
TOLERANCE = 1e-4
"""Between machines, and between PyTorch and the ONNX runtime."""


def inputs_of(model: Predictor) -> Inputs:
    """Return how windows are given to a model, and where in them a variant lies."""
    return Inputs(bases=BASES, length=model.length, variant_index=(model.length - 1) // 2)


def ask(model: Predictor) -> KnownAnswers:
    """Return what a model says of windows that are the same for the same model, some of their bases unknown."""
    rng = np.random.default_rng(int(model.digest[:16], 16))
    codes = rng.integers(0, UNKNOWN + 1, size=(N_WINDOWS, model.length), dtype=np.uint8)
    return KnownAnswers(
        windows=[decode(row) for row in codes],
        outputs=[[float(value) for value in row] for row in model.predict(codes)],
        tolerance=_tolerance(model),
    )


def check_answers(known: KnownAnswers, model: Predictor, *, where: str) -> float:
    """Return the largest difference of a model to known answers, of the answer itself where that is above 1.

    Raises
    ------
    DataError
        If the windows are not of the model's length, its answers not of the same number, or too different.
    """
    lengths, numbers = {len(window) for window in known.windows}, {len(row) for row in known.outputs}
    if lengths != {model.length} or len(known.outputs) != len(known.windows):
        raise DataError(
            f"{where}: known_answers: windows of {model.length} bp and an answer to each are needed."
        )
    if numbers != {len(model.names)}:
        raise DataError(f"{where}: known_answers: {max(numbers)} outputs, the model has {len(model.names)}.")
    wanted = np.array(known.outputs)
    found = model.predict(np.stack([encode(window) for window in known.windows]))
    difference = float((np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max())
    if not difference <= known.tolerance:
        raise DataError(
            f"{where}: the model differs from its known answers by {difference:.2g}, {known.tolerance:g} is allowed."
        )
    return difference


def _tolerance(model: Predictor) -> float:
    """Return how far answers may be off: an ONNX file of fewer bits says so itself."""
    own = json.loads(getattr(model, "metadata", {}).get("known_answers", "{}"))
    return max(TOLERANCE, float(own.get("tolerance", 0)))
