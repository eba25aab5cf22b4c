"""What the tests of floor 1 share."""

from collections.abc import Callable

import numpy as np
import pytest

from genotools.genotype import ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.genotype import space as space_module

CONV_OPS = ("skip_connect", "sep_conv_9")
ACTIVATIONS = ("tanh", "relu")


def make_space(name: str, n_nodes: int, in_degree: int, n_states: int) -> SearchSpace:
    """Return a space of two ops and two activations."""
    conv = ConvCellSpace(n_nodes, in_degree, CONV_OPS)
    return SearchSpace(
        name=name, normal=conv, reduce=conv, recurrent=RecurrentCellSpace(n_states, ACTIVATIONS)
    )


@pytest.fixture(
    params=[(2, 2, 3), (3, 1, 2), (3, 3, 3), (1, 2, 1)],
    ids=lambda p: f"nodes{p[0]}_degree{p[1]}_states{p[2]}",
)
def small_space(request: pytest.FixtureRequest) -> SearchSpace:
    """Return small spaces of several in-degrees in turn."""
    return make_space("small", *request.param)


@pytest.fixture
def tiny_space() -> SearchSpace:
    """Return a space of 4,608 ordered genotypes, small enough to be enumerated."""
    return make_space("tiny", 2, 1, 2)


@pytest.fixture
def shuffled() -> Callable[[Genotype, np.random.Generator], Genotype]:
    """Return a function that renumbers all intermediate nodes and shuffles the edges."""

    def shuffle(genotype: Genotype, rng: np.random.Generator) -> Genotype:
        cells = []
        for cell in (genotype.normal, genotype.reduce):
            numbers = rng.permutation(list(cell.nodes)).tolist()
            renumbered = cell.renumbered(dict(zip(cell.nodes, numbers, strict=True)))
            order = rng.permutation(len(renumbered.edges)).tolist()
            cells.append(type(renumbered)(renumbered.edges[index] for index in order))
        states = range(1, genotype.recurrent.n_states + 1)
        new_states = rng.permutation(list(states)).tolist()
        recurrent = genotype.recurrent.renumbered(dict(zip(states, new_states, strict=True)))
        return Genotype(cells[0], cells[1], recurrent, space=genotype.space, meta=genotype.meta)

    return shuffle


@pytest.fixture(autouse=True)
def _clean_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the spaces and primitives that a test registers."""
    from genotools.genotype import primitives

    monkeypatch.setattr(space_module, "_SPACES", dict(space_module._SPACES))
    monkeypatch.setattr(primitives, "_REGISTRY", dict(primitives._REGISTRY))
