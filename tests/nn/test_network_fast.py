"""Networks as they run on a CPU against the plain modules, and packed for predictions."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genotools.genotype import GENOME_NAS, Genotype, Layer, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.nn.inference import PackedNetwork, fastest_inference, weights_version
from genotools.randomness import forked_torch

LAYERS = (Layer("normal"), Layer("reduce", 2), Layer("normal"), Layer("reduce", 3))
MACRO = Macro(length=70, channels=4, layers=LAYERS)


def genotype(seed: int) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


def make(seed: int, **changes: object) -> GenomeNet:
    macro = dataclasses.replace(MACRO, **changes)  # type: ignore[arg-type]
    network = build(genotype(seed), macro, Task(3), seed=seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(
                torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9)), alpha=0.05
            )
    return network


def codes(n: int = 5) -> Tensor:
    return torch.randint(5, (n, 70), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)


def outcome(network: GenomeNet, *, is_plain: bool) -> dict[str, Tensor]:
    """Return logits, states, gradients and statistics of one pass."""
    network.zero_grad()
    with forked_torch(5):
        logits, states = (network.forward_plain if is_plain else network.forward_with_states)(codes())
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    (logits * weights).sum().backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    found |= {name: buffer.clone() for name, buffer in network.named_buffers()}
    return {**found, "logits": logits.detach()} | ({} if states is None else {"states": states.detach()})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("is_training", [True, False])
def test_everything_equals_the_plain_network_in_double_precision(seed: int, is_training: bool) -> None:
    changes = {"shifted_reduction": seed % 2 == 1, "recurrent": seed != 4}
    ours, plain = (make(seed, **changes).double().train(is_training) for _ in range(2))
    for network in (ours, plain):
        network.set_dropout(drop_path=0.3, dropout_x=0.2, dropout_h=0.1)
    found, right = outcome(ours, is_plain=False), outcome(plain, is_plain=True)
    assert found.keys() == right.keys()
    for name, tensor in right.items():
        assert (found[name] - tensor).abs().max() <= 1e-9 * tensor.abs().max().clamp(min=1), name


@pytest.mark.parametrize("n", [1, 2, 17])
def test_single_precision_agrees_at_every_batch_size(n: int) -> None:
    network = make(1).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            network(codes(n)), network.forward_plain(codes(n))[0], rtol=1e-4, atol=1e-5
        )


def test_gradients_by_the_input_equal_the_plain_ones() -> None:
    network = make(2).double().eval().requires_grad_(False)
    x = network.one_hot(codes()).requires_grad_()
    (ours,) = torch.autograd.grad(network.forward_one_hot(x).sum(), x)
    handle = network.stem.register_forward_hook(lambda *_: None)  # now plain
    (plain,) = torch.autograd.grad(network.forward_one_hot(x).sum(), x)
    handle.remove()
    torch.testing.assert_close(ours, plain)


def test_who_listens_to_a_module_hears_it() -> None:
    network, heard = make(3), []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda *_: heard.append(1))
    network(codes())
    assert len(heard) == sum(isinstance(module, nn.ReLU) for module in network.modules())


def warmed(network: GenomeNet) -> GenomeNet:
    with torch.no_grad():
        for _ in range(3):
            network.train()(codes(16))
    return network.eval()


@pytest.mark.parametrize("seed", range(6))
def test_packed_networks_predict_as_in_evaluation_mode(seed: int) -> None:
    network = warmed(make(seed, shifted_reduction=seed % 2 == 1, recurrent=seed != 4))
    packed = PackedNetwork(network)
    for n in (1, 3, 20):
        with torch.no_grad():
            torch.testing.assert_close(
                packed(codes(n)), network.forward_plain(codes(n))[0], rtol=1e-4, atol=1e-5
            )


def test_packed_networks_predict_per_position() -> None:
    network = warmed(build(genotype(0), MACRO, Task(3, per_position=True), seed=0))
    assert PackedNetwork(network)(codes(2)).shape == network(codes(2)).shape
    torch.testing.assert_close(PackedNetwork(network)(codes(2)), network(codes(2)), rtol=1e-4, atol=1e-5)


def test_packed_networks_keep_the_weights_they_had_and_the_version_tells() -> None:
    network = warmed(make(0))
    packed, before, version = PackedNetwork(network), network(codes()).detach(), weights_version(network)
    assert weights_version(network) == version
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert weights_version(network) != version
    torch.testing.assert_close(packed(codes()), before, rtol=1e-4, atol=1e-5)


def test_double_precision_is_not_packed() -> None:
    network = warmed(make(0)).double()
    assert fastest_inference(network) is network
    assert isinstance(fastest_inference(network.float()), PackedNetwork)


def test_packed_networks_refuse_what_networks_refuse() -> None:
    with pytest.raises(ValueError, match=r"codes must be uint8 of shape \(N, 70\)"):
        PackedNetwork(make(0).eval())(torch.zeros(2, 71, dtype=torch.uint8))
