"""Genome-RS: genotypes drawn uniformly from the space (with ordered nodes), each evaluated once.

Reference: Scheppach et al., section III; Li and Talwalkar 2019 on why this is the line every engine must beat.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.search.engine import SpaceExhaustedError

__all__ = ["RandomSearch"]

MAX_REDRAWS = 1000
"""Draws in a row that may all be known before a space counts as exhausted."""


class RandomSearch:
    """Random search without repeats.

    Parameters
    ----------
    space
        Where genotypes are drawn from.
    rng
        Source of all randomness.
    """

    name = "random"

    def __init__(self, space: SearchSpace, *, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._seen: set[str] = set()

    def ask(self) -> Genotype:
        """Return a genotype that was not asked before."""
        for _ in range(MAX_REDRAWS):
            genotype = self._space.sample(rng=self._rng)
            if genotype.digest not in self._seen:
                self._seen.add(genotype.digest)
                return genotype
        raise SpaceExhaustedError(
            f"{len(self._seen)} genotypes of space {self._space.name!r} asked, no new one found."
        )

    def tell(self, genotype: Genotype, score: float | None) -> None:
        """Take note; random search does not learn."""
        self._seen.add(genotype.digest)

    def state_dict(self) -> dict[str, Any]:
        """Return generator and digests seen."""
        return {"rng": self._rng.bit_generator.state, "seen": sorted(self._seen)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._rng.bit_generator.state = state["rng"]
        self._seen = set(state["seen"])
