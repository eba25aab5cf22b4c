"""BONAS as an engine: what it chooses among, what it chooses, what it survives, and that it pays."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.genotype.encoding import CellEncoding, GenotypeEncoding
from genotools.search import Source, SourceOptions, make_engine
from genotools.search import bonas as module
from genotools.search.bonas import Bonas
from genotools.search.random_search import RandomSearch
from genotools.search.surrogate import Prediction
from genotools.search.trial import Trial
from genotools.testing.conformance import check_engine
from genotools.testing.driving import drive
from genotools.testing.landscape import Landscape


def share_of_pools(genotype: Genotype) -> float:
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    return sum("pool" in edge.op for edge in edges) / len(edges)


def engine(
    seed: int = 0,
    *,
    space: SearchSpace = GENOME_NAS,
    options: SourceOptions | None = None,
    n_initial: int = 8,
    round_size: int = 4,
    n_candidates: int = 60,
    gcn_epochs: int = 5,
    **settings: object,
) -> Bonas:
    source = Source(space, rng=np.random.default_rng(seed), options=options)
    return Bonas(
        source,
        n_initial=n_initial,
        round_size=round_size,
        n_candidates=n_candidates,
        gcn_epochs=gcn_epochs,
        **settings,  # type: ignore[arg-type]
    )


def small(source: Source) -> Bonas:
    return Bonas(source, n_initial=4, round_size=3, n_candidates=20, incumbents=1, gcn_epochs=1)


Fits = list[tuple[list[GenotypeEncoding], torch.Tensor]]
"""Encodings and targets of every fit."""


class CountsConvolutions:
    """Stands for a fitted surrogate: more edges with conv_15 are better, and it is unsure of the rest."""

    def predict(self, encodings: Sequence[GenotypeEncoding], moments: object) -> Prediction:
        return Prediction(
            mean=np.array([n_encoded(encoding.normal) / 10 for encoding in encodings]),
            sd=np.array([n_encoded(encoding.reduce) / 10 for encoding in encodings]),
        )


def n_encoded(cell: CellEncoding) -> int:
    return int(cell.ops[:, cell.kinds.index("conv_15")].sum())


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    """Replace the surrogate; return what it is fitted to."""
    seen: Fits = []

    def fit(encodings: list[GenotypeEncoding], scores: torch.Tensor, **_: object) -> CountsConvolutions:
        seen.append((encodings, scores))
        return CountsConvolutions()

    monkeypatch.setattr(module, "fit_surrogate", fit)
    return seen


def n_convolutions(genotype: Genotype) -> tuple[int, int]:
    normal, reduce = ([edge.op for edge in cell.edges] for cell in (genotype.normal, genotype.reduce))
    return normal.count("conv_15"), reduce.count("conv_15")


def upper_bound(genotype: Genotype, exploration: float) -> float:
    normal, reduce = n_convolutions(genotype)
    return round(normal / 10 + exploration * reduce / 10, 6)


@pytest.mark.parametrize("exploration", [0.0, 0.5, 3.0])
def test_a_round_has_the_highest_upper_bounds_of_all_mutants_of_the_best(
    fits: Fits, exploration: float
) -> None:
    trials = drive(engine(), share_of_pools, 1)
    best = sorted(trials, key=lambda trial: -(trial.score or 0))[:3]
    mutants = {mutant for trial in best for mutant in GENOME_NAS.neighbors(trial.genotype)}
    mutants -= {trial.genotype for trial in trials}

    bonas = engine(n_candidates=len(mutants), round_size=10, incumbents=3, exploration=exploration)
    assert drive(bonas, share_of_pools, 1) == trials
    asked = bonas.ask().proposals
    bounds = sorted((upper_bound(mutant, exploration) for mutant in mutants), reverse=True)
    assert [upper_bound(proposal.genotype, exploration) for proposal in asked] == bounds[:10]
    assert {proposal.genotype for proposal in asked} <= mutants
    for proposal in asked:
        normal, reduce = n_convolutions(proposal.genotype)
        assert proposal.origin == {
            "how": "bonas",
            "ucb": upper_bound(proposal.genotype, exploration),
            "mean": normal / 10,
            "sd": reduce / 10,
        }


def test_by_sampling_candidates_are_no_mutants(fits: Fits) -> None:
    bonas = engine(candidates="sampling", n_candidates=300, round_size=4)
    trials = drive(bonas, share_of_pools, 1)
    asked = [proposal.genotype for proposal in bonas.ask().proposals]
    mutants = {mutant for trial in trials for mutant in GENOME_NAS.neighbors(trial.genotype)}
    assert mutants.isdisjoint(asked)
    drawn = np.random.default_rng(1)
    usual = np.mean([upper_bound(GENOME_NAS.sample(rng=drawn), 0.5) for _ in range(300)])
    assert min(upper_bound(genotype, 0.5) for genotype in asked) > usual + 0.15


def test_a_tournament_of_one_lets_any_trial_have_mutants(fits: Fits) -> None:
    parents = set()
    for seed in range(8):
        bonas = engine(seed, incumbents=1, tournament_size=1)
        trials = drive(bonas, share_of_pools, 1)
        asked = [proposal.genotype for proposal in bonas.ask().proposals]
        ordered = sorted(trials, key=lambda trial: -(trial.score or 0))
        found = [
            place
            for place, trial in enumerate(ordered)
            if set(asked) <= set(GENOME_NAS.neighbors(trial.genotype))
        ]
        assert len(found) == 1
        parents.add(found[0])
    assert len(parents) >= 3


def test_the_next_best_have_mutants_where_the_best_have_too_few(fits: Fits) -> None:
    bonas = engine(n_candidates=700, round_size=600, incumbents=1)
    trials = drive(bonas, share_of_pools, 1)
    best = sorted(trials, key=lambda trial: -(trial.score or 0))
    neighbors = [set(GENOME_NAS.neighbors(trial.genotype)) for trial in best]
    asked = {proposal.genotype for proposal in bonas.ask().proposals}
    assert len(asked) == 600
    needed = next(n for n in range(1, 9) if len(set().union(*neighbors[:n])) >= 700)
    assert 1 < needed < 8
    assert asked <= set().union(*neighbors[:needed])
    assert asked & neighbors[needed - 1] - set().union(*neighbors[: needed - 1])


def test_it_is_fitted_to_the_ranks_of_all_that_succeeded(fits: Fits) -> None:
    bonas = engine(n_initial=4)
    scores = iter([-3.0, math.nan, 500.0, 0.5])
    trials = drive(bonas, lambda _: next(scores), 1)
    bonas.ask()
    encodings, targets = fits[0]
    assert targets.tolist() == pytest.approx([1 / 6, 5 / 6, 3 / 6])
    for encoding, trial in zip(encodings, [trials[0], trials[2], trials[3]], strict=True):
        np.testing.assert_array_equal(encoding.normal.ops, GENOME_NAS.encode(trial.genotype).normal.ops)


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        ((0.0, 0.2, 0.4, 1.0), (0.1, 0.2, 0.4, 0.875)),  # 0 and 1 have no logit
        ((0.3, 0.2, 0.4, 0.1), (0.3, 0.2, 0.4, 0.1)),
        ((-0.3, -0.2, -0.4, 0.1), (3 / 8, 5 / 8, 1 / 8, 7 / 8)),  # no value between 0 and 1: ranks
    ],
)
def test_it_is_fitted_to_values_where_they_are_asked_for(
    fits: Fits, scores: tuple[float, ...], targets: tuple[float, ...]
) -> None:
    bonas = engine(n_initial=4, fit_to="values")
    given = iter(scores)
    drive(bonas, lambda _: next(given), 1)
    bonas.ask()
    assert fits[0][1].tolist() == pytest.approx(targets)


def test_candidates_that_were_not_chosen_stay_fresh(fits: Fits) -> None:
    bonas = engine()
    trials = drive(bonas, share_of_pools, 5)
    assert len(bonas.state_dict()["source"]["seen"]) == len(trials) == 8 + 4 * 4


def test_it_keeps_the_contract() -> None:
    check_engine(small, share_of_pools, n_rounds=3)


def test_it_keeps_the_contract_on_costs_and_with_draws() -> None:
    def sampling(source: Source) -> Bonas:
        return Bonas(source, n_initial=2, round_size=3, n_candidates=9, gcn_epochs=1, candidates="sampling")

    check_engine(sampling, lambda genotype: -100 * share_of_pools(genotype), n_rounds=3)


@pytest.mark.parametrize("fit_to", ["ranks", "values"])
@pytest.mark.parametrize("moments", ["exact", "published"])
def test_scores_of_0_and_1_are_survived(fit_to: str, moments: str) -> None:
    def fails_or_is_perfect(genotype: Genotype) -> float:
        return float(share_of_pools(genotype) > 0.25)

    trials = drive(engine(fit_to=fit_to, moments=moments), fails_or_is_perfect, 4)
    assert {trial.score for trial in trials[:8]} == {0.0, 1.0}
    predicted = [trial.origin for trial in trials if trial.origin["how"] == "bonas"]
    assert len(predicted) == 12
    assert all(math.isfinite(origin[key]) for origin in predicted for key in ("ucb", "mean", "sd"))
    assert all(0 < origin["mean"] < 1 for origin in predicted)


def test_without_two_scores_it_draws(fits: Fits) -> None:
    trials = drive(engine(n_initial=2), lambda _: math.nan, 3)
    assert [trial.origin["how"] for trial in trials] == ["initial"] * (2 + 4 + 4)
    assert fits == []


def test_warm_starts_beyond_the_first_round_come_before_candidates() -> None:
    rng = np.random.default_rng(9)
    starts = [GENOME_NAS.sample(rng=rng) for _ in range(7)]
    trials = drive(engine(n_initial=4, options=SourceOptions(initial=starts)), share_of_pools, 3)
    assert [trial.genotype for trial in trials[:7]] == starts
    assert [trial.origin["how"] for trial in trials[6:8]] == ["initial", "bonas"]


def test_a_small_space_is_searched_to_its_last_genotype() -> None:
    space = SearchSpace(
        name="two-conv-cells",
        normal=ConvCellSpace(1, 1, ("max_pool_5", "conv_15")),
        reduce=ConvCellSpace(1, 1, ("max_pool_5", "conv_15")),
        recurrent=RecurrentCellSpace(2, ("tanh",)),
    )
    trials = drive(engine(space=space, round_size=5), share_of_pools, 50)
    assert len(trials) == len({trial.genotype for trial in trials}) == 2 * 2 * 2 * 2 * 2


def test_a_state_continues_as_the_engine_itself_and_holds_no_weights() -> None:
    bonas = engine(3)
    drive(bonas, share_of_pools, 3)
    text = json.dumps(bonas.state_dict(), allow_nan=False)
    copy = engine(99)
    copy.load_state_dict(json.loads(text))
    assert copy.ask() == bonas.ask()
    assert set(json.loads(text)) == {"source", "n_told", "observations"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_candidates": 3, "round_size": 4}, "n_candidates is 3, it must be at least 4"),
        ({"exploration": -0.5}, r"exploration is -0.5, it must be at least 0"),
        ({"candidates": "crossover"}, "candidates is 'crossover', it must be 'mutation' or 'sampling'"),
        ({"fit_to": "logits"}, "fit_to is 'logits', it must be 'ranks' or 'values'"),
        ({"moments": "rough"}, "moments is 'rough', it must be 'exact' or 'published'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_engine("bonas", Source(GENOME_NAS, rng=np.random.default_rng(0)), settings)


@pytest.mark.parametrize("preset", Bonas.presets)
def test_rounds_of_a_preset_fill_its_trials(preset: str) -> None:
    """A round that shares weights is run as a whole or not at all."""
    settings, n_trials = Bonas.presets[preset].settings, Bonas.presets[preset].n_trials
    assert n_trials is not None
    assert (n_trials - settings["n_initial"]) % settings["round_size"] == 0


def best(trials: Sequence[Trial]) -> float:
    return max(trial.score for trial in trials if trial.score is not None)


@pytest.mark.slow
def test_it_beats_random_search_at_equal_evaluations() -> None:
    for seed in range(3):
        landscape = Landscape(GENOME_NAS, seed=seed, noise=0.05)
        found = drive(
            engine(seed, n_initial=20, round_size=10, n_candidates=500, gcn_epochs=50), landscape, 9
        )
        random = drive(RandomSearch(Source(GENOME_NAS, rng=np.random.default_rng(seed))), landscape, 25)
        assert len(found) == 100
        assert len(random) == 200
        assert best(found) > best(random) + 0.03
