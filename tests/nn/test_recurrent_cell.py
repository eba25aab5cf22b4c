import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genotools.genotype import GENOME_NAS, RecurrentCell
from genotools.nn.recurrent_cell import RecurrentCellModule
from genotools.randomness import forked_torch

Array = NDArray[np.float64]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


def make(cell: RecurrentCell, hidden: int = 6) -> RecurrentCellModule:
    with forked_torch(0):
        module = RecurrentCellModule(cell, hidden).double()
        for weight in module.weights:
            torch.nn.init.normal_(weight)
    return module


def sequence(length: int = 5, batch: int = 3, hidden: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(length, batch, hidden, dtype=torch.float64, generator=generator)


def oracle(module: RecurrentCellModule, x: Array) -> Array:
    """Return the hidden states of one sequence ``(T, H)`` by the formula, unit after unit."""
    weights = [weight.detach().numpy() for weight in module.weights]
    hidden = x.shape[1]
    h = np.zeros(hidden)
    outputs = []
    for row in x:
        gate, candidate = np.split(np.concatenate([row, h]) @ weights[0], 2)
        states = {0: h + (np.tanh(candidate) - h) / (1 + np.exp(-gate))}
        while len(states) <= module.cell.n_states:
            for number, (predecessor, activation) in enumerate(module.cell.states, start=1):
                if predecessor in states and number not in states:
                    state = states[predecessor]
                    gate, candidate = np.split(state @ weights[number], 2)
                    value = ACTIVATIONS[activation](candidate)
                    states[number] = state + (value - state) / (1 + np.exp(-gate))
        h = np.mean([states[number] for number in range(1, module.cell.n_states + 1)], axis=0)
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize("seed", range(4))
def test_states_equal_the_formula(seed: int) -> None:
    module = make(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(seed)))
    x = sequence()
    expected = np.stack([oracle(module, x[:, index].numpy()) for index in range(3)], axis=1)
    np.testing.assert_allclose(module.unroll(x).detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_states_may_be_numbered_against_their_order() -> None:
    module = make(RecurrentCell([(3, "relu"), (1, "sigmoid"), (0, "tanh")]))
    x = sequence(batch=1)
    np.testing.assert_allclose(
        module.unroll(x)[:, 0].detach().numpy(), oracle(module, x[:, 0].numpy()), rtol=1e-9, atol=1e-12
    )


def test_weights_start_uniform_within_the_published_range() -> None:
    with forked_torch(0):
        module = RecurrentCellModule(RecurrentCell([(0, "tanh")]), 64)
    assert [tuple(weight.shape) for weight in module.weights] == [(128, 128), (64, 128)]
    for weight in module.weights:
        assert weight.abs().max().item() <= 0.04
        assert weight.std().item() == pytest.approx(0.08 / math.sqrt(12), rel=0.05)


def test_masks_are_shared_by_positions_and_states_and_keep_the_residual_whole() -> None:
    cell = RecurrentCell([(0, "tanh"), (1, "relu")])
    module = make(cell)
    module.dropout_x, module.dropout_h = 0.5, 0.4
    x = sequence()
    with forked_torch(7):
        states = module.unroll(x)
    with forked_torch(7):
        mask_x = module._mask(x[0], module.dropout_x)
        mask_h = module._mask(x[0], module.dropout_h)
    assert mask_x is not None
    assert mask_h is not None
    assert set(mask_x.flatten().tolist()) == {0.0, 2.0}
    assert set(mask_h.flatten().tolist()) == {0.0, 1 / 0.6}
    h = torch.zeros_like(x[0])
    for row, state in zip(x, states, strict=True):
        gate, candidate = (torch.cat([row * mask_x, h * mask_h], dim=1) @ module.weights[0]).chunk(2, dim=1)
        s0 = h + torch.sigmoid(gate) * (torch.tanh(candidate) - h)
        gate, candidate = ((s0 * mask_h) @ module.weights[1]).chunk(2, dim=1)
        s1 = s0 + torch.sigmoid(gate) * (torch.tanh(candidate) - s0)
        gate, candidate = ((s1 * mask_h) @ module.weights[2]).chunk(2, dim=1)
        s2 = s1 + torch.sigmoid(gate) * (torch.relu(candidate) - s1)
        h = (s1 + s2) / 2
        torch.testing.assert_close(state, h)


def test_masks_differ_between_sequences_and_are_off_in_evaluation() -> None:
    module = make(RecurrentCell([(0, "tanh")]))
    same = sequence(batch=1).expand(-1, 8, -1)
    before = module.unroll(same)
    module.dropout_x = module.dropout_h = 0.5
    with forked_torch(0):
        dropped = module.unroll(same)
    assert not torch.allclose(dropped[:, 0], dropped[:, 1])
    assert torch.equal(module.eval().unroll(same), before)
