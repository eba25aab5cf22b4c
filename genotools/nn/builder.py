"""From a genotype to its network, with seeded weights."""

from typing import Literal

import torch

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn.cost import cost
from genotools.nn.network import GenomeNet
from genotools.randomness import forked_torch

__all__ = ["MAX_PARAMS", "build"]

MAX_PARAMS = 2_000_000_000
"""Largest network that is built: genotype files are read from strangers."""


def build(
    genotype: Genotype,
    macro: Macro,
    task: Task,
    *,
    seed: int,
    compile: Literal["auto"] | bool = "auto",
    device: str | torch.device = "cpu",
) -> GenomeNet:
    """Return the network of ``genotype`` in training mode, its weights drawn from ``seed``.

    The weights are drawn on the CPU, so they are the same for every device, and depend on the numbering and order
    the genotype is written with. The global random state is left alone.

    Parameters
    ----------
    genotype, macro, task
        What to build.
    seed
        Seed of the initial weights.
    compile
        ``torch.compile`` the cells: ``"auto"`` does so on a CUDA device; on a CPU it costs minutes and gains little.
    device
        Where the network lives.

    Raises
    ------
    DataError
        If the network would have more than ``MAX_PARAMS`` parameters.
    TypeError
        If an argument is of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from genotools import GENOME_NAS, Macro, Task
    >>> genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    >>> network = build(genotype, Macro.paper(200), Task(5), seed=1)
    """
    for name, value, kind in (
        ("genotype", genotype, Genotype),
        ("macro", macro, Macro),
        ("task", task, Task),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")
    params = cost(genotype, macro, task).params
    if params > MAX_PARAMS:
        raise DataError(
            f"the network would have {params:,} parameters, at most {MAX_PARAMS:,} are built. "
            "Lower the channels, the length or head_hidden of the macro, or take cells with fewer nodes."
        )
    with forked_torch(seed):
        network = GenomeNet(genotype, macro, task)
    network.to(device)
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda if compile == "auto" else compile:
        network.compile_parts()
    return network
