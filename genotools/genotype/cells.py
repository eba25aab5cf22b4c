"""The two kinds of cells: small immutable DAGs that a network repeats.

A :class:`ConvCell` has two inputs (the outputs of the two cells before it), intermediate nodes that each sum their
in-edges, and one output: the concatenation of all intermediate nodes. A :class:`RecurrentCell` has one input state;
every other state has one predecessor and an activation, and the output is their mean. Any numbering of the
intermediate nodes is accepted and kept; equality and hash are those of the canonical form.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, NamedTuple

from genotools.errors import DataError
from genotools.genotype.canonical import canonical_order, canonical_tree, depths
from genotools.genotype.primitives import unknown_primitive_fault

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "MAX_NODES",
    "ConvCell",
    "Edge",
    "RecurrentCell",
    "State",
    "conv_cell_faults",
    "recurrent_cell_faults",
]

MAX_NODES = 64
"""Intermediate nodes a cell may have: files are read from strangers."""

N_INPUTS = 2


class Edge(NamedTuple):
    """A connection of a convolutional cell; nodes 0 and 1 are the cell's inputs."""

    source: int
    target: int
    op: str


class State(NamedTuple):
    """What makes one recurrent state: the state it reads and the activation it applies."""

    predecessor: int
    activation: str


def conv_cell_faults(edges: Sequence[Edge]) -> list[str]:
    """Return everything that keeps ``edges`` from being a convolutional cell; empty where nothing does."""
    faults = []
    n_nodes = max((edge.target for edge in edges), default=1) - N_INPUTS + 1
    if not edges or n_nodes < 1:
        return ["no edges: a cell needs at least one intermediate node (numbered from 2)."]
    if n_nodes > MAX_NODES:
        return [f"node {n_nodes + 1}: a cell has at most {MAX_NODES} intermediate nodes."]
    pairs: set[tuple[int, int]] = set()
    for number, (source, target, op) in enumerate(edges):
        where = f"edge {number} ({source} -> {target})"
        if fault := unknown_primitive_fault(op, "conv"):
            faults.append(f"{where}: {fault}")
        if target < N_INPUTS:
            faults.append(f"{where}: node {target} is an input of the cell and takes no edges.")
        if source == target:
            faults.append(f"{where}: an edge from a node to itself.")
        elif not 0 <= source < N_INPUTS + n_nodes:
            faults.append(f"{where}: there is no node {source}; nodes are 0 to {n_nodes + 1}.")
        if (source, target) in pairs:
            faults.append(f"{where}: a second edge between the same nodes.")
        pairs.add((source, target))
    reached = {target for _, target in pairs}
    faults += [
        f"node {node}: no edge leads to it."
        for node in range(N_INPUTS, N_INPUTS + n_nodes)
        if node not in reached
    ]
    if not faults and depths(N_INPUTS + n_nodes, N_INPUTS, edges) is None:
        faults.append(f"the edges form a cycle: {_name_cycle(edges)}.")
    return faults


def _name_cycle(edges: Iterable[tuple[int, int, str]]) -> str:
    """Return one cycle as ``2 -> 4 -> 2``."""
    sources: dict[int, list[int]] = {}
    for source, target, _ in edges:
        sources.setdefault(target, []).append(source)
    alive = set(sources)
    while gone := {node for node in alive if not any(source in alive for source in sources[node])}:
        alive -= gone
    walk = [min(alive)]
    while walk.count(walk[-1]) < 2:
        walk.append(min(source for source in sources[walk[-1]] if source in alive))
    loop = walk[walk.index(walk[-1]) :]
    return " -> ".join(map(str, reversed(loop)))


def recurrent_cell_faults(states: Sequence[State]) -> list[str]:
    """Return everything that keeps ``states`` from being a recurrent cell; empty where nothing does."""
    if not states:
        return ["no states: a recurrent cell needs at least one."]
    if len(states) > MAX_NODES:
        return [f"{len(states)} states: a cell has at most {MAX_NODES}."]
    faults = []
    for number, (predecessor, activation) in enumerate(states, start=1):
        if fault := unknown_primitive_fault(activation, "activation"):
            faults.append(f"state {number}: {fault}")
        if predecessor == number:
            faults.append(f"state {number}: a state cannot be its own predecessor.")
        elif not 0 <= predecessor <= len(states):
            faults.append(f"state {number}: there is no state {predecessor}; states are 0 to {len(states)}.")
    edges = [(state.predecessor, number, "") for number, state in enumerate(states, start=1)]
    if not faults and depths(len(states) + 1, 1, edges) is None:
        faults.append(f"the predecessors form a cycle: {_name_cycle(edges)}.")
    return faults


class ConvCell:
    """A convolutional cell.

    Parameters
    ----------
    edges
        ``(source, target, op)``; nodes 0 and 1 are the inputs, intermediate nodes are numbered from 2.

    Raises
    ------
    DataError
        Listing every fault: unknown op, cycle, edge to itself, repeated edge, unreached node.

    Examples
    --------
    >>> ConvCell([(0, 2, "max_pool_5"), (1, 2, "skip_connect")]).n_nodes
    1
    """

    __slots__ = ("_canonical", "_edges", "_graph", "_n_nodes")

    def __init__(self, edges: Iterable[tuple[int, int, str]]) -> None:
        # index: numbers of numpy become Python's, which JSON can write; anything but an integer is refused.
        self._set(tuple(Edge(int(index(source)), int(index(target)), op) for source, target, op in edges))
        faults = conv_cell_faults(self._edges)
        if faults:
            raise DataError.from_faults("convolutional cell", faults)

    def _set(self, edges: tuple[Edge, ...]) -> None:
        self._edges = edges
        self._n_nodes = max((edge.target for edge in edges), default=1) - N_INPUTS + 1
        self._canonical: ConvCell | None = None
        self._graph: nx.DiGraph[int] | None = None

    @classmethod
    def _checked(cls, edges: tuple[Edge, ...]) -> "ConvCell":
        """Return the cell of edges that were checked in another numbering."""
        cell = cls.__new__(cls)
        cell._set(edges)
        return cell

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges in the order they were written."""
        return self._edges

    @property
    def n_nodes(self) -> int:
        """Number of intermediate nodes."""
        return self._n_nodes

    @property
    def nodes(self) -> range:
        """The intermediate nodes."""
        return range(N_INPUTS, N_INPUTS + self._n_nodes)

    def in_edges(self, node: int) -> list[Edge]:
        """Return the edges into ``node``, in written order."""
        return [edge for edge in self._edges if edge.target == node]

    def topological_order(self) -> list[int]:
        """Return the intermediate nodes, sources before targets, otherwise by number."""
        return _stable_order(self.nodes, [(edge.source, edge.target) for edge in self._edges])

    def in_topological_numbering(self) -> "ConvCell":
        """Return this cell renumbered so that every edge leads to a higher number."""
        if all(edge.source < edge.target for edge in self._edges):
            return self
        return self.renumbered({node: N_INPUTS + rank for rank, node in enumerate(self.topological_order())})

    def renumbered(self, mapping: Mapping[int, int]) -> "ConvCell":
        """Return the same cell with node ``n`` called ``mapping[n]``; inputs keep their numbers."""
        return ConvCell(
            (mapping.get(source, source), mapping.get(target, target), op)
            for source, target, op in self._edges
        )

    def canonical(self) -> "ConvCell":
        """Return the canonical form, one and the same for all numberings of this cell."""
        if self._canonical is None:
            order = canonical_order(N_INPUTS + self._n_nodes, N_INPUTS, self._edges)
            new = [*range(N_INPUTS), *[0] * self._n_nodes]
            for rank, node in enumerate(order):
                new[node] = N_INPUTS + rank
            by_target = sorted((new[edge.target], new[edge.source], edge.op) for edge in self._edges)
            edges = tuple(Edge(source, target, op) for target, source, op in by_target)
            self._canonical = self if edges == self._edges else ConvCell._checked(edges)
            self._canonical._canonical = self._canonical
        return self._canonical

    @property
    def graph(self) -> "nx.DiGraph[int]":
        """The cell as a frozen ``networkx.DiGraph``: nodes carry ``role`` (input, node), edges ``op``.

        The output, the concatenation of all intermediate nodes, is not a node of the graph.
        """
        if self._graph is None:
            import networkx as nx

            graph: nx.DiGraph[int] = nx.DiGraph(kind="conv", output="concat")
            graph.add_nodes_from((node, {"role": f"input{node}"}) for node in range(N_INPUTS))
            graph.add_nodes_from((node, {"role": "node"}) for node in self.nodes)
            graph.add_edges_from((source, target, {"op": op}) for source, target, op in self._edges)
            self._graph = nx.freeze(graph)
        return self._graph

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConvCell):
            return NotImplemented
        return self.canonical()._edges == other.canonical()._edges

    def __hash__(self) -> int:
        return hash(self.canonical()._edges)

    def __repr__(self) -> str:
        return f"ConvCell({[tuple(edge) for edge in self._edges]!r})"


class RecurrentCell:
    """A recurrent cell.

    Parameters
    ----------
    states
        ``(predecessor, activation)`` of states 1, 2, ...; state 0 is the cell's input.

    Raises
    ------
    DataError
        Listing every fault: unknown activation, missing predecessor, cycle.

    Examples
    --------
    >>> RecurrentCell([(0, "tanh"), (1, "relu")]).n_states
    2
    """

    __slots__ = ("_canonical", "_graph", "_states")

    def __init__(self, states: Iterable[tuple[int, str]]) -> None:
        self._set(tuple(State(int(index(predecessor)), activation) for predecessor, activation in states))
        faults = recurrent_cell_faults(self._states)
        if faults:
            raise DataError.from_faults("recurrent cell", faults)

    def _set(self, states: tuple[State, ...]) -> None:
        self._states = states
        self._canonical: RecurrentCell | None = None
        self._graph: nx.DiGraph[int] | None = None

    @classmethod
    def _checked(cls, states: tuple[State, ...]) -> "RecurrentCell":
        """Return the cell of states that were checked in another numbering."""
        cell = cls.__new__(cls)
        cell._set(states)
        return cell

    @property
    def states(self) -> tuple[State, ...]:
        """States 1, 2, ... as they were written."""
        return self._states

    @property
    def n_states(self) -> int:
        """Number of states, the input state 0 not counted."""
        return len(self._states)

    def topological_order(self) -> list[int]:
        """Return the numbers of the states, predecessors first, otherwise by number."""
        pairs = [(state.predecessor, number) for number, state in enumerate(self._states, start=1)]
        return _stable_order(range(1, self.n_states + 1), pairs)

    def in_topological_numbering(self) -> "RecurrentCell":
        """Return this cell renumbered so that every predecessor has a lower number."""
        if all(state.predecessor < number for number, state in enumerate(self._states, start=1)):
            return self
        return self.renumbered({node: rank for rank, node in enumerate(self.topological_order(), start=1)})

    def renumbered(self, mapping: Mapping[int, int]) -> "RecurrentCell":
        """Return the same cell with state ``n`` called ``mapping[n]``; state 0 keeps its number."""
        new = {0: 0, **mapping}
        states = {new[number]: state for number, state in enumerate(self._states, start=1)}
        return RecurrentCell((new[states[n].predecessor], states[n].activation) for n in sorted(states))

    def canonical(self) -> "RecurrentCell":
        """Return the canonical form, one and the same for all numberings of this cell."""
        if self._canonical is None:
            children: dict[int, list[tuple[int, str]]] = {}
            for number, (predecessor, activation) in enumerate(self._states, start=1):
                children.setdefault(predecessor, []).append((number, activation))
            states = tuple(State(*state) for state in canonical_tree(children, 0))
            self._canonical = self if states == self._states else RecurrentCell._checked(states)
            self._canonical._canonical = self._canonical
        return self._canonical

    @property
    def graph(self) -> "nx.DiGraph[int]":
        """The cell as a frozen ``networkx.DiGraph``: nodes carry ``role``, edges ``op`` (the activation)."""
        if self._graph is None:
            import networkx as nx

            graph: nx.DiGraph[int] = nx.DiGraph(kind="recurrent", output="mean")
            graph.add_node(0, role="input0")
            graph.add_nodes_from((number, {"role": "node"}) for number in range(1, self.n_states + 1))
            graph.add_edges_from(
                (state.predecessor, number, {"op": state.activation})
                for number, state in enumerate(self._states, start=1)
            )
            self._graph = nx.freeze(graph)
        return self._graph

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecurrentCell):
            return NotImplemented
        return self.canonical()._states == other.canonical()._states

    def __hash__(self) -> int:
        return hash(self.canonical()._states)

    def __repr__(self) -> str:
        return f"RecurrentCell({[tuple(state) for state in self._states]!r})"


def _stable_order(nodes: Iterable[int], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return ``nodes`` with sources before targets, the lowest number first among those that are ready."""
    waiting = set(nodes)
    order = []
    while waiting:
        blocked = {target for source, target in pairs if source in waiting}
        node = min(waiting - blocked)
        order.append(node)
        waiting.remove(node)
    return order
