"""Windows on which networks are compared, with each other and with what they once said."""

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN

__all__ = ["comparison_windows", "largest_difference"]


def comparison_windows(digest: str, length: int, n: int) -> NDArray[np.uint8]:
    """Return windows ``(n, length)``, some bases unknown, that are the same for equal networks."""
    rng = np.random.default_rng(int(digest[:16], 16))
    return rng.integers(0, UNKNOWN + 1, size=(n, length), dtype=np.uint8)


def largest_difference(found: NDArray[np.float32], expected: NDArray[np.floating]) -> float:
    """Return the largest difference between predictions, of the value itself where that is above 1."""
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
