"""Batches of codes and labels from a store, in order or shuffled without replacement."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import reverse_complement
from genotools.data.store import SequenceStore

__all__ = ["Batch", "batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Base codes ``(n, L)`` and labels ``(n, K)``, both uint8."""

    codes: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.codes)


def batches(
    store: SequenceStore,
    rows: NDArray[np.int64],
    batch_size: int,
    *,
    rng: np.random.Generator | None,
    drop_last: bool = False,
    reverse_complement_rate: float = 0.0,
) -> Iterator[Batch]:
    """Yield every one of ``rows`` once.

    Parameters
    ----------
    store
        An open store.
    rows
        Which rows, usually ``store.rows("train")``.
    batch_size
        Rows in a batch; the last one holds what remains.
    rng
        Shuffles the rows and draws the strands; ``None`` keeps the order of ``rows``.
    drop_last
        Whether a last batch smaller than ``batch_size`` is left out.
    reverse_complement_rate
        Probability with which a sequence is given as its other strand. Needs ``rng``.

    Raises
    ------
    ValueError
        If ``batch_size`` is below 1, the rate is not a probability, or the rate is positive without ``rng``.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size} must be 1 or more.")
    if not 0 <= reverse_complement_rate <= 1:
        raise ValueError(f"reverse_complement_rate {reverse_complement_rate} must lie in 0 to 1.")
    if rng is None and reverse_complement_rate > 0:
        raise ValueError("reverse_complement_rate needs rng: the strands are drawn.")
    return _batches(store, rows, batch_size, rng, drop_last, reverse_complement_rate)


def _batches(
    store: SequenceStore,
    rows: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator | None,
    drop_last: bool,
    rate: float,
) -> Iterator[Batch]:
    order = rows if rng is None else rng.permutation(rows)
    n_used = len(order) - len(order) % batch_size if drop_last else len(order)
    for first in range(0, n_used, batch_size):
        chosen = order[first : first + batch_size]
        codes = store.codes(chosen)
        if rng is not None and rate > 0:
            flipped = rng.random(len(chosen)) < rate
            codes[flipped] = reverse_complement(codes[flipped])
        yield Batch(codes, store.labels(chosen))
