import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genotools.data.encoding import encode
from genotools.data.stats import store_stats
from genotools.data.store import SequenceStore

Opener = Callable[..., SequenceStore]


def test_counts_and_rates_equal_plain_sums(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store:
        stats = store_stats(store)
    for index, split in enumerate(("train", "valid", "test")):
        part, chosen = stats.splits[split], content["splits"] == index
        assert part.n_rows == chosen.sum()
        assert part.positives.tolist() == content["labels"][chosen].sum(axis=0).tolist()
        assert part.rates == pytest.approx(content["labels"][chosen].mean(axis=0))
        assert part.labels_per_row == pytest.approx(content["labels"][chosen].sum(axis=1).mean())
        codes = content["codes"][chosen]
        assert part.unknown_share == pytest.approx((codes == 4).mean())
        assert part.gc_share == pytest.approx(np.isin(codes, [1, 2]).sum() / (codes != 4).sum())


def test_label_without_positives_in_a_split_is_named(open_store: Opener) -> None:
    codes = np.stack([encode("ACGT"), encode("GGNN")])
    with open_store(
        codes=codes, labels=np.array([[1, 0], [1, 1]], np.uint8), names=["a", "b"], groups=None,
        splits=np.array([0, 2]), contigs=None, starts=None,
    ) as store:  # fmt: skip
        stats = store_stats(store)
    assert stats.labels_without_positives("train") == ["b"]
    assert stats.labels_without_positives("test") == []
    assert stats.splits["test"].gc_share == 1
    assert stats.splits["test"].unknown_share == 0.5


def test_json_is_plain_and_an_empty_split_has_nulls(open_store: Opener) -> None:
    with open_store(splits=np.zeros(23, np.uint8)) as store:
        document = json.loads(json.dumps(store_stats(store).to_json(), allow_nan=False))
    assert document["splits"]["train"]["rows"] == 23
    assert document["splits"]["test"]["gc_share"] is None
    assert document["labels"][10]["name"] == "Δ-factor"
    assert document["labels"][10]["test"] == 0
