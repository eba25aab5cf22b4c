"""Search by a controller whose samples are trained by themselves."""

import statistics
from typing import Any

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS
from genotools.search import Source, Trial
from genotools.search.rl import ControllerSearch
from genotools.testing.conformance import check_engine
from genotools.testing.landscape import Landscape

LANDSCAPE = Landscape(GENOME_NAS, seed=0)


def small(source: Source, **settings: Any) -> ControllerSearch:
    return ControllerSearch(source, **{"round_size": 5, "n_updates": 3, "hidden": 16, "lr": 1e-2, **settings})


def scores_of_rounds(engine: ControllerSearch, n_rounds: int) -> list[list[float]]:
    rounds = []
    for _ in range(n_rounds):
        genotypes = [proposal.genotype for proposal in engine.ask().proposals]
        rounds.append([LANDSCAPE(genotype) for genotype in genotypes])
        engine.tell(
            [
                Trial(number=number, genotype=genotype, seed=0, scores=(LANDSCAPE(genotype),))
                for number, genotype in enumerate(genotypes)
            ]
        )
    return rounds


def test_it_keeps_the_contract_of_engines() -> None:
    check_engine(small, LANDSCAPE, n_rounds=4)


def test_it_learns_to_sample_good_genotypes() -> None:
    source = Source(GENOME_NAS, rng=np.random.default_rng(0))
    rounds = scores_of_rounds(small(source, round_size=20, n_updates=5), 12)
    assert statistics.mean(rounds[-1]) > statistics.mean(rounds[0]) + 0.08
    assert max(map(max, rounds[-4:])) > max(map(max, rounds[:4]))


def test_the_round_is_as_large_as_asked() -> None:
    engine = small(Source(GENOME_NAS, rng=np.random.default_rng(0)), round_size=9)
    assert [len(scores) for scores in scores_of_rounds(engine, 3)] == [9, 9, 9]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(DataError, match="settings of engine 'rl': round_size is 0, it must be at least 1"):
        small(Source(GENOME_NAS, rng=np.random.default_rng(0)), round_size=0)
