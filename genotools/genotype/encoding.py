"""Cells as arrays, for surrogate models: an adjacency matrix and one-hot ops, ops on nodes.

The graph is that of BONAS (Shi et al. 2020): inputs, one node per op, one output. An op node is fed by the op nodes
whose sum it reads (or by an input), the output by the op nodes of every cell node.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genotools.genotype.space import SearchSpace

__all__ = ["CellEncoding", "GenotypeEncoding", "encode"]


@dataclass(frozen=True, slots=True, eq=False)
class CellEncoding:
    """One cell as a graph of V nodes and P kinds of nodes.

    ``adjacency``: uint8 ``(V, V)``, 1 at ``[i, j]`` where node i feeds node j. ``ops``: uint8 ``(V, P)``, one-hot in
    the order of ``kinds``.
    """

    adjacency: "NDArray[np.uint8]"
    ops: "NDArray[np.uint8]"
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GenotypeEncoding:
    """The three cells of a genotype as graphs."""

    normal: CellEncoding
    reduce: CellEncoding
    recurrent: CellEncoding


def encode(space: "SearchSpace", genotype: Genotype) -> GenotypeEncoding:
    """Return the encoding of the canonical form, so that equal genotypes have equal arrays.

    For the published space a convolutional cell has V = 11 nodes (2 inputs, 8 ops, output), the recurrent cell
    V = 10 (input, 8 activations, output).

    Raises
    ------
    DataError
        If ``genotype`` is not of this space.
    """
    if faults := space.faults(genotype):
        raise DataError.from_faults(f"genotype {genotype.digest[:12]} in space {space.name!r}", faults)
    return GenotypeEncoding(
        _encode_conv(genotype.normal.canonical(), space.normal.ops),
        _encode_conv(genotype.reduce.canonical(), space.reduce.ops),
        _encode_recurrent(genotype.recurrent.canonical(), space.recurrent.activations),
    )


def _encode_conv(cell: ConvCell, ops: tuple[str, ...]) -> CellEncoding:
    kinds = ("input0", "input1", *ops, "output")
    # Canonical edges are sorted by target, so the op nodes of one cell node follow each other.
    makers: dict[int, list[int]] = {0: [0], 1: [1]}
    for index, edge in enumerate(cell.edges):
        makers.setdefault(edge.target, []).append(2 + index)
    output = 2 + len(cell.edges)
    feeds = [(maker, 2 + index) for index, edge in enumerate(cell.edges) for maker in makers[edge.source]]
    feeds += [(maker, output) for node in cell.nodes for maker in makers[node]]
    return _arrays(feeds, ["input0", "input1", *(edge.op for edge in cell.edges), "output"], kinds)


def _encode_recurrent(cell: RecurrentCell, activations: tuple[str, ...]) -> CellEncoding:
    kinds = ("input0", *activations, "output")
    output = cell.n_states + 1
    feeds = [(state.predecessor, number) for number, state in enumerate(cell.states, start=1)]
    feeds += [(number, output) for number in range(1, output)]
    return _arrays(feeds, ["input0", *(state.activation for state in cell.states), "output"], kinds)


def _arrays(feeds: list[tuple[int, int]], nodes: list[str], kinds: tuple[str, ...]) -> CellEncoding:
    import numpy as np

    adjacency = np.zeros((len(nodes), len(nodes)), dtype=np.uint8)
    adjacency[tuple(np.array(feeds).T)] = 1
    ops = np.zeros((len(nodes), len(kinds)), dtype=np.uint8)
    ops[np.arange(len(nodes)), [kinds.index(node) for node in nodes]] = 1
    return CellEncoding(adjacency, ops, kinds)
