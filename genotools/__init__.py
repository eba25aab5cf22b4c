"""Neural architecture search for genome sequences, centred on the genotype.

The package's rooms are imported where they are used (``genotools.genotype``, ``genotools.nn``, ...), so
that ``import genotools`` stays fast and never loads PyTorch. The few names below are the everyday ones.
"""

import importlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genotools.genotype import GENOME_NAS, Genotype, Macro, SearchSpace, Task
    from genotools.nn.builder import build
    from genotools.nn.cost import cost

__version__ = "0.1.0"

__all__ = ["GENOME_NAS", "Genotype", "Macro", "SearchSpace", "Task", "__version__", "build", "cost"]

_HOME = {
    "GENOME_NAS": "genotools.genotype",
    "Genotype": "genotools.genotype",
    "Macro": "genotools.genotype",
    "SearchSpace": "genotools.genotype",
    "Task": "genotools.genotype",
    "build": "genotools.nn",
    "cost": "genotools.nn",
}

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'genotools' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
