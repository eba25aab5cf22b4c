"""DanQ: a convolution, a bidirectional LSTM and two linear layers.

Reference: Quang and Xie, DanQ: a hybrid convolutional and recurrent deep neural network (2016); 46,929,039 parameters
at 1000 bp and 919 outputs, 2,560 more than published: PyTorch's LSTM has a second vector of biases.
"""

from torch import Tensor, nn

from genotools.genotype.baselines import BaselineName
from genotools.genotype.task import Task
from genotools.nn.baselines.baseline import Baseline
from genotools.nn.one_hot import N_BASES

__all__ = ["DanQ", "RecurrentTail"]

CHANNELS, KERNEL, POOL = 320, 26, 13


class RecurrentTail(Baseline):
    """What DanQ and NCNet end with: pool of width 13, dropout 0.2, LSTM in both directions, dropout 0.5."""

    def add_tail(self, n_positions: int) -> None:
        """Make the layers behind the convolutions, which leave ``n_positions``."""
        self.pool = nn.MaxPool1d(POOL)
        self.drop_conv, self.drop_lstm = nn.Dropout(0.2), nn.Dropout(0.5)
        self.lstm = nn.LSTM(CHANNELS, CHANNELS, batch_first=True, bidirectional=True)
        self.add_head(self.check_length(n_positions // POOL) * 2 * CHANNELS)

    def convolved(self, x: Tensor) -> Tensor:
        """Return ``(N, 320, P)`` for a one-hot ``(N, 4, L)``."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """Return ``(N, F)``, position after position, for a one-hot ``(N, 4, L)``."""
        x = self.drop_conv(self.pool(self.convolved(x))).transpose(1, 2)  # (N, P, C)
        states, _ = self.lstm(x)
        dropped: Tensor = self.drop_lstm(states)
        return dropped.flatten(1)


class DanQ(RecurrentTail):
    """A convolution of width 26 with 320 kernels, and the tail."""

    name = BaselineName.DANQ

    def __init__(self, length: int, task: Task) -> None:
        super().__init__(length, task)
        self.conv1d = nn.Conv1d(N_BASES, CHANNELS, KERNEL)
        self.add_tail(length - KERNEL + 1)

    def convolved(self, x: Tensor) -> Tensor:
        """Return ``(N, 320, P)`` for a one-hot ``(N, 4, L)``."""
        output: Tensor = self.conv1d(x).relu()
        return output
