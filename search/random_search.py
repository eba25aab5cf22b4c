"""Genome-RS: genotypes drawn uniformly from the space (with ordered nodes), each evaluated once.

Reference: Scheppach et al., section III; Li and Talwalkar 2019 on why this is the line every engine must beat.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["RandomSearch"]


class RandomSearch:
    """Random search without repeats.

    Parameters
    ----------
    source
        Where genotypes come from.
    round_size
        Trials asked for at once: as many can run side by side. It does not change which.
    """

    name: ClassVar[str] = "random"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {"paper": EnginePreset(n_trials=20), "quick": EnginePreset(n_trials=4)}
    )

    def __init__(self, source: Source, *, round_size: int = 8) -> None:
        check_settings(self.name, round_size=(round_size, 1, None))
        self._source = source
        self._round_size = round_size

    def ask(self) -> Round:
        """Return genotypes that were not asked for before."""
        drawn = self._source.samples(self._round_size)
        return Round(proposals=tuple(Proposal(genotype=genotype) for genotype in drawn))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Random search does not learn."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the source."""
        return {"source": self._source.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._source.load_state_dict(state["source"])
