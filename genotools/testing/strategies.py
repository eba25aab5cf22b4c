"""Hypothesis strategies for cells, genotypes and search spaces.

Cells are drawn in any legal numbering, not only in topological order, and genotypes may carry notes: what a reader
has to expect of a file. Needs Hypothesis (``pip install hypothesis``).
"""

from collections.abc import Mapping, Sequence

import hypothesis.strategies as st

from genotools.genotype import (
    ConvCell,
    ConvCellSpace,
    Genotype,
    RecurrentCell,
    RecurrentCellSpace,
    SearchSpace,
    get_space,
    known_primitives,
)

__all__ = ["conv_cells", "genotypes", "json_values", "recurrent_cells", "renumberings", "search_spaces"]


def json_values(max_leaves: int = 20) -> st.SearchStrategy[object]:
    """Draw any JSON value that a file may hold."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    leaves = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=max_leaves,
    )


@st.composite
def renumberings(draw: st.DrawFn, numbers: Sequence[int]) -> dict[int, int]:
    """Draw a mapping of ``numbers`` onto themselves."""
    return dict(zip(numbers, draw(st.permutations(numbers)), strict=True))


@st.composite
def conv_cells(draw: st.DrawFn, space: ConvCellSpace | None = None) -> ConvCell:
    """Draw a convolutional cell of ``space`` (the published normal cell), in any numbering and order."""
    space = space or get_space("genome-nas").normal
    edges = []
    for index, degree in enumerate(space.in_degrees()):
        sources = draw(st.permutations(range(2 + index)))[:degree]
        edges += [(source, 2 + index, draw(st.sampled_from(space.ops))) for source in sources]
    cell = ConvCell(draw(st.permutations(edges)))
    return cell.renumbered(draw(renumberings(cell.nodes)))


@st.composite
def recurrent_cells(draw: st.DrawFn, space: RecurrentCellSpace | None = None) -> RecurrentCell:
    """Draw a recurrent cell of ``space`` (the published one), in any numbering."""
    space = space or get_space("genome-nas").recurrent
    numbers = range(1, space.n_states + 1)
    cell = RecurrentCell(
        (draw(st.integers(0, number - 1)), draw(st.sampled_from(space.activations))) for number in numbers
    )
    return cell.renumbered(draw(renumberings(numbers)))


@st.composite
def genotypes(
    draw: st.DrawFn, space: SearchSpace | None = None, *, meta: Mapping[str, object] | None = None
) -> Genotype:
    """Draw a genotype of ``space`` (the published one), with ``meta`` or any notes."""
    space = space or get_space("genome-nas")
    if meta is None:
        keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        meta = draw(st.dictionaries(keys, json_values(5), max_size=3))
    return Genotype(
        draw(conv_cells(space.normal)),
        draw(conv_cells(space.reduce)),
        draw(recurrent_cells(space.recurrent)),
        space=space.name,
        meta=meta,
    )


@st.composite
def search_spaces(draw: st.DrawFn, *, max_nodes: int = 4, max_in_degree: int = 4) -> SearchSpace:
    """Draw a search space of the registered primitives; it is not registered."""

    def conv() -> ConvCellSpace:
        ops = draw(st.lists(st.sampled_from(known_primitives("conv")), min_size=1, unique=True))
        return ConvCellSpace(draw(st.integers(1, max_nodes)), draw(st.integers(1, max_in_degree)), tuple(ops))

    activations = st.lists(st.sampled_from(known_primitives("activation")), min_size=1, unique=True)
    return SearchSpace(
        name=draw(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)),
        description=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)),
        normal=conv(),
        reduce=conv(),
        recurrent=RecurrentCellSpace(draw(st.integers(1, 2 * max_nodes)), tuple(draw(activations))),
    )
