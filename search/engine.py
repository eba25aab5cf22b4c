"""What a sampling engine is: it proposes genotypes and is told their scores; it never sees data or networks."""

from collections.abc import Mapping
from typing import Any, Protocol

from genotools.genotype.genotype import Genotype

__all__ = ["Engine", "SpaceExhaustedError"]


class SpaceExhaustedError(Exception):
    """An engine has no genotype left that was not evaluated; the search ends here."""


class Engine(Protocol):
    """A sampling engine.

    From one state an engine always asks the same: everything random comes from its own generator, which is part of
    ``state_dict``. It never asks for one digest twice.
    """

    name: str

    def ask(self) -> Genotype:
        """Return the next genotype to evaluate.

        Raises
        ------
        SpaceExhaustedError
            If there is none.
        """
        ...

    def tell(self, genotype: Genotype, score: float | None) -> None:
        """Take in the score of a genotype, higher is better; None says that its trial failed."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all state as JSON values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that :meth:`state_dict` gave."""
        ...
