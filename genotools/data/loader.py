"""Batches of codes and labels from a store, in order or shuffled without replacement."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.store import SequenceStore

__all__ = ["Batch", "batches", "spread"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Base codes ``(n, L)`` uint8, labels ``(n, K)`` as :meth:`SequenceStore.labels` gives them, and their rows."""

    codes: NDArray[np.uint8]
    labels: NDArray[Any]
    rows: NDArray[np.int64]
    store_path: Path

    def name_of(self, index: int) -> str:
        """Return where the window at ``index`` lies, for a person."""
        return f"row {self.rows[index]} of {self.store_path}"

    def __len__(self) -> int:
        return len(self.codes)


def spread(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return ``n`` of the rows, spread evenly; all where they are no more."""
    return rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(np.int64)]


def batches(
    store: SequenceStore,
    rows: NDArray[np.int64],
    batch_size: int,
    *,
    rng: np.random.Generator | None,
    drop_last: bool = False,
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
        Shuffles the rows; ``None`` keeps their order.
    drop_last
        Whether a last batch smaller than ``batch_size`` is left out.

    Raises
    ------
    ValueError
        If ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size} must be 1 or more.")
    return _batches(store, rows, batch_size, rng, drop_last)


def _batches(
    store: SequenceStore,
    rows: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator | None,
    drop_last: bool,
) -> Iterator[Batch]:
    order = rows if rng is None else rng.permutation(rows)
    n_used = len(order) - len(order) % batch_size if drop_last else len(order)
    for first in range(0, n_used, batch_size):
        chosen = order[first : first + batch_size]
        yield Batch(store.codes(chosen), store.labels(chosen), chosen, store.path)
