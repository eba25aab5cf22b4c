from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from genotools.data.encoding import reverse_complement, shifted
from genotools.data.store import SequenceStore
from genotools.data.strands import opposite_labels
from genotools.data.write import write_store
from genotools.training.resident import ResidentRows, fits_on

NAMES = ("a", "b_plus", "c", "b_minus", "d", "e", "f", "g", "h")


@pytest.fixture(params=[0.0, 0.05], ids=["all bases known", "some unknown"])
def odd_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SequenceStore]:
    """Return a store whose length and labels fill no byte."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (30, 37)).astype(np.uint8)
    codes[rng.random(codes.shape) < request.param] = 4
    labels = rng.integers(0, 2, (30, len(NAMES))).astype(np.uint8)
    splits = np.arange(30) % 3
    write_store(tmp_path / "s.h5", codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    with SequenceStore.open(tmp_path / "s.h5") as store:
        yield store


def test_batches_equal_the_stores(odd_store: SequenceStore, device: str) -> None:
    resident = ResidentRows(odd_store, odd_store.rows("train"), device=torch.device(device))
    rows = np.array([27, 0, 3, 3, 12])
    flip = np.array([False, True, False, True, True])
    codes, labels = odd_store.codes(rows), odd_store.labels(rows)
    codes[flip], labels[flip] = reverse_complement(codes[flip]), labels[flip][:, opposite_labels(NAMES)]
    shifts = np.array([0, 3, -5, 40, -1])
    moved, _ = resident.batch(rows, flip, shifts)
    np.testing.assert_array_equal(moved.cpu().numpy(), shifted(codes, shifts))
    found_codes, found_labels = resident.batch(rows, flip)
    assert found_codes.dtype == torch.uint8
    np.testing.assert_array_equal(found_codes.cpu().numpy(), codes)
    assert found_labels.dtype == torch.float32
    np.testing.assert_array_equal(found_labels.cpu().numpy(), labels)


def test_packed_rows_list_unknown_bases_by_their_own_numbers(odd_store: SequenceStore) -> None:
    rows = np.array([5, 2, 29])
    packed = odd_store.packed(rows)
    expected = np.flatnonzero(odd_store.codes(rows).reshape(-1) == 4)
    np.testing.assert_array_equal(packed.unknown, expected)


def test_only_a_cuda_device_holds_windows(odd_store: SequenceStore) -> None:
    assert not fits_on(torch.device("cpu"), odd_store, 10)
