"""The zero-cost scores that need a network: one forward or backward pass of it, untrained."""

import math

import torch
from torch import Tensor, nn

from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn import GenomeNet, build

__all__ = ["jacov", "naswot", "synflow"]

EPSILON = 1e-5
"""Keeps eigenvalues of correlations away from 0, as published."""


def synflow(genotype: Genotype, macro: Macro, task: Task, *, n_sequences: int, seed: int) -> float:
    """Return log10 of the sum of ``|w dR/dw|``, where R sums the outputs for an input of ones at weights ``|w|``.

    In double precision: the sum reaches 1e60 and overflows single precision. Batch norms are in evaluation mode and
    so next to the identity. ``n_sequences`` does not matter; it is there so that all scores are called alike.
    """
    del n_sequences
    network = _network(genotype, macro, task, seed).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    weights = list(network.parameters())
    ones = torch.ones(1, 4, macro.length, dtype=torch.float64)
    gradients = torch.autograd.grad(network.forward_one_hot(ones).sum(), weights, allow_unused=True)
    pairs = [(w.detach(), g) for w, g in zip(weights, gradients, strict=True) if g is not None]
    total = sum(float((w * g).abs().sum()) for w, g in pairs)
    return math.log10(total) if total > 0 else -math.inf


def naswot(genotype: Genotype, macro: Macro, task: Task, *, n_sequences: int, seed: int) -> float:
    """Return the log-determinant of the matrix of how many ReLUs two sequences agree in."""
    network = _network(genotype, macro, task, seed)
    agreement = torch.zeros(n_sequences, n_sequences, dtype=torch.float64)

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        active = (output > 0).flatten(1).double()
        agreement.add_(active @ active.t() + (1 - active) @ (1 - active).t())

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(count)
    network.train()  # batch norms as training has them at its start
    network.set_dropout(head=0.0)
    with torch.inference_mode():
        network(_sequences(macro, n_sequences, seed))
    return float(torch.linalg.slogdet(agreement).logabsdet)


def jacov(genotype: Genotype, macro: Macro, task: Task, *, n_sequences: int, seed: int) -> float:
    """Return minus the sum of ``log(v + k) + 1 / (v + k)`` over the eigenvalues v of the gradients' correlations."""
    network = _network(genotype, macro, task, seed)
    network.train()
    network.set_dropout(head=0.0)
    x = network.one_hot(_sequences(macro, n_sequences, seed)).requires_grad_()
    (gradient,) = torch.autograd.grad(network.forward_one_hot(x).sum(), x)
    correlations = torch.corrcoef(gradient.flatten(1).double())
    if not torch.isfinite(correlations).all():
        return -math.inf  # a sequence without any gradient
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + EPSILON
    return -float((values.log() + 1 / values).sum())


def _network(genotype: Genotype, macro: Macro, task: Task, seed: int) -> GenomeNet:
    """Return an untrained network in evaluation mode; equal genotypes give the same one."""
    return build(genotype.canonical(), macro, task, seed=seed, compile=False).eval()


def _sequences(macro: Macro, n_sequences: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, (n_sequences, macro.length), generator=generator, dtype=torch.uint8)
