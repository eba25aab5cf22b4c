"""Local search: from a good start to a better neighbour, and on, until none is better; then from another start.

Neighbours are evaluated in random order, a round at a time, and the best of a round that improves is where the search
goes: the rest of the neighbourhood is left. A diagnostic for small spaces and the last mile of a large one.

Reference: White et al., Local Search is State of the Art for Neural Architecture Search Benchmarks (2020).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.event_values import as_number
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["LocalSearch"]


class LocalSearch:
    """Local search with restarts.

    Parameters
    ----------
    source
        Where genotypes come from.
    n_starts
        Random genotypes of which the best is a start.
    round_size
        Neighbours that are evaluated before the search moves.
    """

    name: ClassVar[str] = "local-search"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(n_trials=500),
            "quick": EnginePreset(settings={"n_starts": 3, "round_size": 2}, n_trials=12),
        }
    )

    def __init__(self, source: Source, *, n_starts: int = 10, round_size: int = 8) -> None:
        check_settings(self.name, n_starts=(n_starts, 1, None), round_size=(round_size, 1, None))
        self._source = source
        self._n_starts, self._round_size = n_starts, round_size
        self._here: Genotype | None = None
        self._score = 0.0

    def ask(self) -> Round:
        """Return some neighbours of where the search is, or new starts where there is none left."""
        if self._here is not None:
            neighbors = self._source.neighbors(self._here)
            if neighbors:
                order = self._source.rng.permutation(len(neighbors))[: self._round_size]
                origin = {"how": "neighbor", "parent": self._here.digest}
                chosen = [self._source.take(neighbors[index]) for index in order]
                return Round(proposals=tuple(Proposal(genotype=one, origin=origin) for one in chosen))
            self._here = None  # a local optimum
        drawn = self._source.samples(self._n_starts)
        return Round(proposals=tuple(Proposal(genotype=one, origin={"how": "start"}) for one in drawn))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Move to the best of the round where it is better, the earlier of equals."""
        for trial in trials:
            if trial.score is not None and (self._here is None or trial.score > self._score):
                self._here, self._score = trial.genotype, trial.score

    def state_dict(self) -> dict[str, Any]:
        """Return the source and where the search is, as JSON values."""
        here = None if self._here is None else genotype_to_document(self._here)
        return {"source": self._source.state_dict(), "here": here, "score": self._score}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        self._score = as_number(state["score"], "score", "state of engine 'local-search'")
        self._here = None if state["here"] is None else self._source.genotype_of(state["here"])
