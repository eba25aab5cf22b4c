"""NSGA-II: the front between several objectives, such as score and parameters.

Parents win a tournament of two by front, then by how free they stand; a child is a crossover of two parents or a
mutation of one; of parents and children together the best fronts live on. With one objective it is an evolution that
never forgets its best. Reference: Deb et al., NSGA-II (2002).
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from genotools.errors import DataError
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.event_values import as_number
from genotools.search.fronts import crowding, fronts
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["Pareto"]

STATE = "state of engine 'pareto'"


class _Member(NamedTuple):
    """One of the population, with the number of its front and its distance to the neighbours on it."""

    genotype: Genotype
    scores: tuple[float, ...]
    front: int = 0
    distance: float = 0.0


class Pareto:
    """NSGA-II over all objectives of the search; a round is a generation.

    Parameters
    ----------
    source
        Where genotypes come from.
    population
        How many live, and how many are born in a generation.
    crossover_rate
        Share of children that have two parents.
    """

    name: ClassVar[str] = "pareto"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(settings={"population": 40}, n_trials=400),
            "quick": EnginePreset(settings={"population": 4}, n_trials=12),
        }
    )

    def __init__(self, source: Source, *, population: int = 40, crossover_rate: float = 0.5) -> None:
        check_settings(self.name, population=(population, 2, None), crossover_rate=(crossover_rate, 0, 1))
        self._source = source
        self._size, self._crossover_rate = population, crossover_rate
        self._members: list[_Member] = []

    def ask(self) -> Round:
        """Return the first generation at random, then children."""
        if not self._members:
            drawn = self._source.samples(self._size)
            return Round(proposals=tuple(Proposal(genotype=one, origin={"how": "sample"}) for one in drawn))
        return Round(proposals=tuple(self._source.up_to(self._size, self._child)))

    def _child(self) -> Proposal:
        first = self._parent()
        if self._source.rng.random() >= self._crossover_rate:
            origin = {"how": "mutation", "parent": first.digest}
            return Proposal(genotype=self._source.mutate(first), origin=origin)
        second = self._parent()
        origin = {"how": "crossover", "parent": first.digest, "other_parent": second.digest}
        return Proposal(genotype=self._source.crossover(first, second), origin=origin)

    def _parent(self) -> Genotype:
        """Return the better of two, drawn without replacement where there are two."""
        size = min(2, len(self._members))
        drawn = self._source.rng.choice(len(self._members), size, replace=False)
        members = [self._members[index] for index in drawn.tolist()]
        winner: _Member = min(members, key=lambda member: (member.front, -member.distance))
        return winner.genotype

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the best fronts of old and new live on; of the front that does not fit whole, those that stand free."""
        born = [_Member(trial.genotype, trial.scores) for trial in trials if trial.scores is not None]
        self._members = self._best([*self._members, *born])

    def _best(self, pool: Sequence[_Member]) -> list[_Member]:
        """Return the members that live on, with their fronts and distances."""
        kept: list[_Member] = []
        if len({len(member.scores) for member in pool}) > 1:
            raise DataError(f"{STATE}: its members have another number of scores.")
        for number, front in enumerate(fronts([member.scores for member in pool])):
            distances = crowding([pool[index].scores for index in front])
            ranked = [
                pool[index]._replace(front=number, distance=distance)
                for index, distance in zip(front, distances, strict=True)
            ]
            ranked.sort(key=lambda member: -member.distance)
            kept += ranked[: self._size - len(kept)]
        return kept

    def state_dict(self) -> dict[str, Any]:
        """Return the source and the population as JSON values."""
        members = [
            {
                "genotype": genotype_to_document(member.genotype),
                "scores": list(member.scores),
                "front": member.front,
                "distance": None if math.isinf(member.distance) else member.distance,  # JSON has no infinity
            }
            for member in self._members
        ]
        return {"source": self._source.state_dict(), "members": members}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        self._members = [
            _Member(
                self._source.genotype_of(member["genotype"]),
                tuple(as_number(score, "score", STATE) for score in member["scores"]),
                int(member["front"]),
                math.inf if (far := member["distance"]) is None else as_number(far, "distance", STATE),
            )
            for member in state["members"]
        ]
