from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genotools.data.encoding import reverse_complement
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


def test_reverse_complement_rate_one_turns_all_and_labels_stay(
    open_store: Opener, content: dict[str, Any]
) -> None:
    with open_store() as store:
        rng, plain_rng = np.random.default_rng(0), np.random.default_rng(0)
        (turned,) = batches(store, np.arange(23), 23, rng=rng, reverse_complement_rate=1.0)
        (plain,) = batches(store, np.arange(23), 23, rng=plain_rng)
    assert np.array_equal(turned.codes, reverse_complement(plain.codes))
    assert np.array_equal(turned.labels, plain.labels)


def test_reverse_complement_rate_turns_that_share(open_store: Opener) -> None:
    codes = np.zeros((4000, 1), np.uint8)
    none = {"groups": None, "contigs": None, "starts": None, "splits": np.zeros(4000, np.uint8)}
    with open_store(codes=codes, labels=codes, names="a", **none) as store:
        rng = np.random.default_rng(0)
        turned = sum(
            int((b.codes == 3).sum())
            for b in batches(store, np.arange(4000), 100, rng=rng, reverse_complement_rate=0.3)
        )
    assert 1050 < turned < 1350  # five standard deviations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0, "rng": None}, "batch_size 0"),
        ({"batch_size": 1, "rng": None, "reverse_complement_rate": 0.5}, "needs rng"),
        ({"batch_size": 1, "rng": np.random.default_rng(0), "reverse_complement_rate": 1.5}, "0 to 1"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_batch(
    open_store: Opener, options: dict[str, Any], message: str
) -> None:
    with open_store() as store, pytest.raises(ValueError, match=message):
        batches(store, np.arange(3), **options)
