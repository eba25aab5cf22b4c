"""What a search is to maximise or minimise, and what its genotypes must keep to.

Objectives are metrics of a trial; constraints are costs of a genotype, known before any training.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.training.task_metrics import HEADLINE, METRIC_NAMES

__all__ = ["COSTS", "METRICS", "Constraint", "Objective", "check_objectives", "cost_check"]

METRICS: Mapping[str, Literal["max", "min"]] = {
    "valid_auprc": "max",
    "valid_auroc": "max",
    "valid_weighted_f1": "max",
    "valid_accuracy": "max",
    "valid_cross_entropy": "min",
    "valid_pearson": "max",
    "valid_r2": "max",
    "valid_d2": "max",
    "valid_loss": "min",
    "knowledge": "max",
    "reward": "max",
}
"""Metrics of a trained network and the direction that is meant where none is given; a task has its own of them.

``knowledge`` and ``reward`` are there where the search was given some knowledge to judge networks by.
"""

COSTS: Mapping[str, Literal["max", "min"]] = {"params": "min", "macs": "min"}
"""Costs of a network, known analytically."""

NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
CONSTRAINT = re.compile(rf"\s*(\w+)\s*(<=|>=|<|>)\s*({NUMBER})\s*([kMG]?)\s*")
FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and its direction; ``str(objective)`` is what :meth:`parse` reads."""

    metric: str
    direction: Literal["max", "min"] = "max"

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Return the objective of ``NAME`` or ``NAME:max`` or ``NAME:min``.

        >>> Objective.parse("params")
        Objective(metric='params', direction='min')

        Raises
        ------
        DataError
            If the metric or the direction is unknown; names the known ones.
        """
        name, _, direction = text.partition(":")
        known = {**METRICS, **COSTS}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(f"unknown objective {name[:60]!r}. Known: {', '.join(known)}.{hint}")
        match direction:
            case "":
                return cls(name, known[name])
            case "max" | "min":
                return cls(name, direction)
        raise DataError(f"objective {text[:60]!r}: the direction is max or min, not {direction[:20]!r}.")

    @classmethod
    def of_task(cls, task: Task) -> "Objective":
        """Return the objective that is meant where a person names none."""
        return cls.parse(f"valid_{HEADLINE[task.kind]}")

    def check_task(self, task: Task) -> None:
        """Raise DataError if the networks of a task do not have this metric."""
        name = self.metric.removeprefix("valid_")
        others = {metric for kind in METRIC_NAMES.values() for metric in kind} - {*METRIC_NAMES[task.kind]}
        if self.metric.startswith("valid_") and name in others:
            known = ", ".join(f"valid_{metric}" for metric in (*METRIC_NAMES[task.kind], "loss"))
            raise DataError(f"objective {self.metric}: a task of kind {task.kind} has {known}.")

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the metric turned so that higher is better; NaN where it is missing."""
        value = metrics.get(self.metric, math.nan)
        return value if self.direction == "max" else -value

    def value(self, score: float) -> float:
        """Return the metric for a score of :meth:`score`."""
        return score if self.direction == "max" else -score

    def __str__(self) -> str:
        return f"{self.metric}:{self.direction}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a cost of the network; ``str(constraint)`` is what :meth:`parse` reads."""

    cost: str
    relation: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Return the constraint of e.g. ``params<=3e6`` or ``macs < 500M``.

        Raises
        ------
        DataError
            If it is no such text, or the cost is unknown.
        """
        found = CONSTRAINT.fullmatch(text)
        if found is None:
            raise DataError(f"constraint {text[:60]!r}: e.g. 'params<=3e6' or 'macs<500M' was expected.")
        cost, relation, number, factor = found.groups()
        if cost not in COSTS:
            raise DataError(f"constraint {text[:60]!r}: unknown cost {cost!r}. Known: {', '.join(COSTS)}.")
        return cls(cost, relation, float(number) * FACTORS[factor])

    def holds(self, costs: Mapping[str, float]) -> bool:
        """Return whether costs by name keep to it."""
        return HOLDS[self.relation](costs[self.cost], self.bound)

    def __str__(self) -> str:
        return f"{self.cost}{self.relation}{self.bound:g}"


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Refuse no objective at all, and one metric twice."""
    names = [objective.metric for objective in objectives]
    if not names:
        raise DataError("a search needs an objective.")
    if len(set(names)) < len(names):
        raise DataError(f"objectives {', '.join(names)}: a metric appears twice.")


def cost_check(constraints: Sequence[Constraint], macro: Macro, task: Task) -> Callable[[Genotype], bool]:
    """Return what says whether the network of a genotype keeps to all constraints, without building it."""

    def check(genotype: Genotype) -> bool:
        if not constraints:
            return True
        from genotools.nn.cost import cost

        found = cost(genotype, macro, task)
        costs = {"params": float(found.params), "macs": float(found.macs)}
        return all(constraint.holds(costs) for constraint in constraints)

    return check
