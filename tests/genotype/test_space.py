"""Search spaces: sizes, membership, uniform and reproducible sampling."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import (
    GENOME_NAS,
    ConvCell,
    ConvCellSpace,
    Genotype,
    Primitive,
    RecurrentCell,
    RecurrentCellSpace,
    SearchSpace,
    get_space,
    register,
    register_space,
)
from genotools.genotype import space as space_module
from genotools.genotype.cells import MAX_NODES
from genotools.genotype.genotype import MAX_NAME
from genotools.genotype.primitives import unknown_primitive_fault
from genotools.testing.oracles import all_conv_cells, all_genotypes, all_recurrent_cells
from genotools.testing.strategies import genotypes, search_spaces

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]


def test_size_of_the_published_space_is_exact() -> None:
    assert GENOME_NAS.size() == 24098236162083799525490688000
    assert GENOME_NAS.normal.size() == 1 * 3 * 6 * 10 * 8**8
    assert GENOME_NAS.recurrent.size() == 40320 * 4**8


def test_size_equals_enumeration(small_space: SearchSpace) -> None:
    normals = {cell.edges for cell in all_conv_cells(small_space.normal)}
    recurrents = {cell.states for cell in all_recurrent_cells(small_space.recurrent)}
    assert len(normals) == small_space.normal.size()
    assert len(recurrents) == small_space.recurrent.size()
    assert small_space.size() == small_space.normal.size() ** 2 * small_space.recurrent.size()


def test_every_enumerated_genotype_is_contained(tiny_space: SearchSpace) -> None:
    everything = list(all_genotypes(tiny_space))
    assert len(everything) == tiny_space.size()
    assert all(tiny_space.contains(genotype) for genotype in everything)


@given(search_spaces(), st.integers(0, 2**32))
def test_samples_are_legal_in_any_space_and_numbering(space: SearchSpace, seed: int) -> None:
    genotype = space.sample(rng=np.random.default_rng(seed))
    assert space.faults(genotype) == []
    assert space.contains(genotype.canonical())
    assert genotype.space == space.name


@given(st.data())
def test_drawn_genotypes_are_legal_and_read_back(data: st.DataObject) -> None:
    space = data.draw(search_spaces())
    assert space.contains(data.draw(genotypes(space, meta={})))


def test_sampling_is_uniform_over_ordered_genotypes(tiny_space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    n_samples = 10_000
    conv, recurrent = Counter[object](), Counter[object]()
    for _ in range(n_samples):
        genotype = tiny_space.sample(rng=rng)
        conv[genotype.normal.edges] += 1
        recurrent[genotype.recurrent.states] += 1
    for counts, size in ((conv, tiny_space.normal.size()), (recurrent, tiny_space.recurrent.size())):
        assert len(counts) == size
        assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_sampling_the_published_space_is_uniform_in_ops_sources_and_predecessors() -> None:
    rng = np.random.default_rng(1)
    n_samples = 3_000
    ops, activations = Counter[object](), Counter[object]()
    sources: list[Counter[object]] = [Counter() for _ in range(4)]
    predecessors: list[Counter[object]] = [Counter() for _ in range(8)]
    for _ in range(n_samples):
        genotype = GENOME_NAS.sample(rng=rng)
        for edge in genotype.reduce.edges:
            ops[edge.op] += 1
        for node in genotype.reduce.nodes:
            sources[node - 2][tuple(sorted(edge.source for edge in genotype.reduce.in_edges(node)))] += 1
        for index, state in enumerate(genotype.recurrent.states):
            predecessors[index][state.predecessor] += 1
            activations[state.activation] += 1
    expected_sizes = [8, 4, 1, 3, 6, 10, 1, 2, 3, 4, 5, 6, 7, 8]
    for counts, size in zip([ops, activations, *sources, *predecessors], expected_sizes, strict=True):
        assert len(counts) == size
        assert size == 1 or scipy.stats.chisquare(list(counts.values())).pvalue > 0.001 / len(expected_sizes)


def test_one_seed_gives_the_same_bytes_in_two_processes(root: Path) -> None:
    code = (
        "import numpy as np; from genotools.genotype import GENOME_NAS as S\n"
        "rng = np.random.default_rng(11)\n"
        "print(''.join(S.sample(rng=rng).to_json() for _ in range(30)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root,
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    rng = np.random.default_rng(11)
    here = "".join(GENOME_NAS.sample(rng=rng).to_json() for _ in range(30)) + "\n"
    assert outputs == {here.encode()}


@pytest.fixture
def legal() -> Genotype:
    """Return a legal genotype."""
    return GENOME_NAS.sample(rng=np.random.default_rng(5))


def with_normal(genotype: Genotype, cell: ConvCell) -> Genotype:
    return Genotype(cell, genotype.reduce, genotype.recurrent)


def test_a_genotype_with_a_missing_edge_is_not_contained(legal: Genotype) -> None:
    bad = with_normal(legal, ConvCell(legal.normal.edges[:-1]))
    assert not GENOME_NAS.contains(bad)
    assert GENOME_NAS.faults(bad) == ["cells.normal: node 5: 1 in-edges, 2 are needed."]


def test_a_genotype_with_one_edge_too_many_is_not_contained(legal: Genotype) -> None:
    taken = {edge.source for edge in legal.normal.in_edges(5)}
    free = next(source for source in range(5) if source not in taken)
    bad = with_normal(legal, ConvCell([*legal.normal.edges, (free, 5, "conv_15")]))
    assert GENOME_NAS.faults(bad) == ["cells.normal: node 5: 3 in-edges, 2 are needed."]


def test_a_genotype_with_one_node_too_many_or_too_few_is_not_contained(legal: Genotype) -> None:
    more = ConvCell([*legal.normal.edges, (0, 6, "conv_15"), (1, 6, "conv_15")])
    fewer = ConvCell(legal.normal.edges[:-2])
    for cell, n_nodes in ((more, 5), (fewer, 3)):
        faults = GENOME_NAS.faults(with_normal(legal, cell))
        assert faults == [f"cells.normal: {n_nodes} intermediate nodes, the space has 4."]


def test_a_genotype_with_ops_of_another_space_is_not_contained(legal: Genotype) -> None:
    ops = tuple(op for op in GENOME_NAS.normal.ops if op != legal.normal.edges[0].op)
    normal = ConvCellSpace(4, 2, ops)
    space = SearchSpace(
        name="fewer-ops", normal=normal, reduce=GENOME_NAS.reduce, recurrent=GENOME_NAS.recurrent
    )
    assert not space.contains(legal)
    assert all(fault.startswith("cells.normal: edge ") for fault in space.faults(legal))
    activations = tuple(
        a for a in GENOME_NAS.recurrent.activations if a != legal.recurrent.states[0].activation
    )
    recurrent = RecurrentCellSpace(8, activations)
    space = SearchSpace(name="fewer", normal=GENOME_NAS.normal, reduce=GENOME_NAS.reduce, recurrent=recurrent)
    assert "cells.recurrent: state 1: unknown activation" in space.faults(legal)[0]


def test_a_genotype_with_too_few_states_is_not_contained(legal: Genotype) -> None:
    cell = RecurrentCell([(0, "tanh")] * 7)
    bad = Genotype(legal.normal, legal.reduce, cell)
    assert GENOME_NAS.faults(bad) == ["cells.recurrent: 7 states, the space has 8."]


def test_in_degrees_of_three_name_the_node_that_is_wrong() -> None:
    space = ConvCellSpace(3, 3, ("skip_connect",))
    edges = [(0, 2, "skip_connect"), (1, 2, "skip_connect"), *((s, 3, "skip_connect") for s in (0, 1, 2))]
    assert space.faults(ConvCell([*edges, *((s, 4, "skip_connect") for s in (0, 2, 3))])) == []
    bad = ConvCell([*edges, (0, 4, "skip_connect"), (3, 4, "skip_connect")])
    assert space.faults(bad) == ["node 4: 2 in-edges, 3 are needed."]


def test_a_renumbered_cell_of_in_degree_three_is_contained(shuffled: Shuffle) -> None:
    conv = ConvCellSpace(5, 3, ("skip_connect", "conv_15"))
    space = SearchSpace(
        name="three", normal=conv, reduce=conv, recurrent=RecurrentCellSpace(3, ("tanh", "relu"))
    )
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert space.faults(shuffled(space.sample(rng=rng), rng)) == []


def test_bad_spaces_are_refused_with_all_faults() -> None:
    with pytest.raises(
        DataError, match=r"(?s)4 faults.*name.*normal\.n_nodes: 0.*normal\.ops: empty.*'relu' appears twice"
    ):
        SearchSpace(
            name="",
            normal=ConvCellSpace(0, 2, ()),
            reduce=GENOME_NAS.reduce,
            recurrent=RecurrentCellSpace(2, ("relu", "relu")),
        )  # fmt: skip


@pytest.mark.parametrize("n_nodes", [0, MAX_NODES + 1])
def test_every_fault_of_a_space_is_named_by_its_key(n_nodes: int) -> None:
    with pytest.raises(DataError) as caught:
        SearchSpace(
            name="n" * (MAX_NAME + 1),
            normal=ConvCellSpace(n_nodes, n_nodes, ("conv_15", "tanh")),
            reduce=ConvCellSpace(n_nodes, n_nodes, ("conv_15", "conv_15")),
            recurrent=RecurrentCellSpace(n_nodes, ("conv_9",)),
        )
    lines = str(caught.value).splitlines()
    name = "n" * (MAX_NAME + 1)
    assert lines[0].startswith(f"search space {name!r}")
    assert [line.strip(" -") for line in lines[1:]] == [
        f"name: {name[:60]!r}; a name has 1 to {MAX_NAME} printable characters.",
        *(
            f"{key}: {n_nodes}, it must be 1 to {MAX_NODES}."
            for key in (
                "normal.n_nodes",
                "normal.in_degree",
                "reduce.n_nodes",
                "reduce.in_degree",
                "recurrent.n_states",
            )
        ),
        f"normal.ops: {unknown_primitive_fault('tanh', 'conv')}",
        "reduce.ops: 'conv_15' appears twice.",
        f"recurrent.activations: {unknown_primitive_fault('conv_9', 'activation')}",
    ]


def test_a_space_may_be_as_large_as_its_limits() -> None:
    conv = ConvCellSpace(MAX_NODES, MAX_NODES, ("conv_15",))
    space = SearchSpace(
        name="n" * MAX_NAME, normal=conv, reduce=conv, recurrent=RecurrentCellSpace(MAX_NODES, ("tanh",))
    )
    assert space.normal.n_nodes == MAX_NODES


def test_a_shipped_space_is_read_when_it_is_first_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, SearchSpace] = {}
    monkeypatch.setattr(space_module, "_SPACES", registered)
    assert list(space_module.shipped_spaces()) == ["genome-nas"]
    assert get_space("genome-nas") == GENOME_NAS
    assert registered == {"genome-nas": GENOME_NAS}
    assert get_space("genome-nas") is registered["genome-nas"]
    with pytest.raises(DataError) as caught:
        get_space("x" * 61)
    assert str(caught.value) == (
        f"unknown search space {'x' * 60!r}. Known: genome-nas. Name its file: "
        "genotools --space FILE COMMAND ..., or register_space(SearchSpace.load(FILE)) in Python."
    )


@pytest.mark.parametrize(
    ("text", "message"), [("{", "^genome-nas"), ("{}", "^genome-nas: .*format")], ids=["no JSON", "no space"]
)
def test_a_damaged_shipped_space_is_named(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_module, "_SPACES", {})
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "genome-nas.json").write_text(text)
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=message):
        get_space("genome-nas")


def test_an_activation_of_no_space_is_told_as_one() -> None:
    space = RecurrentCellSpace(1, ("tanh", "relu"))
    faults = space.faults(RecurrentCell([(0, "sigmoid")]))
    assert faults == [f"state 1: {unknown_primitive_fault('sigmoid', 'activation', ('tanh', 'relu'))}"]


def test_a_space_is_registered_once(tiny_space: SearchSpace) -> None:
    assert register_space(tiny_space) is tiny_space
    assert register_space(tiny_space) == tiny_space
    assert get_space("tiny") is tiny_space
    other = SearchSpace(
        name="tiny", normal=tiny_space.normal, reduce=tiny_space.normal, recurrent=GENOME_NAS.recurrent
    )
    with pytest.raises(ValueError, match="another search space is already called 'tiny'"):
        register_space(other)


def test_an_unknown_space_is_named_with_the_known_ones(tiny_space: SearchSpace) -> None:
    register_space(tiny_space)
    with pytest.raises(DataError, match=r"unknown search space 'tinny'\. Known: genome-nas, tiny"):
        get_space("tinny")


def test_a_users_primitive_and_space_work_without_touching_the_library() -> None:
    register(
        Primitive(
            name="gated_conv_7",
            kind="conv",
            label="gated 7",
            description="a gated convolution of width 7",
            colour="#123456",
            build="somewhere:gated",
        )
    )
    conv = ConvCellSpace(3, 2, ("gated_conv_7", "skip_connect"))
    mine = register_space(
        SearchSpace(
            name="mine", normal=conv, reduce=conv, recurrent=GENOME_NAS.recurrent, description="Gated."
        )
    )
    genotype = mine.sample(rng=np.random.default_rng(0))
    again = Genotype.from_json(genotype.to_json())
    assert again == genotype
    assert again.space == "mine"
    assert mine.contains(mine.mutate(genotype, rng=np.random.default_rng(1)))
    assert not GENOME_NAS.contains(genotype)
