"""The course of the alphas as SVG: a panel for every edge where it lies in the cell's matrix, as in ``alphas.png``.

In a panel, a row is an op and a column an epoch. Its colour is the softmax relative to a uniform choice among the ops
that are live there, in steps; what lies side by side in one colour is one shape, which keeps a long search small.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from genotools.genotype.genotype import Genotype
from genotools.nn.live_ops import ROLES, LiveOp, Role
from genotools.search.alpha_course import MAX_SCALE, MIN_SCALE, AlphaRecord, against_uniform, chosen_ops

__all__ = ["N_LEVELS", "HeatMap", "heat_maps"]

N_LEVELS = 11
"""Colours from far below uniform to far above; the middle one is uniform."""

ROW, PANEL_WIDTH, GAP_X, GAP_Y = 11.0, 80.0, 9.0, 20.0
GUTTER = 78.0
"""Left of the panels, for the names of the ops."""

TITLES: Mapping[Role, str] = {
    "normal": "Normal cell",
    "reduce": "Reduction cell",
    "recurrent": "Recurrent cell",
}


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The picture of a cell; ``top`` is the ratio to uniform at which the colours end, ``width_px`` its width."""

    title: str
    svg: Markup
    top: float
    width_px: float


Pair = tuple[int, int]
"""Source and target of an edge."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the panels of a cell have in common: its ops, the colours' end, where stages begin, and the choice."""

    ops: tuple[str, ...]
    top: float
    n_epochs: int
    starts: tuple[int, ...]
    chosen: frozenset[LiveOp]

    @property
    def height(self) -> float:
        return ROW * len(self.ops)


def heat_maps(records: Sequence[AlphaRecord], chosen: Genotype | None, *, name: str) -> list[HeatMap]:
    """Return the picture of every cell; ``name`` must be unique in the page. ``chosen`` has its ops framed."""
    return [_heat_map(records, role, chosen, f"{name}-{role}") for role in ROLES] if records else []


def _heat_map(records: Sequence[AlphaRecord], role: Role, chosen: Genotype | None, name: str) -> HeatMap:
    by_epoch = [against_uniform(record.probs(role)) for record in records]
    largest = max((abs(value) for ratios in by_epoch for value in ratios.values()), default=0.0)
    frame = _Frame(
        ops=tuple(dict.fromkeys(entry.op for record in records for entry in record.values[role])),
        top=min(max(largest, MIN_SCALE), MAX_SCALE),
        n_epochs=len(records),
        starts=tuple(n for n in range(1, len(records)) if records[n].stage != records[n - 1].stage),
        chosen=frozenset(chosen_ops(chosen, role)),
    )
    pairs = sorted({entry[:2] for record in records for entry in record.values[role]})
    sources, targets = (sorted({pair[n] for pair in pairs}) for n in (0, 1))
    width = GUTTER + len(sources) * (PANEL_WIDTH + GAP_X)
    height = len(targets) * (frame.height + GAP_Y)
    title = f"{TITLES[role]}: course of the alphas over {len(records)} epochs"
    parts = [
        f'<svg class="heat" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="{name}-t">',
        f'<title id="{name}-t">{title}, one panel for each of {len(pairs)} edges</title>',
    ]
    for row, target in enumerate(targets):
        parts += _op_names(frame, row * (frame.height + GAP_Y) + GAP_Y)
        for column, source in enumerate(sources):
            if (source, target) in pairs:
                at = (GUTTER + column * (PANEL_WIDTH + GAP_X), row * (frame.height + GAP_Y) + GAP_Y)
                parts += _panel(frame, by_epoch, (source, target), at)
    return HeatMap(TITLES[role], Markup("".join([*parts, "</svg>"])), 2**frame.top, width)


def _op_names(frame: _Frame, top: float) -> Iterator[str]:
    for row, op in enumerate(frame.ops):
        y = top + (row + 0.75) * ROW
        yield f'<text class="op" x="{GUTTER - 6:.0f}" y="{y:.1f}" text-anchor="end">{escape(op)}</text>'


def _panel(
    frame: _Frame, by_epoch: Sequence[Mapping[LiveOp, float]], pair: Pair, at: tuple[float, float]
) -> Iterator[str]:
    x, y = at
    column = PANEL_WIDTH / frame.n_epochs
    marked = [row for row, op in enumerate(frame.ops) if LiveOp(*pair, op) in frame.chosen]
    yield f'<g transform="translate({x:.1f} {y:.1f})"><title>{escape(_last_words(by_epoch[-1], pair))}</title>'
    bold = " chosen" if marked else ""
    yield f'<text class="edge{bold}" x="0" y="-4">{pair[0]} → {pair[1]}</text>'
    yield f'<path class="pruned" d="M0 0h{PANEL_WIDTH:.0f}v{frame.height:.0f}h-{PANEL_WIDTH:.0f}z"/>'
    yield f'<g transform="scale({column:.4g} {ROW:.0f})" shape-rendering="crispEdges">'
    for level, shapes in sorted(_shapes(frame, by_epoch, pair).items()):
        yield f'<path class="h{level}" d="{"".join(shapes)}"/>'
    yield "</g>"
    for start in frame.starts:
        yield f'<path class="stage" d="M{start * column:.1f} 0v{frame.height:.0f}"/>'
    for row in marked:
        yield f'<rect class="choice" x="0" y="{row * ROW:.0f}" width="{PANEL_WIDTH:.0f}" height="{ROW:.0f}"/>'
    yield "</g>"


def _shapes(frame: _Frame, by_epoch: Sequence[Mapping[LiveOp, float]], pair: Pair) -> dict[int, list[str]]:
    """Return, for every colour, its stretches of epochs, in units of columns and rows."""
    shapes: dict[int, list[str]] = {}
    for row, op in enumerate(frame.ops):
        levels = [_level(ratios.get(LiveOp(*pair, op)), frame.top) for ratios in by_epoch]
        start = 0
        for level, stretch in itertools.groupby(levels):
            length = len(list(stretch))
            if level is not None:
                shapes.setdefault(level, []).append(f"M{start} {row}h{length}v1h-{length}z")
            start += length
    return shapes


def _level(ratio: float | None, top: float) -> int | None:
    """Return the colour of a log ratio, 0 to 10; None where the op is not live."""
    if ratio is None:
        return None
    half = N_LEVELS // 2
    return half + round(half * max(-1.0, min(1.0, ratio / top)))


def _last_words(ratios: Mapping[LiveOp, float], pair: Pair) -> str:
    """Return the ops of an edge in the last epoch with their probabilities, the most probable first."""
    live = {entry.op: value for entry, value in ratios.items() if entry[:2] == pair}
    if not live:
        return f"{pair[0]} → {pair[1]}: pruned"
    shares = {op: 2**value / len(live) for op, value in live.items()}
    ranked = sorted(shares, key=lambda op: -shares[op])
    return f"{pair[0]} → {pair[1]}, last epoch: " + ", ".join(f"{op} {shares[op]:.3f}" for op in ranked)
