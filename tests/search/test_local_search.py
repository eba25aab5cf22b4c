"""Local search: it moves to better neighbours only, and starts again where there are none."""

import json
import math

import numpy as np

from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import Source
from genotools.search.local_search import LocalSearch
from genotools.testing.driving import drive

TINY = SearchSpace(
    name="tiny",
    normal=ConvCellSpace(1, 2, ("max_pool_5", "avg_pool_5", "skip_connect")),
    reduce=ConvCellSpace(1, 2, ("max_pool_5", "skip_connect")),
    recurrent=RecurrentCellSpace(1, ("tanh", "relu")),
)


def share_of_pools(genotype: Genotype) -> float:
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    return sum("pool" in edge.op for edge in edges) / len(edges)


def engine(
    space: SearchSpace = GENOME_NAS, *, seed: int = 0, n_starts: int = 3, round_size: int = 2
) -> LocalSearch:
    source = Source(space, rng=np.random.default_rng(seed))
    return LocalSearch(source, n_starts=n_starts, round_size=round_size)


def test_every_move_is_to_a_better_neighbour_of_where_the_search_was() -> None:
    trials = drive(engine(n_starts=4, round_size=3), share_of_pools, 12)
    assert [trial.origin["how"] for trial in trials[:4]] == ["start"] * 4
    here = max(trials[:4], key=lambda trial: (trial.score, -trial.number))
    for first in range(4, len(trials), 3):
        round_ = trials[first : first + 3]
        assert {trial.origin["parent"] for trial in round_} == {here.genotype.digest}
        assert all(trial.genotype in GENOME_NAS.neighbors(here.genotype) for trial in round_)
        here = max([here, *round_], key=lambda trial: (trial.score, -trial.number))


def test_a_local_optimum_is_left_for_a_new_start_once_all_its_neighbours_are_known() -> None:
    trials = drive(engine(TINY, n_starts=1, round_size=4), lambda _: 0.0, 10)
    start = trials[0].genotype
    n_neighbors = len(TINY.neighbors(start))
    hows = [trial.origin["how"] for trial in trials]
    assert hows[: n_neighbors + 2] == ["start", *["neighbor"] * n_neighbors, "start"]


def test_a_small_space_is_walked_to_the_end_without_repeats() -> None:
    trials = drive(engine(TINY, n_starts=2, round_size=3), share_of_pools, 1000)
    digests = [trial.genotype.digest for trial in trials]
    assert len(digests) == len(set(digests))
    rng = np.random.default_rng(1)
    assert set(digests) == {TINY.sample(rng=rng).digest for _ in range(3000)}


def test_failed_trials_are_no_place_to_go() -> None:
    trials = drive(engine(n_starts=2, round_size=2), lambda _: math.nan, 4)
    assert [trial.origin["how"] for trial in trials] == ["start"] * 8


def test_a_saved_state_goes_on() -> None:
    whole = drive(engine(), share_of_pools, 8)
    first, copy = engine(), engine(seed=9)
    before = drive(first, share_of_pools, 4)
    copy.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert before + drive(copy, share_of_pools, 4, first=len(before)) == whole
