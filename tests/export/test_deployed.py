"""The network laid out for a file: the same predictions in another form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genotools.export.deployed import Product, deploy, plain_loops
from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.nn import GenomeNet, activate, build

LENGTH_BP = 60


def different(network: GenomeNet, seed: int) -> GenomeNet:
    """Move batch norms and outputs away from those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.3, generator=generator)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif ".norm" in name and name.endswith(("weight", "bias")):
                tensor.uniform_(-1, 1, generator=generator)
        network.head.hidden.weight.mul_(20)
        network.head.output.weight.mul_(4)
    return network.copy_on_cpu()


@pytest.mark.parametrize("unrolled", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_predictions_are_the_plain_networks(
    seed: int, shifted: bool, unrolled: bool, codes: NDArray[np.uint8]
) -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(seed))
    layers = (Layer("reduce", 3), Layer("normal"), Layer("reduce", 2))
    macro = Macro(
        length=LENGTH_BP, channels=4, layers=layers, head_hidden=8, recurrent=True, shifted_reduction=shifted
    )
    network = different(build(genotype, macro, Task(3), seed=seed), seed)
    with torch.no_grad():
        expected = activate(network.forward_plain(torch.from_numpy(codes))[0], network.task.kind)
        found = deploy(network, unrolled=unrolled)(torch.from_numpy(codes))
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_an_op_of_the_users_runs_as_it_is(
    make_network: Callable[..., GenomeNet], codes: NDArray[np.uint8]
) -> None:
    network = make_network(0).eval()
    edges: Any = network.cells[1].edges  # a normal cell: every op keeps the length
    name, channels = next(iter(edges)), network.macro.stages(1, 1)[1].channels
    own = torch.nn.Sequential(torch.nn.Conv1d(channels, channels, 3, padding=1), torch.nn.Tanh())
    edges[name] = own
    with torch.no_grad():
        logits = network.forward_plain(torch.from_numpy(codes))[0]
        found = deploy(network)(torch.from_numpy(codes))
    torch.testing.assert_close(found, activate(logits, network.task.kind), atol=2e-6, rtol=0)


def test_both_strands_are_averaged_and_paired_labels_change_places(
    make_network: Callable[..., GenomeNet], codes: NDArray[np.uint8]
) -> None:
    network = make_network(1).copy_on_cpu()  # start_plus, start_minus, ARS
    reverse = torch.from_numpy(np.where(codes < 4, 3 - codes, codes)[:, ::-1].copy())
    forward = torch.from_numpy(codes)
    one, both = deploy(network), deploy(network, strands="both")
    with torch.no_grad():
        expected = (one(forward) + one(reverse)[:, [1, 0, 2]]) / 2
        found = both(forward)
        turned = both(reverse)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(turned[:, [1, 0, 2]], found, atol=1e-6, rtol=0)
    assert float((one(forward) - found).abs().max()) > 0.01


def test_later_changes_of_the_network_are_not_seen(
    make_network: Callable[..., GenomeNet], codes: NDArray[np.uint8]
) -> None:
    network = make_network(0).copy_on_cpu()
    deployed = deploy(network)
    with torch.no_grad():
        before = deployed(torch.from_numpy(codes))
        for tensor in network.state_dict().values():
            tensor.zero_()
        torch.testing.assert_close(deployed(torch.from_numpy(codes)), before)


def test_loops_are_plain_only_inside_the_block(make_network: Callable[..., GenomeNet]) -> None:
    deployed: Any = deploy(make_network(0).copy_on_cpu())
    with plain_loops(deployed):
        assert deployed.recurrent.unrolled
    assert not deployed.recurrent.unrolled


def test_product_adds_its_bias_where_it_has_one() -> None:
    layer = torch.nn.Linear(5, 3)
    x = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Product.of(layer)(x), layer(x))
    torch.testing.assert_close(Product(layer.weight.t())(x), x @ layer.weight.t())
