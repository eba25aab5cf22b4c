"""What a hand-designed network costs: the same counts as :mod:`genotools.nn.cost` has for genotypes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from genotools.nn.baselines.baseline import Baseline
from genotools.nn.one_hot import N_BASES

__all__ = ["BaselineSize", "size_of"]


class BaselineSize(NamedTuple):
    """Trained parameters, and multiply-accumulates of one window, forward."""

    params: int
    macs: int


@torch.no_grad()
def size_of(network: Baseline) -> BaselineSize:
    """Return the counts of a network that lies on the meta device; nothing is computed there but shapes."""
    macs = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor | tuple[Tensor, object]) -> None:
        nonlocal macs
        if isinstance(module, nn.LSTM):
            matrices = [matrix for name, matrix in module.named_parameters() if name.startswith("weight")]
            macs += output[0].shape[1] * sum(matrix.numel() for matrix in matrices)  # (N, P, 2 H)
        elif isinstance(module, nn.Conv1d) and isinstance(output, Tensor):
            macs += output.shape[2] * module.weight.numel()  # (N, C, P)
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel()

    handles = [module.register_forward_hook(count) for module in network.modules()]
    network.forward_one_hot(torch.zeros(1, N_BASES, network.length, device="meta"))
    for handle in handles:
        handle.remove()
    return BaselineSize(sum(parameter.numel() for parameter in network.parameters()), macs)
