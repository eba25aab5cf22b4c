"""The data of a one-shot search: what weights learn from, what alphas learn from, and the batches of both.

The two never share a window, and neither is the validation split that results are ranked by. Windows often overlap
their neighbours, so whole stretches of neighbours go to one side. Every batch is a function of seed, stage, epoch and
step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.augment import augmented
from genotools.data.store import SequenceStore
from genotools.data.strands import opposite_labels
from genotools.errors import DataError
from genotools.search.one_shot_settings import MIN_BATCH, AlphaData
from genotools.training.seeds import child_seed

__all__ = ["EpochBatches", "Halves", "split_halves"]

STRETCH = 64
"""Neighbouring windows that stay on one side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """Rows of the store by what they train, ascending."""

    weights: NDArray[np.int64]
    alphas: NDArray[np.int64]


def split_halves(store: SequenceStore, alpha_data: AlphaData, *, seed: int) -> Halves:
    """Return the rows for weights and for alphas.

    Half of the training split each, in stretches of up to 64 neighbours drawn by ``seed``; with ``valid`` the whole
    training split and the validation split.

    Raises
    ------
    DataError
        If one of them would have fewer than 2 windows.
    """
    rows = store.rows("train")
    if alpha_data == "valid":
        halves = Halves(weights=rows, alphas=store.rows("valid"))
    else:
        places = store.coordinates(rows)
        neighbours = rows[np.lexsort((rows, places.starts, places.contigs))]
        stretch = max(1, min(STRETCH, len(rows) // 8))
        stretches = np.split(neighbours, np.arange(stretch, len(rows), stretch))
        order = np.random.default_rng(seed).permutation(len(stretches))
        drawn = np.concatenate([stretches[index] for index in order]) if len(rows) else rows
        half = len(rows) // 2
        halves = Halves(weights=np.sort(drawn[half:]), alphas=np.sort(drawn[:half]))
    for what, found in (("weights", halves.weights), ("alphas", halves.alphas)):
        if len(found) < MIN_BATCH:
            raise DataError(f"{store.path}: {len(found)} windows for the {what}, {MIN_BATCH} are needed.")
    return halves


class EpochBatches:
    """The batches of one epoch by number of the step.

    Parameters
    ----------
    store
        Where they lie.
    rows
        What is drawn from: every row once, in another order each time all have been used.
    n_steps, batch_size
        A batch never has more windows than there are rows.
    reverse_complement_rate
        Probability with which a window is given as its other strand.
    shift_bp
        How far it is moved at most.
    seed, path
        Place in the tree of seeds.

    Raises
    ------
    DataError
        If windows would be turned or moved whose labels hold for them as they are.

    Attributes
    ----------
    rows
        All rows in the order they are drawn.
    """

    def __init__(
        self,
        store: SequenceStore,
        rows: NDArray[np.int64],
        *,
        n_steps: int,
        batch_size: int,
        reverse_complement_rate: float,
        shift_bp: int = 0,
        seed: int,
        path: tuple[int, ...],
    ) -> None:
        if store.task.one_strand and (reverse_complement_rate or shift_bp):
            raise DataError(
                f"{store.path}: its labels hold for the windows as they are; reverse_complement_rate and shift_bp "
                "must be 0."
            )
        rng = np.random.default_rng(child_seed(seed, *path))
        self._store = store
        self._size = min(batch_size, len(rows))
        per_round = len(rows) // self._size
        rounds = [rng.permutation(rows)[: per_round * self._size] for _ in range(-(-n_steps // per_round))]
        self.rows = np.concatenate(rounds)[: n_steps * self._size]
        self._is_reversed = rng.random(len(self.rows)) < reverse_complement_rate
        self._shifts = rng.integers(-shift_bp, shift_bp + 1, len(self.rows)) if shift_bp else None
        self._opposite = opposite_labels(store.names)

    def __getitem__(self, step: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return base codes ``(n, L)`` and labels ``(n, K)`` of a step, counted from 0."""
        part, rows = self._part(step), self.rows_of(step)
        return augmented(
            self._store.codes(rows),
            self._store.labels(rows),
            is_reversed=self._is_reversed[part],
            opposite=self._opposite,
            shifts=None if self._shifts is None else self._shifts[part],
        )

    def rows_of(self, step: int) -> NDArray[np.int64]:
        """Return the rows of the store in a step's batch, in order."""
        return self.rows[self._part(step)]

    def _part(self, step: int) -> slice:
        return slice(step * self._size, (step + 1) * self._size)
