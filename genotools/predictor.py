"""The one view of a trained model that prediction, variants and evaluation need.

A PyTorch network (:mod:`genotools.training.predictor`) and an ONNX file (:mod:`genotools.export.runtime`) are
both one. This module imports neither.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Predictor"]


@runtime_checkable
class Predictor(Protocol):
    """Turns windows of base codes into probabilities."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the K outputs, in order."""
        ...

    @property
    def length(self) -> int:
        """Length of a window in bp."""
        ...

    @property
    def digest(self) -> str:
        """Digest of genotype and weights together: what the scores belong to."""
        ...

    def predict(self, codes: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return outputs of shape ``(N, K)`` for base codes of shape ``(N, length)``."""
        ...
