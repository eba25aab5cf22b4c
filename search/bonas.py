"""BONAS: the genotypes of a round are those of many candidates from which a surrogate expects most.

The surrogate, graph convolutions and Bayesian sigmoid regression, is fitted anew to all scores before every round.
Candidates are one change away from the best trials, or drawn uniformly. As published, a round is scored with the
weights of a supernet of just its genotypes; how trials are scored is not the engine's affair, though, and with trials
that train weights of their own it is plain Bayesian optimisation.

References: Shi et al., Bridging the Gap between Sample-based and One-shot NAS with BONAS (2020); Scheppach et al.,
appendix A; Schneider et al., Mutation is all you need (2021), on candidates near the best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from genotools.errors import DataError
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.encoding import GenotypeEncoding
from genotools.genotype.genotype import Genotype
from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.event_values import as_number
from genotools.search.sigmoid_regression import inner_scores, published_moments, ranks, sigmoid_moments
from genotools.search.source import MAX_REDRAWS, Source
from genotools.search.surrogate import fit_surrogate
from genotools.search.trial import Trial

__all__ = ["Bonas"]

MUTATION, SAMPLING = "mutation", "sampling"

RANKS, VALUES = "ranks", "values"

EXACT, PUBLISHED = "exact", "published"

MIN_OBSERVATIONS = 2
"""Scores without which there is nothing to fit."""

AS_PUBLISHED = MappingProxyType(
    {"n_initial": 60, "round_size": 60, "n_candidates": 1000, "fit_to": VALUES, "moments": PUBLISHED}
)


@dataclass(frozen=True, slots=True)
class Observation:
    """A genotype that was scored; its encoding is kept since every fit needs it."""

    genotype: Genotype
    score: float
    encoding: GenotypeEncoding


class Bonas:
    """Bayesian optimisation with a graph neural network as surrogate.

    Parameters
    ----------
    source
        Where genotypes come from. Its preference among draws holds for the initial ones only: of candidates, the
        surrogate prefers some.
    n_initial
        Trials of the first round, before there is a surrogate.
    round_size
        Trials of every later round.
    n_candidates
        Genotypes among which the surrogate chooses those of a round.
    candidates
        ``"mutation"``: all that is one change away from the best trials, one after another until there are
        enough; the rest, where even that is too little, is drawn. ``"sampling"``: uniform draws.
    incumbents
        At least as many of the best trials have mutants among the candidates.
    tournament_size
        So many trials, drawn at random before every round, come before all others when the best are sought; 0 makes
        no difference between them.
    fit_to
        What the surrogate learns. ``"values"``: the scores, where all lie in [0, 1], 0 and 1 moved inwards a little.
        ``"ranks"``: their ranks, (rank - 1/2) / N, whatever their unit and range; also in place of other values.
        The ``mean``, ``sd`` and ``ucb`` in a proposal's origin are on that scale.
    exploration
        Standard deviations that are added to the expected score.
    moments
        How the surrogate gets them: ``"exact"``, or by the ``"published"`` approximation.
    gcn_epochs
        Of the training of the surrogate.
    """

    name: ClassVar[str] = "bonas"
    evaluation: ClassVar[Evaluation] = "round"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(
                settings={**AS_PUBLISHED, "candidates": SAMPLING},
                n_trials=180,
                training={"epochs": 60, "batch_size": 128},
            ),
            "reference": EnginePreset(
                settings={**AS_PUBLISHED, "candidates": MUTATION, "incumbents": 1, "tournament_size": 10},
                n_trials=180,
                training={"epochs": 60, "batch_size": 128},
            ),
            "quick": EnginePreset(
                settings={"n_initial": 6, "round_size": 4, "n_candidates": 60, "gcn_epochs": 60},
                n_trials=14,
                training={"epochs": 2},
            ),
        }
    )

    def __init__(
        self,
        source: Source,
        *,
        n_initial: int = 60,
        round_size: int = 60,
        n_candidates: int = 1000,
        candidates: str = MUTATION,
        incumbents: int = 5,
        tournament_size: int = 0,
        fit_to: str = RANKS,
        exploration: float = 0.5,
        moments: str = EXACT,
        gcn_epochs: int = 100,
    ) -> None:
        check_settings(
            self.name,
            n_initial=(n_initial, 1, None),
            round_size=(round_size, 1, None),
            n_candidates=(n_candidates, round_size, None),
            incumbents=(incumbents, 1, None),
            tournament_size=(tournament_size, 0, None),
            exploration=(exploration, 0, None),
            gcn_epochs=(gcn_epochs, 1, None),
        )
        _check_choice("candidates", candidates, MUTATION, SAMPLING)
        _check_choice("fit_to", fit_to, RANKS, VALUES)
        _check_choice("moments", moments, EXACT, PUBLISHED)
        self._source = source
        self._n_initial, self._round_size, self._n_candidates = n_initial, round_size, n_candidates
        self._are_mutants, self._is_by_rank = candidates == MUTATION, fit_to == RANKS
        self._incumbents, self._tournament_size = incumbents, tournament_size
        self._exploration, self._gcn_epochs = exploration, gcn_epochs
        self._moments = published_moments if moments == PUBLISHED else sigmoid_moments
        self._observations: list[Observation] = []
        self._n_told = 0

    def ask(self) -> Round:
        """Return the initial genotypes, then the candidates of highest upper confidence bound."""
        if self._n_told < self._n_initial:
            return _initial(self._source.samples(self._n_initial - self._n_told))
        if len(self._observations) < MIN_OBSERVATIONS:
            return _initial(self._source.samples(self._round_size))
        waiting = list(islice(iter(self._source.warm_start, None), self._round_size))
        return _initial(waiting) if waiting else Round(proposals=tuple(self._chosen()))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in what succeeded."""
        self._n_told += len(trials)
        for trial in trials:
            if trial.score is not None:
                self._observe(trial.genotype, trial.score)

    def _observe(self, genotype: Genotype, score: float) -> None:
        self._observations.append(Observation(genotype, score, self._source.space.encode(genotype)))

    def _chosen(self) -> list[Proposal]:
        """Return the best candidates as the surrogate sees them, best first."""
        seed = int(self._source.rng.integers(2**63))
        candidates = self._candidates()
        if not candidates:
            return []
        surrogate = fit_surrogate(
            [observation.encoding for observation in self._observations],
            self._targets(),
            epochs=self._gcn_epochs,
            seed=seed,
        )
        expected = surrogate.predict(
            [self._source.space.encode(candidate) for candidate in candidates], self._moments
        )
        bounds = expected.upper_bounds(self._exploration)
        best = np.argsort(-bounds, kind="stable")[: self._round_size].tolist()
        return [
            Proposal(
                genotype=self._source.take(candidates[index]),
                origin={
                    "how": self.name,
                    "ucb": _rounded(bounds[index]),
                    "mean": _rounded(expected.mean[index]),
                    "sd": _rounded(expected.sd[index]),
                },
            )
            for index in best
        ]

    def _targets(self) -> Tensor:
        scores = [observation.score for observation in self._observations]
        if self._is_by_rank or not 0 <= min(scores) <= max(scores) <= 1:
            return ranks(scores)
        return inner_scores(scores)

    def _candidates(self) -> list[Genotype]:
        """Return fresh genotypes, none of them marked as given out."""
        found = self._mutants() if self._are_mutants else {}
        if len(found) > self._n_candidates:
            mutants = list(found.values())
            drawn = self._source.rng.choice(len(mutants), size=self._n_candidates, replace=False)
            return [mutants[index] for index in drawn.tolist()]
        self._draw_into(found)
        return list(found.values())

    def _mutants(self) -> dict[str, Genotype]:
        """Return, by digest, all fresh neighbours of the best trials, of as many as it takes."""
        found: dict[str, Genotype] = {}
        for number, parent in enumerate(self._parents()):
            if number >= self._incumbents and len(found) >= self._n_candidates:
                break
            for neighbor in self._source.neighbors(parent.genotype):
                found.setdefault(neighbor.digest, neighbor)
        return found

    def _parents(self) -> list[Observation]:
        """Return all observations, best first, those of the tournament before the others."""
        n_observations = len(self._observations)
        size = min(self._tournament_size, n_observations)
        picked = set(self._source.rng.choice(n_observations, size=size, replace=False).tolist())
        order = sorted(
            range(n_observations), key=lambda index: (index not in picked, -self._observations[index].score)
        )
        return [self._observations[index] for index in order]

    def _draw_into(self, found: dict[str, Genotype]) -> None:
        """Add uniform draws until there are enough candidates or the space is exhausted."""
        n_misses = 0
        while len(found) < self._n_candidates and n_misses < MAX_REDRAWS:
            genotype = self._source.space.sample(rng=self._source.rng)
            if genotype.digest in found or not self._source.is_fresh(genotype):
                n_misses += 1
            else:
                found[genotype.digest] = genotype
                n_misses = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the scores and the state of the source; the surrogate is made from them."""
        return {
            "source": self._source.state_dict(),
            "n_told": self._n_told,
            "observations": [
                {"genotype": genotype_to_document(observation.genotype), "score": observation.score}
                for observation in self._observations
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        self._n_told = int(state["n_told"])
        self._observations = []
        for entry in state["observations"]:
            score = as_number(entry["score"], "score", "state of engine 'bonas'")
            self._observe(self._source.genotype_of(entry["genotype"]), score)


def _initial(genotypes: Sequence[Genotype]) -> Round:
    return Round(
        proposals=tuple(Proposal(genotype=genotype, origin={"how": "initial"}) for genotype in genotypes)
    )


def _check_choice(setting: str, value: str, *choices: str) -> None:
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise DataError(f"settings of engine 'bonas': {setting} is {value!r}, it must be {known}.")


def _rounded(value: float) -> float:
    return round(float(value), 6)
