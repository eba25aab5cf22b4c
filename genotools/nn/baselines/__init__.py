"""The hand-designed networks that searched ones are compared with; names of parameters are the published code's."""

from collections.abc import Mapping
from types import MappingProxyType

import torch

from genotools.errors import DataError
from genotools.genotype.macro import MAX_LENGTH_BP
from genotools.genotype.task import Task
from genotools.nn.baselines.baseline import Baseline
from genotools.nn.baselines.danq import DanQ
from genotools.nn.baselines.deepsea import DeepSEA
from genotools.nn.baselines.ncnet import NCNetBRR, NCNetRR
from genotools.nn.baselines.size import BaselineSize, size_of
from genotools.nn.builder import MAX_PARAMS
from genotools.randomness import forked_torch

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineSize",
    "DanQ",
    "DeepSEA",
    "NCNetBRR",
    "NCNetRR",
    "baseline_size",
    "build_baseline",
]

BASELINES: Mapping[str, type[Baseline]] = MappingProxyType(
    {str(kind.name): kind for kind in (DeepSEA, DanQ, NCNetRR, NCNetBRR)}
)


def build_baseline(
    name: str, length: int, task: Task, *, seed: int, device: str | torch.device = "cpu"
) -> Baseline:
    """Return a hand-designed network for windows of ``length`` bp in training mode, its weights drawn from ``seed``.

    The weights are drawn on the CPU, so they are the same for every device.

    Raises
    ------
    DataError
        If the windows are too short or too long for it, the task is one per position, or it would have more than
        :data:`genotools.nn.builder.MAX_PARAMS` parameters.
    KeyError
        If there is none of that name.

    Examples
    --------
    >>> import torch
    >>> network = build_baseline("danq", 200, Task(3), seed=0).eval()
    >>> network(torch.zeros(2, 200, dtype=torch.uint8)).shape
    torch.Size([2, 3])
    """
    _without_weights(name, length, task)
    with forked_torch(seed):
        network = BASELINES[name](length, task)
    return network.to(device)


def baseline_size(name: str, length: int, task: Task) -> BaselineSize:
    """Return what a hand-designed network costs, without its weights; raises as :func:`build_baseline`."""
    return size_of(_without_weights(name, length, task).eval())


def _without_weights(name: str, length: int, task: Task) -> Baseline:
    """Return the network with shapes alone, once it is clear that it may be built."""
    if not 1 <= length <= MAX_LENGTH_BP:
        raise DataError(f"{name} takes windows of 1 to {MAX_LENGTH_BP:,} bp, not {length:,}.")
    with torch.device("meta"):
        network = BASELINES[name](length, task)
    params = sum(parameter.numel() for parameter in network.parameters())
    if params > MAX_PARAMS:
        raise DataError(
            f"{name} would have {params:,} parameters for windows of {length:,} bp, at most {MAX_PARAMS:,} are "
            "built. Take shorter windows or fewer outputs."
        )
    return network
