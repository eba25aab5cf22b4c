"""Networks: from a genotype to a PyTorch module, and what that costs.

``cost`` needs no PyTorch; the other names import it when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

from genotools.nn.cost import NetworkCost, cost

if TYPE_CHECKING:
    from genotools.nn.builder import build
    from genotools.nn.network import GenomeNet, activate

__all__ = ["GenomeNet", "NetworkCost", "activate", "build", "cost"]

_HOME = {"GenomeNet": "network", "activate": "network", "build": "builder"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'genotools.nn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genotools.nn.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
