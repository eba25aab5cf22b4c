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
    from matplotlib.lines import Line2D

__all__ = ["draw_study"]

# Okabe and Ito's palette: told apart by colour-blind readers; the marker tells the kind as well.
STYLES = {
    "engine": ("search engine", "#0072B2", "o"),
    "genotype": ("fixed genotype", "#009E73", "D"),
    "baseline": ("hand-designed", "#D55E00", "s"),
    "kmer": ("6-mer regression", "#555555", "^"),
}
GREY = "#777777"
JITTER, MEAN = 0.1, 0.22
"""Half widths of dots side by side and of the line of the mean, in columns."""
MAX_UPRIGHT = 7
"""Names of more entrants are set aslant."""


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
        heading = "Selection: the best genotype of every search, trained"
        _draw(selection, folder / "selection", heading=heading, label=f"{title}, validation split")
    if evaluation:
        heading = "Evaluation: trained from scratch, tested"
        _draw(
            evaluation,
            folder / "evaluation",
            heading=heading,
            label=f"{title}, test split",
            reference=results.reference,
        )


def _draw(
    columns: Sequence[_Column], path: Path, *, heading: str, label: str, reference: str | None = None
) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.4, 1.4 + 0.58 * len(columns)), 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, column in enumerate(columns):
        _draw_column(axes, place, column)
    line = next((column.values for column in columns if column.name == reference), None)
    if line is not None:
        axes.axhline(statistics.fmean(line), color=GREY, linewidth=0.9, linestyle="--", zorder=1)
    _finish(axes, columns, heading=heading, label=label)
    handles = _handles(columns, reference)
    n_in_row = min(len(handles), max(3, len(columns) // 2))
    figure.legend(handles=handles, loc="outside lower center", ncols=n_in_row, frameon=False, fontsize=9)
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
    axes.hlines(mean, place - MEAN, place + MEAN, color="black", linewidth=1.8, zorder=2)


def _finish(axes: "Axes", columns: Sequence[_Column], *, heading: str, label: str) -> None:
    axes.set_title(heading, loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel(label)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_xticks(range(len(columns)), [column.name for column in columns])
    if len(columns) > MAX_UPRIGHT:
        for text in axes.get_xticklabels():
            text.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", length=0, labelsize=9.5)
    axes.margins(y=0.1)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _handles(columns: Sequence[_Column], reference: str | None) -> "list[Line2D]":
    """Return the lines of the legend."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=6, label=name)
        for kind, (name, colour, marker) in STYLES.items()
        if any(column.kind == kind for column in columns)
    ]
    handles.append(Line2D([], [], color="black", linewidth=1.8, label="mean"))
    if any(column.name == reference for column in columns):
        handles.append(
            Line2D([], [], color=GREY, linewidth=0.9, linestyle="--", label=f"mean of {reference}")
        )
    if any(column.chosen is not None for column in columns):
        ring = Line2D([], [], linestyle="", marker="o", markersize=9, label="goes on to the evaluation")
        ring.set(markerfacecolor="none", markeredgecolor="black")
        handles.append(ring)
    return handles
