"""How much a search may spend: epochs, steps, or wall time."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from genotools.errors import DataError
from genotools.search.evaluation import Job

__all__ = ["Budget", "TrainingCost", "TrainsForEpochs"]

Unit = Literal["epochs", "steps", "seconds"]
TEXT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(epochs?|steps?|s|min|m|h|d)\s*", re.IGNORECASE)
MOST = 1e15
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of training or of time; ``str(budget)`` is what :meth:`parse` reads."""

    amount: float
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Return the budget of e.g. ``200epochs``, ``5e4 steps``, ``90min`` or ``2h``.

        Raises
        ------
        DataError
            If it is no such text, nothing, or more than ``MOST``.
        """
        found = TEXT.fullmatch(text)
        if found is None or not 0 < float(found[1]) <= MOST:
            raise DataError(
                f"budget {text[:60]!r}: e.g. '200epochs', '50000steps', '90min' or '2h' was expected."
            )
        amount, unit = float(found[1]), found[2].lower()
        if unit.startswith("epoch"):
            return cls(amount, "epochs")
        if unit.startswith("step"):
            return cls(amount, "steps")
        return cls(amount * SECONDS[unit], "seconds")

    def __str__(self) -> str:
        return f"{self.amount:g}{'s' if self.unit == 'seconds' else self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCost:
    """Training that a trial has had when it is over, that of the trials it continues included."""

    epochs: int = 0
    steps: int = 0


@runtime_checkable
class TrainsForEpochs(Protocol):
    """An evaluator whose trainings are known before they start."""

    def training_cost(self, job: Job) -> TrainingCost:
        """Return the training of a job, early stopping apart."""
        ...
