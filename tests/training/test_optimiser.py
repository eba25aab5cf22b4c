import math

import numpy as np
import pytest
import torch

from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.genotype.macro import Layer
from genotools.nn import GenomeNet, build
from genotools.training.optimiser import clip_gradients, cosine_rate, make_optimiser, set_learning_rates
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


def test_clipping_bounds_the_norm_of_all_gradients_together() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    for parameter, gradient in zip(parameters, ([2.0, 0.0], [1.5]), strict=True):
        parameter.grad = torch.tensor(gradient)
    assert clip_gradients(parameters, 0.25).item() == pytest.approx(2.5)
    found = torch.cat([parameter.grad for parameter in parameters if parameter.grad is not None])
    torch.testing.assert_close(found, torch.tensor([0.2, 0.0, 0.15]))
    assert clip_gradients(parameters, 1.0).item() == pytest.approx(0.25)  # short ones stay
    torch.testing.assert_close(found, torch.cat([p.grad for p in parameters if p.grad is not None]))
