"""Training windows as they are given to a network: from either strand, and moved."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import reverse_complement, shifted

__all__ = ["augmented"]


def augmented(
    codes: NDArray[np.uint8],
    labels: NDArray[Any],
    *,
    is_reversed: NDArray[np.bool_],
    opposite: NDArray[np.int64],
    shifts: NDArray[np.int64] | None,
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return codes ``(n, L)`` and labels ``(n, K)`` with the other strand of some windows, and then moved.

    Parameters
    ----------
    codes, labels
        May be changed.
    is_reversed
        Which windows are given as their other strand, ``(n,)``.
    opposite
        For each label the one it becomes there, ``(K,)``.
    shifts
        How far each window is moved to the right, ``(n,)``; None moves none.
    """
    if is_reversed.any():
        codes[is_reversed] = reverse_complement(codes[is_reversed])
        labels[is_reversed] = labels[is_reversed][:, opposite]
    return codes if shifts is None else shifted(codes, shifts), labels
