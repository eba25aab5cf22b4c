"""Genotypes from genotypes: every single change, random mutation, and crossover.

A change is one op, one edge's source, one activation or one predecessor. Sources are offered by ancestry, not by
number, so the neighbours of a genotype do not depend on how it happens to be numbered. Results are numbered
topologically (every edge leads to a higher number).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype

if TYPE_CHECKING:
    import numpy as np

    from genotools.genotype.space import ConvCellSpace, RecurrentCellSpace, SearchSpace

__all__ = ["ChangeKind", "crossover", "mutate", "neighbors"]

ChangeKind = Literal["op", "source", "activation", "predecessor"]

ConvRole = Literal["normal", "reduce"]


def _descendants(pairs: Sequence[tuple[int, int]], node: int) -> set[int]:
    """Return ``node`` and everything that is computed from it."""
    found, stack = {node}, [node]
    while stack:
        here = stack.pop()
        new = [target for source, target in pairs if source == here and target not in found]
        found.update(new)
        stack.extend(new)
    return found


def _op_changes(cell: ConvCell, space: "ConvCellSpace") -> Iterator[ConvCell]:
    for index, edge in enumerate(cell.edges):
        for op in space.ops:
            if op != edge.op:
                yield ConvCell([*cell.edges[:index], edge._replace(op=op), *cell.edges[index + 1 :]])


def _source_changes(cell: ConvCell) -> Iterator[ConvCell]:
    pairs = [(edge.source, edge.target) for edge in cell.edges]
    for index, edge in enumerate(cell.edges):
        taken = {other.source for other in cell.in_edges(edge.target)} | _descendants(pairs, edge.target)
        for source in (0, 1, *cell.nodes):
            if source not in taken:
                edges = [*cell.edges[:index], edge._replace(source=source), *cell.edges[index + 1 :]]
                yield ConvCell(edges)


def _activation_changes(cell: RecurrentCell, space: "RecurrentCellSpace") -> Iterator[RecurrentCell]:
    for index, state in enumerate(cell.states):
        for activation in space.activations:
            if activation != state.activation:
                new = state._replace(activation=activation)
                yield RecurrentCell([*cell.states[:index], new, *cell.states[index + 1 :]])


def _predecessor_changes(cell: RecurrentCell) -> Iterator[RecurrentCell]:
    pairs = [(state.predecessor, number) for number, state in enumerate(cell.states, start=1)]
    for index, state in enumerate(cell.states):
        taken = _descendants(pairs, index + 1) | {state.predecessor}
        for predecessor in range(cell.n_states + 1):
            if predecessor not in taken:
                new = state._replace(predecessor=predecessor)
                yield RecurrentCell([*cell.states[:index], new, *cell.states[index + 1 :]])


def _changes(space: "SearchSpace", genotype: Genotype) -> dict[ChangeKind, Iterator[Genotype]]:
    """Return, lazily per kind, all genotypes one written change away; some may equal ``genotype``."""

    def with_conv(role: ConvRole, cells: Iterator[ConvCell]) -> Iterator[Genotype]:
        for cell in cells:
            new = {
                "normal": genotype.normal,
                "reduce": genotype.reduce,
                role: cell.in_topological_numbering(),
            }
            recurrent = genotype.recurrent.in_topological_numbering()
            yield Genotype(new["normal"], new["reduce"], recurrent, space=space.name)

    def with_recurrent(cells: Iterator[RecurrentCell]) -> Iterator[Genotype]:
        for cell in cells:
            recurrent = cell.in_topological_numbering()
            yield Genotype(genotype.normal, genotype.reduce, recurrent, space=space.name)

    def both(change: Callable[[ConvRole], Iterator[ConvCell]]) -> Iterator[Genotype]:
        yield from with_conv("normal", change("normal"))
        yield from with_conv("reduce", change("reduce"))

    return {
        "op": both(lambda role: _op_changes(getattr(genotype, role), getattr(space, role))),
        "source": both(lambda role: _source_changes(getattr(genotype, role))),
        "activation": with_recurrent(_activation_changes(genotype.recurrent, space.recurrent)),
        "predecessor": with_recurrent(_predecessor_changes(genotype.recurrent)),
    }


def _check(space: "SearchSpace", *genotypes: Genotype) -> None:
    for genotype in genotypes:
        if faults := space.faults(genotype):
            raise DataError.from_faults(f"genotype {genotype.digest[:12]} in space {space.name!r}", faults)


def _topological(genotype: Genotype) -> Genotype:
    return Genotype(
        genotype.normal.in_topological_numbering(),
        genotype.reduce.in_topological_numbering(),
        genotype.recurrent.in_topological_numbering(),
        space=genotype.space,
    )


def neighbors(space: "SearchSpace", genotype: Genotype) -> list[Genotype]:
    """Return all genotypes one change away from ``genotype``, each once, ordered by kind of change.

    Raises
    ------
    DataError
        If ``genotype`` is not of this space.
    """
    _check(space, genotype)
    found = {genotype.digest: genotype}
    for changed in _changes(space, _topological(genotype)).values():
        for neighbor in changed:
            found.setdefault(neighbor.digest, neighbor)
    return list(found.values())[1:]


def mutate(space: "SearchSpace", genotype: Genotype, *, rng: "np.random.Generator") -> Genotype:
    """Return a random genotype one change away: first the kind of change is drawn, then the change.

    Raises
    ------
    DataError
        If ``genotype`` is not of this space, or nothing in it can change.
    """
    _check(space, genotype)
    changes = _changes(space, _topological(genotype))
    for kind in rng.permutation(list(changes)).tolist():
        candidates = list(changes[kind])
        for index in rng.permutation(len(candidates)):
            candidate = candidates[int(index)]
            if candidate != genotype:
                return candidate
    raise DataError(f"search space {space.name!r} has only one genotype: nothing in it can change.")


def crossover(
    space: "SearchSpace", first: Genotype, second: Genotype, *, rng: "np.random.Generator"
) -> Genotype:
    """Return a child of two genotypes: each node with its in-edges comes from one parent by a fair coin.

    The parents' canonical nodes are paired by number, so parents that are equal have an equal child.

    Raises
    ------
    DataError
        If a parent is not of this space.
    """
    _check(space, first, second)
    mother, father = first.canonical(), second.canonical()

    def conv(one: ConvCell, other: ConvCell) -> ConvCell:
        # In topological order the in-degree of every node is settled by the space, so any mix is legal.
        parents = (one, other)
        return ConvCell(edge for node in one.nodes for edge in parents[int(rng.integers(2))].in_edges(node))

    def recurrent(one: RecurrentCell, other: RecurrentCell) -> RecurrentCell:
        pairs = zip(one.states, other.states, strict=True)
        return RecurrentCell(pair[int(rng.integers(2))] for pair in pairs)

    return Genotype(
        conv(mother.normal, father.normal),
        conv(mother.reduce, father.reduce),
        recurrent(mother.recurrent, father.recurrent),
        space=space.name,
    )
