"""One convolutional cell of a supernet: every live op on every live edge, weighted and summed.

Fast on CPUs: channels_last memory throughout; ReLU, pools and their batch norms are computed once for all edges of a
source; ``none`` is never run; the weight of an op is the scale of its last batch norm. The plain version in
:mod:`genotools.nn.supernet_plain` has the same parameters and statistics under the same names.

Reference: Scheppach et al., section III; Liu et al., DARTS (2019), for the mixture.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype.macro import Stage
from genotools.genotype.primitives import get_primitive
from genotools.nn.conv_blocks import Standardised, standardise, standardise_batch
from genotools.nn.live_ops import NONE, LiveEdge
from genotools.nn.mixing import Mix
from genotools.nn.node_value import NodeSum, NodeValue, run_op
from genotools.nn.ops import preprocess

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
        sources = {0: _Source(run_op(self.input0, _Source(s0))), 1: _Source(run_op(self.input1, _Source(s1)))}
        outputs = []
        for target, edges in groupby(mix.weighted_ops(), key=lambda item: item[0].target):
            total = NodeSum()
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

    def _add(
        self, total: NodeSum, name: str, op: nn.Module, weight: Tensor | None, source: "_Source"
    ) -> None:
        if isinstance(op, Pool):
            total.add_shared(source.standardised_pool(name, op), weight)
        elif isinstance(op, nn.Identity):
            total.add_shared(F.dropout(source.x, self.skip_dropout, self.training), weight)
        else:
            total.add_own(run_op(op, source, weight))


def _build_op(name: str, channels: int, stride: int, shifted: bool) -> nn.Module:
    """Return an op without affine parameters in its batch norms; a pool is followed by one."""
    op: nn.Module = get_primitive(name, "conv").builder()(channels, stride, affine=False, shifted=shifted)
    return Pool(op, channels) if isinstance(op, nn.MaxPool1d | nn.AvgPool1d) else op


class _Source(NodeValue):
    """A node's value, with pools standardised once for all edges."""

    def __init__(self, x: Tensor) -> None:
        super().__init__(x)
        self._standardised: dict[str, Standardised] = {}

    def standardised_pool(self, name: str, op: Pool) -> Tensor:
        """Return a pool and its batch norm; a batch is pooled and standardised once for all edges.

        Every edge has running statistics of its own: its history is not that of the others once edges are pruned
        or sampled.
        """
        pooled = self.pooled(name, op.pool)
        if not op.norm.training:
            return standardise(pooled, op.norm)
        if name not in self._standardised:
            self._standardised[name] = standardise_batch(pooled, op.norm.eps)
        standardised = self._standardised[name]
        standardised.count_in(op.norm)
        return standardised.value
