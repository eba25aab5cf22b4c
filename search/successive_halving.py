"""Genome-SH: many genotypes trained a little, the better part trained on, and so on.

Published setting: 25 genotypes, 3 epochs a rung, half of them kept (25, 12, 6, 3 with 3, 6, 9, 12 epochs in all), on
a schedule of 20 epochs. A promoted trial goes on from its own training state, weights and optimiser.

References: Jamieson and Talwalkar, Non-stochastic Best Arm Identification (2016); Scheppach et al., section III.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.search.engine import EnginePreset, Evaluation, Round, check_settings
from genotools.search.rungs import Ladder
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["SuccessiveHalving"]


class SuccessiveHalving:
    """One ladder of rungs; a round is a rung.

    Parameters
    ----------
    source
        Where genotypes come from.
    n_genotypes
        On the first rung.
    eta
        Of every ``eta`` trials of a rung one goes on, at least one in all.
    rung_epochs
        Epochs that each rung adds.
    n_rungs
        Rungs in all.
    """

    name: ClassVar[str] = "successive-halving"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(training={"epochs": 20}),
            "quick": EnginePreset(
                settings={"n_genotypes": 8, "rung_epochs": 1, "n_rungs": 3}, training={"epochs": 3}
            ),
        }
    )

    def __init__(
        self,
        source: Source,
        *,
        n_genotypes: int = 25,
        eta: int = 2,
        rung_epochs: int = 3,
        n_rungs: int = 4,
    ) -> None:
        check_settings(
            self.name,
            n_genotypes=(n_genotypes, 1, None),
            eta=(eta, 2, None),
            rung_epochs=(rung_epochs, 1, None),
            n_rungs=(n_rungs, 1, None),
        )
        self._source = source
        rungs = [(max(1, n_genotypes // eta**k), rung_epochs * (k + 1)) for k in range(n_rungs)]
        self._ladder = Ladder(rungs)

    def ask(self) -> Round:
        """Return the next rung; nothing after the last."""
        return Round(proposals=tuple(self._ladder.ask(self._source)))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the rung."""
        self._ladder.tell(trials)

    def continuable(self) -> set[int]:
        """Return the numbers of the trials that were promoted."""
        return self._ladder.continuable()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the source and of the ladder."""
        return {"source": self._source.state_dict(), "ladder": self._ladder.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
        self._ladder.load_state_dict(state["ladder"], self._source)
