"""The canonical form against every renumbering and against networkx."""

import hashlib
import itertools
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.genotype import (
    GENOME_NAS,
    ConvCell,
    ConvCellSpace,
    Edge,
    Genotype,
    RecurrentCell,
    RecurrentCellSpace,
    State,
)
from genotools.genotype.canonical import canonical_order, canonical_tree, depths
from genotools.testing.oracles import all_conv_cells, all_recurrent_cells, is_same_cell, is_same_genotype
from genotools.testing.strategies import conv_cells, genotypes, recurrent_cells, renumberings

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]
Triple = tuple[int, int, str]
Cell = TypeVar("Cell", ConvCell, RecurrentCell)

CHAIN = Genotype(
    ConvCell(
        [
            (0, 2, "sep_conv_15"),
            (1, 2, "max_pool_5"),
            (1, 3, "skip_connect"),
            (2, 3, "conv_15"),
            (2, 4, "dil_conv_9"),
            (3, 4, "avg_pool_5"),
            (0, 5, "sep_conv_9"),
            (4, 5, "dil_conv_15"),
        ]
    ),
    ConvCell([(node, target, "max_pool_5") for target in range(2, 6) for node in (0, 1)]),
    RecurrentCell([(0, "tanh"), (1, "relu"), (1, "relu"), (2, "identity"), (3, "sigmoid"), (0, "tanh")]),
)
GOLDEN_DIGESTS = {
    # Written down once. A digest is what files, caches and papers refer to: these never change.
    "chain": "1c4fba3fa4f8a9fe12cdd1eec68db8219ebebba08f3f2333939ad8426f7fed08",
    "sampled from seed 0": "c4ac4324f6459beaf39208c1efa1a410a65910f2b985732c93bd2f5162904640",
    "sampled from seed 1": "f9bd9f287a064529458293959dcf47801eb4570f51f983c25731479b5f7488e5",
    "one node each": "329c3facffe69d5b2d0dfc032febb5b51b3600ff49af79bd97016535d69fd4a5",
}


def golden_genotypes() -> dict[str, Genotype]:
    pair = ConvCell([(0, 2, "skip_connect"), (1, 2, "skip_connect")])
    return {
        "chain": CHAIN,
        "sampled from seed 0": GENOME_NAS.sample(rng=np.random.default_rng(0)),
        "sampled from seed 1": GENOME_NAS.sample(rng=np.random.default_rng(1)),
        "one node each": Genotype(pair, pair, RecurrentCell([(0, "tanh")])),
    }


def test_golden_digests_never_change() -> None:
    assert {name: genotype.digest for name, genotype in golden_genotypes().items()} == GOLDEN_DIGESTS


def test_digest_is_sha256_of_the_canonical_cells_as_compact_json() -> None:
    pair = '[[0,2,"skip_connect"],[1,2,"skip_connect"]]'
    text = f'{{"format":"genotools/genotype","normal":{pair},"recurrent":[[0,"tanh"]],"reduce":{pair},"version":1}}'
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    assert golden_genotypes()["one node each"].digest == digest


def test_digest_is_unchanged_under_all_renumberings_of_both_convolutional_cells() -> None:
    for genotype in list(golden_genotypes().values())[:3]:
        nodes = genotype.normal.nodes
        maps = [dict(zip(nodes, order, strict=True)) for order in itertools.permutations(nodes)]
        normals = [genotype.normal.renumbered(mapping) for mapping in maps]
        reduces = [genotype.reduce.renumbered(mapping) for mapping in maps]
        digests = {
            Genotype(normal, reduce, genotype.recurrent).digest for normal in normals for reduce in reduces
        }
        assert digests == {genotype.digest}


@given(st.data())
def test_digest_is_unchanged_under_renumbering_and_edge_order(data: st.DataObject) -> None:
    genotype = data.draw(genotypes(meta={}))
    normal = genotype.normal.renumbered(data.draw(renumberings(genotype.normal.nodes)))
    reduce = ConvCell(data.draw(st.permutations(genotype.reduce.edges)))
    recurrent = genotype.recurrent.renumbered(data.draw(renumberings(range(1, 9))))
    assert Genotype(normal, reduce, recurrent).digest == genotype.digest


def test_every_renumbering_of_a_recurrent_cell_is_the_same_cell() -> None:
    cell = RecurrentCell(
        State(p, a) for p, a in [(0, "tanh"), (0, "tanh"), (1, "relu"), (2, "relu"), (3, "tanh")]
    )
    forms = {
        cell.renumbered(dict(zip(range(1, 6), order, strict=True))).canonical().states
        for order in itertools.permutations(range(1, 6))
    }
    assert len(forms) == 1


@given(conv_cells())
def test_canonical_conv_cell_is_idempotent_topological_and_the_same_cell(cell: ConvCell) -> None:
    canonical = cell.canonical()
    assert canonical.canonical() is canonical
    assert ConvCell(canonical.edges).canonical().edges == canonical.edges
    assert all(edge.source < edge.target for edge in canonical.edges)
    assert list(canonical.edges) == sorted(canonical.edges, key=lambda edge: (edge.target, edge.source))
    assert is_same_cell(cell, canonical)


@given(recurrent_cells())
def test_canonical_recurrent_cell_is_idempotent_topological_and_the_same_cell(cell: RecurrentCell) -> None:
    canonical = cell.canonical()
    assert canonical.canonical() is canonical
    assert RecurrentCell(canonical.states).canonical().states == canonical.states
    assert all(state.predecessor < number for number, state in enumerate(canonical.states, start=1))
    assert is_same_cell(cell, canonical)


def changed_once(genotype: Genotype, rng: np.random.Generator) -> Genotype:
    """Return the genotype after one blind change: an op, two ops exchanged, or a predecessor."""
    edges, states = list(genotype.normal.edges), list(genotype.recurrent.states)
    match int(rng.integers(3)):
        case 0:
            index = int(rng.integers(len(edges)))
            edges[index] = edges[index]._replace(op=str(rng.choice(GENOME_NAS.normal.ops)))
        case 1:
            i, j = rng.choice(len(edges), size=2, replace=False).tolist()
            ops = edges[j].op, edges[i].op
            edges[i], edges[j] = edges[i]._replace(op=ops[0]), edges[j]._replace(op=ops[1])
        case _:
            index = int(rng.integers(1, len(states)))
            # The canonical numbering is topological, so lower numbers make no cycle.
            states = list(genotype.recurrent.canonical().states)
            states[index] = states[index]._replace(predecessor=int(rng.integers(index + 1)))
    return Genotype(ConvCell(edges), genotype.reduce, RecurrentCell(states))


@pytest.mark.parametrize("n_pairs", [1_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_digests_differ_exactly_where_networkx_sees_different_graphs(n_pairs: int, shuffled: Shuffle) -> None:
    rng = np.random.default_rng(n_pairs)
    n_equal = 0
    for index in range(n_pairs):
        first = GENOME_NAS.sample(rng=rng)
        match index % 6:
            case 0 | 1 | 2:
                second = GENOME_NAS.sample(rng=rng)
            case 3:
                second = shuffled(first, rng)
            case _:
                second = shuffled(changed_once(first, rng), rng)
        is_same = is_same_genotype(first, second)
        assert (first.digest == second.digest) == is_same
        assert (first == second) == is_same
        n_equal += is_same
    assert n_pairs / 8 < n_equal < n_pairs / 2  # both answers were put to the test


SMALL_CONV_SPACES = [
    ConvCellSpace(3, 2, ("skip_connect", "sep_conv_9")),
    ConvCellSpace(4, 2, ("skip_connect",)),
    ConvCellSpace(4, 1, ("skip_connect", "conv_15")),
    pytest.param(ConvCellSpace(3, 3, ("skip_connect", "sep_conv_9")), marks=pytest.mark.slow),
    ConvCellSpace(5, 3, ("skip_connect",)),
    ConvCellSpace(4, 4, ("skip_connect",)),
]


@pytest.mark.parametrize("space", SMALL_CONV_SPACES, ids=str)
def test_small_spaces_have_as_many_forms_as_isomorphism_classes(space: ConvCellSpace) -> None:
    assert_forms_are_classes(list(all_conv_cells(space)), lambda cell: cell.canonical().edges)


@pytest.mark.parametrize(("n_states", "n_activations"), [(4, 2), (5, 1), (3, 4)])
def test_small_recurrent_spaces_have_as_many_forms_as_isomorphism_classes(
    n_states: int, n_activations: int
) -> None:
    space = RecurrentCellSpace(n_states, GENOME_NAS.recurrent.activations[:n_activations])
    assert_forms_are_classes(list(all_recurrent_cells(space)), lambda cell: cell.canonical().states)


def assert_forms_are_classes(cells: Sequence[Cell], form_of: Callable[[Cell], object]) -> None:
    by_form: dict[object, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_form[form_of(cell)].append(cell)
    for same in by_form.values():  # one form, one class
        assert all(is_same_cell(same[0], cell) for cell in same)
    by_shape: dict[object, list[Cell]] = defaultdict(list)
    for same in by_form.values():  # two forms, two classes: compare those that a cheap invariant leaves
        graph = same[0].graph
        degrees = sorted((graph.in_degree(node), graph.out_degree(node)) for node in graph)
        ops = sorted(str(graph.edges[edge]["op"]) for edge in graph.edges)
        by_shape[(tuple(degrees), tuple(ops))].append(same[0])
    for alike in by_shape.values():
        assert not any(is_same_cell(one, other) for one, other in itertools.combinations(alike, 2))


def layered(copies: int, gadget: Callable[[int], Iterable[Triple]]) -> list[Triple]:
    return [edge for copy in range(copies) for edge in gadget(copy)]


def ladder(copy: int) -> list[Triple]:
    """Two nodes, the second reading the first."""
    low = 2 + 2 * copy
    return [(0, low, "conv_15"), (1, low, "conv_15"), (low, low + 1, "conv_15"), (0, low + 1, "conv_15")]


def cube(copy: int) -> list[Triple]:
    """A bipartite graph of 8 and 8 nodes where every node of the upper layer reads three of the lower."""
    low, high = 2 + 16 * copy, 10 + 16 * copy
    inputs = [(source, low + i, "skip_connect") for i in range(8) for source in (0, 1)]
    return inputs + [(low + (i ^ (1 << bit)), high + i, "skip_connect") for i in range(8) for bit in range(3)]


def rigid(copy: int) -> list[Triple]:
    """A bipartite cubic graph of 8 and 8 nodes without much symmetry, another one for each copy."""
    low, high = 2 + 16 * copy, 10 + 16 * copy
    while True:
        rng = random.Random(copy)
        rounds = [rng.sample(range(8), 8) for _ in range(3)]
        pairs = {(order[i], i) for order in rounds for i in range(8)}
        if len(pairs) == 24:
            break
        copy += 1000
    inputs = [(source, low + i, "skip_connect") for i in range(8) for source in (0, 1)]
    return inputs + [(low + i, high + j, "skip_connect") for i, j in sorted(pairs)]


def cycles(*lengths: int) -> list[Triple]:
    """Even cycles, drawn as zigzags of two layers: refinement alone cannot tell 8 + 8 from 16."""
    edges, low = [], 2
    for length in lengths:
        for i in range(length):
            edges += [(source, low + i, "skip_connect") for source in (0, 1)]
            edges += [(low + i, low + length + i, "skip_connect")]
            edges += [(low + (i + 1) % length, low + length + i, "skip_connect")]
        low += 2 * length
    return edges


SYMMETRIC: dict[str, list[Triple]] = {
    "64 twins": [(source, 2 + i, "max_pool_5") for i in range(64) for source in (0, 1)],
    "63 twins and their reader": [
        *((source, 2 + i, "max_pool_5") for i in range(63) for source in (0, 1)),
        *((2 + i, 65, "max_pool_5") for i in range(63)),
    ],
    "32 ladders": layered(32, ladder),
    "4 cubes": layered(4, cube),
    "4 rigid gadgets": layered(4, rigid),
    "a cycle of 32": cycles(32),
    "cycles of 16 and 16": cycles(16, 16),
    "cycles of 8": cycles(8, 8, 8, 8),
    "a chain of 64": [(node, node + 1, "skip_connect") for node in range(1, 65)],
    "complete": [(i, j, "skip_connect") for j in range(2, 66) for i in range(j)],
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_cells_of_64_nodes_have_one_form(name: str) -> None:
    # A search that did not see the automorphisms of these would not end within anyone's life.
    cell = ConvCell(SYMMETRIC[name])
    rng = random.Random(0)
    numbers = list(cell.nodes)
    rng.shuffle(numbers)
    other = cell.renumbered(dict(zip(cell.nodes, numbers, strict=True)))
    assert other.canonical().edges == cell.canonical().edges


def test_cells_that_refinement_cannot_tell_apart_differ() -> None:
    one, two, four = ConvCell(cycles(32)), ConvCell(cycles(16, 16)), ConvCell(cycles(8, 8, 8, 8))
    assert len({one, two, four}) == 3
    assert ConvCell(cycles(4, 8)) == ConvCell(cycles(8, 4))


@given(st.data())
@settings(max_examples=40)
def test_dense_random_cells_of_one_op_agree_with_networkx(data: st.DataObject) -> None:
    space = ConvCellSpace(7, 2, ("skip_connect",))
    first, second = data.draw(conv_cells(space)), data.draw(conv_cells(space))
    assert (first == second) == is_same_cell(first, second)
    assert (hash(first) == hash(second)) == is_same_cell(first, second)


def test_op_names_cannot_be_confused_with_structure() -> None:
    # The tree's form is made of text; labels come from outside, though only registered names pass.
    left = canonical_tree({0: [(1, "a"), (2, "b")], 1: [(3, "c")]}, 0)
    right = canonical_tree({0: [(1, "a(c)"), (2, "b")]}, 0)
    assert left != right


def test_depths_are_longest_paths_and_cycles_have_none() -> None:
    assert depths(5, 2, [(0, 2, ""), (2, 3, ""), (1, 3, ""), (3, 4, ""), (0, 4, "")]) == [0, 0, 1, 2, 3]
    assert depths(4, 2, [(0, 2, ""), (3, 2, ""), (2, 3, "")]) is None


def test_canonical_order_puts_sources_first() -> None:
    assert canonical_order(5, 2, [(4, 2, "a"), (3, 4, "a"), (0, 3, "a")]) == [3, 4, 2]


PRINT_DIGESTS = """
import numpy as np
from genotools.genotype import GENOME_NAS
rng = np.random.default_rng(7)
for _ in range(20):
    genotype = GENOME_NAS.sample(rng=rng)
    mutant = GENOME_NAS.mutate(genotype, rng=rng)
    child = GENOME_NAS.crossover(genotype, mutant, rng=rng)
    for one in (genotype, mutant, child, GENOME_NAS.neighbors(child)[3]):
        print(one.digest)
        print(one.to_json())
"""


def test_everything_random_gives_the_same_bytes_under_every_hash_seed(root: Path) -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root,
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4242")
    ]
    assert outputs[0].count(b"\n") > 80
    assert outputs[0] == outputs[1] == outputs[2]


def test_edges_and_states_are_plain_values() -> None:
    cell = ConvCell([(np.int64(0), np.int64(2), "skip_connect"), (1, 2, "skip_connect")])  # type: ignore[list-item]
    assert [type(number) for edge in cell.canonical().edges for number in edge[:2]] == [int] * 4
    assert Edge(0, 2, "skip_connect") in cell.edges
