"""Regularised evolution: children of good parents come in, the oldest go, however good they are.

A child is one mutation of the best of a tournament drawn from the living. The published algorithm makes one child at
a time (``children=1``); a round of several is what lets trials run side by side with the same result on any number of
workers: siblings do not know each other's scores.

Reference: Real et al., Regularized Evolution for Image Classifier Architecture Search (2019), algorithm 1.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.event_values import as_number
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["Evolution"]


class _Member(NamedTuple):
    """One of the living."""

    genotype: Genotype
    score: float


class Evolution:
    """Regularised evolution.

    Parameters
    ----------
    source
        Where genotypes come from.
    population
        How many live; the first ones are drawn at random, or are the warm start.
    tournament
        How many of them, drawn without replacement, compete to be a parent.
    children
        Of a round.
    """

    name: ClassVar[str] = "evolution"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(settings={"population": 100, "tournament": 25}, n_trials=500),
            "quick": EnginePreset(settings={"population": 6, "tournament": 3, "children": 2}, n_trials=12),
        }
    )

    def __init__(
        self, source: Source, *, population: int = 50, tournament: int = 10, children: int = 8
    ) -> None:
        check_settings(
            self.name,
            population=(population, 1, None),
            tournament=(tournament, 1, population),
            children=(children, 1, None),
        )
        self._source = source
        self._population, self._tournament, self._children = population, tournament, children
        self._living: list[_Member] = []  # the oldest first
        self._n_drawn = 0  # of the first generation

    def ask(self) -> Round:
        """Return the next of the first generation, then children."""
        if self._n_drawn < self._population:
            n = min(self._children, self._population - self._n_drawn)
            drawn = self._source.samples(n)
            self._n_drawn = self._n_drawn + n if len(drawn) == n else self._population
            if drawn:
                return Round(
                    proposals=tuple(Proposal(genotype=one, origin={"how": "sample"}) for one in drawn)
                )
        return Round(proposals=tuple(self._source.up_to(self._children, self._child)))

    def _child(self) -> Proposal:
        if not self._living:  # every trial so far has failed
            return Proposal(genotype=self._source.sample(), origin={"how": "sample"})
        parent = self._parent().genotype
        child = self._source.mutate(parent)
        return Proposal(genotype=child, origin={"how": "mutation", "parent": parent.digest})

    def _parent(self) -> _Member:
        """Return the best of a tournament, the younger of equals."""
        size = min(self._tournament, len(self._living))
        drawn = self._source.rng.choice(len(self._living), size=size, replace=False)
        return self._living[max(drawn.tolist(), key=lambda index: (self._living[index].score, index))]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the trials that finished live; the oldest die."""
        born = [_Member(trial.genotype, trial.score) for trial in trials if trial.score is not None]
        self._living = [*self._living, *born][-self._population :]

    def state_dict(self) -> dict[str, Any]:
        """Return the source and the living as JSON values."""
        living = [[genotype_to_document(member.genotype), member.score] for member in self._living]
        return {"source": self._source.state_dict(), "living": living, "n_drawn": self._n_drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        self._n_drawn = int(state["n_drawn"])
        self._living = [
            _Member(
                self._source.genotype_of(document), as_number(score, "score", "state of engine 'evolution'")
            )
            for document, score in state["living"]
        ]
