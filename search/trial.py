"""A trial: one genotype evaluated once, and what came out."""

from dataclasses import dataclass
from enum import StrEnum

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

    ``seed`` is the trial's own, so its result depends neither on other trials nor on the number of workers.
    ``metrics`` hold what the evaluator measured on the validation split, ``error`` the traceback of a failure.
    """

    number: int
    genotype: Genotype
    seed: int
    status: Status = Status.RUNNING
    score: float | None = None
    metrics: dict[str, float] | None = None
    seconds: float | None = None
    error: str | None = None
