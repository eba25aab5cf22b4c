"""Stochastic gradient descent as published: two groups of parameters, a cosine schedule, one gradient norm.

The recurrent cell is trained with a learning rate hundreds of times that of the rest, without momentum. Reference:
Scheppach et al., section IV; Loshchilov and Hutter, SGDR (2017), without restarts, for the schedule.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from genotools.nn.network import GenomeNet
from genotools.nn.supernet import Supernet
from genotools.training.settings import TrainingSettings

__all__ = ["clip_gradients", "cosine_rate", "learning_rates", "make_optimiser", "set_learning_rates"]


def make_optimiser(network: GenomeNet | Supernet, settings: TrainingSettings) -> torch.optim.SGD:
    """Return SGD over two groups: 0 holds everything outside the recurrent cell, 1 the recurrent cell.

    Group 1 is there, and empty, for a network without a recurrent cell.
    """
    recurrent = [] if network.recurrent is None else list(network.recurrent.parameters())
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
        ]
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


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale the gradients of all ``parameters`` so that their common norm is at most ``max_norm``.

    Returns
    -------
    Tensor
        The norm before clipping, a scalar on the device: nothing waits for it.
    """
    return nn.utils.clip_grad_norm_(parameters, max_norm)
