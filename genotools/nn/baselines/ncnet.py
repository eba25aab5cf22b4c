"""NCNet-RR and NCNet-bRR: DanQ with residual blocks between convolution and LSTM.

Reference: Zhang et al., NCNet: Deep Learning Network Models for Predicting Function of Non-coding DNA (2019), as in
Scheppach et al.; 57,583,119 and 47,693,359 parameters at 1000 bp and 919 outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype.baselines import BaselineName
from genotools.genotype.task import Task
from genotools.nn.baselines.danq import CHANNELS, KERNEL, RecurrentTail
from genotools.nn.one_hot import N_BASES

__all__ = ["NCNetBRR", "NCNetRR"]


class ResidualBlock(nn.Module):
    """Two convolutions of width 26 around which the input goes; padding of 12 and 13 keeps the length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, KERNEL, padding=12)
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, KERNEL, padding=13)
        self.bn2 = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, C, P)`` for ``(N, C, P)``."""
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + x)


class Bottleneck(nn.Module):
    """A convolution of width 15 on few channels; the input goes around it, by a convolution where channels change."""

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, 15, padding=7, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)
        self.conv3 = nn.Conv1d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm1d(out_channels)
        self.shortcut = nn.Sequential()
        if in_channels != out_channels:
            self.shortcut.append(nn.Conv1d(in_channels, out_channels, 1, bias=False))
            self.shortcut.append(nn.BatchNorm1d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, P)`` for ``(N, in_channels, P)``."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + self.shortcut(x))


class NCNetRR(RecurrentTail):
    """Two residual blocks of 320 channels."""

    name = BaselineName.NCNET_RR

    def __init__(self, length: int, task: Task) -> None:
        super().__init__(length, task)
        self.conv1d = nn.Conv1d(N_BASES, CHANNELS, KERNEL)
        self.bn = nn.BatchNorm1d(CHANNELS)
        self.block1, self.block2 = ResidualBlock(CHANNELS), ResidualBlock(CHANNELS)
        self.add_tail(length - KERNEL + 1)

    def convolved(self, x: Tensor) -> Tensor:
        """Return ``(N, 320, P)`` for a one-hot ``(N, 4, L)``."""
        output: Tensor = self.block2(self.block1(torch.relu(self.bn(self.conv1d(x)))))
        return output


class NCNetBRR(RecurrentTail):
    """Eight bottlenecks: four of 160 channels, one that widens, three of 320."""

    name = BaselineName.NCNET_BRR

    WIDTHS = (*[(160, 40, 160)] * 4, (160, 80, 320), *[(320, 80, 320)] * 3)

    def __init__(self, length: int, task: Task) -> None:
        super().__init__(length, task)
        first = self.WIDTHS[0][0]
        self.conv1d = nn.Conv1d(N_BASES, first, KERNEL)
        self.bn = nn.BatchNorm1d(first)
        for number, widths in enumerate(self.WIDTHS, start=1):
            self.add_module(f"bottleneck{number}", Bottleneck(*widths))
        self.add_tail(length - KERNEL + 1)

    def convolved(self, x: Tensor) -> Tensor:
        """Return ``(N, 320, P)`` for a one-hot ``(N, 4, L)``."""
        x = torch.relu(self.bn(self.conv1d(x)))
        for number in range(1, len(self.WIDTHS) + 1):
            x = self.get_submodule(f"bottleneck{number}")(x)
        return x
