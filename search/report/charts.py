"""The report's charts, drawn by hand as SVG: axes, lines, bands and points. Colours are the page's style sheet's.

A chart is text that stands in a page. It asks for nothing from elsewhere, scales with the page, follows the page's
light or dark scheme, and tells its title and description to those who do not see it.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, NamedTuple

from markupsafe import Markup

from genotools.search.report.scales import Axis, Scale

__all__ = ["Band", "Chart", "Dots", "Layer", "Line", "Point", "draw_chart"]

WIDTH, HEIGHT = 480.0, 300.0
TOP, RIGHT, BOTTOM = 34.0, 14.0, 44.0
LETTER_WIDTH = 7.0
"""Of a tick's label, for the margin that the labels need."""

KINDS = ("line", "dashed", "band", "dot", "ring", "cross", "alarm")
"""What a layer looks like, in the order of the legend."""

Style = Literal["s1", "s2", "s3", "s4", "s5", "s6", "random", "quiet", "bad"]
Shape = Literal["dot", "ring", "cross", "alarm"]


class Point(NamedTuple):
    """A point with what is told about it; NaN as ``y`` puts it on the lower edge."""

    x: float
    y: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through points; ``is_stepped`` holds a value until the next."""

    name: str
    points: Sequence[tuple[float, float]]
    style: Style
    is_stepped: bool = False
    is_dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What lies between two values, as ``(x, low, high)``."""

    name: str
    points: Sequence[tuple[float, float, float]]
    style: Style
    is_stepped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Single points."""

    name: str
    points: Sequence[Point]
    style: Style
    shape: Shape = "dot"


Layer = Line | Band | Dots


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart before it is drawn; ``marks`` are named vertical lines, ``levels`` named horizontal ones."""

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]
    marks: Sequence[tuple[float, str]] = ()
    levels: Sequence[tuple[float, str]] = ()

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """Name, style and kind of every layer that has a name and something to show, lines first."""
        named = [
            (layer.name, layer.style, _kind(layer)) for layer in self.layers if layer.name and layer.points
        ]
        return sorted(dict.fromkeys(named), key=lambda entry: KINDS.index(entry[2]))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(layer.points for layer in self.layers)


def _kind(layer: Layer) -> str:
    match layer:
        case Band():
            return "band"
        case Dots():
            return layer.shape
        case Line():
            return "dashed" if layer.is_dashed else "line"


def draw_chart(chart: Chart) -> Markup:
    """Return the chart as an ``svg`` element; ``chart.name`` must be unique in its page."""
    y = Scale.of(chart.y, _ys(chart), HEIGHT - BOTTOM, TOP, n_ticks=5)
    left = 14.0 + LETTER_WIDTH * max((len(text) for _, text in y.ticks), default=1)
    x = Scale.of(chart.x, _xs(chart), left, WIDTH - RIGHT, n_ticks=5)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-labelledby="{chart.name}-t {chart.name}-d">',
        f'<title id="{chart.name}-t">{escape(chart.title)}</title>',
        f'<desc id="{chart.name}-d">{escape(chart.description)}</desc>',
        *_axes(chart, x, y, left),
    ]
    for layer in chart.layers:
        parts += _drawn(layer, x, y)
    return Markup("".join([*parts, "</svg>"]))


def _xs(chart: Chart) -> Iterator[float]:
    for layer in chart.layers:
        yield from (point[0] for point in layer.points)


def _ys(chart: Chart) -> Iterator[float]:
    for layer in chart.layers:
        for point in layer.points:
            values = point[1:] if isinstance(layer, Band) else point[1:2]
            yield from (value for value in values if isinstance(value, float | int) and not math.isnan(value))


def _axes(chart: Chart, x: Scale, y: Scale, left: float) -> Iterator[str]:
    floor = HEIGHT - BOTTOM
    for value, text in y.ticks:
        at = y(value)
        yield f'<path class="grid" d="M{left:.1f} {at:.1f}H{WIDTH - RIGHT:.1f}"/>'
        yield f'<text class="tick" x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
    for value, text in x.ticks:
        at = x(value)
        yield f'<path class="axis" d="M{at:.1f} {floor:.1f}v4"/>'
        yield f'<text class="tick" x="{at:.1f}" y="{floor + 17:.1f}" text-anchor="middle">{text}</text>'
    yield f'<path class="axis" d="M{left:.1f} {floor:.1f}H{WIDTH - RIGHT:.1f}"/>'
    yield f'<text class="label" x="0" y="14">{escape(chart.y.label)}</text>'
    middle = (left + WIDTH - RIGHT) / 2
    place = f'x="{middle:.1f}" y="{HEIGHT - 6:.1f}" text-anchor="middle"'
    yield f'<text class="label" {place}>{escape(chart.x.label)}</text>'
    for value, text in chart.marks:
        yield f'<path class="mark" d="M{x(value):.1f} {TOP:.1f}V{floor:.1f}"/>'
        yield f'<text class="note" x="{x(value) + 4:.1f}" y="{TOP - 3:.1f}">{escape(text)}</text>'
    for value, text in chart.levels:
        yield f'<path class="mark" d="M{left:.1f} {y(value):.1f}H{WIDTH - RIGHT:.1f}"/>'
        yield (
            f'<text class="note" x="{WIDTH - RIGHT:.1f}" y="{y(value) - 4:.1f}" text-anchor="end">'
            f"{escape(text)}</text>"
        )


def _drawn(layer: Layer, x: Scale, y: Scale) -> Iterator[str]:
    match layer:
        case Line(points=points) if points:
            dashes = " dashed" if layer.is_dashed else ""
            yield f'<path class="line {layer.style}{dashes}" d="M{_path(_placed(layer, x, y))}"/>'
        case Band(points=points) if points:
            lower = _placed(Line(name="", points=[p[:2] for p in points], style="s1"), x, y, layer.is_stepped)
            tops = [(at, high) for at, _, high in points]
            upper = _placed(Line(name="", points=tops, style="s1"), x, y, layer.is_stepped)
            yield f'<path class="band {layer.style}" d="M{_path([*lower, *reversed(upper)])}z"/>'
        case Dots():
            floor = HEIGHT - BOTTOM
            for point in layer.points:
                at = (x(point.x), floor if math.isnan(point.y) else y(point.y))
                yield _mark(layer, at, point.note)


def _placed(line: Line, x: Scale, y: Scale, is_stepped: bool = False) -> list[tuple[float, float]]:
    places = [(x(at), y(value)) for at, value in line.points]
    if not (line.is_stepped or is_stepped):
        return places
    corners = itertools.chain.from_iterable(
        (now, (then[0], now[1])) for now, then in itertools.pairwise(places)
    )
    return [*corners, places[-1]]


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _mark(dots: Dots, at: tuple[float, float], note: str) -> str:
    x, y = at
    title = f"<title>{escape(note)}</title>" if note else ""
    match dots.shape:
        case "dot":
            return f'<circle class="dot {dots.style}" cx="{x:.1f}" cy="{y:.1f}" r="3.2">{title}</circle>'
        case "ring":
            return f'<circle class="ring {dots.style}" cx="{x:.1f}" cy="{y:.1f}" r="6.5">{title}</circle>'
        case "cross":
            arms = f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7"
            return f'<path class="cross {dots.style}" d="{arms}">{title}</path>'
        case "alarm":
            return f'<path class="dot {dots.style}" d="M{x:.1f} {y - 10:.1f}l5 9h-10z">{title}</path>'
