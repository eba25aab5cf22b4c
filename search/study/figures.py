"""The two figures of a study: a dot for every run, a line at the mean; validation of the selection, and the test.

Needs matplotlib (the extra ``plots``). Nothing global is touched: no pyplot, no backend, no style.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genotools.extras import require
from genotools.files import replacing
from genotools.search.study.results import StudyResults
from genotools.search.study.table import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_study"]

# Okabe and Ito's palette: told apart by colour-blind readers; the marker tells the kind as well.
STYLES = {
    "engine": ("search engine", "#0072B2", "o"),
    "genotype": ("fixed genotype", "#009E73", "D"),
    "baseline": ("hand-designed", "#D55E00", "s"),
    "kmer": ("6-mer regression", "#555555", "^"),
}
JITTER = 0.11


class _Column(NamedTuple):
    """One entrant of a figure."""

    name: str
    kind: str
    values: list[float]
    chosen: float | None = None


def draw_study(results: StudyResults, folder: Path) -> None:
    """Draw ``selection`` and ``evaluation`` as SVG and PNG; a phase without any run is left out.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", extra="plots")
    title = TITLES[results.metric]
    engines = [entrant for entrant in results.entrants if entrant.selection]
    selection = [
        _Column(
            one.name,
            one.kind,
            list(one.selection.values()),
            one.selection.get(-1 if one.chosen is None else one.chosen),
        )
        for one in engines
    ]
    tested = [one for one in results.ranked if one.values(results.metric)]
    evaluation = [_Column(one.name, one.kind, one.values(results.metric)) for one in tested]
    if selection:
        heading = f"Selection: best genotype of each search, {title} on the validation split"
        _draw(selection, folder / "selection", heading=heading, label=title)
    if evaluation:
        heading = f"Evaluation: trained from scratch, {title} on the test split"
        line = next((one.values for one in evaluation if one.name == results.reference), None)
        _draw(evaluation, folder / "evaluation", heading=heading, label=title, reference=line)


def _draw(
    columns: Sequence[_Column],
    path: Path,
    *,
    heading: str,
    label: str,
    reference: Sequence[float] | None = None,
) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(6.0, 1.9 + 0.62 * len(columns))
    figure = Figure(figsize=(width, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, column in enumerate(columns):
        _draw_column(axes, place, column)
    if reference:
        axes.axhline(statistics.fmean(reference), color="#999999", linewidth=0.9, linestyle="--", zorder=0)
    _finish(axes, columns, heading=heading, label=label)
    with matplotlib.rc_context({"svg.hashsalt": "genotools", "svg.fonttype": "path"}):
        for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
            with replacing(path.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, format=suffix[1:], metadata=metadata)


def _draw_column(axes: "Axes", place: int, column: _Column) -> None:
    _, colour, marker = STYLES[column.kind]
    n = len(column.values)
    offsets = np.linspace(-JITTER, JITTER, n) if n > 1 else np.zeros(1)
    axes.scatter(
        place + offsets, column.values, s=34, marker=marker, color=colour, alpha=0.85, linewidths=0, zorder=3
    )
    if column.chosen is not None:
        offset = offsets[column.values.index(column.chosen)]
        axes.scatter(
            [place + offset],
            [column.chosen],
            s=95,
            marker="o",
            facecolors="none",
            edgecolors="black",
            linewidths=1.1,
            zorder=4,
        )
    mean = statistics.fmean(column.values)
    axes.hlines(mean, place - 0.3, place + 0.3, color="black", linewidth=1.8, zorder=2)


def _finish(axes: "Axes", columns: Sequence[_Column], *, heading: str, label: str) -> None:
    from matplotlib.lines import Line2D

    axes.set_title(heading, loc="left", fontsize=10.5, fontweight="bold")
    axes.set_ylabel(label)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_xticks(
        range(len(columns)),
        [column.name for column in columns],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
        fontsize=9.5,
    )
    axes.margins(y=0.12)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=6, label=name)
        for kind, (name, colour, marker) in STYLES.items()
        if any(column.kind == kind for column in columns)
    ]
    handles.append(Line2D([], [], color="black", linewidth=1.8, label="mean"))
    if any(column.chosen is not None for column in columns):
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                markerfacecolor="none",
                markeredgecolor="black",
                markersize=9,
                label="goes on to the evaluation",
            )
        )
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.32),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
