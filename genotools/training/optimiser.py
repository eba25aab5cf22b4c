"""Stochastic gradient descent as published: two groups of parameters, a cosine schedule, one gradient norm.

The recurrent cell is trained with a learning rate hundreds of times that of the rest, without momentum. Clipping and
step are one pass over parameters, gradients and momenta, four times as fast as one after the other. Reference:
Scheppach et al., section IV; Loshchilov and Hutter, SGDR (2017), without restarts, for the schedule.
"""

import math

import torch
from torch import Tensor, nn

from genotools.nn.supernet import Supernet
from genotools.nn.window_network import WindowNetwork
from genotools.training.settings import TrainingSettings

__all__ = ["clipped_step", "cosine_rate", "learning_rates", "make_optimiser", "set_learning_rates"]


def make_optimiser(network: WindowNetwork | Supernet, settings: TrainingSettings) -> torch.optim.SGD:
    """Return SGD over two groups: 0 holds everything outside the recurrent cell, 1 the recurrent cell.

    Group 1 is there, and empty, for a network without a recurrent cell: hand-designed ones train an LSTM as the rest.
    """
    recurrent = list(network.recurrent_parameters())
    in_recurrent = {id(parameter) for parameter in recurrent}
    others = [parameter for parameter in network.parameters() if id(parameter) not in in_recurrent]
    return torch.optim.SGD(
        [
            {
                "params": others,
                "lr": settings.lr,
                "momentum": settings.momentum,
                "weight_decay": settings.weight_decay,
            },
            {
                "params": recurrent,
                "lr": settings.recurrent_lr,
                "momentum": 0.0,
                "weight_decay": settings.recurrent_weight_decay,
            },
        ],
        fused=True,
    )


def cosine_rate(base: float, minimum: float, *, epoch: int, epochs: int) -> float:
    """Return the learning rate of ``epoch`` (0-based) of ``epochs``: half a cosine from ``base`` to ``minimum``.

    >>> [cosine_rate(1.0, 0.0, epoch=epoch, epochs=2) for epoch in (0, 1, 2)]
    [1.0, 0.5, 0.0]
    """
    return minimum + (base - minimum) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def learning_rates(settings: TrainingSettings, *, epoch: int) -> tuple[float, float]:
    """Return the rates of the two groups in ``epoch`` (0-based)."""
    base, recurrent = (
        cosine_rate(rate, settings.lr_min, epoch=epoch, epochs=settings.epochs)
        for rate in (settings.lr, settings.recurrent_lr)
    )
    return base, recurrent


def set_learning_rates(optimiser: torch.optim.SGD, settings: TrainingSettings, *, epoch: int) -> None:
    """Give both groups the rates of ``epoch`` (0-based)."""
    for group, rate in zip(optimiser.param_groups, learning_rates(settings, epoch=epoch), strict=True):
        group["lr"] = rate


@torch.no_grad()
def clipped_step(optimiser: torch.optim.SGD, max_norm: float) -> Tensor:
    """Take a step by gradients that are scaled down so that their common norm is at most ``max_norm``.

    Parameters
    ----------
    optimiser
        As :func:`make_optimiser` returns it. Parameters without a gradient stay as they are.
    max_norm
        Above 0. Shorter gradients are taken as they are.

    Returns
    -------
    Tensor
        The norm before clipping, a scalar on the device: nothing waits for it.
    """
    gradients = []
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            gradients.append(parameter.grad)
            state = optimiser.state[parameter]
            # Those of a parameter that has its first gradient later than others; the fused step wants all or none.
            if group["momentum"] > 0 and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
    norm = nn.utils.get_total_norm(gradients)
    scale = ((norm + 1e-6) / max_norm).clamp(min=1)  # the published code adds the same small number
    if norm.dtype == torch.float32:
        optimiser.grad_scale = scale  # type: ignore[attr-defined]  # what the fused step divides gradients by
    else:
        torch._foreach_div_(gradients, scale)
    optimiser.step()
    return norm
