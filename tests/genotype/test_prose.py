"""Genotypes and their differences in words."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.genotype import GENOME_NAS, ConvCell, Genotype, RecurrentCell, get_primitive, prose
from genotools.genotype.prose import Fact, describe, diff
from genotools.testing.strategies import conv_cells, genotypes

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]

CONV = ConvCell([(0, 2, "conv_15"), (1, 2, "skip_connect"), (2, 3, "max_pool_5"), (0, 3, "conv_15")])
RECURRENT = RecurrentCell([(0, "tanh"), (1, "relu"), (1, "sigmoid")])
BASE = Genotype(CONV, CONV, RECURRENT)


def test_description_says_what_every_node_does() -> None:
    assert describe(BASE) == (
        f"Genotype {BASE.digest[:12]} of space genome-nas.\n"
        "\n"
        "The normal cell, which keeps the length:\n"
        "  Node 2 is a pair of dense convolutions of width 15 of input 0 plus a skip connection of input 1.\n"
        "  Node 3 is a max pool of width 5 of node 2 plus a pair of dense convolutions of width 15 of input 0.\n"
        "  The output is nodes 2 and 3 side by side.\n"
        "  In all: 2 x conv 15, 1 x max pool 5 and 1 x skip.\n"
        "\n"
        "The reduction cell, which shortens the sequence:\n"
        "  Node 2 is a pair of dense convolutions of width 15 of input 0 plus a skip connection of input 1.\n"
        "  Node 3 is a max pool of width 5 of node 2 plus a pair of dense convolutions of width 15 of input 0.\n"
        "  The output is nodes 2 and 3 side by side.\n"
        "  In all: 2 x conv 15, 1 x max pool 5 and 1 x skip.\n"
        "\n"
        "The recurrent cell, which runs along the sequence:\n"
        "  State 1 moves the input state 0 towards the tanh of its transform.\n"
        "  State 2 moves state 1 towards the relu of its transform.\n"
        "  State 3 moves state 1 towards the sigmoid of its transform.\n"
        "  The output is the mean of states 1 to 3.\n"
        "  In all: 1 x relu, 1 x sigmoid and 1 x tanh.\n"
    )


def test_description_of_the_smallest_cells_reads_as_a_sentence() -> None:
    single = ConvCell([(1, 2, "conv_15")])
    text = describe(Genotype(single, single, RecurrentCell([(0, "tanh")]))).splitlines()
    assert text[4:6] == ["  Node 2 is the output.", "  In all: 1 x conv 15."]
    assert text[-2:] == ["  The output is the mean of states 1 to 1.", "  In all: 1 x tanh."]


def test_ops_are_counted_the_most_frequent_first() -> None:
    ops = ["avg_pool_5", "skip_connect", "skip_connect", "conv_15", "conv_15"]
    cell = ConvCell((0, node, op) for node, op in enumerate(ops, start=2))
    assert "  In all: 2 x conv 15, 2 x skip and 1 x avg pool 5.\n" in describe(
        Genotype(cell, CONV, RECURRENT)
    )


@given(genotypes(meta={}))
@settings(max_examples=20)
def test_description_names_every_op_and_node(genotype: Genotype) -> None:
    text = describe(genotype)
    for edge in (*genotype.normal.edges, *genotype.reduce.edges):
        assert get_primitive(edge.op, "conv").description in text
    for number, state in enumerate(genotype.recurrent.states, start=1):
        assert f"State {number} moves" in text
        assert f"towards the {state.activation} of its transform" in text


@pytest.mark.parametrize(
    ("new", "sentences"),
    [
        (BASE, []),
        (
            Genotype(ConvCell([*CONV.edges[:3], (0, 3, "avg_pool_5")]), CONV, RECURRENT),
            ["normal cell, edge input 0 -> node 3: conv_15 became avg_pool_5."],
        ),
        (
            Genotype(CONV, ConvCell([*CONV.edges[:3], (1, 3, "conv_15")]), RECURRENT),
            ["reduce cell, edge input 0 -> node 3: conv_15 now reads input 1."],
        ),
        (
            Genotype(CONV, CONV, RecurrentCell([(0, "tanh"), (1, "relu"), (2, "sigmoid")])),
            ["recurrent cell, state 3: reads state 2 instead of 1."],
        ),
        (
            Genotype(CONV, CONV, RecurrentCell([(0, "identity"), (1, "relu"), (1, "sigmoid")])),
            ["recurrent cell, state 1: tanh became identity."],
        ),
        (
            Genotype(ConvCell(CONV.edges[:3]), CONV, RecurrentCell([*RECURRENT.states, (3, "relu")])),
            [
                "normal cell, edge input 0 -> node 3: conv_15 is gone.",
                "recurrent cell, state 4: new, relu of state 3.",
            ],
        ),
        (
            Genotype(CONV, ConvCell(CONV.edges[:3]), RecurrentCell([(0, "tanh"), (0, "identity")])),
            [
                "reduce cell, edge input 0 -> node 3: conv_15 is gone.",
                "recurrent cell, state 2: relu became identity and reads state 0 instead of 1.",
                "recurrent cell, state 3: gone.",
            ],
        ),
        (
            Genotype(ConvCell(CONV.edges[:3]), ConvCell(CONV.edges[:3]), RECURRENT),
            [
                "normal cell, edge input 0 -> node 3: conv_15 is gone.",
                "reduce cell, edge input 0 -> node 3: conv_15 is gone.",
            ],
        ),
        (
            Genotype(ConvCell([*CONV.edges[:3], (1, 3, "avg_pool_5")]), CONV, RECURRENT),
            ["normal cell, edge input 0 -> node 3: conv_15 became avg_pool_5 and reads input 1."],
        ),
    ],
)
def test_each_change_is_one_sentence(new: Genotype, sentences: list[str]) -> None:
    assert diff(BASE, new) == sentences


def test_changes_of_a_cell_come_by_their_target_each_with_what_is_nearest_to_it() -> None:
    old = {(1, 2, "b"), (0, 2, "d"), (0, 3, "a"), (1, 3, "c"), (0, 5, "x"), (0, 6, "x")}
    new = {
        *((0, 2, "e"), (2, 3, "a")),
        *((1, 5, "y"), (2, 5, "x"), (0, 5, "z")),  # the same edge before the same op
        *((1, 6, "y"), (2, 6, "x")),  # the same op before any
        *((1, 4, "g"), (0, 7, "h")),
    }
    assert prose._conv_changes(old, new) == [
        "edge input 0 -> node 2: d became e.",
        "edge input 1 -> node 2: b is gone.",
        "edge input 0 -> node 3: a now reads node 2.",
        "edge input 1 -> node 3: c is gone.",
        "edge input 0 -> node 5: x became z.",
        "edge input 0 -> node 6: x now reads node 2.",
        "edge input 1 -> node 4: g is new.",
        "edge input 1 -> node 5: y is new.",
        "edge node 2 -> node 5: x is new.",
        "edge input 1 -> node 6: y is new.",
        "edge input 0 -> node 7: h is new.",
    ]


@given(genotypes(meta={}), st.integers(0, 2**32))
@settings(max_examples=30)
def test_a_renumbered_mutant_differs_in_one_sentence(genotype: Genotype, seed: int) -> None:
    mutant = GENOME_NAS.mutate(genotype, rng=np.random.default_rng(seed))
    assert len(diff(genotype, mutant.canonical())) == 1
    assert len(diff(mutant.canonical(), genotype)) == 1


def test_renumbering_is_no_difference(shuffled: Shuffle) -> None:
    rng = np.random.default_rng(0)
    genotype = GENOME_NAS.sample(rng=rng)
    assert diff(genotype, shuffled(genotype, rng)) == []


@given(conv_cells(), conv_cells())
@settings(max_examples=30)
def test_as_few_sentences_as_the_best_matching_of_nodes_needs(first: ConvCell, second: ConvCell) -> None:
    kept = set(first.edges)
    shared = max(
        len(kept & set(second.renumbered(dict(zip(second.nodes, order, strict=True))).edges))
        for order in itertools.permutations(second.nodes)
    )
    old, new = (Genotype(cell, CONV, RECURRENT) for cell in (first, second))
    assert len(diff(old, new)) == len(first.edges) - shared


def test_cells_of_many_nodes_are_compared_too() -> None:
    edges = [(source, node, "skip_connect") for node in range(2, 30) for source in (node - 1, node - 2)]
    old = Genotype(ConvCell(edges), CONV, RECURRENT)
    new = Genotype(ConvCell([*edges[:-1], (*edges[-1][:2], "conv_15")]), CONV, RECURRENT)
    assert diff(old, new) == ["normal cell, edge node 27 -> node 29: skip_connect became conv_15."]


LARGE = [(0, node, "skip_connect") for node in range(6, 14)]


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        pytest.param(
            [(0, 4, "max_pool_5"), (0, 5, "avg_pool_5"), (4, 2, "conv_15"), (5, 3, "sep_conv_9")],
            [(0, 5, "max_pool_5"), (0, 4, "avg_pool_5"), (5, 3, "conv_15"), (4, 2, "dil_conv_9")],
            ["normal cell, edge node 5 -> node 3: sep_conv_9 became dil_conv_9."],
            id="nodes 2 and 3 can be told apart only once 4 and 5 are",
        ),
        pytest.param(
            [(0, 2, "max_pool_5"), (1, 3, "avg_pool_5"), (0, 4, "conv_15"), (0, 5, "conv_15")],
            [(1, 2, "sep_conv_9"), (0, 3, "dil_conv_9"), (0, 4, "conv_15"), (0, 5, "conv_15")],
            [
                "normal cell, edge input 0 -> node 2: max_pool_5 became dil_conv_9.",
                "normal cell, edge input 1 -> node 3: avg_pool_5 became sep_conv_9.",
            ],
            id="nodes 2 and 3 can be told apart only by their inputs",
        ),
    ],
)
def test_renumbered_nodes_of_large_cells_are_found(
    old: list[Fact], new: list[Fact], sentences: list[str]
) -> None:
    first, second = (Genotype(ConvCell([*edges, *LARGE]), CONV, RECURRENT) for edges in (old, new))
    assert diff(first, second) == sentences
