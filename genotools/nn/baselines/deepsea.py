"""DeepSEA: three convolutions and two linear layers.

Reference: Zhou and Troyanskaya, Predicting effects of noncoding variants with deep learning-based sequence model
(2015); 52,843,119 parameters at 1000 bp and 919 outputs, as published.
"""

from torch import Tensor, nn

from genotools.genotype.baselines import BaselineName
from genotools.genotype.task import Task
from genotools.nn.baselines.baseline import Baseline
from genotools.nn.one_hot import N_BASES

__all__ = ["DeepSEA"]

KERNEL, POOL = 8, 4
CHANNELS = (320, 480, 960)


class DeepSEA(Baseline):
    """Convolutions of width 8, pools of width 4, dropout 0.2, 0.2 and 0.5."""

    name = BaselineName.DEEPSEA

    def __init__(self, length: int, task: Task) -> None:
        super().__init__(length, task)
        first, second, third = CHANNELS
        self.layer1 = nn.Sequential(
            nn.Conv1d(N_BASES, first, KERNEL), nn.ReLU(), nn.MaxPool1d(POOL), nn.Dropout(0.2)
        )
        self.layer2 = nn.Sequential(
            nn.Conv1d(first, second, KERNEL), nn.ReLU(), nn.MaxPool1d(POOL), nn.Dropout(0.2)
        )
        self.layer3 = nn.Sequential(nn.Conv1d(second, third, KERNEL), nn.ReLU(), nn.Dropout(0.5))
        cut = KERNEL - 1
        n_positions = self.check_length(((length - cut) // POOL - cut) // POOL - cut)
        self.add_head(third * n_positions)

    def features(self, x: Tensor) -> Tensor:
        """Return ``(N, F)``, channel after channel, for a one-hot ``(N, 4, L)``."""
        x = self.layer3(self.layer2(self.layer1(x)))
        return x.flatten(1)
