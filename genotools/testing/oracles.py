"""Slow and plain answers that the fast ones must equal: isomorphism by networkx, small spaces in full."""

import itertools
from collections.abc import Iterator

import networkx as nx

from genotools.genotype import (
    ConvCell,
    ConvCellSpace,
    Genotype,
    RecurrentCell,
    RecurrentCellSpace,
    SearchSpace,
)

__all__ = ["all_conv_cells", "all_genotypes", "all_recurrent_cells", "is_same_cell", "is_same_genotype"]


def is_same_cell(first: ConvCell | RecurrentCell, second: ConvCell | RecurrentCell) -> bool:
    """Return whether two cells are isomorphic with inputs and ops kept, by networkx's VF2."""
    return nx.is_isomorphic(
        first.graph,
        second.graph,
        node_match=lambda one, other: bool(one["role"] == other["role"]),
        edge_match=lambda one, other: bool(one["op"] == other["op"]),
    )


def is_same_genotype(first: Genotype, second: Genotype) -> bool:
    """Return whether two genotypes are isomorphic cell by cell."""
    return (
        is_same_cell(first.normal, second.normal)
        and is_same_cell(first.reduce, second.reduce)
        and is_same_cell(first.recurrent, second.recurrent)
    )


def all_conv_cells(space: ConvCellSpace) -> Iterator[ConvCell]:
    """Yield every cell with ordered nodes of ``space``."""
    per_node = [
        [
            [(source, 2 + index, op) for source, op in zip(sources, ops, strict=True)]
            for sources in itertools.combinations(range(2 + index), degree)
            for ops in itertools.product(space.ops, repeat=degree)
        ]
        for index, degree in enumerate(space.in_degrees())
    ]
    for nodes in itertools.product(*per_node):
        yield ConvCell(itertools.chain.from_iterable(nodes))


def all_recurrent_cells(space: RecurrentCellSpace) -> Iterator[RecurrentCell]:
    """Yield every cell with ordered states of ``space``."""
    per_state = [
        list(itertools.product(range(number), space.activations)) for number in range(1, space.n_states + 1)
    ]
    for states in itertools.product(*per_state):
        yield RecurrentCell(states)


def all_genotypes(space: SearchSpace) -> Iterator[Genotype]:
    """Yield every genotype with ordered nodes of ``space``."""
    for normal in all_conv_cells(space.normal):
        for reduce in all_conv_cells(space.reduce):
            for recurrent in all_recurrent_cells(space.recurrent):
                yield Genotype(normal, reduce, recurrent, space=space.name)
