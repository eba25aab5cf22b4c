"""Held-out windows that a model has read before: how many of their 32-mers lie in training windows too."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN
from genotools.data.write import RowSource

__all__ = ["K", "shared_fraction"]

K = 32
"""Two bits a base: a k-mer is one 64-bit number. By chance two genomes of a billion bases share none."""

BLOCK_ROWS = 4096
MAX_KMERS = 2**27
"""Of these a table of training k-mers holds at most; of more, a part is drawn by their hash, for both sides alike."""


def shared_fraction(windows: RowSource, is_training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for every window the fraction of its 32-mers that occur in a training window, on either strand.

    Parameters
    ----------
    windows
        Base codes 0 to 4, ``(N, L)``. A k-mer with an unknown base is none.
    is_training
        Which of them are training windows, ``(N,)``; their own fraction is 0.

    Returns
    -------
    NDArray
        ``(N,)``, 0 where a window has no k-mer.
    """
    n_kmers = int(is_training.sum()) * max(windows.shape[1] - K + 1, 0)
    keep_one_in = max(1, -(-n_kmers // MAX_KMERS))
    table = np.unique(np.concatenate([np.zeros(0, np.uint64), *_training(windows, is_training, keep_one_in)]))
    fraction = np.zeros(len(is_training))
    if not table.size:
        return fraction
    for rows, kmers, owner in _kmers(windows, ~is_training, keep_one_in):
        place = np.searchsorted(table, kmers).clip(max=table.size - 1)
        is_shared = table[place] == kmers
        n = np.bincount(owner, minlength=len(rows))
        fraction[rows] = np.bincount(owner, weights=is_shared, minlength=len(rows)) / np.maximum(n, 1)
    return fraction


def _training(
    windows: RowSource, chosen: NDArray[np.bool_], keep_one_in: int
) -> Iterator[NDArray[np.uint64]]:
    for _, kmers, _ in _kmers(windows, chosen, keep_one_in):
        yield np.unique(kmers)


def _kmers(
    windows: RowSource, chosen: NDArray[np.bool_], keep_one_in: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]]:
    """Yield rows of a block, their k-mers, the lesser of both strands, and the place in ``rows`` each belongs to."""
    for first in range(0, len(chosen), BLOCK_ROWS):
        rows = np.flatnonzero(chosen[first : first + BLOCK_ROWS]) + first
        if not rows.size:
            continue
        codes = windows[slice(first, first + BLOCK_ROWS)][rows - first]
        kmers, is_known = canonical_kmers(codes)
        if keep_one_in > 1:
            is_known &= _hashed(kmers) % np.uint64(keep_one_in) == 0
        owner, _ = np.nonzero(is_known)
        yield rows, kmers[is_known], owner


def canonical_kmers(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the k-mers of ``(n, L)`` codes as numbers, ``(n, L - K + 1)``, and which have no unknown base."""
    n, length = codes.shape
    n_kmers = max(length - K + 1, 0)
    known = np.where(codes == UNKNOWN, 0, codes).astype(np.uint64)
    forward, backward = np.zeros((n, n_kmers), np.uint64), np.zeros((n, n_kmers), np.uint64)
    for offset in range(K):
        base = known[:, offset : offset + n_kmers]
        forward |= base << np.uint64(2 * (K - 1 - offset))
        backward |= (np.uint64(3) - base) << np.uint64(2 * offset)
    n_unknown = np.cumsum(np.pad(codes == UNKNOWN, ((0, 0), (1, 0))), axis=1)
    is_known = (
        n_unknown[:, K:] == n_unknown[:, : n_unknown.shape[1] - K] if n_kmers else np.zeros((n, 0), bool)
    )
    return np.minimum(forward, backward), is_known


def _hashed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well mixed numbers (splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
