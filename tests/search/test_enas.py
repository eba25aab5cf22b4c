"""ENAS as an engine: epochs of paths and samples, and the derivation at the end."""

import json
import statistics
from typing import Any

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS
from genotools.search import Round, Source, Trial, make_engine
from genotools.search.enas import Enas
from genotools.testing.conformance import check_engine
from genotools.testing.landscape import Landscape

LANDSCAPE = Landscape(GENOME_NAS, seed=0)


def small(source: Source, **settings: Any) -> Enas:
    defaults = {"n_rounds": 3, "n_paths": 7, "round_size": 5, "n_updates": 3, "n_final": 4, "hidden": 16}
    return Enas(source, **{**defaults, "lr": 1e-2, "temperature": 1.0, **settings})


def engine(seed: int = 0, **settings: Any) -> Enas:
    return small(Source(GENOME_NAS, rng=np.random.default_rng(seed)), **settings)


def evaluated(asked: Round, number: int, *, is_failed: bool = False) -> list[Trial]:
    """Return trials numbered from ``number``; scores rise with the rounds, as those of trained weights do."""
    return [
        Trial(
            number=number + index,
            genotype=proposal.genotype,
            seed=0,
            scores=None if is_failed else (LANDSCAPE(proposal.genotype),),
        )
        for index, proposal in enumerate(asked.proposals)
    ]


def run(enas: Enas) -> tuple[list[Round], list[Trial]]:
    rounds: list[Round] = []
    trials: list[Trial] = []
    while (asked := enas.ask()).proposals:
        rounds.append(asked)
        told = evaluated(asked, len(trials))
        enas.tell(told)
        trials += told
    return rounds, trials


def test_it_keeps_the_contract_of_engines() -> None:
    check_engine(small, LANDSCAPE, n_rounds=5)


def test_epochs_train_paths_and_the_last_round_derives() -> None:
    rounds, _ = run(engine())
    assert [len(one.paths) for one in rounds] == [7, 7, 7, 0]
    assert [len(one.proposals) for one in rounds] == [5, 5, 5, 4]
    assert all(GENOME_NAS.contains(path) for one in rounds for path in one.paths)
    assert [dict(proposal.origin) for proposal in rounds[-1].proposals] == [{"how": "derive"}] * 4


def test_the_answer_is_the_best_of_the_last_round() -> None:
    enas = engine()
    assert enas.choice() is None
    _, trials = run(enas)
    last = trials[-4:]
    choice = enas.choice()
    assert choice is not None
    assert trials[choice] in last
    assert trials[choice].score == max(trial.score or 0 for trial in last)


def test_an_answer_outlives_a_round_of_failures() -> None:
    enas = engine()
    enas.tell(evaluated(enas.ask(), 0))
    choice = enas.choice()
    enas.tell(evaluated(enas.ask(), 5, is_failed=True))
    assert choice is not None
    assert enas.choice() == choice < 5


def test_it_finds_more_than_its_first_samples() -> None:
    rounds, trials = run(engine(n_rounds=12, round_size=20, n_updates=5, n_final=20))
    first = [trial.score or 0 for trial in trials[:20]]
    derived = [trial.score or 0 for trial in trials[-20:]]
    assert len(rounds) == 13
    assert statistics.mean(derived) > statistics.mean(first) + 0.08
    assert max(derived) > max(first)


def test_paths_come_from_the_policy_as_it_is() -> None:
    """After training on one op, paths have it far more often than a uniform draw."""
    enas = engine(n_rounds=10, round_size=20, n_paths=30)

    def share_of_pools(asked: Round) -> float:
        ops = [edge.op for path in asked.paths for edge in path.normal.edges]
        return ops.count("max_pool_5") / len(ops)

    shares = []
    for _ in range(10):
        asked = enas.ask()
        shares.append(share_of_pools(asked))
        scores = [
            sum(edge.op == "max_pool_5" for edge in one.genotype.normal.edges) for one in asked.proposals
        ]
        enas.tell(
            [
                Trial(number=number, genotype=one.genotype, seed=0, scores=(float(score),))
                for number, (one, score) in enumerate(zip(asked.proposals, scores, strict=True))
            ]
        )
    assert shares[0] == pytest.approx(1 / 8, abs=0.06)
    assert shares[-1] > 0.25


def test_a_state_in_the_middle_continues_with_the_same_paths() -> None:
    enas = engine()
    enas.tell(evaluated(enas.ask(), 0))
    copy = engine(seed=9)
    copy.load_state_dict(json.loads(json.dumps(enas.state_dict())))
    assert copy.choice() == enas.choice()
    rounds, copied = run(enas)[0], run(copy)[0]
    assert [one.paths for one in rounds] == [one.paths for one in copied]
    assert rounds == copied


@pytest.mark.parametrize("preset", ["paper", "released", "quick"])
def test_presets_are_settings(preset: str) -> None:
    found = Enas.presets[preset]
    made = make_engine("enas", Source(GENOME_NAS, rng=np.random.default_rng(0)), found.settings)
    assert made.evaluation == "search"
    assert found.n_trials is None


def test_wrong_settings_are_named() -> None:
    with pytest.raises(DataError, match="n_paths is 0, it must be at least 1"):
        engine(n_paths=0)
    with pytest.raises(DataError, match="settings of engine 'enas': lr is 3, it must be at most 1"):
        engine(lr=3)
