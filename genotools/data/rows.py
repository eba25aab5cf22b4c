"""Rows of a store as something that a new store is written from."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genotools.data.store import SequenceStore

__all__ = ["StoreRows"]


class StoreRows:
    """Codes or labels of some rows of one or several stores, in order, read when asked."""

    def __init__(
        self, parts: list[tuple[SequenceStore, NDArray[np.int64]]], what: Literal["codes", "labels"]
    ) -> None:
        self._parts, self._what = parts, what
        store = parts[0][0]
        width = store.length if what == "codes" else len(store.names)
        self.shape = (sum(len(rows) for _, rows in parts), width)

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        start, stop, _ = rows.indices(self.shape[0])
        found, offset = list[NDArray[Any]](), 0
        for store, chosen in self._parts:
            here = chosen[max(start - offset, 0) : max(stop - offset, 0)]
            if len(here):
                found.append(store.codes(here) if self._what == "codes" else store.labels(here))
            offset += len(chosen)
        return np.concatenate(found) if found else np.zeros((0, self.shape[1]), dtype=np.uint8)
