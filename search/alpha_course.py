"""The course of the alphas through a search: its file, and a picture of it.

``alphas.jsonl`` has one line an epoch: stage, epoch, and for each cell a list of ``[source, target, op, alpha]``. The
picture shows every edge of every cell where it lies in the cell's matrix, predecessors from left to right and nodes
downwards: a row an op, a column an epoch. Its colour is the softmax relative to the uniform one of the ops that are
live there, so that pruning alone changes no colour: red above, blue below, grey where the op is not live.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.extras import require
from genotools.files import replacing
from genotools.genotype.genotype import Genotype
from genotools.nn.live_ops import ROLES, LiveOp, Role
from genotools.search.event_values import as_number, as_whole
from genotools.search.journal import Journal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "ALPHAS_FILE",
    "AlphaRecord",
    "against_uniform",
    "chosen_ops",
    "draw_alphas",
    "read_alphas",
    "write_alphas",
]

ALPHAS_FILE = "alphas.jsonl"

PRUNED, GREY = "#DDDDDD", "#888888"
MIN_SCALE, MAX_SCALE = 0.05, 2.0
"""Range of the colours in both directions: noise is not blown up, and one extreme edge does not pale the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaRecord:
    """The alphas at the end of an epoch; stage and epoch count from 1."""

    stage: int
    epoch: int
    values: Mapping[Role, Mapping[LiveOp, float]]

    def probs(self, role: Role) -> dict[LiveOp, float]:
        """Return the softmax over the ops of every edge."""
        values = self.values[role]
        largest: dict[tuple[int, int], float] = {}
        for entry, value in values.items():
            largest[entry[:2]] = max(value, largest.get(entry[:2], value))
        # Of the difference to the largest: nothing overflows, and no total is 0.
        powers = {entry: math.exp(value - largest[entry[:2]]) for entry, value in values.items()}
        totals = dict.fromkeys(largest, 0.0)
        for entry, power in powers.items():
            totals[entry[:2]] += power
        return {entry: power / totals[entry[:2]] for entry, power in powers.items()}


def write_alphas(path: Path, record: AlphaRecord) -> None:
    """Add the line of an epoch; it is on the disk when this returns."""
    cells: dict[str, object] = {
        role: [[*entry, value] for entry, value in values.items()] for role, values in record.values.items()
    }
    Journal(path).append("alphas", {"stage": record.stage, "epoch": record.epoch, **cells})


def read_alphas(path: Path) -> list[AlphaRecord]:
    """Return all epochs of an ``alphas.jsonl``.

    Raises
    ------
    DataError
        If a line is not what :func:`write_alphas` writes; names it.
    """
    return [_record(line, f"{path}, line {number}") for number, line in enumerate(Journal(path).read(), 1)]


def _record(line: Mapping[str, Any], where: str) -> AlphaRecord:
    try:
        values = {
            role: {
                LiveOp(as_whole(s, "source", where), as_whole(t, "target", where), str(op)): as_number(
                    value, "alpha", where
                )
                for s, t, op, value in line[role]
            }
            for role in ROLES
        }
        stage, epoch = (as_whole(line[name], name, where) for name in ("stage", "epoch"))
        return AlphaRecord(stage=stage, epoch=epoch, values=values)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: not the alphas of an epoch: {error!r}.") from error


def draw_alphas(records: Sequence[AlphaRecord], path: Path | str, *, chosen: Genotype | None = None) -> None:
    """Draw the course of all alphas as a PNG, replacing what is at ``path``.

    Parameters
    ----------
    records
        In order of stage and epoch.
    path
        Where to.
    chosen
        Its ops are marked.

    Raises
    ------
    DataError
        If there are no records.
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", extra="plots")
    if not records:
        raise DataError(f"{path}: no finished epoch, so there are no alphas to draw.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 12), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = np.ravel(figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.35)))
    parts = [*np.ravel(left.subfigures(2, 1, squeeze=False)), right]
    for part, role in zip(parts, ROLES, strict=True):
        _draw_cell(part, records, role, chosen_ops(chosen, role))
    _explain(figure, records, chosen is not None)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _explain(figure: "Figure", records: Sequence[AlphaRecord], has_choice: bool) -> None:
    stages = len({record.stage for record in records})
    text = f"Course of the alphas: {len(records)} epochs" + (f" in {stages} stages" if stages > 1 else "")
    text += "; a panel an edge, a row an op, a column an epoch; red above uniform, blue below, grey not live"
    figure.suptitle(text + ("; framed: chosen" if has_choice else ""), fontsize=13)


def _draw_cell(part: "SubFigure", records: Sequence[AlphaRecord], role: Role, chosen: set[LiveOp]) -> None:
    """Draw one panel an edge, each where its source and target lie."""
    ops = list(dict.fromkeys(entry.op for record in records for entry in record.values[role]))
    pairs = sorted({(entry.target, entry.source) for entry in records[0].values[role]})
    targets = sorted({target for target, _ in pairs})
    sources = sorted({source for _, source in pairs})
    by_epoch = [against_uniform(record.probs(role)) for record in records]
    largest = max(abs(value) for ratios in by_epoch for value in ratios.values())
    top = min(max(largest, MIN_SCALE), MAX_SCALE)
    ends = [index for index in range(1, len(records)) if records[index].stage != records[index - 1].stage]
    grid = part.subplots(len(targets), len(sources), squeeze=False, sharex=True, sharey=True)
    image = None
    for row, target in enumerate(targets):
        for column, source in enumerate(sources):
            axes = grid[row, column]
            if (target, source) not in pairs:
                axes.set_axis_off()
                continue
            matrix = _matrix(by_epoch, source, target, ops)
            image = axes.imshow(
                matrix, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto", interpolation="nearest"
            )
            marked = [ops.index(entry.op) for entry in chosen if entry[:2] == (source, target)]
            _finish_panel(axes, f"{source} → {target}", ends, marked)
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(ops)), ops, fontsize=7)
    for axes in grid[-1]:
        axes.set_xticks([0, len(records) - 1], ["1", str(len(records))] if len(records) > 1 else ["", "1"])
        axes.tick_params(axis="x", labelsize=7)
    part.suptitle(f"{role} cell", fontsize=12, fontweight="bold")
    assert image is not None  # live ops have an edge in every cell
    beyond = "both" if largest > top else "neither"
    bar = part.colorbar(image, ax=grid, shrink=0.5, pad=0.01, extend=beyond)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("log2 of softmax over uniform", fontsize=8)


def _finish_panel(axes: "Axes", title: str, ends: Sequence[int], marked: Sequence[int]) -> None:
    """Name a panel, separate its stages, and mark its chosen op."""
    from matplotlib.patches import Rectangle

    axes.set_title(title, fontsize=8, pad=2, fontweight="bold" if marked else "normal")
    axes.set_facecolor(PRUNED)
    axes.tick_params(length=0)
    axes.spines[:].set_color("#CCCCCC")
    for end in ends:
        axes.axvline(end - 0.5, color=GREY, linewidth=0.7)
    low, high = axes.get_xlim()
    for row in marked:
        box = Rectangle((low, row - 0.5), high - low, 1, fill=False, edgecolor="black", linewidth=1.4)
        box.set_clip_on(False)
        axes.add_patch(box)


def against_uniform(probs: Mapping[LiveOp, float]) -> dict[LiveOp, float]:
    """Return log2 of each probability over that of a uniform choice on its edge."""
    n_ops = Counter(entry[:2] for entry in probs)
    smallest = float(np.finfo(float).tiny)
    return {entry: math.log2(max(value, smallest) * n_ops[entry[:2]]) for entry, value in probs.items()}


def _matrix(
    by_epoch: Sequence[Mapping[LiveOp, float]], source: int, target: int, ops: Sequence[str]
) -> NDArray[np.float64]:
    """Return the values ``(ops, epochs)`` of an edge, NaN where an op is not live."""
    return np.array([[probs.get(LiveOp(source, target, op), np.nan) for probs in by_epoch] for op in ops])


def chosen_ops(genotype: Genotype | None, role: Role) -> set[LiveOp]:
    """Return the ops of one cell of a genotype by edge, none where there is no genotype."""
    if genotype is None:
        return set()
    if role == "recurrent":
        states = genotype.recurrent.states
        return {LiveOp(source, number, op) for number, (source, op) in enumerate(states, start=1)}
    cell = genotype.normal if role == "normal" else genotype.reduce
    return {LiveOp(*edge) for edge in cell.edges}
