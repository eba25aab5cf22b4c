"""A ladder of successive halving: which trials of a rung go on, and with what budget."""

from collections.abc import Mapping, Sequence
from typing import Any

from genotools.errors import DataError
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.search.engine import Proposal
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["Ladder", "promoted"]


def promoted(trials: Sequence[Trial], n_kept: int) -> list[Trial]:
    """Return the ``n_kept`` best trials, best first; the earlier of equals, and never one that failed."""
    finished = [trial for trial in trials if trial.score is not None]
    return sorted(finished, key=lambda trial: (-(trial.score or 0.0), trial.number))[:n_kept]


class Ladder:
    """Rungs that are climbed one after another.

    Parameters
    ----------
    rungs
        Number of trials of each, and epochs that each of them has had in all when it is over.
    origin
        What every proposal says of where it comes from, besides its rung.
    """

    def __init__(self, rungs: Sequence[tuple[int, int]], *, origin: Mapping[str, Any] | None = None) -> None:
        self._rungs, self._origin = list(rungs), dict(origin or {})
        self._next = 0
        self._survivors: list[tuple[int, Genotype]] = []

    def ask(self, source: Source) -> list[Proposal]:
        """Return the trials of the next rung; none after the last, or where no trial of the last one finished."""
        if self._next == len(self._rungs):
            return []
        n_trials, epochs = self._rungs[self._next]
        origin = self._origin | {"rung": self._next}
        if self._next == 0:
            drawn = source.samples(n_trials)
            return [Proposal(genotype=one, budget_epochs=epochs, origin=origin) for one in drawn]
        return [
            Proposal(genotype=genotype, budget_epochs=epochs, continues=number, origin=origin)
            for number, genotype in self._survivors
        ]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the rung."""
        self._next += 1
        n_kept = self._rungs[self._next][0] if self._next < len(self._rungs) else 0
        self._survivors = [(trial.number, trial.genotype) for trial in promoted(trials, n_kept)]

    def continuable(self) -> set[int]:
        """Return the numbers of the trials that go on."""
        return {number for number, _ in self._survivors}

    def state_dict(self) -> dict[str, Any]:
        """Return all state as JSON values."""
        survivors = [[number, genotype_to_document(genotype)] for number, genotype in self._survivors]
        return {"next": self._next, "survivors": survivors}

    def load_state_dict(self, state: Mapping[str, Any], source: Source) -> None:
        """Continue from :meth:`state_dict`."""
        self._next = int(state["next"])
        if not 0 <= self._next <= len(self._rungs):
            raise DataError(f"state of a ladder: rung {self._next}, there are {len(self._rungs)}.")
        self._survivors = [
            (int(number), source.genotype_of(document)) for number, document in state["survivors"]
        ]
