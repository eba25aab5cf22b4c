"""Networks: from a genotype to a PyTorch module, and what that costs.

``cost`` needs no PyTorch; the other names import it when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

from genotools.nn.cost import NetworkCost, cost

if TYPE_CHECKING:
    from genotools.nn.architecture import rebuild
    from genotools.nn.builder import build
    from genotools.nn.network import GenomeNet
    from genotools.nn.window_network import WindowNetwork, activate

__all__ = ["GenomeNet", "NetworkCost", "WindowNetwork", "activate", "build", "cost", "rebuild"]

_HOME = {
    "GenomeNet": "network",
    "WindowNetwork": "window_network",
    "activate": "window_network",
    "build": "builder",
    "rebuild": "architecture",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'genotools.nn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genotools.nn.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
