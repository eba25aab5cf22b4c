"""What a drawing shows, before any language is chosen: boxes, the ops they hold, and arrows between them.

:func:`cell_picture` and :func:`macro_picture` make a :class:`Picture` of a cell and of the network around the cells;
:mod:`genotools.genotype._dot` and :mod:`genotools.genotype._mermaid` write it down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro, Stage
from genotools.genotype.primitives import Kind, get_primitive

__all__ = ["Arrow", "Box", "Chip", "Picture", "cell_picture", "macro_picture"]

CellName = Literal["normal", "reduce", "recurrent"]
BoxRole = Literal["input", "node", "output", "normal", "reduce", "recurrent", "frame"]

TITLES = {"normal": "Normal cell", "reduce": "Reduction cell", "recurrent": "Recurrent cell"}

MAX_TALL_BREADTH = 2
"""Nodes side by side up to which a cell is drawn top to bottom; broader ones fit a column only sideways."""


class Chip(NamedTuple):
    """An op in its box: the text and the fill colour of its primitive."""

    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Box:
    """One box: lines of text, and for a node the ops whose results it adds up."""

    name: str
    role: BoxRole
    lines: tuple[str, ...]
    chips: tuple[Chip, ...] = ()
    is_used: bool = True


@dataclass(frozen=True, slots=True)
class Arrow:
    """A connection; ``chip`` is the op of the target that it leads into, if the target has ops.

    An arrow with a ``side`` (east, west) bows out to that side of a column of boxes and does not move them.
    """

    source: str
    target: str
    chip: int | None = None
    is_quiet: bool = False
    side: Literal["e", "w"] | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing: a cell or the network around the cells; ``layer_gap`` is the space between layers, in inches."""

    name: str
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    is_horizontal: bool
    layer_gap: float


def cell_picture(genotype: Genotype, name: CellName) -> Picture:
    """Return the picture of one cell of ``genotype``."""
    if name == "recurrent":
        return _recurrent_picture(genotype.recurrent)
    return _conv_picture(genotype.normal if name == "normal" else genotype.reduce, name)


def _chip(op: str, kind: Kind) -> Chip:
    primitive = get_primitive(op, kind)
    return Chip(primitive.label, primitive.colour)


def _conv_picture(cell: ConvCell, name: Literal["normal", "reduce"]) -> Picture:
    sources = {edge.source for edge in cell.edges}
    boxes = [
        Box("0", "input", ("cell k−2",), is_used=0 in sources),
        Box("1", "input", ("cell k−1",), is_used=1 in sources),
    ]
    arrows = []
    order = cell.topological_order()
    rank = {node: index for index, node in enumerate(order)}
    for node in order:
        # Left to right in the order of their sources, inputs first: fewer arrows cross.
        edges = sorted(
            cell.in_edges(node), key=lambda edge: (edge.source > 1, rank.get(edge.source, edge.source))
        )
        boxes.append(Box(str(node), "node", (str(node),), tuple(_chip(edge.op, "conv") for edge in edges)))
        arrows += [Arrow(str(edge.source), str(node), chip) for chip, edge in enumerate(edges)]
    boxes.append(Box("out", "output", ("concat",)))
    arrows += [Arrow(str(node), "out", is_quiet=True) for node in order]
    parents = {node: [edge.source for edge in cell.in_edges(node)] for node in order}
    is_horizontal = _breadth(parents, order) > MAX_TALL_BREADTH
    gap = 0.45 if is_horizontal else 0.3
    return Picture(name, TITLES[name], tuple(boxes), tuple(arrows), is_horizontal, gap)


def _recurrent_picture(cell: RecurrentCell) -> Picture:
    boxes = [
        Box("x", "input", ("x(t)",)),
        Box("h", "input", ("h(t−1)",)),
        Box("0", "node", ("0",)),
    ]
    arrows = [Arrow("x", "0"), Arrow("h", "0")]
    order = cell.topological_order()
    for number in order:
        predecessor, activation = cell.states[number - 1]
        boxes.append(Box(str(number), "node", (str(number),), (_chip(activation, "activation"),)))
        arrows.append(Arrow(str(predecessor), str(number), 0))
    boxes.append(Box("out", "output", ("mean = h(t)",)))
    arrows += [Arrow(str(number), "out", is_quiet=True) for number in order]
    parents = {number: [cell.states[number - 1].predecessor] for number in order}
    # State boxes are narrow: five of them fit a column side by side.
    is_horizontal = _breadth(parents, order) > 2 * MAX_TALL_BREADTH
    gap = 0.45 if is_horizontal else 0.25
    return Picture("recurrent", TITLES["recurrent"], tuple(boxes), tuple(arrows), is_horizontal, gap)


def _breadth(parents: dict[int, list[int]], order: list[int]) -> int:
    """Return how many nodes share the fullest layer, a node being one layer below its last parent."""
    layer: dict[int, int] = {}
    for node in order:
        layer[node] = 1 + max(layer.get(parent, 0) for parent in parents[node])
    layers = list(layer.values())
    return max(layers.count(value) for value in layers)


def macro_picture(genotype: Genotype, macro: Macro) -> Picture:
    """Return the picture of the network that ``macro`` makes of the cells, with channels × lengths.

    Quiet arrows are the second input of each cell, the output of the cell before the last; they are left out where
    equal cells in a row are drawn as one box.
    """
    stages = macro.stages(genotype.normal.n_nodes, genotype.reduce.n_nodes)
    runs = list(_runs(stages))
    cells = []
    for index, (stage, count) in enumerate(runs, start=1):
        n_nodes = genotype.reduce.n_nodes if stage.layer.cell == "reduce" else genotype.normal.n_nodes
        cells.append(_stage_box(f"cell{index}", stage, count, n_nodes))
    boxes = [
        Box("sequence", "input", ("sequence", f"4 × {macro.length}")),
        Box("stem", "frame", (f"conv {macro.stem_kernel}", f"{macro.stem_channels} × {macro.length}")),
        *cells,
    ]
    if macro.recurrent:
        boxes.append(Box("recurrent", "recurrent", ("recurrent", f"{stages[-1].out_length} steps")))
    boxes += [
        Box("head", "frame", ("head", f"{macro.head_hidden} hidden")),
        Box("outputs", "output", ("outputs",)),
    ]
    names = [box.name for box in boxes]
    arrows = [Arrow(source, target) for source, target in pairwise(names)]
    if len(runs) == len(stages):
        inner = ["stem", *(box.name for box in cells)]
        arrows += [
            Arrow(source, target, is_quiet=True, side="e")
            for index, (source, target) in enumerate(zip(inner, inner[2:], strict=False))
        ]
    return Picture("macro", "Network", tuple(boxes), tuple(arrows), False, 0.17)


def _stage_box(name: str, stage: Stage, count: int, n_nodes: int) -> Box:
    word = "normal" if stage.layer.cell == "normal" else "reduction"
    repeats = f" × {count}" if count > 1 else ""
    stride = f" /{stage.layer.stride}" if stage.layer.stride > 1 else ""
    shape = f"{n_nodes * stage.channels} × {stage.out_length}"
    return Box(name, stage.layer.cell, (f"{word}{stride}{repeats}", shape))


def _runs(stages: list[Stage]) -> Iterator[tuple[Stage, int]]:
    """Yield each stage with the number of equal ones in a row, so that deep networks stay a short picture."""
    start = 0
    for index, stage in enumerate(stages):
        following = stages[index + 1] if index + 1 < len(stages) else None
        shape = (stage.layer, stage.channels, stage.out_length)
        if following is None or (following.layer, following.channels, following.out_length) != shape:
            yield stage, index + 1 - start
            start = index + 1
