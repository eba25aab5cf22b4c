"""Mutation, neighbours and crossover against an oracle that tries every replacement of one fact."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import (
    GENOME_NAS,
    ConvCell,
    ConvCellSpace,
    Genotype,
    RecurrentCell,
    RecurrentCellSpace,
    SearchSpace,
)
from genotools.genotype.prose import diff
from genotools.testing.oracles import all_conv_cells, is_same_cell, is_same_genotype
from genotools.testing.strategies import genotypes, search_spaces

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]


def conv_replacements(cell: ConvCell, space: ConvCellSpace) -> Iterator[ConvCell]:
    """Yield every cell with one op or one source replaced, found by trying and keeping what is legal."""
    for index, (source, target, op) in enumerate(cell.edges):
        tries = [(source, target, other) for other in space.ops if other != op]
        tries += [(other, target, op) for other in range(cell.n_nodes + 2) if other != source]
        for new in tries:
            try:
                changed = ConvCell([*cell.edges[:index], new, *cell.edges[index + 1 :]])
            except DataError:  # a cycle, an edge to itself, or a second edge
                continue
            if not space.faults(changed):
                yield changed


def recurrent_replacements(cell: RecurrentCell, space: RecurrentCellSpace) -> Iterator[RecurrentCell]:
    """Yield every cell with one activation or one predecessor replaced."""
    for index, (predecessor, activation) in enumerate(cell.states):
        tries = [(predecessor, other) for other in space.activations if other != activation]
        tries += [(other, activation) for other in range(cell.n_states + 1) if other != predecessor]
        for new in tries:
            try:
                yield RecurrentCell([*cell.states[:index], new, *cell.states[index + 1 :]])
            except DataError:
                continue


def replacements(genotype: Genotype, space: SearchSpace) -> Iterator[Genotype]:
    """Yield every genotype with one fact replaced; some may equal ``genotype``."""
    normal, reduce, recurrent = genotype.normal, genotype.reduce, genotype.recurrent
    for conv in conv_replacements(normal, space.normal):
        yield Genotype(conv, reduce, recurrent)
    for conv in conv_replacements(reduce, space.reduce):
        yield Genotype(normal, conv, recurrent)
    for cell in recurrent_replacements(recurrent, space.recurrent):
        yield Genotype(normal, reduce, cell)


def is_one_change(old: Genotype, new: Genotype, space: SearchSpace) -> bool:
    """Return whether ``new`` is ``old`` with one fact replaced, by networkx."""
    return not is_same_genotype(old, new) and any(
        is_same_genotype(one, new) for one in replacements(old, space)
    )


@given(genotypes(meta={}), st.integers(0, 2**32))
@settings(max_examples=6)
def test_mutation_makes_exactly_one_change(genotype: Genotype, seed: int) -> None:
    mutant = GENOME_NAS.mutate(genotype, rng=np.random.default_rng(seed))
    assert GENOME_NAS.faults(mutant) == []
    assert mutant != genotype
    assert is_one_change(genotype, mutant, GENOME_NAS)
    assert len(diff(genotype, mutant)) == 1


@given(st.data(), st.integers(0, 2**32))
def test_mutation_stays_in_any_space_and_never_returns_the_same(data: st.DataObject, seed: int) -> None:
    space = data.draw(search_spaces(max_nodes=3))
    genotype = data.draw(genotypes(space, meta={}))
    rng = np.random.default_rng(seed)
    if not (neighbors := space.neighbors(genotype)):
        with pytest.raises(DataError, match="only one genotype"):
            space.mutate(genotype, rng=rng)
        return
    for _ in range(5):
        mutant = space.mutate(genotype, rng=rng)
        assert space.faults(mutant) == []
        assert mutant in neighbors
        genotype, neighbors = mutant, space.neighbors(mutant)


@given(st.data())
def test_neighbors_are_all_single_replacements_each_once(data: st.DataObject) -> None:
    space = data.draw(search_spaces(max_nodes=3))
    genotype = data.draw(genotypes(space, meta={}))
    neighbors = space.neighbors(genotype)
    assert len(set(neighbors)) == len(neighbors)
    assert genotype not in neighbors
    assert {one.digest for one in neighbors} == {
        one.digest for one in replacements(genotype, space) if one != genotype
    }
    assert all(space.contains(one) for one in neighbors)


def test_neighbors_of_the_published_space_are_all_single_replacements() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        genotype = GENOME_NAS.sample(rng=rng)
        found = {one.digest for one in GENOME_NAS.neighbors(genotype)}
        assert found == {one.digest for one in replacements(genotype, GENOME_NAS) if one != genotype}


def test_neighbors_do_not_depend_on_the_numbering(shuffled: Shuffle) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        genotype = GENOME_NAS.sample(rng=rng)
        digests = {one.digest for one in GENOME_NAS.neighbors(genotype)}
        assert {one.digest for one in GENOME_NAS.neighbors(shuffled(genotype, rng))} == digests


def test_being_a_neighbor_is_mutual() -> None:
    rng = np.random.default_rng(2)
    genotype = GENOME_NAS.sample(rng=rng)
    for neighbor in GENOME_NAS.neighbors(genotype)[::25]:
        assert genotype in GENOME_NAS.neighbors(neighbor)


def test_neighbors_are_all_that_one_change_apart_means_in_a_small_space() -> None:
    conv = ConvCellSpace(2, 2, ("skip_connect", "conv_15"))
    space = SearchSpace(name="s", normal=conv, reduce=conv, recurrent=RecurrentCellSpace(1, ("tanh",)))
    genotype = space.sample(rng=np.random.default_rng(0))
    # What differs in both convolutional cells is at least two changes away.
    cells = list(all_conv_cells(conv))
    everything = {Genotype(cell, genotype.reduce, genotype.recurrent) for cell in cells}
    everything |= {Genotype(genotype.normal, cell, genotype.recurrent) for cell in cells}
    expected = {one.digest for one in everything if is_one_change(genotype, one, space)}
    assert {one.digest for one in space.neighbors(genotype)} == expected


def test_mutation_reaches_every_neighbor(tiny_space: SearchSpace) -> None:
    rng = np.random.default_rng(3)
    genotype = tiny_space.sample(rng=rng)
    reached = Counter(tiny_space.mutate(genotype, rng=rng).digest for _ in range(600))
    assert set(reached) == {one.digest for one in tiny_space.neighbors(genotype)}
    assert min(reached.values()) > 5


def test_a_walk_of_mutations_stays_legal_in_every_kind_of_space(small_space: SearchSpace) -> None:
    rng = np.random.default_rng(4)
    genotype = small_space.sample(rng=rng)
    seen = {genotype}
    for _ in range(60):
        genotype = small_space.mutate(genotype, rng=rng)
        assert small_space.faults(genotype) == []
        seen.add(genotype)
    assert len(seen) > 8


def test_the_same_seed_gives_the_same_mutant_and_child() -> None:
    first, second = (GENOME_NAS.sample(rng=np.random.default_rng(seed)) for seed in (0, 1))
    mutants = [GENOME_NAS.mutate(first, rng=np.random.default_rng(9)).to_json() for _ in range(2)]
    children = [GENOME_NAS.crossover(first, second, rng=np.random.default_rng(9)).to_json() for _ in range(2)]
    assert mutants[0] == mutants[1]
    assert children[0] == children[1]


@given(st.data(), st.integers(0, 2**32))
def test_a_child_is_legal_and_has_each_node_from_a_parent(data: st.DataObject, seed: int) -> None:
    space = data.draw(search_spaces(max_nodes=5))
    mother, father = data.draw(genotypes(space, meta={})), data.draw(genotypes(space, meta={}))
    child = space.crossover(mother, father, rng=np.random.default_rng(seed))
    assert space.faults(child) == []
    one, other = mother.canonical(), father.canonical()
    for cell, first, second in (
        (child.normal, one.normal, other.normal),
        (child.reduce, one.reduce, other.reduce),
    ):
        for node in cell.nodes:
            assert cell.in_edges(node) in (first.in_edges(node), second.in_edges(node))
    pairs = zip(one.recurrent.states, other.recurrent.states, strict=True)
    assert all(state in pair for state, pair in zip(child.recurrent.states, pairs, strict=True))


def test_equal_parents_have_an_equal_child_however_they_are_numbered(shuffled: Shuffle) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        parent = GENOME_NAS.sample(rng=rng)
        assert GENOME_NAS.crossover(parent, shuffled(parent, rng), rng=rng) == parent


def test_a_child_takes_from_both_parents() -> None:
    rng = np.random.default_rng(6)
    mother, father = GENOME_NAS.sample(rng=rng), GENOME_NAS.sample(rng=rng)
    children = [GENOME_NAS.crossover(mother, father, rng=rng) for _ in range(50)]
    states = mother.canonical().recurrent.states
    shares = [
        np.mean([state == old for state, old in zip(child.recurrent.states, states, strict=True)])
        for child in children
    ]
    assert 0.35 < np.mean(shares) < 0.8
    assert len(set(children)) > 40


def test_genotypes_of_another_space_are_refused(tiny_space: SearchSpace) -> None:
    rng = np.random.default_rng(7)
    stranger, member = GENOME_NAS.sample(rng=rng), tiny_space.sample(rng=rng)
    with pytest.raises(DataError, match=r"genotype [0-9a-f]{12} in space 'tiny'.*"):
        tiny_space.mutate(stranger, rng=rng)
    with pytest.raises(DataError, match="in space 'tiny'"):
        tiny_space.neighbors(stranger)
    for parents in ((member, stranger), (stranger, member)):
        with pytest.raises(DataError, match="in space 'tiny'"):
            tiny_space.crossover(*parents, rng=rng)


def test_what_comes_of_variation_names_its_space(tiny_space: SearchSpace) -> None:
    rng = np.random.default_rng(9)
    first, second = tiny_space.sample(rng=rng), tiny_space.sample(rng=rng)
    made = [
        tiny_space.crossover(first, second, rng=rng),
        *(tiny_space.mutate(first, rng=rng) for _ in range(8)),
        *tiny_space.neighbors(first),
    ]
    assert {one.space for one in made} == {"tiny"}


def test_a_space_of_one_genotype_has_no_mutants() -> None:
    conv = ConvCellSpace(1, 2, ("skip_connect",))
    space = SearchSpace(name="one", normal=conv, reduce=conv, recurrent=RecurrentCellSpace(1, ("tanh",)))
    genotype = space.sample(rng=np.random.default_rng(0))
    assert space.neighbors(genotype) == []
    with pytest.raises(DataError, match="search space 'one' has only one genotype"):
        space.mutate(genotype, rng=np.random.default_rng(0))


def test_variation_leaves_its_arguments_alone() -> None:
    rng = np.random.default_rng(8)
    first, second = GENOME_NAS.sample(rng=rng), GENOME_NAS.sample(rng=rng)
    before = first.to_json(), second.to_json()
    GENOME_NAS.mutate(first, rng=rng)
    GENOME_NAS.crossover(first, second, rng=rng)
    GENOME_NAS.neighbors(second)
    assert (first.to_json(), second.to_json()) == before
    assert is_same_cell(first.normal, first.normal.canonical())
