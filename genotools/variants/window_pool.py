"""The distinct windows of a batch of variants."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["WindowPool"]


class WindowPool:
    """Windows to predict, each distinct one once: REF windows that variants share cost one prediction.

    That equal windows meet the model once also makes the score of a change that changes nothing exactly 0.
    """

    def __init__(self) -> None:
        self._row_of: dict[bytes, int] = {}
        self._windows: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, window: NDArray[np.uint8]) -> int:
        """Return the row of a window of shape ``(L,)``, adding it if it is new."""
        row = self._row_of.setdefault(window.tobytes(), len(self._windows))
        if row == len(self._windows):
            self._windows.append(window)
        return row

    def codes(self) -> NDArray[np.uint8]:
        """Return the distinct windows, shape ``(n, L)``."""
        return np.stack(self._windows)
