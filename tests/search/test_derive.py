"""Genotypes, pruning and skip limits from probabilities, against cases worked out by hand."""

import pytest

from genotools.errors import DataError
from genotools.genotype import ConvCellSpace, RecurrentCellSpace, SearchSpace
from genotools.nn.live_ops import LiveOp
from genotools.search.derive import (
    CellProbs,
    Probs,
    count_skips,
    derive,
    edges_to_drop,
    limit_skips,
    ops_to_drop,
    skip_limited,
)

POOL, SKIP, CONV = "max_pool_5", "skip_connect", "conv_15"


def cell(edges: dict[tuple[int, int], dict[str, float]]) -> CellProbs:
    return {LiveOp(*edge, op): p for edge, ops in edges.items() for op, p in ops.items()}


# Three nodes. Best op of every edge: 0-2 skip .5, 1-2 pool .4, 0-3 skip .6, 1-3 conv .3, 2-3 conv .35,
# 0-4 skip .45, 1-4 pool .2, 2-4 skip .7, 3-4 conv .5.
NORMAL = cell(
    {
        (0, 2): {"none": 0.1, POOL: 0.1, SKIP: 0.5, CONV: 0.3},
        (1, 2): {"none": 0.3, POOL: 0.4, SKIP: 0.2, CONV: 0.1},
        (0, 3): {"none": 0.1, POOL: 0.1, SKIP: 0.6, CONV: 0.2},
        (1, 3): {"none": 0.5, POOL: 0.1, SKIP: 0.1, CONV: 0.3},
        (2, 3): {"none": 0.3, POOL: 0.2, SKIP: 0.15, CONV: 0.35},
        (0, 4): {"none": 0.1, POOL: 0.2, SKIP: 0.45, CONV: 0.25},
        (1, 4): {"none": 0.7, POOL: 0.2, SKIP: 0.06, CONV: 0.04},
        (2, 4): {"none": 0.1, POOL: 0.1, SKIP: 0.7, CONV: 0.1},
        (3, 4): {"none": 0.1, POOL: 0.2, SKIP: 0.2, CONV: 0.5},
    }
)
REDUCE = cell({(0, 2): {"none": 0.9, POOL: 0.1}, (1, 2): {"none": 0.2, POOL: 0.8}})
RECURRENT = cell(
    {
        (0, 1): {"none": 0.8, "tanh": 0.05, "relu": 0.15},
        (0, 2): {"none": 0.2, "tanh": 0.5, "relu": 0.3},
        (1, 2): {"none": 0.3, "tanh": 0.1, "relu": 0.6},
    }
)
PROBS = Probs(NORMAL, REDUCE, RECURRENT)
SPACE = SearchSpace(
    name="by-hand",
    normal=ConvCellSpace(3, 2, (POOL, SKIP, CONV)),
    reduce=ConvCellSpace(1, 2, (POOL,)),
    recurrent=RecurrentCellSpace(2, ("tanh", "relu")),
)


def test_the_best_ops_and_the_best_edges_make_the_genotype() -> None:
    genotype = derive(SPACE, PROBS)
    assert set(genotype.normal.edges) == {
        (0, 2, SKIP),
        (1, 2, POOL),
        (0, 3, SKIP),
        (2, 3, CONV),
        (2, 4, SKIP),
        (3, 4, CONV),
    }
    assert set(genotype.reduce.edges) == {(0, 2, POOL), (1, 2, POOL)}
    assert genotype.recurrent.states == ((0, "relu"), (1, "relu"))
    assert SPACE.contains(genotype)


def test_none_takes_probability_but_is_never_chosen() -> None:
    assert all(edge.op != "none" for edge in derive(SPACE, PROBS).normal.edges)
    # Edge 1-4 has a conv-free best of 0.2 only because none holds 0.7: it must not be taken.
    assert (1, 4, POOL) not in derive(SPACE, PROBS).normal.edges


def test_of_equals_the_earlier_wins() -> None:
    probs = cell({(0, 2): {POOL: 0.5, CONV: 0.5}, (1, 2): {CONV: 0.5, POOL: 0.5}, (0, 3): {CONV: 1.0}})
    probs = {**probs, **cell({(1, 3): {CONV: 1.0}, (2, 3): {CONV: 1.0}})}
    assert limit_skips(probs, 2, 9) == [(0, 2, POOL), (1, 2, CONV), (0, 3, CONV), (1, 3, CONV)]


def test_a_limit_takes_out_the_weakest_skip_and_chooses_again() -> None:
    # 3 skips: 0-2 .5, 0-3 .6, 2-4 .7. M = 2 takes out 0-2, where conv .3 is next.
    assert set(limit_skips(NORMAL, 2, 2)) == {
        (0, 2, CONV),
        (1, 2, POOL),
        (0, 3, SKIP),
        (2, 3, CONV),
        (2, 4, SKIP),
        (3, 4, CONV),
    }


def test_a_taken_out_skip_may_cost_its_edge() -> None:
    # M = 1 also takes out 0-3: its conv has .2, so node 3 keeps 2-3 .35 and 1-3 .3.
    assert {edge for edge in limit_skips(NORMAL, 2, 1) if edge.target == 3} == {(1, 3, CONV), (2, 3, CONV)}


def test_a_skip_that_comes_up_through_a_limit_counts_too() -> None:
    # M = 0 takes out 2-4: then 0-4 (skip .45) comes in for its edge and is taken out as well; conv .25 stays.
    edges = limit_skips(NORMAL, 2, 0)
    assert not any(edge.op == SKIP for edge in edges)
    assert {edge for edge in edges if edge.target == 4} == {(0, 4, CONV), (3, 4, CONV)}


def test_every_limit_is_given_from_no_limit_to_none() -> None:
    limited = skip_limited(SPACE, PROBS)
    assert list(limited) == [3, 2, 1, 0]
    assert [count_skips(genotype) for genotype in limited.values()] == [3, 2, 1, 0]
    assert limited[3] == derive(SPACE, PROBS)
    assert limited[2] == derive(SPACE, PROBS, max_skips=2)
    assert derive(SPACE, PROBS, max_skips=7) == derive(SPACE, PROBS)


def test_the_last_op_of_an_edge_stays_whatever_the_limit() -> None:
    only = cell({(0, 2): {"none": 0.6, SKIP: 0.4}, (1, 2): {SKIP: 0.7, CONV: 0.3}})
    assert limit_skips(only, 2, 0) == [(0, 2, SKIP), (1, 2, CONV)]


def test_pruning_keeps_the_most_probable_ops_with_none_among_them() -> None:
    probs = cell({(0, 2): {"none": 0.4, POOL: 0.1, SKIP: 0.3, CONV: 0.2}, (1, 2): {POOL: 0.6, CONV: 0.4}})
    assert ops_to_drop(probs, 2) == [(0, 2, POOL), (0, 2, CONV)]
    assert ops_to_drop(probs, 3) == [(0, 2, POOL)]
    assert ops_to_drop(probs, 9) == []


def test_pruning_to_one_op_never_leaves_none_alone() -> None:
    probs = cell({(0, 2): {"none": 0.9, POOL: 0.04, CONV: 0.06}})
    assert ops_to_drop(probs, 1) == [(0, 2, "none"), (0, 2, POOL)]


def test_edges_are_pruned_by_their_best_op_and_none_does_not_count() -> None:
    # Node 4: 0-4 .45, 1-4 .2 (none .7), 2-4 .7, 3-4 .5; node 3: .6, .3, .35.
    assert edges_to_drop(NORMAL, 3) == [(1, 4)]
    assert edges_to_drop(NORMAL, 2) == [(1, 3), (0, 4), (1, 4)]
    assert edges_to_drop(RECURRENT, 1) == [(0, 2)]


def test_a_node_without_enough_edges_is_named() -> None:
    probs = cell({(0, 2): {CONV: 1.0}, (1, 2): {"none": 1.0}})
    with pytest.raises(DataError, match="node 2 has 1 live edges, 2 are needed"):
        limit_skips(probs, 2, 9)


@pytest.mark.parametrize("prune", [ops_to_drop, edges_to_drop])
def test_keeping_nothing_is_refused(prune: object) -> None:
    assert callable(prune)
    with pytest.raises(ValueError, match="n_kept is 0"):
        prune(NORMAL, 0)
