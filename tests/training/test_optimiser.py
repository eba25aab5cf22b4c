import copy
import math

import numpy as np
import pytest
import torch

from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.genotype.macro import Layer
from genotools.nn import GenomeNet, build
from genotools.training.optimiser import clipped_step, cosine_rate, make_optimiser, set_learning_rates
from genotools.training.settings import TrainingSettings


def test_groups_part_the_recurrent_cell_from_the_rest(network: GenomeNet) -> None:
    settings = TrainingSettings()
    rest, recurrent = make_optimiser(network, settings).param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    in_recurrent = {names[id(parameter)] for parameter in recurrent["params"]}
    in_rest = {names[id(parameter)] for parameter in rest["params"]}
    assert in_recurrent == {name for name in names.values() if name.startswith("recurrent.")}
    assert in_recurrent | in_rest == set(names.values())
    assert not in_recurrent & in_rest
    assert (rest["lr"], rest["momentum"], rest["weight_decay"]) == (0.025, 0.9, 3e-4)
    assert (recurrent["lr"], recurrent["momentum"], recurrent["weight_decay"]) == (8.0, 0.0, 5e-7)


def test_a_network_without_recurrent_cell_has_an_empty_second_group() -> None:
    macro = Macro(length=40, channels=2, layers=(Layer("reduce", 4),), recurrent=False, head_hidden=4)
    network = build(GENOME_NAS.sample(rng=np.random.default_rng(0)), macro, Task(2), seed=0)
    rest, recurrent = make_optimiser(network, TrainingSettings()).param_groups
    assert len(rest["params"]) == len(list(network.parameters()))
    assert recurrent["params"] == []


def test_one_step_is_the_written_out_formula(network: GenomeNet) -> None:
    settings = TrainingSettings(lr=0.5, recurrent_lr=2.0, weight_decay=0.1, recurrent_weight_decay=0.2)
    optimiser = make_optimiser(network, settings)
    assert network.recurrent is not None
    pairs = [(network.head.output.bias, 0.5, 0.1, 0.9), (network.recurrent.weights[0], 2.0, 0.2, 0.0)]
    expected = []
    for parameter, rate, decay, momentum in pairs:
        value, buffer = parameter.detach().clone(), torch.zeros_like(parameter)
        for _ in range(2):
            buffer = momentum * buffer + 1.0 + decay * value
            value = value - rate * buffer
        expected.append(value)
    for _ in range(2):
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimiser.step()
    for (parameter, *_), value in zip(pairs, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


@pytest.mark.parametrize("epoch", range(7))
def test_cosine_equals_pytorchs_schedule(epoch: int) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=8.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=7, eta_min=0.01)
    for _ in range(epoch):
        optimiser.step()
        schedule.step()
    assert cosine_rate(8.0, 0.01, epoch=epoch, epochs=7) == pytest.approx(schedule.get_last_lr()[0])


def test_both_groups_follow_the_schedule_from_their_own_rate(network: GenomeNet) -> None:
    settings = TrainingSettings(epochs=4, lr=1.0, recurrent_lr=10.0, lr_min=0.2)
    optimiser = make_optimiser(network, settings)
    set_learning_rates(optimiser, settings, epoch=1)
    factor = (1 + math.cos(math.pi / 4)) / 2
    rates = [group["lr"] for group in optimiser.param_groups]
    assert rates == pytest.approx([0.2 + 0.8 * factor, 0.2 + 9.8 * factor])


@pytest.mark.parametrize(("max_norm", "expected"), [(0.25, [0.2, 0.0, 0.15]), (4.0, [2.0, 0.0, 1.5])])
def test_clipping_bounds_the_norm_of_all_gradients_together(max_norm: float, expected: list[float]) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    optimiser = torch.optim.SGD([{"params": [parameter]} for parameter in parameters], lr=1.0, fused=True)
    for parameter, gradient in zip(parameters, ([2.0, 0.0], [1.5]), strict=True):
        parameter.grad = torch.tensor(gradient)
    assert clipped_step(optimiser, max_norm).item() == pytest.approx(2.5)
    found = torch.cat([parameter.detach() for parameter in parameters])
    torch.testing.assert_close(found, -torch.tensor(expected))


def test_the_step_equals_clipping_and_then_stepping(network: GenomeNet) -> None:
    settings = TrainingSettings(lr=0.1, recurrent_lr=1.0, clip_norm=0.3, weight_decay=0.01)
    twin = copy.deepcopy(network)
    ours, theirs = make_optimiser(network, settings), make_optimiser(twin, settings)
    generator = torch.Generator().manual_seed(0)
    late = next(iter(network.parameters()))  # has its first gradient in the second step
    for step in range(3):
        for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
            gradient = torch.randn(mine.shape, generator=generator)
            mine.grad, other.grad = (
                (None, None) if mine is late and step == 0 else (gradient, gradient.clone())
            )
        clipped_step(ours, settings.clip_norm)
        torch.nn.utils.clip_grad_norm_(twin.parameters(), settings.clip_norm)
        for group in theirs.param_groups:
            group["fused"] = False
        theirs.step()
    for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)
