"""What is printed of a model's metrics: a line for each number, and a table of its outputs."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from genotools.training.metrics import MultilabelMetrics
from genotools.training.multiclass_metrics import MulticlassMetrics
from genotools.training.regression_metrics import RegressionMetrics

if TYPE_CHECKING:
    from genotools.training.task_metrics import Metrics

__all__ = ["metrics_line", "number", "print_metrics", "print_test"]

N_SHOWN = 30
"""Outputs that a table shows at most."""

TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "cross_entropy": "cross entropy",
    "pearson": "Pearson's r",
    "r2": "R²",
    "d2": "D²",
}
TEST_KEYS = ("mean_auroc", "mean_auprc", "accuracy", "cross_entropy", "mean_pearson", "mean_r2", "mean_d2")


def number(value: float | None) -> str:
    """Return a metric as text, a dash where it is not defined."""
    return "-" if value is None or value != value else f"{value:.4f}"


def metrics_line(valid: Mapping[str, float]) -> str:
    """Return the two first metrics of an epoch in one line."""
    return "  ".join(f"{TITLES.get(name, name)} {value:.4f}" for name, value in list(valid.items())[:2])


def print_test(valid: Mapping[str, Any], test: Mapping[str, Any] | None) -> None:
    """Print the result of a training: metrics on the validation and the test split, as ``result.json`` has them."""
    names = [key.removeprefix("valid_") for key in valid if key.startswith("valid_") and key != "valid_loss"]
    for name in names:
        if name != "weighted_f1":
            _line(f"valid {TITLES.get(name, name)}", number(valid[f"valid_{name}"]))
    if test is None:
        return
    for key in TEST_KEYS:
        if key in test:
            _line(f"test {TITLES[key.removeprefix('mean_')]}", number(test[key]))
    if "n_scored" in test:
        _line("labels scored", f"{test['n_scored']} of {test.get('n_labels', test.get('n_outputs'))}")
    _line("strands", test["strands"])


def print_metrics(metrics: "Metrics", *, split: str, how: str) -> None:
    """Print means, what chance would give, and a short list's outputs."""
    _line("split", f"{split}, {metrics.n_windows:,} windows; {how}")
    match metrics:
        case MultilabelMetrics():
            _print_multilabel(metrics)
        case MulticlassMetrics():
            _print_multiclass(metrics)
        case RegressionMetrics():
            _print_regression(metrics)


def _print_multilabel(metrics: MultilabelMetrics) -> None:
    _line("mean AUROC", f"{number(metrics.mean_auroc)}   median {number(metrics.median_auroc)}")
    _line("mean AUPRC", f"{number(metrics.mean_auprc)}   median {number(metrics.median_auprc)}")
    _line("AUPRC by chance", number(metrics.mean_positive_rate))
    _line("weighted F1", number(metrics.weighted_f1))
    _line("labels scored", f"{metrics.n_scored} of {len(metrics.names)}")
    if metrics.skipped:
        _line("skipped", f"{', '.join(metrics.skipped)} (no positive or no negative window)")

    def row(index: int) -> tuple[str, ...]:
        values = (metrics.auroc[index], metrics.auprc[index], metrics.f1[index])
        return (f"{metrics.n_positive[index]:,}", *map(number, values))

    _table(metrics.names, ("positives", "AUROC", "AUPRC", "F1"), row)


def _print_multiclass(metrics: MulticlassMetrics) -> None:
    _line("accuracy", f"{number(metrics.accuracy)}   by chance {number(metrics.chance_accuracy)}")
    entropy = f"{number(metrics.cross_entropy)}   by chance {number(metrics.chance_cross_entropy)} nats"
    _line("cross entropy", entropy)
    _line("perplexity", number(metrics.perplexity))
    _table(
        metrics.names,
        ("windows", "recall"),
        lambda index: (f"{metrics.n_windows_of[index]:,}", number(metrics.recall[index])),
    )


def _print_regression(metrics: RegressionMetrics) -> None:
    explained = TITLES[metrics.explained_name]
    _line("mean Pearson's r", number(metrics.mean_pearson))
    _line(f"mean {explained}", f"{number(metrics.mean_explained)}   by chance 0")
    _line("outputs scored", f"{len(metrics.names) - len(metrics.skipped)} of {len(metrics.names)}")

    def row(index: int) -> tuple[str, ...]:
        values = (metrics.pearson[index], metrics.explained[index], metrics.deviance[index])
        return (f"{metrics.n_measured[index]:,}", *map(number, values))

    _table(metrics.names, ("windows", "r", explained, "deviance"), row)


def _line(title: str, text: str) -> None:
    typer.echo(f"{title:<16}{text}" if len(title) < 16 else f"{title} {text}")


def _table(names: tuple[str, ...], columns: tuple[str, ...], row: Callable[[int], tuple[str, ...]]) -> None:
    """Print a row for each output, unless they are many."""
    if len(names) > N_SHOWN:
        typer.echo(f"{len(names)} outputs: see them with --json")
        return
    width = max(5, *map(len, names))
    typer.echo(f"\n{'label':<{width}}" + "".join(f"{column:>11}" for column in columns))
    for index, name in enumerate(names):
        typer.echo(f"{name:<{width}}" + "".join(f"{cell:>11}" for cell in row(index)))
