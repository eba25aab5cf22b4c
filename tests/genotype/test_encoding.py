"""Arrays of genotypes: equal exactly where genotypes are."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, Genotype, RecurrentCell, SearchSpace
from genotools.genotype.encoding import CellEncoding, GenotypeEncoding
from genotools.testing.oracles import all_conv_cells, all_recurrent_cells
from genotools.testing.strategies import genotypes, search_spaces

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]


def as_bytes(encoding: GenotypeEncoding) -> bytes:
    cells = (encoding.normal, encoding.reduce, encoding.recurrent)
    return b"".join(cell.adjacency.tobytes() + cell.ops.tobytes() for cell in cells)


def test_arrays_of_the_published_space_have_the_documented_shapes() -> None:
    encoding = GENOME_NAS.encode(GENOME_NAS.sample(rng=np.random.default_rng(0)))
    for cell in (encoding.normal, encoding.reduce):
        assert cell.adjacency.shape == (11, 11)
        assert cell.ops.shape == (11, 11)
        assert cell.kinds == ("input0", "input1", *GENOME_NAS.normal.ops, "output")
    assert encoding.recurrent.adjacency.shape == (10, 10)
    assert encoding.recurrent.ops.shape == (10, 6)
    assert encoding.normal.adjacency.dtype == encoding.normal.ops.dtype == np.uint8


@given(st.data())
def test_arrays_are_upper_triangular_one_hot_graphs(data: st.DataObject) -> None:
    space = data.draw(search_spaces())
    encoding = space.encode(data.draw(genotypes(space, meta={})))
    for cell in (encoding.normal, encoding.reduce, encoding.recurrent):
        assert not np.tril(cell.adjacency).any()
        assert (cell.ops.sum(axis=1) == 1).all()
        assert cell.adjacency.max() == 1
        assert cell.adjacency[:, -1].sum() == len(cell.adjacency) - 1 - n_inputs(cell)


def n_inputs(cell: CellEncoding) -> int:
    return sum(kind.startswith("input") for kind in cell.kinds)


def test_a_hand_made_cell_is_encoded_as_drawn() -> None:
    normal = ConvCell([(0, 2, "conv_15"), (1, 2, "skip_connect"), (2, 3, "max_pool_5"), (0, 3, "sep_conv_9")])
    space = SearchSpace(
        name="two",
        normal=type(GENOME_NAS.normal)(2, 2, GENOME_NAS.normal.ops),
        reduce=type(GENOME_NAS.normal)(2, 2, GENOME_NAS.normal.ops),
        recurrent=type(GENOME_NAS.recurrent)(2, ("tanh", "relu")),
    )
    encoding = space.encode(Genotype(normal, normal, RecurrentCell([(0, "relu"), (1, "tanh")])))
    # 0, 1 inputs; 2, 3 the ops of node 2; 4 sep_conv_9 of input 0 and 5 max_pool_5 of node 2 = ops 2 and 3.
    expected = np.zeros((7, 7), dtype=np.uint8)
    for source, target in [(0, 2), (1, 3), (0, 4), (2, 5), (3, 5), (2, 6), (3, 6), (4, 6), (5, 6)]:
        expected[source, target] = 1
    assert np.array_equal(encoding.normal.adjacency, expected)
    kinds = [encoding.normal.kinds[index] for index in encoding.normal.ops.argmax(axis=1)]
    assert kinds == ["input0", "input1", "conv_15", "skip_connect", "sep_conv_9", "max_pool_5", "output"]
    assert encoding.recurrent.adjacency.tolist() == [[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert encoding.recurrent.ops.argmax(axis=1).tolist() == [0, 2, 1, 3]


def test_equal_genotypes_have_equal_arrays(shuffled: Shuffle) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        genotype = GENOME_NAS.sample(rng=rng)
        assert as_bytes(GENOME_NAS.encode(shuffled(genotype, rng))) == as_bytes(GENOME_NAS.encode(genotype))


def test_a_genotype_of_another_space_is_refused(tiny_space: SearchSpace) -> None:
    with pytest.raises(DataError, match=r"^genotype [0-9a-f]{12} in space 'tiny'"):
        tiny_space.encode(GENOME_NAS.sample(rng=np.random.default_rng(0)))


def test_a_neighbor_has_other_arrays() -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(2))
    neighbors = GENOME_NAS.neighbors(genotype)
    arrays = {as_bytes(GENOME_NAS.encode(one)) for one in [genotype, *neighbors]}
    assert len(arrays) == len(neighbors) + 1


@pytest.mark.parametrize("role", ["normal", "recurrent"])
def test_different_genotypes_of_a_small_space_have_different_arrays(
    role: str, small_space: SearchSpace
) -> None:
    pair = small_space.sample(rng=np.random.default_rng(3))
    if role == "normal":
        some = [
            cell
            for index, cell in enumerate(all_conv_cells(small_space.normal))
            if index % 97 == 0 or index < 500
        ]
        everything = [Genotype(cell, pair.reduce, pair.recurrent) for cell in some]
    else:
        everything = [
            Genotype(pair.normal, pair.reduce, cell) for cell in all_recurrent_cells(small_space.recurrent)
        ]
    digests = defaultdict(set)
    for genotype in everything:
        digests[as_bytes(small_space.encode(genotype))].add(genotype.digest)
    assert {len(same) for same in digests.values()} == {1}
    assert len(digests) == len(set(everything))
