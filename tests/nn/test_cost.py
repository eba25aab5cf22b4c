"""Analytic cost against the built network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from genotools.genotype import GENOME_NAS, ConvCell, Cost, Genotype, Layer, Macro, RecurrentCell, Task
from genotools.nn import build, cost
from genotools.nn.network import GenomeNet

TINY = (Layer("normal"), Layer("reduce", 2), Layer("normal"), Layer("reduce", 3))


def sample(seed: int) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


def n_params(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def uniform(op: str) -> Genotype:
    cell = ConvCell((source, node, op) for node in range(2, 6) for source in (0, 1))
    return Genotype(cell, cell, RecurrentCell([(0, "tanh")] * 8))


def test_fixed_part_is_the_published_one() -> None:
    whole = cost(sample(0), Macro.paper(), Task(919))
    assert whole.fixed_params == 26_064_447
    parts = {name: part.params for name, part in whole.parts.items()}
    assert (parts["stem"], parts["preprocess"], parts["recurrent"]) == (1_296, 77_152, 5_242_880)
    assert parts["head"] == 19_892_125 + 850_994


@pytest.mark.parametrize(
    ("op", "normal", "reduce"),
    [
        ("sep_conv_15", 3_536, 51_680),
        ("sep_conv_9", 3_056, 48_800),
        ("dil_conv_15", 1_768, 25_840),
        ("dil_conv_9", 1_528, 24_400),
        ("conv_15", 32_800, 653_760),
        ("skip_connect", 0, 22_240),
        ("max_pool_5", 0, 0),
        ("avg_pool_5", 0, 0),
    ],
)
def test_an_edge_costs_what_is_published(op: str, normal: int, reduce: int) -> None:
    parts = cost(uniform(op), Macro.paper(), Task(919)).parts
    assert (parts["normal"].params, parts["reduce"].params) == (8 * normal, 8 * reduce)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("macro", "task"),
    [
        (Macro.paper(), Task(919)),
        (Macro.paper(200), Task(5)),
        (Macro.small(), Task(7)),
        (Macro.small(333), Task(2, per_position=True)),
        (Macro(length=77, channels=6, recurrent=False, stem_kernel=5, shifted_reduction=True), Task(1)),
    ],
    ids=["paper", "paper200", "small", "per position", "own"],
)
def test_params_equal_those_of_the_built_network(macro: Macro, task: Task, seed: int) -> None:
    genotype = sample(seed)
    # Without values: only the shapes matter.
    with torch.device("meta"):
        network = GenomeNet(genotype, macro, task)
    assert cost(genotype, macro, task).params == n_params(network)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 300), n_outputs=st.integers(1, 30))
def test_params_equal_those_of_small_built_networks(seed: int, length: int, n_outputs: int) -> None:
    genotype, macro, task = sample(seed), Macro(length=length, channels=2, head_hidden=9), Task(n_outputs)
    assert cost(genotype, macro, task).params == n_params(build(genotype, macro, task, seed=0))


def renumbered(genotype: Genotype, rng: np.random.Generator) -> Genotype:
    def permuted(nodes: range) -> dict[int, int]:
        return dict(zip(nodes, rng.permutation(list(nodes)).tolist(), strict=True))

    return Genotype(
        genotype.normal.renumbered(permuted(genotype.normal.nodes)),
        genotype.reduce.renumbered(permuted(genotype.reduce.nodes)),
        genotype.recurrent.renumbered(permuted(range(1, 9))),
    )


@pytest.mark.parametrize("seed", range(5))
def test_renumbered_genotypes_cost_the_same_and_can_be_built(seed: int) -> None:
    genotype = sample(seed)
    other = renumbered(genotype, np.random.default_rng(seed))
    macro, task = Macro(length=60, channels=2, head_hidden=9), Task(3)
    assert cost(genotype, macro, task) == cost(other, macro, task)
    network = build(other, macro, task, seed=0)
    assert n_params(network) == cost(genotype, macro, task).params
    assert network.eval()(torch.zeros(1, 60, dtype=torch.uint8)).isfinite().all()


def counted_macs(network: GenomeNet, length: int) -> int:
    """Return the MACs of all convolutions and linear layers in one forward pass, and of the recurrent cell."""
    total = 0

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv1d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    handles = [module.register_forward_hook(count) for module in network.modules()]
    _, states = network.eval().forward_with_states(torch.zeros(1, length, dtype=torch.uint8))
    for handle in handles:
        handle.remove()
    if states is not None and network.recurrent is not None:
        total += sum(weight.numel() for weight in network.recurrent.weights) * len(states)
    return total


@pytest.mark.parametrize("per_position", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_macs_equal_those_of_a_forward_pass(seed: int, per_position: bool) -> None:
    genotype, task = sample(seed), Task(3, per_position=per_position)
    macro = Macro(length=101, channels=2, head_hidden=9)
    network = build(genotype, macro, task, seed=0)
    assert cost(genotype, macro, task).macs == counted_macs(network, 101)


def seen_by_the_middle(network: GenomeNet, length: int) -> tuple[int, int]:
    """Return the first and last base that the middle position of the last cell sees, by letting NaN spread."""
    outputs: list[torch.Tensor] = []
    network.cells[-1].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    x = torch.zeros(length, 4, length)
    places = torch.arange(length)
    x[places, :, places] = float("nan")
    with torch.no_grad():
        network.eval().forward_one_hot(x)
    middle = outputs[0].shape[2] // 2
    seen = outputs[0][:, :, middle].isnan().any(dim=1).nonzero().flatten()
    return int(seen.min()), int(seen.max())


@pytest.mark.parametrize("shifted", [False, True], ids=["plain", "shifted"])
@pytest.mark.parametrize("seed", range(2))
def test_receptive_field_is_what_one_position_really_sees(seed: int, shifted: bool) -> None:
    macro = Macro(length=900, channels=2, layers=TINY, recurrent=False, shifted_reduction=shifted)
    genotype = sample(seed)
    first, last = seen_by_the_middle(build(genotype, macro, Task(1), seed=0), 900)
    assert first > 0
    assert last < 899
    assert cost(genotype, macro, Task(1)).receptive_field_bp == last - first + 1


def test_parts_add_up() -> None:
    whole = cost(sample(1), Macro.small(), Task(4))
    assert sum(whole.parts.values(), start=Cost()) == Cost(whole.params, whole.macs)
