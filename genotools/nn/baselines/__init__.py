"""The hand-designed networks that searched ones are compared with; names of parameters are the published code's."""

from collections.abc import Mapping
from types import MappingProxyType

from genotools.genotype.task import Task
from genotools.nn.baselines.baseline import Baseline
from genotools.nn.baselines.danq import DanQ
from genotools.nn.baselines.deepsea import DeepSEA
from genotools.nn.baselines.ncnet import NCNetBRR, NCNetRR
from genotools.randomness import forked_torch

__all__ = ["BASELINES", "Baseline", "DanQ", "DeepSEA", "NCNetBRR", "NCNetRR", "build_baseline"]

BASELINES: Mapping[str, type[Baseline]] = MappingProxyType(
    {"deepsea": DeepSEA, "danq": DanQ, "ncnet-rr": NCNetRR, "ncnet-brr": NCNetBRR}
)


def build_baseline(name: str, length: int, task: Task, *, seed: int) -> Baseline:
    """Return a hand-designed network for windows of ``length`` bp in training mode, its weights drawn from ``seed``.

    Raises
    ------
    DataError
        If the windows are too short for it.
    KeyError
        If there is none of that name.
    """
    with forked_torch(seed):
        return BASELINES[name](length, task)
