from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.data.write import write_store
from genotools.files import write_json
from genotools.genotype import GENOME_NAS, Macro
from genotools.search.study.protocol import load_protocol, protocol_from_document
from genotools.search.study.setup import StudyInputs

LENGTH_BP = 60
NAMES = ("a", "b", "c", "motif_plus", "motif_minus", "d")

PROTOCOL = """
format = "genotools/study"
version = 1
title = "Tiny"
searches = 2
evaluations = 2
macro = "{macro}"
genotypes = ["pooling-only"]
kmer = true

[search]
epochs = 1
steps = 2
batch_size = 8

[engines.random]
trials = 2

[engines.darts]

[training]
epochs = 2
steps = 2
batch_size = 8

[own_training.pooling-only]
lr = 0.1

[seconds]
network = 0.01
supernet = 0.05
"""


@pytest.fixture(scope="session")
def study_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "windows.h5"
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size=(150, LENGTH_BP)).astype(np.uint8)
    labels = (rng.random((150, len(NAMES))) < 0.4).astype(np.uint8)
    splits = np.repeat([0, 1, 2], [80, 30, 40])
    write_store(path, codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    return path


@pytest.fixture(scope="session")
def protocol_path(tmp_path_factory: pytest.TempPathFactory, macro: Macro) -> Path:
    folder = tmp_path_factory.mktemp("protocol")
    write_json(folder / "macro.json", macro.to_document())
    (folder / "tiny.toml").write_text(PROTOCOL.format(macro=folder / "macro.json"))
    return folder / "tiny.toml"


@pytest.fixture
def make_inputs(
    protocol_path: Path, study_store: Path, macro: Macro, tmp_path: Path
) -> Callable[..., StudyInputs]:
    """Return what makes the inputs of the tiny study, without fixed genotypes, some keys of it changed."""

    def make(**changes: Any) -> StudyInputs:
        document = load_protocol(str(protocol_path)).model_dump(exclude_none=True)
        document |= {"genotypes": [], "own_training": {}, "kmer": False, **changes}
        return StudyInputs(
            protocol=protocol_from_document(document, where="test"),
            folder=tmp_path / "study",
            store_path=study_store,
            macro=macro,
            space=GENOME_NAS,
            genotypes={},
            device="cpu",
        )

    return make
