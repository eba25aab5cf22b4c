from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.data.store import SequenceStore
from genotools.data.write import write_store


@pytest.fixture
def content() -> dict[str, Any]:
    """Everything that a small store needs: 23 rows of 10 bp, 11 labels, unknown bases, all splits."""
    rng = np.random.default_rng(7)
    return {
        "codes": rng.integers(0, 5, size=(23, 10), dtype=np.uint8),
        "labels": rng.integers(0, 2, size=(23, 11), dtype=np.uint8),
        "names": [f"label {index}" for index in range(10)] + ["Δ-factor"],
        "groups": ["TF"] * 5 + [""] * 6,
        "splits": np.arange(23) % 3,
        "contig_names": ["chrI", "chrII"],
        "contigs": np.arange(23) % 3 - 1,
        "starts": np.arange(23) * 100 - 4,
        "provenance": {"genome": "test", "sources": []},
    }


@pytest.fixture
def open_store(tmp_path: Path, content: dict[str, Any]) -> Callable[..., SequenceStore]:
    """Write a store of ``content``, with changes, and open it."""

    def make(**changes: Any) -> SequenceStore:
        path = tmp_path / "store.h5"
        write_store(path, **{**content, **changes}, force=True)
        return SequenceStore.open(path)

    return make
