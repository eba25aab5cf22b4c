"""Pictures as DOT text: the same picture gives the same bytes, and any Graphviz lays it out.

A node is a card: its number, and one coloured chip for each op that leads into it, so that an op stands where its
arrow ends and can neither overlap another nor be mistaken for another's.
"""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from genotools.genotype._pictures import Arrow, Box, BoxRole, Chip, Picture

__all__ = ["arrow_statement", "box_statement", "graph_text", "pictures_to_dot", "title_label"]

# DejaVu Sans and Verdana have the same widths, so that text stays centred in SVGs that are seen on other machines.
FONT = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"
INK = "#1f2937"
ARROW = "#4b5563"
QUIET = "#aab2bd"

GRAPH = f'fontname="{FONT}" fontsize=9 fontcolor="{INK}" bgcolor="white"'
NODE = f'shape=plain fontname="{FONT}" fontsize=8 fontcolor="{INK}"'
EDGE = f'color="{ARROW}" penwidth=0.9 arrowsize=0.5 weight=8'

FILLS: dict[BoxRole, tuple[str, str, str]] = {
    "input": ("#1f2937", "#1f2937", "#ffffff"),
    "output": ("#7c2d4f", "#7c2d4f", "#ffffff"),
    "frame": ("#ffffff", "#6b7280", INK),
    "normal": ("#dbeafe", "#6b8fc9", INK),
    "reduce": ("#fde8cd", "#cf9a52", INK),
    "recurrent": ("#e0f2e4", "#6fae80", INK),
}
"""Fill, border and text colour of the boxes that are not cards."""


def pictures_to_dot(pictures: Sequence[Picture], *, comment: str) -> str:
    """Return one picture as a graph, or several as clusters of one graph."""
    if len(pictures) == 1:
        (picture,) = pictures
        body = [
            f"graph [{_direction(picture)}{_title(picture)}];",
            *_statements(picture, prefix=""),
        ]
    else:
        body = ["graph [nodesep=0.15 ranksep=0.3];"]
        for sideways_or_down in pictures:
            picture = replace(sideways_or_down, is_horizontal=False)  # one graph has one direction
            inner = _statements(picture, prefix=f"{picture.name}_")
            title = f'graph [color="#d5dae1" style=rounded{_title(picture)}];'
            body += [f"subgraph cluster_{picture.name} {{", *(f"  {line}" for line in [title, *inner]), "}"]
    return graph_text(body, comment=comment)


def graph_text(body: Sequence[str], *, comment: str) -> str:
    """Return a whole DOT file of the statements in ``body``."""
    lines = [f"graph [{GRAPH}];", f"node [{NODE}];", f"edge [{EDGE}];", *body]
    return "\n".join([f"// {comment}", "digraph genotype {", *(f"  {line}" for line in lines), "}", ""])


def _direction(picture: Picture) -> str:
    rankdir = "LR" if picture.is_horizontal else "TB"
    return f"rankdir={rankdir} nodesep=0.15 ranksep={picture.layer_gap}"


def _statements(picture: Picture, *, prefix: str) -> list[str]:
    sources = [f'"{prefix}{box.name}"' for box in picture.boxes if box.role == "input"]
    return [
        *(box_statement(box, f"{prefix}{box.name}", picture.is_horizontal) for box in picture.boxes),
        f"{{ rank=same; {'; '.join(sources)} }}",
        *(arrow_statement(arrow, prefix, picture) for arrow in picture.arrows),
    ]


def box_statement(box: Box, name: str, is_horizontal: bool, *, extra: str = "") -> str:
    """Return the DOT statement of one box; ``extra`` holds further attributes."""
    label = _card(box, is_horizontal) if box.role == "node" else _plain_box(box)
    return f'"{name}" [label=<{label}>{extra}];'


def arrow_statement(arrow: Arrow, prefix: str, picture: Picture, *, extra: Sequence[str] = ()) -> str:
    """Return the DOT statement of one arrow; it ends at the chip of its op."""
    leave, enter = ("e", "w") if picture.is_horizontal else ("s", "n")
    port = f":op{arrow.chip}:{enter}" if arrow.chip is not None else ""
    attributes = [f'color="{QUIET}" penwidth=0.7 arrowsize=0.4 weight=1'] if arrow.is_quiet else []
    if arrow.side:
        leave, port = arrow.side, f":out:{arrow.side}"
        attributes.append("constraint=false")
    text = " ".join([*attributes, *extra])
    suffix = f" [{text}]" if text else ""
    return f'"{prefix}{arrow.source}":out:{leave} -> "{prefix}{arrow.target}"{port}{suffix};'


def _plain_box(box: Box) -> str:
    fill, border, ink = FILLS[box.role]
    if not box.is_used:
        fill, border, ink = "#ffffff", QUIET, "#7b8794"
    first, *rest = box.lines
    text = "  ".join([f"<B>{escape(first)}</B>", *map(escape, rest)])
    return (
        f'<TABLE BORDER="1" COLOR="{border}" BGCOLOR="{fill}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="0" '
        f'CELLPADDING="4"><TR><TD PORT="out"><FONT COLOR="{ink}">{text}</FONT></TD></TR></TABLE>'
    )


def _card(box: Box, is_horizontal: bool) -> str:
    chips = [_chip_cell(chip, index) for index, chip in enumerate(box.chips)]
    number = escape(box.lines[0])
    if is_horizontal:
        span = f' ROWSPAN="{len(chips)}"' if len(chips) > 1 else ""
        first = chips[0] if chips else ""
        rows = f'<TR>{first}<TD PORT="out"{span}><B>{number}</B></TD></TR>'
        rows += "".join(f"<TR>{chip}</TR>" for chip in chips[1:])
    else:
        span = f' COLSPAN="{len(chips)}"' if len(chips) > 1 else ""
        rows = f"<TR>{''.join(chips)}</TR>" if chips else ""
        rows += f'<TR><TD PORT="out"{span}><B>{number}</B></TD></TR>'
    return (
        '<TABLE BORDER="1" COLOR="#9aa3b0" BGCOLOR="#f4f5f7" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="2" '
        f'CELLPADDING="2">{rows}</TABLE>'
    )


def _chip_cell(chip: Chip, index: int) -> str:
    ink = _readable_ink(chip.colour)
    return (
        f'<TD PORT="op{index}" CELLPADDING="0"><TABLE BORDER="0" BGCOLOR="{escape(chip.colour)}" STYLE="ROUNDED" '
        f'CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"><TR><TD><FONT COLOR="{ink}">{escape(chip.text)}</FONT>'
        "</TD></TR></TABLE></TD>"
    )


def _readable_ink(colour: str) -> str:
    """Return dark or white text, whichever reads on ``colour`` (``#rrggbb``)."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "#ffffff"


def _title(picture: Picture) -> str:
    return f" label=<{title_label(picture)}> labelloc=t" if picture.title else ""


def title_label(picture: Picture) -> str:
    """Return the title as an HTML-like label."""
    return f"<B>{escape(picture.title)}</B>"
