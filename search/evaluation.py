"""What a search asks of an evaluator: one trial at a time, or a whole round whose trials share weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from genotools.genotype.genotype import Genotype

__all__ = ["Evaluator", "Job", "Numbered", "Outcome", "RoundEvaluator", "RoundJob"]


class Numbered(Protocol):
    """Anything that workers can be given: a trial, or another piece of work with a number of its own."""

    @property
    def number(self) -> int:
        """What tells it from the others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A trial, as an evaluator needs to know it.

    Parameters
    ----------
    number
        Of the trial.
    genotype
        What to evaluate.
    seed
        Of initial weights, order of windows and dropout.
    budget_epochs
        Epochs of training in all; None is the evaluator's own number.
    network_path
        File in which the state of the training is kept, and from which it goes on if it is there; None keeps none.
    """

    number: int
    genotype: Genotype
    seed: int
    budget_epochs: int | None = None
    network_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a job: metrics by name, or the traceback of its failure."""

    number: int
    seconds: float
    metrics: dict[str, float] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundJob:
    """A round of trials that share weights.

    Parameters
    ----------
    number
        Of the round, from 0.
    jobs
        All of the round, in order.
    is_done
        For each of them whether it was scored before the search was interrupted; it then only helps to train.
    paths
        As in :class:`~genotools.search.engine.Round`.
    seed
        Of everything random in the round.
    folder
        Where the state of the shared weights may be kept.
    """

    number: int
    jobs: tuple[Job, ...]
    is_done: tuple[bool, ...]
    paths: tuple[Genotype, ...]
    seed: int
    folder: Path


class Evaluator(Protocol):
    """Turns a genotype into metrics. It knows data and networks; engines do not.

    It can be sent to another process.
    """

    def describe(self) -> dict[str, Any]:
        """Return all settings that results depend on, as JSON values; a resumed run must have equal ones."""
        ...

    def __call__(self, job: Job) -> dict[str, float]:
        """Train and validate; return metrics by name."""
        ...


@runtime_checkable
class RoundEvaluator(Protocol):
    """Scores the trials of a round with weights that they share."""

    def describe(self) -> dict[str, Any]:
        """Return all settings that results depend on, as JSON values; a resumed run must have equal ones."""
        ...

    def evaluate_round(self, job: RoundJob) -> Iterator[Outcome]:
        """Train the shared weights, or what is left of it, and yield the outcome of every job that is not done."""
        ...
