from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genotools.genotype import Genotype, Layer, Macro, SearchSpace, register_space


@pytest.fixture(scope="session")
def kept() -> Path:
    """Return the folder of the files that are kept."""
    return Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def space(kept: Path) -> SearchSpace:
    """Return the space of the genotypes in the files, registered, as ``--space FILE`` does."""
    return register_space(SearchSpace.load(kept / "space" / "v1" / "space.json"))


@pytest.fixture(scope="session")
def store_path(kept: Path) -> Path:
    """Return the store that trainings and searches in the files were made on."""
    return kept / "store" / "v1" / "store.h5"


@pytest.fixture(scope="session")
def macro() -> Macro:
    """Return the macro-architecture of all networks in the files."""
    return Macro(length=60, channels=2, layers=(Layer("reduce", 10),), head_hidden=4)


@pytest.fixture
def study(kept: Path, store_path: Path, macro: Macro, space: SearchSpace) -> Callable[[Path], Any]:
    """Return what goes on with the study in a folder, which is that of the protocol that is kept."""
    from genotools.search.study.protocol import load_protocol
    from genotools.search.study.runner import run_study
    from genotools.search.study.setup import StudyInputs

    def run(folder: Path) -> Any:
        inputs = StudyInputs(
            protocol=load_protocol(str(kept / "study" / "v1" / "study.toml")),
            folder=folder,
            store_path=store_path,
            macro=macro,
            space=space,
            genotypes={"genotype": Genotype.load(kept / "training" / "v1" / "genotype.json")},
            device="cpu",
        )
        return run_study(inputs, resume=True)

    return run
