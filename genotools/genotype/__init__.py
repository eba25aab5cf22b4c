"""Floor 1: the genotype, its search space, and everything that needs no network.

Cells and genotypes are immutable DAGs; a space says which are legal. Nothing here imports PyTorch.
"""

from typing import TYPE_CHECKING

from genotools.genotype.baselines import BaselineName
from genotools.genotype.cells import ConvCell, Edge, RecurrentCell, State
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Layer, Macro
from genotools.genotype.primitives import Cost, Primitive, get_primitive, known_primitives, register
from genotools.genotype.space import (
    ConvCellSpace,
    RecurrentCellSpace,
    SearchSpace,
    get_space,
    register_space,
)
from genotools.genotype.task import Task, TaskKind

if TYPE_CHECKING:
    GENOME_NAS: SearchSpace

__all__ = [
    "GENOME_NAS",
    "BaselineName",
    "ConvCell",
    "ConvCellSpace",
    "Cost",
    "Edge",
    "Genotype",
    "Layer",
    "Macro",
    "Primitive",
    "RecurrentCell",
    "RecurrentCellSpace",
    "SearchSpace",
    "State",
    "Task",
    "TaskKind",
    "get_primitive",
    "get_space",
    "known_primitives",
    "register",
    "register_space",
]


def __getattr__(name: str) -> object:
    # Read from the shipped document on first use, which spares commands that need no space its parsing.
    if name == "GENOME_NAS":
        return get_space("genome-nas")
    raise AttributeError(f"module 'genotools.genotype' has no attribute {name!r}")
