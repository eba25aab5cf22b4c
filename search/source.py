"""Where an engine's genotypes come from: warm starts first, then the space; none twice, none that is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from genotools.errors import GenotoolsError
from genotools.genotype.documents import genotype_from_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace

__all__ = ["Source", "SourceOptions", "SpaceExhaustedError"]

T = TypeVar("T")

MAX_REDRAWS = 1000
"""Draws in a row that may all be known or refused before a space counts as exhausted."""

MUTATIONS_BEFORE_WALKING = 20
"""Mutants of one parent that may be known before the next starts from the last of them."""


class SpaceExhaustedError(GenotoolsError):
    """No genotype is left that was not proposed and would be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What decides, besides the space, which genotypes an engine gets.

    Parameters
    ----------
    accepts
        Says whether a genotype may be proposed: constraints, checked before any training.
    prefers
        A score, higher is better, by which each draw is the best of ``n_draws``; None takes the first.
    n_draws
        How many to choose from.
    initial
        Given out before anything is drawn: a warm start.
    description
        All of it as JSON values, for the records; a resumed search must have the same.
    """

    accepts: Callable[[Genotype], bool] = lambda genotype: True
    prefers: Callable[[Genotype], float] | None = None
    n_draws: int = 10
    initial: Sequence[Genotype] = ()
    description: Mapping[str, Any] = field(default_factory=dict)


class Source:
    """Fresh genotypes of a space.

    Parameters
    ----------
    space
        Where they are legal.
    rng
        Source of all randomness of the engine.
    options
        Which of them are given out, and which first.

    Attributes
    ----------
    space, rng
        As given.
    """

    def __init__(
        self, space: SearchSpace, *, rng: np.random.Generator, options: SourceOptions | None = None
    ) -> None:
        options = options or SourceOptions()
        self.space, self.rng = space, rng
        self._accepts, self._prefers, self._n_draws = options.accepts, options.prefers, options.n_draws
        self._initial = list(options.initial)
        self._n_given = 0  # of the initial ones
        self._seen: set[str] = set()
        self._verdicts: dict[str, bool] = {}

    def is_fresh(self, genotype: Genotype) -> bool:
        """Return whether ``genotype`` was not given out before and is accepted."""
        digest = genotype.digest
        if digest in self._seen:
            return False
        if digest not in self._verdicts:
            self._verdicts[digest] = self._accepts(genotype)
        return self._verdicts[digest]

    def take(self, genotype: Genotype) -> Genotype:
        """Mark ``genotype`` as given out and return it."""
        self._seen.add(genotype.digest)
        return genotype

    def warm_start(self) -> Genotype | None:
        """Return the next fresh warm start, marked as given out; None when there are no more."""
        while self._n_given < len(self._initial):
            genotype = self._initial[self._n_given]
            self._n_given += 1
            if self.is_fresh(genotype):
                return self.take(genotype)
        return None

    def sample(self) -> Genotype:
        """Return a fresh genotype: a warm start while there are some, else a uniform draw.

        Raises
        ------
        SpaceExhaustedError
            If none was found.
        """
        return self.warm_start() or self.fresh(lambda: self.space.sample(rng=self.rng))

    def samples(self, n: int) -> list[Genotype]:
        """Return ``n`` fresh genotypes, fewer where the space is exhausted."""
        return list(self.up_to(n, self.sample))

    def mutate(self, parent: Genotype) -> Genotype:
        """Return a fresh genotype one change away from ``parent``, or a few where all of those are known."""
        here, n_tries = parent, 0

        def draw() -> Genotype:
            nonlocal here, n_tries
            n_tries += 1
            mutant = self.space.mutate(here, rng=self.rng)
            if n_tries % MUTATIONS_BEFORE_WALKING == 0:
                here = mutant
            return mutant

        return self.fresh(draw)

    def crossover(self, first: Genotype, second: Genotype) -> Genotype:
        """Return a fresh mutant of a child of two parents, or the child itself where it is fresh."""
        child = self.space.crossover(first, second, rng=self.rng)
        return self.take(child) if self.is_fresh(child) else self.mutate(child)

    def neighbors(self, genotype: Genotype) -> list[Genotype]:
        """Return all fresh genotypes one change away, none of them marked as given out."""
        return [neighbor for neighbor in self.space.neighbors(genotype) if self.is_fresh(neighbor)]

    def fresh(self, draw: Callable[[], Genotype]) -> Genotype:
        """Return what ``draw`` gives once it is fresh, marked as given out; the preferred one of several.

        Raises
        ------
        SpaceExhaustedError
            If 1000 draws in a row were known or refused.
        """
        if self._prefers is None:
            return self.take(self._first_fresh(draw))
        drawn: dict[str, Genotype] = {}
        for genotype in self.up_to(self._n_draws, lambda: self._first_fresh(draw)):
            drawn.setdefault(genotype.digest, genotype)
        if not drawn:
            raise SpaceExhaustedError(self._exhausted())
        return self.take(max(drawn.values(), key=self._prefers))

    def up_to(self, n: int, draw: Callable[[], T]) -> Iterator[T]:
        """Yield what ``draw`` gives, ``n`` times or until the space is exhausted."""
        for _ in range(n):
            try:
                yield draw()
            except SpaceExhaustedError:
                return

    def _first_fresh(self, draw: Callable[[], Genotype]) -> Genotype:
        for _ in range(MAX_REDRAWS):
            genotype = draw()
            if self.is_fresh(genotype):
                return genotype
        raise SpaceExhaustedError(self._exhausted())

    def _exhausted(self) -> str:
        n_refused = sum(not accepted for accepted in self._verdicts.values())
        refused = f", {n_refused} refused by constraints" if n_refused else ""
        return f"{len(self._seen)} genotypes of space {self.space.name!r} proposed{refused}; no new one was found."

    def genotype_of(self, document: object) -> Genotype:
        """Return the genotype that an engine's state holds as a document; raises DataError if it is damaged."""
        return genotype_from_document(document, where="state of the engine", space=self.space)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator, and what was given out, as JSON values."""
        return {
            "rng": self.rng.bit_generator.state,
            "seen": sorted(self._seen),
            "n_initial_given": self._n_given,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.rng.bit_generator.state = state["rng"]
        self._seen = {str(digest) for digest in state["seen"]}
        self._n_given = int(state["n_initial_given"])
