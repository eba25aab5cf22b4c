"""A picture of a training: losses and validation metrics by epoch, as PNG.

Needs matplotlib (the extra ``plots``). Nothing global is touched: no pyplot, no backend, no style.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.extras import require
from genotools.files import replacing
from genotools.training.history import EpochRecord, read_history
from genotools.training.task_metrics import LOWER_IS_BETTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_curves"]

# Okabe and Ito's palette: told apart by colour-blind readers and in grey.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
GREY = "#666666"
LABELS = {
    "auroc": "mean AUROC",
    "auprc": "mean AUPRC",
    "weighted_f1": "weighted F1",
    "pearson": "mean Pearson's r",
    "r2": "mean R²",
    "d2": "mean D²",
}
MAX_MARKED_EPOCHS = 30


def save_curves(history_path: Path | str, path: Path | str) -> None:
    """Draw the history of a training as a PNG, replacing what is at ``path``.

    Left: training and validation loss. Right: the metrics of the task on the validation split (an entropy is none of
    them), with the values of the best epoch, which a dashed line marks in both.

    Raises
    ------
    DataError
        If the history is unreadable or holds no finished epoch.
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", extra="plots")
    records = read_history(history_path)
    if not records:
        raise DataError(f"{history_path}: no finished epoch, so there are no curves to draw.")
    figure = _draw(records)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw(records: Sequence[EpochRecord]) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    losses, metrics = figure.subplots(1, 2)
    epochs = np.array([record.epoch for record in records])
    best = max((index for index, record in enumerate(records) if record.is_best), default=None)

    _plot(losses, epochs, _column(records, "train_loss"), label="training", colour=BLUE)
    _plot(losses, epochs, _column(records, "valid_loss"), label="validation", colour=ORANGE)
    _finish(losses, "Loss", "")

    shown = [name for name in records[0].valid if name not in LOWER_IS_BETTER]
    for name, colour in zip(shown, (BLUE, ORANGE, GREEN), strict=False):
        label, values = LABELS.get(name, name), np.array([record.valid[name] for record in records])
        if best is not None and np.isfinite(values[best]):
            label = f"{label} {values[best]:.3f}"
        _plot(metrics, epochs, values, label=label, colour=colour)
    lowest = min((record.valid[name] for record in records for name in shown), default=0)
    metrics.set_ylim(0 if not lowest < 0 else max(-1, 1.1 * lowest), 1)
    title = "Validation" if best is None else f"Validation, best epoch {epochs[best]}"
    _finish(metrics, title, "")

    for axes in (losses, metrics) if best is not None else ():
        axes.axvline(epochs[best], color=GREY, linestyle="--", linewidth=0.9, zorder=1)
    return figure


def _column(records: Sequence[EpochRecord], name: str) -> NDArray[np.float64]:
    return np.array([getattr(record, name) for record in records], dtype=np.float64)


def _plot(
    axes: "Axes", epochs: NDArray[np.int64], values: NDArray[np.float64], *, label: str, colour: str
) -> None:
    """Add a curve with gaps at NaN; dots show single epochs while there is room for them."""
    marker = "o" if len(epochs) <= MAX_MARKED_EPOCHS else None
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.plot(epochs, values, label=label, color=colour, marker=marker, markersize=3.5, linewidth=1.6)


def _finish(axes: "Axes", title: str, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(facecolor="white", edgecolor="none", framealpha=0.9, fontsize=9)
