"""Drawings as text, letter for letter, and which cells are drawn sideways."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from genotools.genotype import ConvCell, Genotype, Layer, Macro, RecurrentCell
from genotools.genotype.drawing import CellName, draw, to_dot

FROZEN = Path(__file__).parent / "drawings"
"""Drawings that were looked at once; a new look is written here with ``draw`` and looked at again."""

GENOTYPE = Genotype(
    ConvCell(
        [
            (3, 2, "max_pool_5"),
            (4, 2, "skip_connect"),
            (0, 2, "sep_conv_9"),
            (4, 3, "conv_15"),
            (0, 3, "sep_conv_15"),
            (1, 4, "avg_pool_5"),
            (0, 5, "dil_conv_15"),
            (1, 5, "dil_conv_9"),
            (1, 6, "skip_connect"),
        ]
    ),
    ConvCell([(1, 2, "conv_15"), (2, 3, "skip_connect"), (1, 3, "max_pool_5")]),
    RecurrentCell([(2, "tanh"), (0, "relu"), (2, "sigmoid"), (1, "identity")]),
)
MACRO = Macro(length=100, channels=2, layers=[Layer("normal"), Layer("reduce", 3)], head_hidden=5)


@pytest.mark.parametrize(
    ("name", "cells", "macro"),
    [
        ("normal.dot", ["normal"], None),
        ("reduce.dot", ["reduce"], None),
        ("recurrent.dot", ["recurrent"], None),
        ("network.dot", [], MACRO),
        ("two.dot", ["reduce"], MACRO),
        ("all.md", ["normal", "reduce", "recurrent"], MACRO),
    ],
)
def test_a_drawing_is_the_frozen_one(
    name: str, cells: Sequence[CellName], macro: Macro | None, tmp_path: Path
) -> None:
    draw(GENOTYPE, tmp_path / name, cells=cells, macro=macro)
    assert (tmp_path / name).read_text(encoding="utf-8") == (FROZEN / name).read_text(encoding="utf-8")


def side_by_side(n_nodes: int) -> ConvCell:
    return ConvCell((0, node, "skip_connect") for node in range(2, 2 + n_nodes))


def states(*predecessors: int) -> RecurrentCell:
    return RecurrentCell((predecessor, "tanh") for predecessor in predecessors)


@pytest.mark.parametrize(
    ("cell", "is_sideways"),
    [
        (side_by_side(2), False),
        (side_by_side(3), True),
        # A node stands below the last that it reads, so these are a column though all read input 0.
        (ConvCell([*side_by_side(3).edges, (2, 3, "conv_15"), (3, 4, "conv_15")]), False),
        (states(0, 0, 0, 0), False),
        (states(0, 0, 0, 0, 0), True),
        (states(0, 1, 1, 1, 1, 1), True),
        (states(0, 1, 1, 1, 2, 3), False),
    ],
)
def test_what_is_too_broad_for_a_column_is_drawn_sideways(
    cell: ConvCell | RecurrentCell, is_sideways: bool
) -> None:
    if isinstance(cell, ConvCell):
        dot = to_dot(Genotype(cell, cell, states(0)), cells=["normal"])
    else:
        dot = to_dot(Genotype(side_by_side(1), side_by_side(1), cell), cells=["recurrent"])
    assert ("rankdir=LR" in dot) is is_sideways
    assert ("rankdir=TB" in dot) is not is_sideways


@pytest.mark.parametrize("cell", [states(0), states(0, 0, 0, 0, 0)])
def test_the_first_state_has_a_number_and_no_op(cell: RecurrentCell) -> None:
    dot = to_dot(Genotype(side_by_side(1), side_by_side(1), cell), cells=["recurrent"])
    (statement,) = re.findall(r'"0" \[label=<(.*)>\];', dot)
    assert re.sub("<.*?>", "", statement) == "0"


def test_a_cell_is_drawn_once_and_in_the_order_that_is_asked_for() -> None:
    dot = to_dot(GENOTYPE, cells=["recurrent", "normal", "recurrent"])
    assert dot.index("subgraph cluster_recurrent") < dot.index("subgraph cluster_normal")
    assert dot.count("subgraph") == 2


def runs(layers: Sequence[Layer]) -> list[str]:
    """Return the first line of the boxes of cells, top to bottom."""
    dot = to_dot(GENOTYPE, cells=[], macro=Macro(length=12, channels=2, layers=layers))
    return [
        line.split("<B>")[1].split("</B>")[0] for line in dot.splitlines() if re.match(r' *"cell\d" \[', line)
    ]


def test_only_equal_cells_in_a_row_are_one_box() -> None:
    normal, halving, keeping = Layer("normal"), Layer("reduce", 2), Layer("reduce")
    assert runs([normal, normal, halving, normal]) == ["normal × 2", "reduction /2", "normal"]
    # Every reduction doubles the channels, and a length of 1 cannot become shorter.
    assert runs([halving, halving, keeping, normal, normal]) == [
        "reduction /2",
        "reduction /2",
        "reduction",
        "normal × 2",
    ]
