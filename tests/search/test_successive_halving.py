"""Successive halving and Hyperband: who is promoted, with which budgets, from which networks."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Genotype
from genotools.search import Source
from genotools.search.hyperband import Hyperband, brackets
from genotools.search.successive_halving import SuccessiveHalving
from genotools.search.trial import Trial
from genotools.testing.driving import drive


def by_digest(genotype: Genotype) -> float:
    return int(genotype.digest[:8], 16) / 2**32


def source(seed: int = 0) -> Source:
    return Source(GENOME_NAS, rng=np.random.default_rng(seed))


def rungs_of(trials: list[Trial]) -> list[list[Trial]]:
    rungs: dict[int, list[Trial]] = {}
    for trial in trials:
        rungs.setdefault(int(trial.origin["rung"]), []).append(trial)
    return [rungs[rung] for rung in sorted(rungs)]


def test_the_published_rungs_are_25_12_6_3_with_3_6_9_12_epochs() -> None:
    trials = drive(SuccessiveHalving(source()), by_digest, n_rounds=9)
    rungs = rungs_of(trials)
    assert [len(rung) for rung in rungs] == [25, 12, 6, 3]
    assert [{trial.budget_epochs for trial in rung} for rung in rungs] == [{3}, {6}, {9}, {12}]
    assert len({trial.genotype.digest for trial in trials}) == 25


def test_exactly_the_best_are_promoted_and_go_on_from_their_own_trial() -> None:
    first, second, *_ = rungs_of(drive(SuccessiveHalving(source()), by_digest, n_rounds=2))
    scores = {trial.number: by_digest(trial.genotype) for trial in first}
    best = sorted(scores, key=lambda number: -scores[number])[:12]
    assert [trial.continues for trial in second] == best
    assert [trial.genotype for trial in second] == [first[number].genotype for number in best]


def test_equals_are_promoted_by_number() -> None:
    _, second = rungs_of(drive(SuccessiveHalving(source(), n_genotypes=6, n_rungs=2), lambda _: 0.5, 2))
    assert [trial.continues for trial in second] == [0, 1, 2]


def test_a_failed_trial_is_never_promoted() -> None:
    seen: Counter[str] = Counter()

    def only_three(genotype: Genotype) -> float:
        seen[genotype.digest] += 1
        return 1.0 if len(seen) <= 3 else math.nan

    engine = SuccessiveHalving(source(), n_genotypes=10, n_rungs=2)
    assert [trial.continues for trial in rungs_of(drive(engine, only_three, 2))[1]] == [0, 1, 2]
    engine = SuccessiveHalving(source(), n_genotypes=4)
    assert len(drive(engine, lambda _: math.nan, 9)) == 4  # none is left to go on with


def test_one_of_eta_goes_on_and_only_those_may_be_continued() -> None:
    engine = SuccessiveHalving(source(), n_genotypes=9, eta=3, n_rungs=3)
    first = drive(engine, by_digest, 1)
    promoted = engine.continuable()
    assert promoted == {trial.number for trial in sorted(first, key=lambda t: -by_digest(t.genotype))[:3]}
    rest = drive(engine, by_digest, 9, first=9)
    assert [len(rung) for rung in rungs_of(rest)] == [3, 1]
    assert engine.continuable() == set()


def test_hyperband_has_the_published_brackets() -> None:
    assert brackets(81, 3) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize(("max_epochs", "eta", "s_max"), [(243, 3, 5), (242, 3, 4), (1, 2, 0), (1000, 10, 3)])
def test_the_number_of_brackets_is_exact(max_epochs: int, eta: int, s_max: int) -> None:
    assert len(brackets(max_epochs, eta)) == s_max + 1


def test_a_round_of_hyperband_is_the_next_rung_of_every_bracket() -> None:
    engine = Hyperband(source(), max_epochs=9, eta=3)
    rounds = _rounds(engine)
    assert [Counter(trial.origin["bracket"] for trial in one) for one in rounds] == [
        {2: 9, 1: 5, 0: 3},
        {2: 3, 1: 1},
        {2: 1},
    ]
    for earlier, later in itertools.pairwise(rounds):
        for bracket in {trial.origin["bracket"] for trial in later}:
            here = [trial for trial in earlier if trial.origin["bracket"] == bracket]
            best = sorted(here, key=lambda trial: -by_digest(trial.genotype))
            after = [trial.continues for trial in later if trial.origin["bracket"] == bracket]
            assert after == [trial.number for trial in best[: len(after)]]


def _rounds(engine: Hyperband) -> list[list[Trial]]:
    rounds: list[list[Trial]] = []
    while found := drive(engine, by_digest, 1, first=sum(map(len, rounds))):
        rounds.append(found)
    return rounds


def test_a_saved_state_goes_on_between_rungs() -> None:
    for make in (
        lambda: SuccessiveHalving(source(), n_genotypes=8, n_rungs=3),
        lambda: Hyperband(source(), max_epochs=9, eta=3),
    ):
        whole = drive(make(), by_digest, 9)
        engine, copy = make(), make()
        before = drive(engine, by_digest, 1)
        copy.load_state_dict(engine.state_dict())
        assert before + drive(copy, by_digest, 9, first=len(before)) == whole


def test_settings_out_of_range_are_named_together() -> None:
    with pytest.raises(DataError, match=r"(?s)2 faults.*n_genotypes is 0.*eta is 1, it must be at least 2"):
        SuccessiveHalving(source(), n_genotypes=0, eta=1)
    with pytest.raises(DataError, match="max_epochs is 0"):
        Hyperband(source(), max_epochs=0)
