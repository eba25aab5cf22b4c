"""One convolutional cell of a supernet: every live op on every live edge, weighted and summed.

Fast on CPUs: channels_last memory throughout; ReLU, pools and their batch norms are computed once for all edges of a
source; ``none`` is never run; the weight of an op is the scale of its last batch norm. The plain version in
:mod:`genotools.nn.supernet_plain` has the same parameters and statistics under the same names.

Reference: Scheppach et al., section III; Liu et al., DARTS (2019), for the mixture.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype.macro import Stage
from genotools.genotype.primitives import get_primitive
from genotools.nn.channels_last import ConvGeometry, from_channels_last, to_channels_last
from genotools.nn.conv_blocks import (
    Standardised,
    blocks_of,
    pool,
    run_blocks,
    standardise,
    standardise_batch,
)
from genotools.nn.live_ops import NONE, LiveEdge
from genotools.nn.mixing import Mix
from genotools.nn.ops import FactorizedReduce, preprocess

__all__ = ["MixedCell", "Pool"]


class Pool(nn.Module):
    """A pool and the parameter-free batch norm that follows it in a supernet, on ``(N, C, L)``."""

    def __init__(self, pool: nn.MaxPool1d | nn.AvgPool1d, channels: int) -> None:
        super().__init__()
        self.pool = pool
        self.norm = nn.BatchNorm1d(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, C, ceil(L / stride))``."""
        output: Tensor = self.norm(self.pool(x))
        return output


class MixedCell(nn.Module):
    """A convolutional cell of a supernet at one place of the network.

    Parameters
    ----------
    edges
        The live edges and ops, by target.
    stage
        Channels, input shapes and strides at this place.
    shifted
        Whether factorised reductions are shifted, see :class:`~genotools.nn.ops.FactorizedReduce`.

    Attributes
    ----------
    edges
        ``edges["0_to_2"]["sep_conv_15"]`` is one op; ``none`` has none.
    skip_dropout
        Rate of element-wise dropout, in training, on identities; skips that shorten have none.
    """

    def __init__(self, edges: Sequence[LiveEdge], stage: Stage, *, shifted: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.skip_dropout = 0.0
        (channels0, channels1), channels = stage.in_channels, stage.channels
        self.input0 = preprocess(channels0, channels, stage.stride0, affine=False, shifted=shifted)
        self.input1 = preprocess(channels1, channels, 1, affine=False, shifted=shifted)
        self.edges = nn.ModuleDict()
        for source, target, names in edges:
            ops = nn.ModuleDict()
            for name in names:
                if name != NONE:
                    ops[name] = _build_op(name, channels, stage.layer.stride if source < 2 else 1, shifted)
            self.edges[f"{source}_to_{target}"] = ops

    def forward(self, s0: Tensor, s1: Tensor, mix: Mix) -> Tensor:
        """Return ``(N, n_nodes * C, 1, out_length)`` for the outputs ``(N, C, 1, L)`` of the two cells before."""
        sources = {0: _Source(_run(self.input0, _Source(s0))), 1: _Source(_run(self.input1, _Source(s1)))}
        outputs = []
        for target, edges in groupby(mix.weighted_ops(), key=lambda item: item[0].target):
            total = _Sum()
            for edge, ops in edges:
                for name, weight in ops:
                    self._add(total, name, self._op(edge, name), weight, sources[edge.source])
            outputs.append(total.get())
            sources[target] = _Source(outputs[-1])
        return torch.cat(outputs, dim=1)

    def _op(self, edge: LiveEdge, name: str) -> nn.Module:
        ops = self.edges[f"{edge.source}_to_{edge.target}"]
        assert isinstance(ops, nn.ModuleDict)
        return ops[name]

    def _add(self, total: "_Sum", name: str, op: nn.Module, weight: Tensor | None, source: "_Source") -> None:
        if isinstance(op, Pool):
            total.add_shared(source.standardised_pool(name, op), weight)
        elif isinstance(op, nn.Identity):
            total.add_shared(F.dropout(source.x, self.skip_dropout, self.training), weight)
        else:
            total.add_own(_run(op, source, weight))


def _build_op(name: str, channels: int, stride: int, shifted: bool) -> nn.Module:
    """Return an op without affine parameters in its batch norms; a pool is followed by one."""
    op: nn.Module = get_primitive(name, "conv").builder()(channels, stride, affine=False, shifted=shifted)
    return Pool(op, channels) if isinstance(op, nn.MaxPool1d | nn.AvgPool1d) else op


class _Source:
    """The value of a node, and what all edges from it share."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self._pooled: dict[str, Tensor] = {}
        self._standardised: dict[str, Standardised] = {}
        self._strided: dict[tuple[int, int], Tensor] = {}

    @cached_property
    def relu(self) -> Tensor:
        return torch.relu(self.x)

    def relu_every(self, stride: int, first: int = 0) -> Tensor:
        """Return every ``stride``-th position of the ReLU from ``first`` on, zero behind the end."""
        if (stride, first) not in self._strided:
            late = F.pad(self.relu, (-first, first)) if first else self.relu
            part = late[..., ::stride].contiguous(memory_format=torch.channels_last)
            self._strided[stride, first] = part
        return self._strided[stride, first]

    def standardised_pool(self, name: str, op: Pool) -> Tensor:
        """Return a pool and its batch norm; a batch is pooled and standardised once for all edges.

        Every edge has running statistics of its own: its history is not that of the others once edges are pruned
        or sampled.
        """
        if name not in self._pooled:
            self._pooled[name] = pool(self.x, op.pool)
        if not op.norm.training:
            return standardise(self._pooled[name], op.norm)
        if name not in self._standardised:
            self._standardised[name] = standardise_batch(self._pooled[name], op.norm.eps)
        standardised = self._standardised[name]
        standardised.count_in(op.norm)
        return standardised.value


class _Sum:
    """A sum that grows in place, in memory of its own."""

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def get(self) -> Tensor:
        assert self.value is not None  # live ops have something but none on every node
        return self.value

    def add_own(self, x: Tensor) -> None:
        """Add ``x``, which nothing else refers to."""
        self.value = x if self.value is None else self.value.add_(x)

    def add_shared(self, x: Tensor, weight: Tensor | None) -> None:
        """Add ``weight * x`` and leave ``x`` alone."""
        if self.value is None:
            self.value = x.clone() if weight is None else x * weight
        elif weight is None:
            self.value.add_(x)
        else:
            self.value.addcmul_(x, weight)


def _run(op: nn.Module, source: _Source, weight: Tensor | None = None) -> Tensor:
    """Return ``weight`` times what ``op`` makes of a source, in memory of its own."""
    if isinstance(op, FactorizedReduce):
        return _reduce(op, source, weight)
    blocks = blocks_of(op)
    if blocks is None:  # a primitive of the user's: it gets the layout it was written for
        output = to_channels_last(op(from_channels_last(source.x)))
        return output.clone() if weight is None else output * weight
    convs = [[(conv.weight, ConvGeometry.of(conv)) for conv in block.convs] for block in blocks]
    x = source.relu
    matrix, geometry = convs[0][0]
    subsampled = geometry.subsampled(matrix.shape[2])
    if subsampled is not None:
        x, convs[0][0] = source.relu_every(geometry.stride), (matrix, subsampled)
    return run_blocks(x, convs, [block.norm for block in blocks], weight)


def _reduce(op: FactorizedReduce, source: _Source, weight: Tensor | None) -> Tensor:
    """Run both convolutions as one: on the same positions, or side by side on early and late ones."""
    stride = op.first.stride[0]
    x = source.relu_every(stride)
    first, second = op.first.weight, op.second.weight
    if op.shifted:
        x = torch.cat([x, source.relu_every(stride, first=1)], dim=1)
        first, second = F.pad(first, (0, 0, 0, second.shape[1])), F.pad(second, (0, 0, first.shape[1], 0))
    return run_blocks(x, [[(torch.cat([first, second]), ConvGeometry())]], [op.norm], weight)
