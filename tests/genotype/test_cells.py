"""Cells: what is refused, what is kept, and that nothing changes afterwards."""

import copy
import pickle

import networkx as nx
import pytest
from hypothesis import given

from genotools.errors import DataError
from genotools.genotype import ConvCell, Edge, RecurrentCell, State
from genotools.genotype.cells import MAX_NODES, conv_cell_faults, recurrent_cell_faults
from genotools.testing.strategies import conv_cells, recurrent_cells

PAIR = [(0, 2, "skip_connect"), (1, 2, "conv_15")]


def test_a_cell_keeps_the_order_and_numbering_it_was_written_with() -> None:
    edges = [(1, 3, "conv_15"), (3, 2, "skip_connect"), (0, 2, "max_pool_5")]
    cell = ConvCell(edges)
    assert cell.edges == tuple(Edge(*edge) for edge in edges)
    assert list(cell.nodes) == [2, 3]
    assert cell.in_edges(2) == [Edge(3, 2, "skip_connect"), Edge(0, 2, "max_pool_5")]
    assert cell.topological_order() == [3, 2]
    states = [(2, "tanh"), (0, "relu")]
    assert RecurrentCell(states).states == tuple(State(*state) for state in states)
    assert RecurrentCell(states).topological_order() == [2, 1]


@given(conv_cells())
def test_graph_of_a_conv_cell_is_a_frozen_dag_with_roles_and_ops(cell: ConvCell) -> None:
    graph = cell.graph
    assert nx.is_directed_acyclic_graph(graph)
    assert {(s, t, graph.edges[s, t]["op"]) for s, t in graph.edges} == set(cell.edges)
    assert [graph.nodes[node]["role"] for node in range(3)] == ["input0", "input1", "node"]
    assert cell.graph is graph
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        graph.add_edge(0, 99)
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        graph.remove_node(0)


@given(recurrent_cells())
def test_graph_of_a_recurrent_cell_is_a_frozen_tree(cell: RecurrentCell) -> None:
    graph = cell.graph
    assert nx.is_arborescence(graph)
    assert graph.nodes[0]["role"] == "input0"
    assert {(s, t, graph.edges[s, t]["op"]) for s, t in graph.edges} == {
        (state.predecessor, number, state.activation) for number, state in enumerate(cell.states, start=1)
    }
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        graph.clear()


@given(conv_cells())
def test_topological_numbering_is_the_same_cell_with_edges_upwards(cell: ConvCell) -> None:
    numbered = cell.in_topological_numbering()
    assert numbered == cell
    assert all(edge.source < edge.target for edge in numbered.edges)
    assert numbered.in_topological_numbering() is numbered


@given(recurrent_cells())
def test_topological_numbering_puts_predecessors_first(cell: RecurrentCell) -> None:
    numbered = cell.in_topological_numbering()
    assert numbered == cell
    assert all(state.predecessor < number for number, state in enumerate(numbered.states, start=1))


@given(conv_cells(), conv_cells())
def test_equality_and_hash_of_conv_cells_agree(first: ConvCell, second: ConvCell) -> None:
    assert first == ConvCell(first.edges[::-1])
    assert hash(first) == hash(ConvCell(first.edges[::-1]))
    if first == second:
        assert hash(first) == hash(second)
    assert first != first.edges


def test_different_recurrent_cells_have_different_hashes() -> None:
    cells = [RecurrentCell([(0, "tanh"), (number, name)]) for number in (0, 1) for name in ("tanh", "relu")]
    assert len({hash(cell) for cell in cells}) == len(set(cells)) == 4


def test_cells_of_different_kinds_are_never_equal() -> None:
    assert ConvCell(PAIR) != RecurrentCell([(0, "tanh")])
    assert ConvCell(PAIR) != ConvCell([(1, 2, "skip_connect"), (0, 2, "conv_15")])  # inputs have roles


@pytest.mark.parametrize("cell", [ConvCell(PAIR), RecurrentCell([(0, "tanh")])], ids=["conv", "recurrent"])
def test_cells_cannot_be_changed(cell: ConvCell | RecurrentCell) -> None:
    for name in ("edges", "states", "graph", "n_nodes", "colour"):
        with pytest.raises(AttributeError):
            setattr(cell, name, ())


@pytest.mark.parametrize("cell", [ConvCell(PAIR), RecurrentCell([(0, "tanh")])], ids=["conv", "recurrent"])
def test_cells_can_be_copied_and_sent_to_other_processes(cell: ConvCell | RecurrentCell) -> None:
    assert cell.graph is not None
    assert copy.deepcopy(cell) == cell
    assert pickle.loads(pickle.dumps(cell)) == cell  # noqa: S301 - made on the line itself


def test_repr_is_code_that_gives_the_cell_back() -> None:
    assert repr(ConvCell(PAIR)) == f"ConvCell({PAIR})"
    assert repr(RecurrentCell([(0, "tanh")])) == "RecurrentCell([(0, 'tanh')])"


def test_all_faults_of_a_cell_are_listed() -> None:
    edges = [Edge(0, 2, "conv_11"), Edge(3, 3, "conv_15"), Edge(9, 4, "conv_15"), Edge(0, 1, "skip_connect")]
    assert [fault.split(":")[0] for fault in conv_cell_faults(edges)] == [
        "edge 0 (0 -> 2)",
        "edge 1 (3 -> 3)",
        "edge 2 (9 -> 4)",
        "edge 3 (0 -> 1)",
    ]
    with pytest.raises(DataError, match="convolutional cell: 4 faults"):
        ConvCell(edges)
    assert len(recurrent_cell_faults([State(1, "tanh"), State(5, "gelu")])) == 3


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "no edges"),
        ([(0, 2, "conv_15"), (0, 2, "skip_connect")], "a second edge between the same nodes"),
        ([(0, 3, "conv_15")], "node 2: no edge leads to it"),
        ([(0, 2, "conv_15"), (3, 2, "conv_15"), (2, 3, "conv_15")], "cycle: (2 -> 3 -> 2|3 -> 2 -> 3)"),
        ([(0, 2 + MAX_NODES, "conv_15")], "at most 64 intermediate nodes"),
        ([(-1, 2, "conv_15")], "there is no node -1"),
        ([(0, -5, "conv_15")], "no edges|an input"),
        ([(0, 2, "tanh")], "unknown op 'tanh'"),
    ],
)
def test_bad_conv_cells_are_refused(edges: list[tuple[int, int, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ConvCell(edges)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([], "no states"),
        ([(0, "tanh")] * 65, "65 states: a cell has at most 64"),
        ([(2, "tanh"), (1, "tanh")], "cycle: (1 -> 2 -> 1|2 -> 1 -> 2)"),
        ([(1, "tanh")], "its own predecessor"),
        ([(-1, "tanh")], "there is no state -1"),
        ([(0, "conv_15")], "unknown activation 'conv_15'"),
    ],
)
def test_bad_recurrent_cells_are_refused(states: list[tuple[int, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        RecurrentCell(states)


def test_numbers_that_are_no_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        ConvCell([(0, 2.0, "conv_15")])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        RecurrentCell([("0", "tanh")])  # type: ignore[list-item]
