"""The metrics of every kind of task, and which one of them counts."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from numpy.typing import NDArray

from genotools.genotype.task import Task, TaskKind
from genotools.training.metrics import MultilabelMetrics, evaluate_multilabel
from genotools.training.multiclass_metrics import MulticlassMetrics, evaluate_multiclass
from genotools.training.regression_metrics import RegressionMetrics, evaluate_counts, evaluate_regression

__all__ = ["HEADLINE", "LOWER_IS_BETTER", "METRIC_NAMES", "Metrics", "evaluate_task"]

METRIC_NAMES: Mapping[TaskKind, tuple[str, ...]] = MappingProxyType(
    {
        TaskKind.MULTILABEL: ("auroc", "auprc", "weighted_f1"),
        TaskKind.MULTICLASS: ("accuracy", "cross_entropy"),
        TaskKind.REGRESSION: ("pearson", "r2"),
        TaskKind.COUNTS: ("pearson", "d2"),
    }
)
"""What a training on such a task is watched by, besides the loss."""

HEADLINE: Mapping[TaskKind, str] = MappingProxyType(
    {
        TaskKind.MULTILABEL: "auprc",
        TaskKind.MULTICLASS: "accuracy",
        TaskKind.REGRESSION: "pearson",
        TaskKind.COUNTS: "pearson",
    }
)
"""What genotypes are compared by where nothing else is asked for."""

LOWER_IS_BETTER = frozenset({"loss", "cross_entropy"})


Metrics: TypeAlias = MultilabelMetrics | MulticlassMetrics | RegressionMetrics
"""Each has ``names``, ``n_windows``, ``summary()`` (the numbers of ``METRIC_NAMES``) and ``to_json()``."""

_EVALUATE: Mapping[TaskKind, Callable[..., Metrics]] = MappingProxyType(
    {
        TaskKind.MULTILABEL: evaluate_multilabel,
        TaskKind.MULTICLASS: evaluate_multiclass,
        TaskKind.REGRESSION: evaluate_regression,
        TaskKind.COUNTS: evaluate_counts,
    }
)


def evaluate_task(task: Task, labels: NDArray[Any], predictions: NDArray[Any]) -> Metrics:
    """Return the metrics of a task for labels and predictions, both ``(N, K)``.

    Raises
    ------
    DataError
        If a prediction is NaN, or there are no windows.
    """
    return _EVALUATE[task.kind](labels, predictions, tuple(task.names))
