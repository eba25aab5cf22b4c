from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genotools.data.loader import batches
from genotools.data.store import SequenceStore

Opener = Callable[..., SequenceStore]


def test_batches_in_order_cover_the_rows(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store:
        rows = np.array([5, 3, 20, 7, 0])
        found = list(batches(store, rows, 2, rng=None))
    assert [len(batch) for batch in found] == [2, 2, 1]
    assert np.array_equal(np.concatenate([batch.codes for batch in found]), content["codes"][rows])
    assert np.array_equal(np.concatenate([batch.labels for batch in found]), content["labels"][rows])


def test_last_batch_is_left_out_on_request(open_store: Opener) -> None:
    with open_store() as store:
        assert [len(b) for b in batches(store, np.arange(5), 2, rng=None, drop_last=True)] == [2, 2]
        assert list(batches(store, np.arange(5), 6, rng=None, drop_last=True)) == []


def test_shuffled_batches_give_every_row_once_with_its_labels(open_store: Opener) -> None:
    codes = np.arange(60, dtype=np.uint8).reshape(60, 1) // np.array([1, 4, 16], dtype=np.uint8) % 4
    labels = np.unpackbits(np.arange(60, dtype=np.uint8)[:, None], axis=1)
    none = {"groups": None, "contigs": None, "starts": None, "splits": np.zeros(60, np.uint8)}
    with open_store(codes=codes, labels=labels, names="abcdefgh", **none) as store:
        found = list(batches(store, store.rows("train"), 7, rng=np.random.default_rng(1)))
    seen = [int(row) for batch in found for row in batch.codes @ np.array([1, 4, 16])]
    assert seen != sorted(seen)
    assert sorted(seen) == list(range(60))
    assert [int(row) for batch in found for row in np.packbits(batch.labels, axis=1)[:, 0]] == seen


def test_equal_seeds_give_equal_batches_and_epochs_differ(open_store: Opener) -> None:
    def epoch(store: SequenceStore, rng: np.random.Generator) -> bytes:
        return b"".join(b.codes.tobytes() for b in batches(store, np.arange(23), 4, rng=rng))

    with open_store() as store:
        one, two = np.random.default_rng(3), np.random.default_rng(3)
        first = epoch(store, one)
        assert first == epoch(store, two)
        assert first != epoch(store, one)


def test_no_batch_size_is_refused_before_the_first_batch(open_store: Opener) -> None:
    with open_store() as store, pytest.raises(ValueError, match="batch_size 0"):
        batches(store, np.arange(3), 0, rng=None)
