"""Regularised evolution: who is a parent, who dies, and what a child is."""

import math

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Genotype, SearchSpace
from genotools.search import Source, SourceOptions
from genotools.search.evolution import Evolution
from genotools.search.trial import Trial
from genotools.testing.driving import drive


def share_of_pools(genotype: Genotype) -> float:
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    return sum("pool" in edge.op for edge in edges) / len(edges)


def engine(seed: int = 0, **settings: int) -> Evolution:
    return Evolution(Source(GENOME_NAS, rng=np.random.default_rng(seed)), **settings)


def living_before(trials: list[Trial], number: int, *, population: int, children: int) -> list[Trial]:
    """Return who lived when the round of a trial was asked for: the youngest of those told before."""
    first = number - (number - population) % children
    return trials[first - population : first]


def test_a_child_is_one_change_away_from_a_parent_that_lives() -> None:
    trials = drive(engine(population=6, tournament=2, children=3), share_of_pools, 20)
    assert [trial.origin["how"] for trial in trials[:6]] == ["sample"] * 6
    for trial in trials[6:]:
        living = living_before(trials, trial.number, population=6, children=3)
        parents = [one.genotype for one in living if one.genotype.digest == trial.origin["parent"]]
        assert len(parents) == 1  # the oldest have died, whatever their score
        assert trial.genotype in GENOME_NAS.neighbors(parents[0])


def test_a_tournament_of_all_is_won_by_the_best_and_the_younger_of_equals() -> None:
    trials = drive(engine(population=5, tournament=5, children=1), share_of_pools, 30)
    for trial in trials[5:]:
        living = living_before(trials, trial.number, population=5, children=1)
        best = max(living, key=lambda one: (one.score, one.number))
        assert trial.origin["parent"] == best.genotype.digest


def test_a_tournament_of_one_is_a_draw_among_all_the_living() -> None:
    trials = drive(engine(population=4, tournament=1, children=4), share_of_pools, 40)
    ages = []
    for trial in trials[4:]:
        living = living_before(trials, trial.number, population=4, children=4)
        ages += [age for age, one in enumerate(living) if one.genotype.digest == trial.origin["parent"]]
    assert np.bincount(ages, minlength=4).min() > len(ages) / 8


def test_failed_trials_are_no_parents() -> None:
    trials = drive(
        engine(population=6, tournament=2, children=2),
        lambda genotype: math.nan if int(genotype.digest[:8], 16) % 2 else share_of_pools(genotype),
        20,
    )
    failed = {trial.genotype.digest for trial in trials if trial.score is None}
    assert failed
    assert not failed & {trial.origin.get("parent") for trial in trials}


def test_where_every_trial_fails_the_search_goes_on_at_random() -> None:
    trials = drive(engine(population=2, tournament=1, children=2), lambda _: math.nan, 5)
    assert [trial.origin["how"] for trial in trials] == ["sample"] * 10
    assert len({trial.genotype.digest for trial in trials}) == 10


def test_a_warm_start_is_the_first_generation() -> None:
    rng = np.random.default_rng(7)
    starts = [GENOME_NAS.sample(rng=rng) for _ in range(3)]
    source = Source(GENOME_NAS, rng=np.random.default_rng(0), options=SourceOptions(initial=starts))
    trials = drive(Evolution(source, population=5, tournament=2, children=4), share_of_pools, 2)
    assert [trial.genotype for trial in trials[:3]] == starts


def test_a_small_space_is_exhausted_and_the_search_ends(small_space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    few = {small_space.sample(rng=rng).digest for _ in range(20)}
    options = SourceOptions(accepts=lambda genotype: genotype.digest in few)
    source = Source(small_space, rng=np.random.default_rng(0), options=options)
    trials = drive(Evolution(source, population=4, tournament=2, children=3), share_of_pools, 100)
    digests = [trial.genotype.digest for trial in trials]
    assert len(digests) == len(set(digests)) <= 20
    assert set(digests) <= few


def test_a_saved_state_goes_on_within_the_first_generation_and_after() -> None:
    settings = {"population": 6, "tournament": 3, "children": 4}
    whole = drive(engine(**settings), share_of_pools, 8)
    for n_rounds in (1, 2, 5):
        first, copy = engine(**settings), engine(9, **settings)
        before = drive(first, share_of_pools, n_rounds)
        copy.load_state_dict(first.state_dict())
        assert before + drive(copy, share_of_pools, 8 - n_rounds, first=len(before)) == whole


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(DataError, match="tournament is 9, it must be at most 5"):
        engine(population=5, tournament=9)
