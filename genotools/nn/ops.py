"""The operations of convolutional cells as modules on ``(N, C, L)``, and what prepares a cell's inputs.

Every operation turns length L into ``ceil(L / stride)``. Convolutions have no bias; batch norms use PyTorch's
defaults (epsilon 1e-5, momentum 0.1) and have no affine parameters in supernets (``affine=False``). The functions
named like a primitive are its builders; the registry (:mod:`genotools.genotype.primitives`) finds them here.

Reference: Scheppach et al., Neural Architecture Search for Genomic Sequence Data, section III; layer by layer
equal to the published implementation.
"""

from torch import Tensor, cat, nn
from torch.nn import functional as F

__all__ = [
    "FactorizedReduce",
    "avg_pool_5",
    "conv_15",
    "dil_conv_9",
    "dil_conv_15",
    "identity",
    "max_pool_5",
    "preprocess",
    "sep_conv_9",
    "sep_conv_15",
    "skip_connect",
    "stem",
]


def _conv(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv1d:
    """Return a convolution without bias that keeps the length up to its stride; ``kernel`` is odd."""
    return nn.Conv1d(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


class FactorizedReduce(nn.Module):
    """Shorten by ``stride``: ReLU, two 1x1 convolutions of half the channels each, concatenation, batch norm.

    Parameters
    ----------
    in_channels, out_channels
        Channels before and after.
    stride
        At least 2; the length becomes ``ceil(L / stride)``.
    affine
        Whether the batch norm has parameters.
    shifted
        Let the second convolution start one position later (zero behind the end), as in DARTS. Otherwise both
        see the same positions, as in the published networks.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, *, affine: bool = True, shifted: bool = False
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.relu = nn.ReLU()
        self.first = _conv(in_channels, half, stride=stride)
        self.second = _conv(in_channels, out_channels - half, stride=stride)
        self.norm = nn.BatchNorm1d(out_channels, affine=affine)
        self.shifted = shifted

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_channels, ceil(L / stride))`` for ``(N, in_channels, L)``."""
        x = self.relu(x)
        late = F.pad(x, (-1, 1)) if self.shifted else x
        output: Tensor = self.norm(cat([self.first(x), self.second(late)], dim=1))
        return output


def stem(channels: int, kernel: int) -> nn.Sequential:
    """Return the first layer on the one-hot ``(N, 4, L)``: convolution and batch norm, no ReLU."""
    network = nn.Sequential()
    network.add_module("conv", _conv(4, channels, kernel))
    network.add_module("norm", nn.BatchNorm1d(channels))
    return network


def preprocess(
    in_channels: int, channels: int, stride: int, *, affine: bool = True, shifted: bool = False
) -> nn.Module:
    """Return what brings a cell's input to the cell's channels, and by ``stride`` to its length.

    ReLU, 1x1 convolution, batch norm; a :class:`FactorizedReduce` where ``stride`` is above 1.
    """
    if stride > 1:
        return FactorizedReduce(in_channels, channels, stride, affine=affine, shifted=shifted)
    network = nn.Sequential()
    network.add_module("relu", nn.ReLU())
    network.add_module("conv", _conv(in_channels, channels))
    network.add_module("norm", nn.BatchNorm1d(channels, affine=affine))
    return network


def max_pool_5(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return a max pool of width 5."""
    del channels, affine, shifted
    return nn.MaxPool1d(5, stride=stride, padding=2)


def avg_pool_5(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return an average pool of width 5; positions beyond the ends do not count."""
    del channels, affine, shifted
    return nn.AvgPool1d(5, stride=stride, padding=2, count_include_pad=False)


def skip_connect(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return the identity, or a :class:`FactorizedReduce` where ``stride`` is above 1."""
    if stride == 1:
        return nn.Identity()
    return FactorizedReduce(channels, channels, stride, affine=affine, shifted=shifted)


def _separable(channels: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """Return twice: ReLU, depthwise and 1x1 convolution, batch norm; the first depthwise one is strided."""
    network = nn.Sequential()
    for part, part_stride in ((1, stride), (2, 1)):
        depthwise = _conv(channels, channels, kernel, stride=part_stride, groups=channels)
        network.add_module(f"relu{part}", nn.ReLU())
        network.add_module(f"depthwise{part}", depthwise)
        network.add_module(f"pointwise{part}", _conv(channels, channels))
        network.add_module(f"norm{part}", nn.BatchNorm1d(channels, affine=affine))
    return network


def _dilated(channels: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """Return ReLU, depthwise convolution of dilation 2, 1x1 convolution, batch norm: once, not twice."""
    depthwise = _conv(channels, channels, kernel, stride=stride, dilation=2, groups=channels)
    network = nn.Sequential()
    network.add_module("relu", nn.ReLU())
    network.add_module("depthwise", depthwise)
    network.add_module("pointwise", _conv(channels, channels))
    network.add_module("norm", nn.BatchNorm1d(channels, affine=affine))
    return network


def sep_conv_15(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return a separable convolution of width 15."""
    del shifted
    return _separable(channels, 15, stride, affine)


def sep_conv_9(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return a separable convolution of width 9."""
    del shifted
    return _separable(channels, 9, stride, affine)


def dil_conv_15(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return a dilated convolution of width 15."""
    del shifted
    return _dilated(channels, 15, stride, affine)


def dil_conv_9(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return a dilated convolution of width 9."""
    del shifted
    return _dilated(channels, 9, stride, affine)


def conv_15(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
    """Return twice: ReLU, dense convolution of width 15, batch norm; the first convolution is strided."""
    del shifted
    network = nn.Sequential()
    for part, part_stride in ((1, stride), (2, 1)):
        network.add_module(f"relu{part}", nn.ReLU())
        network.add_module(f"conv{part}", _conv(channels, channels, 15, stride=part_stride))
        network.add_module(f"norm{part}", nn.BatchNorm1d(channels, affine=affine))
    return network


def identity(x: Tensor) -> Tensor:
    """Return ``x``: the activation of that name."""
    return x
