"""What training minimises: a loss for each kind of task, and the slowness penalty of the recurrent cell."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from genotools.genotype.task import TaskKind

__all__ = ["prediction_loss", "slowness"]


def prediction_loss(logits: Tensor, targets: Tensor, kind: TaskKind) -> Tensor:
    """Return the mean loss of ``logits`` against ``targets``, a scalar in float32.

    Parameters
    ----------
    logits, targets
        Both ``(..., K)`` and floating. ``targets`` are 0 or 1 (multilabel), probabilities or one-hot rows
        (multiclass), values (regression), or counts (counts; ``logits`` are their logarithms). A value or count of
        NaN was not measured and takes no part.
    kind
        Binary cross-entropy, cross-entropy, squared error, or Poisson loss.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would hide a mistake.
    """
    if logits.shape != targets.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must be alike.")
    logits = logits.float()
    match kind:
        case TaskKind.MULTILABEL:
            return F.binary_cross_entropy_with_logits(logits, targets)
        case TaskKind.MULTICLASS:
            return F.cross_entropy(logits.flatten(0, -2), targets.flatten(0, -2))
        case TaskKind.REGRESSION:
            return _mean_of_measured(F.mse_loss, logits, targets)
        case TaskKind.COUNTS:
            return _mean_of_measured(F.poisson_nll_loss, logits, targets)


def _mean_of_measured(loss: Callable[..., Tensor], logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of an elementwise loss where targets are no NaN; zero where all are."""
    is_there = ~torch.isnan(targets)
    # Both sides are filled in, not the loss: a gradient through NaN would be NaN.
    each = loss(logits.where(is_there, 0), targets.where(is_there, 0), reduction="none")
    return (each * is_there).sum() / is_there.sum().clamp(min=1)


def slowness(states: Tensor | None, like: Tensor) -> Tensor:
    """Return the mean squared change of the recurrent ``states`` ``(T, N, H)`` from each position to the next.

    Zero, on the device of ``like``, where there are no states or only one position.
    """
    if states is None or len(states) < 2:
        return like.new_zeros(())
    return (states[1:].float() - states[:-1].float()).square().mean()
