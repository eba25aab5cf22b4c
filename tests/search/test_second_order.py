"""The gradient one step ahead, against autograd through the step itself."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genotools.search.second_order import Weights, sgd_step, unrolled_gradients


class Toy:
    """Two weights in two groups, two alphas, losses that mix them in no simple way."""

    def __init__(self) -> None:
        self.weights = {
            name: torch.tensor([value], dtype=torch.float64, requires_grad=True)
            for name, value in (("conv", 0.7), ("recurrent", -0.4))
        }
        self.alphas = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.3, -0.2)]
        self.optimiser = torch.optim.SGD(
            [
                {"params": [self.weights["conv"]], "lr": 0.1, "momentum": 0.9, "weight_decay": 0.03},
                {"params": [self.weights["recurrent"]], "lr": 0.5, "momentum": 0.0, "weight_decay": 0.01},
            ]
        )

    def train_loss(self, weights: Weights) -> Tensor:
        u, v = weights["conv"], weights["recurrent"]
        a, b = self.alphas
        return (torch.sin(u * a) + v * b.exp() * u + (v - a).square() * b + u.pow(2)).sum()

    def held_out_loss(self, weights: Weights) -> Tensor:
        u, v = weights["conv"], weights["recurrent"]
        a, b = self.alphas
        return (torch.tanh(u * b) * v + (u - v * a).square() + a * b).sum()

    def take_a_step(self) -> None:
        """Fill the momentum."""
        self.train_loss(self.weights).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad()
        for alpha in self.alphas:
            alpha.grad = None

    def through_autograd(self, clip_norm: float) -> list[Tensor]:
        """Differentiate twice: the step written out, with clipping as a function of the gradient."""
        names = list(self.weights)
        gradients = torch.autograd.grad(
            self.train_loss(self.weights), list(self.weights.values()), create_graph=True
        )
        norm = torch.cat(gradients).norm()
        scale = torch.clamp(clip_norm / (norm + 1e-6), max=1.0)
        velocity = self.optimiser.state[self.weights["conv"]].get("momentum_buffer", torch.zeros(1))
        u, v = self.weights.values()
        moved = {
            names[0]: u - 0.1 * (scale * gradients[0] + 0.03 * u + 0.9 * velocity),
            names[1]: v - 0.5 * (scale * gradients[1] + 0.01 * v),
        }
        return list(torch.autograd.grad(self.held_out_loss(moved), self.alphas))


@pytest.mark.parametrize("clip_norm", [100.0, 0.25])
@pytest.mark.parametrize("prepare", [lambda toy: None, Toy.take_a_step])
def test_it_equals_autograd_through_the_step(clip_norm: float, prepare: Callable[[Toy], None]) -> None:
    toy = Toy()
    prepare(toy)
    expected = toy.through_autograd(clip_norm)
    step = sgd_step(toy.optimiser, toy.weights, clip_norm=clip_norm)
    found = unrolled_gradients(toy.train_loss, toy.held_out_loss, toy.weights, toy.alphas, step)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.item() == pytest.approx(theirs.item(), abs=1e-9)
    first_order = torch.autograd.grad(toy.held_out_loss(toy.weights), toy.alphas)
    assert abs(found[0].item() - first_order[0].item()) > 1e-3  # the second order is not the first


def test_the_virtual_step_is_the_real_one_and_moves_nothing() -> None:
    toy = Toy()
    toy.take_a_step()
    before = {name: tensor.detach().clone() for name, tensor in toy.weights.items()}
    loss = toy.train_loss(toy.weights)
    gradients = dict(zip(toy.weights, torch.autograd.grad(loss, list(toy.weights.values())), strict=True))
    moved = sgd_step(toy.optimiser, toy.weights, clip_norm=0.25)(gradients)
    assert all(torch.equal(toy.weights[name], before[name]) for name in before)
    for name, weight in toy.weights.items():
        weight.grad = gradients[name].clone()
    torch.nn.utils.clip_grad_norm_(list(toy.weights.values()), 0.25)
    toy.optimiser.step()
    for name, weight in toy.weights.items():
        assert moved[name].item() == pytest.approx(weight.item(), abs=1e-12)


def test_an_optimiser_that_steps_otherwise_is_refused() -> None:
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=0.1, momentum=0.9, nesterov=True)
    with pytest.raises(ValueError, match="Nesterov"):
        sgd_step(optimiser, {"weight": weight}, clip_norm=1.0)


def test_without_a_dependence_the_first_order_is_left() -> None:
    alpha = torch.tensor([2.0], requires_grad=True)
    weight = torch.tensor([1.0], requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=0.1)
    step = sgd_step(optimiser, {"weight": weight}, clip_norm=1.0)
    found = unrolled_gradients(
        lambda weights: weights["weight"].sum(),
        lambda weights: alpha.square().sum(),
        {"weight": weight},
        [alpha],
        step,
    )
    assert found[0].item() == 4.0
