"""What the hand-designed networks share: base codes in, logits out."""

import torch
from torch import Tensor, nn

from genotools.errors import DataError
from genotools.genotype.task import Task
from genotools.nn.one_hot import all_bases, one_hot

__all__ = ["HIDDEN", "Baseline"]

HIDDEN = 925
"""Units of the layer before the outputs, in all four networks."""


class Baseline(nn.Module):
    """A network on windows of ``length`` bp for the outputs of a task.

    A subclass gives ``features``: from a one-hot ``(N, 4, L)`` to ``(N, F)``, what the last two layers read.
    """

    bases: Tensor

    def __init__(self, length: int, task: Task) -> None:
        super().__init__()
        self.length, self.task = length, task
        self.register_buffer("bases", all_bases(), persistent=False)

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

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits ``(N, K)`` for base codes, uint8, ``(N, L)``."""
        x = one_hot(codes, self.bases, length=self.length, dtype=self.fc1.weight.dtype)
        logits: Tensor = self.fc2(torch.relu(self.fc1(self.features(x))))
        return logits
