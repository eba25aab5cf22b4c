from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.genotype import ConvCellSpace, Macro, RecurrentCellSpace, SearchSpace
from genotools.genotype.macro import Layer
from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.training.settings import TrainingSettings

LENGTH_BP = 60
NAMES = ("first", "motif_plus", "motif_minus")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats are taken in one order only on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "windows.h5"
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size=(200, LENGTH_BP)).astype(np.uint8)
    labels = (rng.random((200, len(NAMES))) < 0.3).astype(np.uint8)
    splits = np.repeat([0, 1], [160, 40])
    write_store(path, codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    return path


@pytest.fixture
def store(store_path: Path) -> Iterator[SequenceStore]:
    with SequenceStore.open(store_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def macro() -> Macro:
    layers = (Layer("reduce", 10), Layer("normal"))
    return Macro(length=LENGTH_BP, channels=2, layers=layers, stem_kernel=7, head_hidden=8)


@pytest.fixture(scope="session")
def small_space() -> SearchSpace:
    ops = ("max_pool_5", "skip_connect", "dil_conv_9")
    return SearchSpace(
        name="small",
        normal=ConvCellSpace(3, 2, ops),
        reduce=ConvCellSpace(2, 2, ops),
        recurrent=RecurrentCellSpace(3, ("tanh", "relu")),
    )


@pytest.fixture(scope="session")
def settings() -> OneShotSettings:
    """Two stages that use everything there is: pruning, dropout, momentum, both strands, weight-only epochs."""
    return OneShotSettings(
        stages=(
            SearchStage(epochs=2, weight_only_epochs=1, skip_dropout=0.2, conv_ops=3, recurrent_ops=2),
            SearchStage(epochs=2, skip_dropout=0.2, conv_edges=2, recurrent_edges=1),
        ),
        weights=TrainingSettings(
            steps_per_epoch=3, batch_size=8, lr=0.1, recurrent_lr=1.0, reverse_complement_rate=0.5
        ),
        alpha_lr=0.05,
        alpha_clip_norm=0.25,
        max_skips=1,
        perturbation_batches=2,
        perturbation_steps=1,
    )


@pytest.fixture(scope="session")
def small_engines() -> dict[str, dict[str, Any]]:
    """Return settings of every sampling engine with which a few rounds do all it does."""
    return {
        "random": {"round_size": 4},
        "successive-halving": {"n_genotypes": 6, "n_rungs": 3},
        "hyperband": {"max_epochs": 4, "eta": 2},
        "evolution": {"population": 4, "tournament": 2, "children": 3},
        "pareto": {"population": 4},
        "local-search": {"n_starts": 3, "round_size": 3},
        "bonas": {"n_initial": 4, "round_size": 3, "n_candidates": 15, "gcn_epochs": 3},
        "enas": {"n_rounds": 4, "n_paths": 3, "round_size": 4, "n_updates": 2, "n_final": 3, "hidden": 8},
        "rl": {"round_size": 4, "n_updates": 2, "hidden": 8},
    }
