"""Counts and rates of a store: rows by split, positives by label, unknown bases and GC."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.encoding import UNKNOWN
from genotools.data.store import SequenceStore
from genotools.genotype.task import TaskKind

__all__ = ["SplitStats", "StoreStats", "store_stats"]

_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStats:
    """One split: its rows, its labels, and shares of bases.

    ``positives`` counts, for every label ``(K,)``, the rows that carry it; where labels are values, the rows where it
    was measured, and ``means`` and ``deviations`` (standard, both NaN for labels of yes and no) tell of those.
    """

    n_rows: int
    positives: NDArray[np.int64]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    base_counts: NDArray[np.int64]  # A, C, G, T, unknown

    @property
    def rates(self) -> NDArray[np.float64]:
        """Fraction of positive rows of every label, ``(K,)``; NaN where the split is empty."""
        return self.positives / self.n_rows if self.n_rows else np.full(len(self.positives), np.nan)

    @property
    def labels_per_row(self) -> float:
        """Mean number of labels of a row."""
        return float(self.positives.sum() / self.n_rows) if self.n_rows else float("nan")

    @property
    def gc_share(self) -> float:
        """C and G among the known bases."""
        known = self.base_counts[:UNKNOWN].sum()
        return float(self.base_counts[1:3].sum() / known) if known else float("nan")

    @property
    def unknown_share(self) -> float:
        """Unknown bases among all."""
        total = self.base_counts.sum()
        return float(self.base_counts[UNKNOWN] / total) if total else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """A whole store, split by split."""

    length: int
    kind: TaskKind
    names: tuple[str, ...]
    groups: tuple[str, ...]
    splits: dict[str, SplitStats]

    @property
    def is_of_values(self) -> bool:
        """Whether labels are values or counts, not yes or no, nor classes."""
        return self.kind in (TaskKind.REGRESSION, TaskKind.COUNTS)

    def labels_without_positives(self, split: str) -> list[str]:
        """Return the labels that no row of a split carries, or has a value of: no metric is defined there."""
        positives = self.splits[split].positives
        return [name for name, count in zip(self.names, positives, strict=True) if count == 0]

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values; shares and rates of an empty split are null."""

        def number(value: float) -> float | None:
            return None if np.isnan(value) else value

        return {
            "length": self.length,
            "kind": str(self.kind),
            "n_labels": len(self.names),
            "splits": {
                split: {
                    "rows": stats.n_rows,
                    "labels_per_row": number(stats.labels_per_row),
                    "gc_share": number(stats.gc_share),
                    "unknown_share": number(stats.unknown_share),
                    "labels_without_positives": self.labels_without_positives(split),
                }
                for split, stats in self.splits.items()
            },
            "labels": [
                {
                    "index": index,
                    "name": name,
                    "group": group,
                    **{split: int(stats.positives[index]) for split, stats in self.splits.items()},
                    **(self._values_of(index, number) if self.is_of_values else {}),
                }
                for index, (name, group) in enumerate(zip(self.names, self.groups, strict=True))
            ],
        }

    def _values_of(
        self, label: int, number: Callable[[float], float | None]
    ) -> dict[str, dict[str, float | None]]:
        return {
            name: {split: number(float(getattr(stats, name)[label])) for split, stats in self.splits.items()}
            for name in ("means", "deviations")
        }


def store_stats(store: SequenceStore) -> StoreStats:
    """Count rows, positives and bases of every split; reads the whole store once, block by block."""
    return StoreStats(
        length=store.length,
        kind=store.task.kind,
        names=store.names,
        groups=store.groups,
        splits={split: _split_stats(store, store.rows(split)) for split in SPLITS},
    )


def _split_stats(store: SequenceStore, rows: NDArray[np.int64]) -> SplitStats:
    positives = np.zeros(len(store.names), dtype=np.int64)
    sums, squares = np.zeros((2, len(store.names)))
    base_counts = np.zeros(UNKNOWN + 1, dtype=np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = rows[first : first + _BLOCK_ROWS]
        labels = store.labels(block)
        if labels.dtype.kind == "f":
            values = np.nan_to_num(labels.astype(np.float64))
            positives += (~np.isnan(labels)).sum(axis=0)
            sums += values.sum(axis=0)
            squares += (values**2).sum(axis=0)
        else:
            positives += labels.sum(axis=0, dtype=np.int64)
        base_counts += np.bincount(store.codes(block).reshape(-1), minlength=UNKNOWN + 1)
    is_there = (positives > 0) & (store.task.kind in (TaskKind.REGRESSION, TaskKind.COUNTS))
    nothing = np.full(len(positives), np.nan)
    means = np.divide(sums, positives, out=nothing.copy(), where=is_there)
    spread = np.divide(squares, positives, out=nothing.copy(), where=is_there) - means**2
    return SplitStats(
        n_rows=len(rows),
        positives=positives,
        means=means,
        deviations=np.sqrt(np.maximum(spread, 0)),
        base_counts=base_counts,
    )
