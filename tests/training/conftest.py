from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from genotools.data.encoding import encode, reverse_complement
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.genotype import GENOME_NAS, Genotype, Macro, Task
from genotools.genotype.macro import Layer
from genotools.nn import GenomeNet, build
from genotools.training.settings import TrainingSettings

LENGTH_BP = 60
NAMES = ("first", "second", "motif_plus", "motif_minus")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats are taken in one order only on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def planted(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random windows with motifs planted, and labels that say which."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, size=(n, LENGTH_BP)).astype(np.uint8)
    labels = (rng.random((n, len(NAMES))) < 0.3).astype(np.uint8)
    stranded = encode("GGATTTCC")
    motifs = [encode("TATATATA"), encode("GCGCGCGC"), stranded, reverse_complement(stranded)]
    for column, motif in enumerate(motifs):
        for row in np.flatnonzero(labels[:, column]):
            at = 12 * column + int(rng.integers(0, 4))
            codes[row, at : at + len(motif)] = motif
    return codes, labels


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "planted.h5"
    codes, labels = planted(400, seed=0)
    splits = np.repeat([0, 1, 2], [240, 80, 80])
    write_store(path, codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    return path


@pytest.fixture
def store(store_path: Path) -> Iterator[SequenceStore]:
    with SequenceStore.open(store_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def genotype() -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(4))


@pytest.fixture(scope="session")
def macro() -> Macro:
    layers = (Layer("reduce", 4), Layer("reduce", 4))
    return Macro(length=LENGTH_BP, channels=2, layers=layers, stem_kernel=7, head_hidden=8)


@pytest.fixture
def network(genotype: Genotype, macro: Macro) -> GenomeNet:
    return build(genotype, macro, Task(len(NAMES), names=NAMES), seed=1)


@pytest.fixture
def settings() -> TrainingSettings:
    return TrainingSettings(
        epochs=3,
        steps_per_epoch=4,
        batch_size=16,
        lr=0.1,
        recurrent_lr=1.0,
        patience=None,
        reverse_complement_rate=0.5,
    )
