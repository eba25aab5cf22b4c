"""Fronts and NSGA-II, against what the definitions say."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Genotype
from genotools.search import Source
from genotools.search.fronts import crowding, dominates, fronts
from genotools.search.pareto import Pareto
from genotools.testing.driving import drive

points = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 5)] * width), min_size=1, max_size=25)
)


@given(points)
def test_a_front_is_what_nothing_left_dominates(scores: list[tuple[int, ...]]) -> None:
    left = set(range(len(scores)))
    for front in fronts(scores):
        expected = {i for i in left if not any(dominates(scores[j], scores[i]) for j in left)}
        assert set(front) == expected
        left -= expected
    assert not left


def test_one_point_dominates_another_only_where_it_is_nowhere_worse() -> None:
    assert dominates((2, 1), (1, 1))
    assert not dominates((1, 1), (1, 1))
    assert not dominates((3, 0), (1, 1))


def test_crowding_is_the_distance_of_the_neighbours_in_units_of_the_range() -> None:
    assert crowding([(0, 4), (1, 2), (4, 0)]) == [math.inf, 1 + 1, math.inf]
    assert crowding([(0, 10), (1, 9), (2, 8), (10, 0)])[1:3] == pytest.approx([0.4, 1.8])
    assert crowding([(1, 1), (1, 1), (1, 1)])[1] == 0
    assert crowding([]) == []


def two_scores(genotype: Genotype) -> tuple[float, float]:
    """Pools against skips: no genotype has most of both."""
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    pools = sum("pool" in edge.op for edge in edges)
    return pools / len(edges), sum(edge.op == "skip_connect" for edge in edges) / len(edges)


def engine(seed: int = 0, *, population: int = 6, crossover_rate: float = 0.5) -> Pareto:
    source = Source(GENOME_NAS, rng=np.random.default_rng(seed))
    return Pareto(source, population=population, crossover_rate=crossover_rate)


def test_the_front_moves_outwards_and_keeps_its_breadth() -> None:
    trials = drive(engine(population=16), two_scores, 12)
    first, all_ = (np.array([trial.scores for trial in part]) for part in (trials[:16], trials))
    assert all_.sum(1).max() > first.sum(1).max() + 0.2
    assert all_[:, 0].max() > first[:, 0].max()
    assert all_[:, 1].max() > first[:, 1].max()


def test_with_one_objective_the_best_is_never_lost() -> None:
    nsga = engine(population=6)
    drive(nsga, lambda genotype: two_scores(genotype)[0], 6)
    best = [member["scores"][0] for member in nsga.state_dict()["members"]]
    trials = drive(nsga, lambda _: -1.0, 2)
    assert [member["scores"][0] for member in nsga.state_dict()["members"]] == best
    parents = {member["genotype"]["digest"] for member in nsga.state_dict()["members"]}
    assert {trial.origin["parent"] for trial in trials} <= parents


@pytest.mark.parametrize(("rate", "expected"), [(0.0, {"mutation"}), (1.0, {"crossover"})])
def test_the_crossover_rate_is_the_share_of_children_of_two(rate: float, expected: set[str]) -> None:
    trials = drive(engine(population=6, crossover_rate=rate), two_scores, 5)
    assert {trial.origin["how"] for trial in trials[6:]} == expected


def test_a_saved_state_goes_on() -> None:
    whole = drive(engine(population=6), two_scores, 6)
    first, copy = engine(population=6), engine(9, population=6)
    before = drive(first, two_scores, 3)
    copy.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert before + drive(copy, two_scores, 3, first=len(before)) == whole


def test_failed_trials_are_left_out_and_all_failed_starts_anew() -> None:
    trials = drive(engine(population=4), lambda _: math.nan, 3)
    assert [trial.origin["how"] for trial in trials] == ["sample"] * 12


def test_a_population_of_one_is_refused() -> None:
    with pytest.raises(DataError, match="population is 1, it must be at least 2"):
        engine(population=1)
