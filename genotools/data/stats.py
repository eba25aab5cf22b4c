"""Counts and rates of a store: rows by split, positives by label, unknown bases and GC."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.encoding import UNKNOWN
from genotools.data.store import SequenceStore

__all__ = ["SplitStats", "StoreStats", "store_stats"]

_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStats:
    """One split: its rows, positives of every label ``(K,)``, and shares of bases."""

    n_rows: int
    positives: NDArray[np.int64]
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
    names: tuple[str, ...]
    groups: tuple[str, ...]
    splits: dict[str, SplitStats]

    def labels_without_positives(self, split: str) -> list[str]:
        """Return the labels that no row of a split carries: no metric is defined for them there."""
        positives = self.splits[split].positives
        return [name for name, count in zip(self.names, positives, strict=True) if count == 0]

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values; shares and rates of an empty split are null."""

        def number(value: float) -> float | None:
            return None if np.isnan(value) else value

        return {
            "length": self.length,
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
                }
                for index, (name, group) in enumerate(zip(self.names, self.groups, strict=True))
            ],
        }


def store_stats(store: SequenceStore) -> StoreStats:
    """Count rows, positives and bases of every split; reads the whole store once, block by block."""
    return StoreStats(
        length=store.length,
        names=store.names,
        groups=store.groups,
        splits={split: _split_stats(store, store.rows(split)) for split in SPLITS},
    )


def _split_stats(store: SequenceStore, rows: NDArray[np.int64]) -> SplitStats:
    positives = np.zeros(len(store.names), dtype=np.int64)
    base_counts = np.zeros(UNKNOWN + 1, dtype=np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = rows[first : first + _BLOCK_ROWS]
        positives += store.labels(block).sum(axis=0, dtype=np.int64)
        base_counts += np.bincount(store.codes(block).reshape(-1), minlength=UNKNOWN + 1)
    return SplitStats(n_rows=len(rows), positives=positives, base_counts=base_counts)
