"""The value of a node on a CPU, the sum it grows from, and the ops that lead away from it.

Values are ``(N, C, 1, L)`` in channels_last memory. What all edges from a node need, its ReLU and its pools, is
computed once. Networks and supernets are both run with these; the plain versions, edge by edge on ``(N, C, L)``, are
the modules themselves.
"""

from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from genotools.nn.channels_last import ConvGeometry, from_channels_last, to_channels_last
from genotools.nn.conv_blocks import blocks_of, pool, run_blocks
from genotools.nn.ops import FactorizedReduce

__all__ = ["NodeSum", "NodeValue", "Row", "row_of", "run_op"]


class NodeValue:
    """The value of a node, and what all edges from it share."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self._pooled: dict[tuple[str, object], Tensor] = {}
        self._strided: dict[tuple[int, int], Tensor] = {}

    @cached_property
    def relu(self) -> Tensor:
        """The ReLU of the value."""
        return torch.relu(self.x)

    def relu_every(self, stride: int, first: int = 0) -> Tensor:
        """Return every ``stride``-th position of the ReLU from ``first`` on, zero behind the end."""
        if (stride, first) not in self._strided:
            part: Tensor = _StridedRelu.apply(self.x, stride, first)  # type: ignore[no-untyped-call]
            self._strided[stride, first] = part
        return self._strided[stride, first]

    def pooled(self, name: str, op: nn.MaxPool1d | nn.AvgPool1d) -> Tensor:
        """Return what the pool called ``name`` makes of the value, computed once for all edges."""
        key = name, op.stride
        if key not in self._pooled:
            self._pooled[key] = pool(self.x, op)
        return self._pooled[key]


class _StridedRelu(torch.autograd.Function):
    """The ReLU of every ``stride``-th position; PyTorch's own gradient of a slice leaves channels_last memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, first: int) -> Tensor:
        part = x[..., first::stride].clamp_min(0)
        part = F.pad(part, (0, -(-x.shape[3] // stride) - part.shape[3]))
        part = part.contiguous(memory_format=torch.channels_last)
        ctx.stride, ctx.first, ctx.length = stride, first, x.shape[3]
        ctx.save_for_backward(part)
        return part

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (part,) = ctx.saved_tensors
        shape = (*part.shape[:3], ctx.length)
        d_x = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last)
        d_part = d_x.zero_()[..., ctx.first :: ctx.stride]
        behind = torch.ops.aten.threshold_backward(gradient, part, 0)
        d_part.copy_(behind[..., : d_part.shape[3]])
        return d_x, None, None


class NodeSum:
    """A sum that grows in place, in memory of its own."""

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def get(self) -> Tensor:
        """Return the sum."""
        assert self.value is not None  # every node has an edge
        return self.value

    def add_own(self, x: Tensor, weight: Tensor | None = None) -> None:
        """Add ``weight * x``, where nothing else refers to ``x``."""
        if self.value is None:
            self.value = x if weight is None else x.mul_(weight)
        else:
            self._add(x, weight)

    def add_shared(self, x: Tensor, weight: Tensor | None = None) -> None:
        """Add ``weight * x`` and leave ``x`` alone."""
        if self.value is None:
            self.value = x.clone() if weight is None else x * weight
        else:
            self._add(x, weight)

    def _add(self, x: Tensor, weight: Tensor | None) -> None:
        assert self.value is not None
        if weight is None:
            self.value.add_(x)
        else:
            self.value.addcmul_(x, weight)


def run_op(op: nn.Module, source: NodeValue, weight: Tensor | None = None) -> Tensor:
    """Return ``weight`` times what ``op`` makes of a source, in memory of its own."""
    row = row_of(op)
    if row is None:  # a primitive of the user's: it gets the layout it was written for
        output = to_channels_last(op(from_channels_last(source.x)))
        return output.clone() if weight is None else output * weight
    return run_blocks(row.input(source), row.convs, row.norms, weight)


class Row(NamedTuple):
    """An op as a row of blocks: which positions it reads, and each block's convolutions and batch norm."""

    stride: int
    has_late: bool
    convs: list[list[tuple[Tensor, ConvGeometry]]]
    norms: list[nn.BatchNorm1d]

    def input(self, source: NodeValue) -> Tensor:
        """Return what the first convolution reads, behind the ReLU."""
        x = source.relu if self.stride == 1 else source.relu_every(self.stride)
        return torch.cat([x, source.relu_every(self.stride, first=1)], dim=1) if self.has_late else x


def row_of(op: nn.Module) -> Row | None:
    """Return an op as a row of blocks, None if it is anything else."""
    if isinstance(op, FactorizedReduce):
        return _reduction(op)
    blocks = blocks_of(op)
    if blocks is None:
        return None
    convs = [[(conv.weight, ConvGeometry.of(conv)) for conv in block.convs] for block in blocks]
    matrix, geometry = convs[0][0]
    subsampled = geometry.subsampled(matrix.shape[2])
    if subsampled is not None:
        convs[0][0] = matrix, subsampled
    stride = 1 if subsampled is None else geometry.stride
    return Row(stride, False, convs, [block.norm for block in blocks])


def _reduction(op: FactorizedReduce) -> Row:
    """Return both convolutions as one: on the same positions, or side by side on early and late ones."""
    first, second = op.first.weight, op.second.weight
    if op.shifted:
        first, second = F.pad(first, (0, 0, 0, second.shape[1])), F.pad(second, (0, 0, first.shape[1], 0))
    convs = [[(torch.cat([first, second]), ConvGeometry())]]
    return Row(op.first.stride[0], op.shifted, convs, [op.norm])
