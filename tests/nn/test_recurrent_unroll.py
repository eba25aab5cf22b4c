"""The fast recurrent cell against the plain loop."""

import numpy as np
import pytest
import torch
from torch import Tensor

from genotools.genotype import GENOME_NAS, RecurrentCell
from genotools.genotype.primitives import Primitive, register
from genotools.nn.recurrent_cell import RecurrentCellModule
from genotools.nn.recurrent_unroll import PackedWeights, families_of, unroll_packed
from genotools.randomness import forked_torch

HIDDEN = 6


def make(
    cell: RecurrentCell, *, dropout: float = 0.0, dtype: torch.dtype = torch.float64
) -> RecurrentCellModule:
    with forked_torch(0):
        module = RecurrentCellModule(cell, HIDDEN).to(dtype)
        for weight in module.weights:
            torch.nn.init.normal_(weight, std=0.4)
    module.dropout_x = module.dropout_h = dropout
    return module


def sequence(n: int, *, length: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(length, n, HIDDEN, dtype=dtype, generator=generator).requires_grad_()


def states_and_gradients(module: RecurrentCellModule, x: Tensor, *, is_plain: bool) -> list[Tensor]:
    weight = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)
    with forked_torch(3):
        states = module.unroll_plain(x) if is_plain else module.unroll(x)
    return [states.detach(), *torch.autograd.grad((states * weight).sum(), [x, *module.weights])]


@pytest.mark.parametrize("seed", range(50))
def test_states_and_gradients_equal_autograds_of_the_plain_loop(seed: int) -> None:
    module = make(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(seed)), dropout=0.3 * (seed % 2))
    x = sequence(n=(1, 2, 5)[seed % 3])
    ours = states_and_gradients(module, x, is_plain=False)
    for mine, right in zip(ours, states_and_gradients(module, x, is_plain=True), strict=True):
        assert (mine - right).abs().max() <= 1e-10 * right.abs().max().clamp(min=1)


def test_single_precision_keeps_single_precision() -> None:
    module = make(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(0)), dtype=torch.float32)
    x = sequence(3, dtype=torch.float32)
    ours = states_and_gradients(module, x, is_plain=False)
    for mine, right in zip(ours, states_and_gradients(module, x, is_plain=True), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-4, atol=1e-5)


def test_a_family_is_all_states_of_one_predecessor_and_comes_after_it() -> None:
    cell = RecurrentCell([(3, "relu"), (1, "tanh"), (0, "tanh"), (3, "identity"), (3, "relu")])
    families = families_of(cell)
    assert [family.numbers for family in families] == [(3,), (4, 1, 5), (2,)]
    assert families[1].runs == (("identity", 0, 1), ("relu", 1, 3))
    places = {number: family.first + i for family in families for i, number in enumerate(family.numbers)}
    assert sorted(places.values()) == [1, 2, 3, 4, 5]
    for family in families:
        assert family.predecessor < family.first
        for number in family.numbers:
            predecessor = cell.states[number - 1].predecessor
            assert family.predecessor == (places[predecessor] if predecessor else 0)


def test_without_gradients_the_states_are_the_same() -> None:
    module = make(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(2)))
    x = sequence(4)
    assert module.families is not None
    packed = PackedWeights([weight.detach() for weight in module.weights], module.families)
    with torch.no_grad():
        torch.testing.assert_close(module.unroll(x), module.unroll_plain(x))
        torch.testing.assert_close(unroll_packed(x, packed), module.unroll_plain(x))


def test_weights_without_gradients_get_none_and_inputs_get_theirs() -> None:
    module = make(RecurrentCell([(0, "tanh"), (0, "sigmoid"), (2, "relu")])).requires_grad_(False)
    x = sequence(2)
    ours, right = (torch.autograd.grad(f(x).sum(), x)[0] for f in (module.unroll, module.unroll_plain))
    torch.testing.assert_close(ours, right)
    module.weights[2].requires_grad_(True)
    module.unroll(x.detach()).sum().backward()  # type: ignore[no-untyped-call]
    assert module.weights[1].grad is None
    assert module.weights[2].grad is not None


def test_autocast_multiplies_in_bfloat16_and_keeps_the_state_in_single() -> None:
    module = make(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(1)), dtype=torch.float32)
    x = sequence(3, dtype=torch.float32)
    exact = module.unroll(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = module.unroll(x)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1
    gradients = [torch.autograd.grad(states.sum(), module.weights[1])[0] for states in (exact, rounded)]
    assert gradients[1].dtype == torch.float32
    torch.testing.assert_close(*gradients, rtol=0.2, atol=0.2 * gradients[0].abs().max().item())


def test_an_activation_of_the_users_is_left_to_the_plain_loop() -> None:
    register(
        Primitive(
            name="half_for_a_test",
            kind="activation",
            label="half",
            description="half of it",
            colour="#abcdef",
            build=lambda u: u / 2,
        )
    )
    module = make(RecurrentCell([(0, "half_for_a_test"), (1, "tanh")]))
    assert module.families is None
    x = sequence(2)
    torch.testing.assert_close(module.unroll(x), module.unroll_plain(x))
