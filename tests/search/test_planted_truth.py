"""Does DARTS find what is known to be best? Data in which only one op of the space can see the signal."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.genotype import ConvCellSpace, Macro, RecurrentCellSpace, SearchSpace
from genotools.genotype.macro import Layer
from genotools.search.one_shot import OneShotEngine
from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.training.settings import TrainingSettings

LENGTH_BP = 60
MOTIF = np.array([0, 1, 2, 3, 3, 2, 1, 0])
PLACES = np.arange(0, 29, 4)
"""A base every 4 bp over 29 bp: the reach of a dilated convolution of width 15."""

SPACE = SearchSpace(
    name="one-edge",
    normal=ConvCellSpace(1, 1, ("max_pool_5", "avg_pool_5", "dil_conv_15")),
    reduce=ConvCellSpace(1, 1, ("max_pool_5",)),
    recurrent=RecurrentCellSpace(1, ("tanh",)),
)
MACRO = Macro(
    length=LENGTH_BP,
    channels=8,
    layers=(Layer("normal"), Layer("reduce", 4)),
    stem_multiplier=1,
    stem_kernel=1,  # sees single bases: all context has to come from the deciding edge
    recurrent=False,
    head_hidden=32,
    head_dropout=0.0,
)
SETTINGS = OneShotSettings(
    stages=(SearchStage(epochs=6),),
    weights=TrainingSettings(steps_per_epoch=36, batch_size=32, lr=0.2, clip_norm=1.0),
    alpha_lr=0.03,
    alpha_betas=(0.9, 0.999),
)


def write_planted(path: Path, *, seed: int) -> None:
    """Write windows with a spaced motif, and as many with the same bases at the same distances in another order."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, size=(2400, LENGTH_BP)).astype(np.uint8)
    labels = (np.arange(len(codes)) % 2).astype(np.uint8)
    for row, label in zip(codes, labels, strict=True):
        start = int(rng.integers(0, LENGTH_BP - PLACES[-1]))
        row[start + PLACES] = MOTIF if label else rng.permutation(MOTIF)
    splits = np.repeat([0, 1], [2300, 100])
    write_store(path, codes=codes, labels=labels[:, None], names=("planted",), splits=splits, provenance={})


@pytest.mark.slow
def test_darts_picks_the_op_that_sees_the_signal(tmp_path: Path) -> None:
    picked: Counter[str] = Counter()
    for seed in range(10):
        path = tmp_path / f"{seed}.h5"
        write_planted(path, seed=seed)
        with SequenceStore.open(path) as store:
            *_, choice = OneShotEngine(SETTINGS, SPACE, store, MACRO, seed=seed).candidates()
        picked[choice.genotype.normal.edges[0].op] += 1
    assert picked["dil_conv_15"] >= 9, picked
