"""What the hand-designed networks share: the last two layers, and what they say of themselves."""

from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from genotools.errors import DataError
from genotools.genotype.baselines import BaselineName
from genotools.genotype.task import Task
from genotools.nn.window_network import WindowNetwork

__all__ = ["HIDDEN", "Baseline"]

HIDDEN = 925
"""Units of the layer before the outputs, in all four networks."""


class Baseline(WindowNetwork):
    """A network on windows of ``length`` bp for the outputs of a task; its dropout rates are the published ones.

    A subclass has a ``name`` and gives ``features``: from a one-hot ``(N, 4, L)`` to ``(N, F)``, what the last two
    layers read. An LSTM is trained with the learning rate of everything else, as published: the recurrent one is made
    for the searched cell.

    Raises
    ------
    DataError
        If the windows are too short, or the task is one per position.
    """

    name: ClassVar[BaselineName]

    def __init__(self, length: int, task: Task) -> None:
        if task.per_position:
            raise DataError(f"{self.name} predicts once per window, not per position.")
        super().__init__(length, task)

    @property
    def digest(self) -> str:
        """The name's, :attr:`genotools.genotype.baselines.BaselineName.digest`."""
        return self.name.digest

    def architecture(self) -> dict[str, object]:
        """Return ``baseline``, the name, and ``length`` in bp."""
        return {"baseline": str(self.name), "length": self.length}

    def _untrained(self) -> Self:
        return type(self)(self.length, self.task)

    def add_head(self, n_features: int) -> None:
        """Make the last two layers."""
        self.fc1 = nn.Linear(n_features, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, self.task.n_outputs)

    def check_length(self, n_positions: int) -> int:
        """Return the positions that are left of a window; raise DataError where none is."""
        if n_positions < 1:
            raise DataError(f"{type(self).__name__} has nothing left of windows of {self.length} bp.")
        return n_positions

    def features(self, x: Tensor) -> Tensor:
        """Return ``(N, F)`` for a one-hot ``(N, 4, L)``."""
        raise NotImplementedError

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        logits: Tensor = self.fc2(torch.relu(self.fc1(self.features(x))))
        return logits, None
