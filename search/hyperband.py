"""Hyperband: ladders of successive halving from many genotypes with little training to few with all of it.

Bracket s starts n = ceil((s_max + 1) eta^s / (s + 1)) genotypes with R eta^-s epochs each. All brackets are climbed
side by side: a round is the next rung of every one of them. Reference: Li et al., Hyperband (2018), algorithm 1.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.search.engine import EnginePreset, Evaluation, Round, check_settings
from genotools.search.rungs import Ladder
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["Hyperband", "brackets"]


def brackets(max_epochs: int, eta: int) -> list[list[tuple[int, int]]]:
    """Return the rungs of every bracket, each as its number of trials and their epochs.

    >>> brackets(9, 3)
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (1, 9)], [(3, 9)]]
    """
    s_max = 0
    while eta ** (s_max + 1) <= max_epochs:
        s_max += 1
    found = []
    for s in range(s_max, -1, -1):
        n_trials = -(-(s_max + 1) * eta**s // (s + 1))
        found.append(
            [(n_trials // eta**rung, max(1, max_epochs // eta ** (s - rung))) for rung in range(s + 1)]
        )
    return found


class Hyperband:
    """All brackets of Hyperband, once.

    Parameters
    ----------
    source
        Where genotypes come from.
    max_epochs
        R: the epochs of the trials that come through.
    eta
        Of every ``eta`` trials of a rung one goes on.
    """

    name: ClassVar[str] = "hyperband"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(settings={"max_epochs": 27, "eta": 3}, training={"epochs": 27}),
            "quick": EnginePreset(settings={"max_epochs": 4, "eta": 2}, training={"epochs": 4}),
        }
    )

    def __init__(self, source: Source, *, max_epochs: int = 81, eta: int = 3) -> None:
        check_settings(self.name, max_epochs=(max_epochs, 1, None), eta=(eta, 2, None))
        self._source = source
        rungs = brackets(max_epochs, eta)
        self._ladders = [
            Ladder(bracket, origin={"bracket": len(rungs) - 1 - index}) for index, bracket in enumerate(rungs)
        ]
        self._sizes: list[int] = []

    def ask(self) -> Round:
        """Return the next rung of every bracket that has one left."""
        asked = [ladder.ask(self._source) for ladder in self._ladders]
        self._sizes = [len(proposals) for proposals in asked]
        return Round(proposals=tuple(proposal for proposals in asked for proposal in proposals))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the round: bracket by bracket, as they were asked for."""
        rest = list(trials)
        for ladder, size in zip(self._ladders, self._sizes, strict=True):
            if size:
                ladder.tell(rest[:size])
                rest = rest[size:]

    def continuable(self) -> set[int]:
        """Return the numbers of the trials that were promoted."""
        return set().union(*(ladder.continuable() for ladder in self._ladders))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the source and of the ladders."""
        return {
            "source": self._source.state_dict(),
            "ladders": [ladder.state_dict() for ladder in self._ladders],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        for ladder, own in zip(self._ladders, state["ladders"], strict=True):
            ladder.load_state_dict(own, self._source)
