"""Random search as an engine: reproducible, continued from its state, without repeats."""

import json

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCellSpace, RecurrentCellSpace, SearchSpace
from genotools.search import Source, make_engine
from genotools.search.random_search import RandomSearch


def engine(seed: int, **settings: int) -> RandomSearch:
    return RandomSearch(Source(GENOME_NAS, rng=np.random.default_rng(seed)), **settings)


def asked(random: RandomSearch, n_rounds: int) -> list[str]:
    return [proposal.genotype.digest for _ in range(n_rounds) for proposal in random.ask().proposals]


def test_the_same_seed_asks_the_same_whatever_the_round() -> None:
    first = asked(engine(5, round_size=4), 5)
    assert first == asked(engine(5, round_size=10), 2)
    assert len(set(first)) == 20
    assert first != asked(engine(6, round_size=4), 5)


def test_a_saved_state_continues_as_the_engine_itself() -> None:
    random = engine(5)
    asked(random, 3)
    state = json.loads(json.dumps(random.state_dict()))
    copy = engine(99)
    copy.load_state_dict(state)
    assert asked(copy, 2) == asked(random, 2)


def test_an_exhausted_space_ends_the_search() -> None:
    space = SearchSpace(
        name="one",
        normal=ConvCellSpace(1, 2, ("max_pool_5",)),
        reduce=ConvCellSpace(1, 2, ("max_pool_5",)),
        recurrent=RecurrentCellSpace(1, ("tanh",)),
    )
    random = RandomSearch(Source(space, rng=np.random.default_rng(0)))
    assert len(random.ask().proposals) == 1
    assert random.ask().proposals == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"round_size": 0}, "round_size is 0, it must be at least 1"),
        ({"round_size": "many"}, "round_size is 'many', a value such as 8 was expected"),
        ({"round_size": None}, "round_size is None, a value such as 8 was expected"),
        ({"rounds": 3}, "no setting 'rounds'. Known: round_size."),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_engine("random", Source(GENOME_NAS, rng=np.random.default_rng(0)), settings)
