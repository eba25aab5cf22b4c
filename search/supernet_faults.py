"""What is said where the training of a supernet and its alphas is no longer finite."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["FAULTS", "LOWER_THE_RATES", "Part"]

Part = Literal["alphas", "weights"]

FAULTS: Mapping[tuple[Part, bool], str] = MappingProxyType(
    {
        ("alphas", True): "the loss of the alpha step is not a finite number",
        ("alphas", False): "the alphas are not finite",
        ("weights", True): "the loss of the weight step is not a finite number",
        ("weights", False): "the norm of the weights' gradients is not a finite number",
    }
)
"""The fault by what was trained, and by whether its loss shows it."""

LOWER_THE_RATES = (
    "Lower the learning rates of the alphas (--alpha-lr) or of the weights, and search anew in another folder: "
    "resumed, the same search ends here again."
)
