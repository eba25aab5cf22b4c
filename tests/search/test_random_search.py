"""Random search as an engine: reproducible, continued from its state, without repeats."""

import json

import numpy as np
import pytest

from genotools.genotype import GENOME_NAS, ConvCellSpace, RecurrentCellSpace, SearchSpace
from genotools.search.engine import SpaceExhaustedError
from genotools.search.random_search import RandomSearch


def test_the_same_seed_asks_the_same() -> None:
    engines = [RandomSearch(GENOME_NAS, rng=np.random.default_rng(5)) for _ in range(2)]
    first, second = ([engine.ask().digest for _ in range(20)] for engine in engines)
    assert first == second
    assert len(set(first)) == 20


def test_a_saved_state_continues_as_the_engine_itself() -> None:
    engine = RandomSearch(GENOME_NAS, rng=np.random.default_rng(5))
    for _ in range(3):
        engine.tell(engine.ask(), 0.5)
    state = json.loads(json.dumps(engine.state_dict()))
    copy = RandomSearch(GENOME_NAS, rng=np.random.default_rng(99))
    copy.load_state_dict(state)
    assert [copy.ask() for _ in range(5)] == [engine.ask() for _ in range(5)]


def test_an_exhausted_space_is_said() -> None:
    space = SearchSpace(
        name="one",
        normal=ConvCellSpace(1, 2, ("max_pool_5",)),
        reduce=ConvCellSpace(1, 2, ("max_pool_5",)),
        recurrent=RecurrentCellSpace(1, ("tanh",)),
    )
    engine = RandomSearch(space, rng=np.random.default_rng(0))
    engine.ask()
    with pytest.raises(SpaceExhaustedError, match="1 genotypes of space 'one' asked"):
        engine.ask()
