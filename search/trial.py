"""A trial: one genotype evaluated once, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from genotools.genotype.genotype import Genotype

__all__ = ["Status", "Trial"]


class Status(StrEnum):
    """How far a trial has come."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One evaluation of a genotype.

    Parameters
    ----------
    number
        Place in the search, from 0.
    genotype
        What was evaluated.
    seed
        The trial's own, so its result depends neither on other trials nor on the number of workers; a trial that
        continues another has that one's.
    status
        How far it is.
    scores
        The objectives, each turned so that higher is better; None until it has finished, and where it failed.
    metrics
        What the evaluator measured on the validation split, and what the network costs.
    seconds
        Wall time; where weights are shared, with its share of their training.
    error
        The traceback of a failure.
    budget_epochs, continues, origin
        As the engine proposed it, see :class:`~genotools.search.engine.Proposal`.
    """

    number: int
    genotype: Genotype
    seed: int
    status: Status = Status.RUNNING
    scores: tuple[float, ...] | None = None
    metrics: dict[str, float] | None = None
    seconds: float | None = None
    error: str | None = None
    budget_epochs: int | None = None
    continues: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float | None:
        """The first objective, higher is better; None where there is none."""
        return None if self.scores is None else self.scores[0]
