"""The zero-cost scores that need a network: one forward or backward pass of it, untrained.

A score that cannot be taken, because a signal dies on its way, is minus infinity here.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn import GenomeNet, build

__all__ = ["jacov", "naswot", "random_codes", "synflow"]

EPSILON = 1e-5
"""Keeps eigenvalues of correlations away from 0, as published."""


def synflow(genotype: Genotype, macro: Macro, task: Task, *, seed: int, device: str = "cpu") -> float:
    """Return log10 of the sum of ``|w dR/dw|``, where R sums the outputs for an input of ones at weights ``|w|``.

    The recurrent cell is left out. With absolute weights its gates and tanh saturate, so that no gradient at all
    reaches the cells in front of it: the sum would not depend on them but through the draw of the weights. What is
    left is linear on positive input, as the score assumes. In double precision, since raw sums overflow single
    precision; batch norms are in evaluation mode and so next to the identity.
    """
    network = _network(genotype, replace(macro, recurrent=False), task, seed, device).double()
    weights = list(network.parameters())
    with torch.no_grad():
        for weight in weights:
            weight.abs_()
    ones = torch.ones(1, 4, macro.length, dtype=torch.float64, device=device)
    gradients = torch.autograd.grad(network.forward_one_hot(ones).sum(), weights)
    total = sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))
    return math.log10(total) if total > 0 else -math.inf


def naswot(
    genotype: Genotype, macro: Macro, task: Task, codes: Tensor, *, seed: int, device: str = "cpu"
) -> float:
    """Return the log-determinant of the matrix of how many ReLUs two sequences of ``codes`` agree in."""
    network = _network(genotype, macro, task, seed, device)
    agreement = torch.zeros(len(codes), len(codes), dtype=torch.float64, device=device)

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        active = (output > 0).flatten(1).double()
        agreement.add_(active @ active.t() + (1 - active) @ (1 - active).t())

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(count)
    network.train()  # batch norms as training has them at its start
    network.set_dropout(head=0.0)
    with torch.inference_mode():
        network(codes.to(device))
    return float(torch.linalg.slogdet(agreement).logabsdet)


def jacov(
    genotype: Genotype, macro: Macro, task: Task, codes: Tensor, *, seed: int, device: str = "cpu"
) -> float:
    """Return minus the sum of ``log(v + k) + 1 / (v + k)`` over the eigenvalues v of the gradients' correlations.

    Batch norms are in evaluation mode, other than in the published code, which leaves them in training mode. There
    they mix the sequences, and a sequence's gradient is not its own; and the order of random genotypes of the
    published space changes with the seed (rank correlation of two seeds 0.2 to 0.5, in evaluation mode 0.8 to 0.9;
    small macro, 200 to 1000 bp, 16 sequences).
    """
    network = _network(genotype, macro, task, seed, device)
    x = network.one_hot(codes.to(device)).requires_grad_()
    (gradient,) = torch.autograd.grad(network.forward_one_hot(x).sum(), x)
    correlations = torch.corrcoef(gradient.flatten(1).double())
    if not torch.isfinite(correlations).all():
        return -math.inf  # a sequence without any gradient
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + EPSILON
    return -float((values.log() + 1 / values).sum())


def random_codes(n_sequences: int, length_bp: int, *, seed: int) -> Tensor:
    """Return random base codes, uint8 ``(n_sequences, length_bp)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, (n_sequences, length_bp), generator=generator, dtype=torch.uint8)


def _network(genotype: Genotype, macro: Macro, task: Task, seed: int, device: str) -> GenomeNet:
    """Return an untrained network in evaluation mode; equal genotypes give the same one."""
    return build(genotype.canonical(), macro, task, seed=seed, compile=False, device=device).eval()
