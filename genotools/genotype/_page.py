"""Several pictures on one page: each laid out alone, then placed in rows of equal width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genotools.genotype._dot import arrow_statement, box_statement, graph_text, pictures_to_dot, title_label
from genotools.genotype._pictures import Picture
from genotools.genotype._rendering import layout

__all__ = ["page_to_dot"]

GAP = 8.0
MARGIN = 9.0
TITLE_HEIGHT = 16.0
PAGE_ASPECT = 0.95
"""Width by height that rows are arranged for; taller than wide, since a paper's columns are what limits."""

FRAME_COLOUR = "#dfe3e8"


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture with its layout: positions and splines as Graphviz wrote them, in points."""

    picture: Picture
    width: float
    height: float
    positions: dict[str, str]
    splines: dict[tuple[str, str], str]


def page_to_dot(pictures: Sequence[Picture], *, comment: str) -> str:
    """Return all ``pictures`` as one graph with positions, to be drawn as it is."""
    rows = _best_rows([_panel(picture) for picture in pictures])
    page_width = max(_row_width(row) for row in rows)
    body = []
    bottom = 0.0
    for row in reversed(rows):
        height = max(panel.height for panel in row)
        # The narrower rows are stretched to the page: every panel of theirs gets the same share.
        share = (page_width - _row_width(row)) / len(row)
        left = 0.0
        for panel in row:
            width = panel.width + share
            body += _placed(panel, left=left, bottom=bottom, width=width, height=height)
            left += width + GAP
        bottom += height + GAP
    return graph_text(body, comment=comment)


def _panel(picture: Picture) -> Panel:
    laid_out: dict[str, Any] = layout(pictures_to_dot([replace(picture, title="")], comment=picture.name))
    _, _, width, height = map(float, laid_out["bb"].split(","))
    names = {entry["_gvid"]: entry["name"] for entry in laid_out["objects"]}
    return Panel(
        picture=picture,
        width=width + 2 * MARGIN,
        height=height + 2 * MARGIN + TITLE_HEIGHT,
        positions={entry["name"]: entry["pos"] for entry in laid_out["objects"] if "pos" in entry},
        splines={(names[entry["tail"]], names[entry["head"]]): entry["pos"] for entry in laid_out["edges"]},
    )


def _row_width(row: Sequence[Panel]) -> float:
    return sum(panel.width for panel in row) + GAP * (len(row) - 1)


def _best_rows(panels: list[Panel]) -> list[list[Panel]]:
    """Return the division into rows, in order, that needs to shrink least to fit the page."""

    def size(rows: list[list[Panel]]) -> float:
        height = sum(max(panel.height for panel in row) for row in rows) + GAP * (len(rows) - 1)
        return max(max(map(_row_width, rows)), PAGE_ASPECT * height)

    return min(_divisions(panels), key=size)


def _divisions(panels: list[Panel]) -> Iterator[list[list[Panel]]]:
    for length in range(1, len(panels)):
        for rest in _divisions(panels[length:]):
            yield [panels[:length], *rest]
    yield [panels]


def _placed(panel: Panel, *, left: float, bottom: float, width: float, height: float) -> list[str]:
    """Return the statements of a framed panel; the picture is centred in its frame."""
    picture = panel.picture
    dx = left + (width - panel.width) / 2 + MARGIN
    dy = bottom + (height - panel.height) / 2 + MARGIN
    prefix = f"{picture.name}_"
    statements = _frame(picture, left, bottom, width, height)
    for box in picture.boxes:
        position = _moved(panel.positions[box.name], dx, dy)
        statements.append(
            box_statement(box, f"{prefix}{box.name}", picture.is_horizontal, extra=f' pos="{position}"')
        )
    for arrow in picture.arrows:
        spline = _moved(panel.splines[arrow.source, arrow.target], dx, dy)
        statements.append(arrow_statement(arrow, prefix, picture, extra=[f'pos="{spline}"']))
    return statements


def _frame(picture: Picture, left: float, bottom: float, width: float, height: float) -> list[str]:
    x, y = left + width / 2, bottom + height / 2
    title_y = bottom + height - MARGIN - TITLE_HEIGHT / 4
    return [
        f'"{picture.name}_frame" [shape=box style=rounded color="{FRAME_COLOUR}" fixedsize=true label="" '
        f'width={width / 72:.4f} height={height / 72:.4f} pos="{x:.2f},{y:.2f}"];',
        f'"{picture.name}_title" [fontsize=9 label=<{title_label(picture)}> pos="{x:.2f},{title_y:.2f}"];',
    ]


def _moved(position: str, dx: float, dy: float) -> str:
    """Return a position or spline (``e,x,y x,y ...``) moved by ``dx``, ``dy`` points."""
    points = []
    for point in position.split(" "):
        *marker, x, y = point.split(",")
        points.append(",".join([*marker, f"{float(x) + dx:.2f}", f"{float(y) + dy:.2f}"]))
    return " ".join(points)
