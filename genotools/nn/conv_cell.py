"""One convolutional cell of a network, evaluated edge by edge.

This plain version is the ground truth that the fast one of :mod:`genotools.nn.conv_cell_fast` is compared with.
Reference: Scheppach et al., section III; drop-path as in Larsson et al., FractalNet (2017), one draw per sequence.
"""

import torch
from torch import Tensor, nn

from genotools.genotype.cells import ConvCell, Edge
from genotools.genotype.macro import Stage
from genotools.genotype.primitives import get_primitive
from genotools.nn.ops import preprocess

__all__ = ["ConvCellModule", "drop_mask", "drop_path", "edge_name"]


def edge_name(edge: Edge) -> str:
    """Return the name of an edge's module, ``0_to_2``: the same however the edges are ordered."""
    return f"{edge.source}_to_{edge.target}"


def drop_mask(x: Tensor, rate: float) -> Tensor:
    """Return a factor for every sequence of ``x``: 0 with probability ``rate``, otherwise ``1 / (1 - rate)``."""
    keep = torch.empty(len(x), *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device)
    return keep.bernoulli_(1 - rate).div_(1 - rate)


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Zero whole sequences of ``(N, C, L)`` with probability ``rate`` and scale the others by ``1 / (1 - rate)``."""
    return x * drop_mask(x, rate)


class ConvCellModule(nn.Module):
    """A convolutional cell at one place of the network.

    Parameters
    ----------
    cell
        The graph. Its numbering may be arbitrary; the output lists the nodes by number.
    stage
        Channels, input shapes and strides at this place.
    affine
        Whether batch norms have parameters; off in supernets.
    shifted
        Whether factorised reductions are shifted, see :class:`~genotools.nn.ops.FactorizedReduce`.

    Attributes
    ----------
    plan
        Every node with its edges, in an order in which sources come first.
    drop_path
        Probability with which, in training, an edge gives zero for a sequence. The identity is never dropped.
    """

    def __init__(self, cell: ConvCell, stage: Stage, *, affine: bool = True, shifted: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.stage = stage
        self.drop_path = 0.0
        (channels0, channels1), channels = stage.in_channels, stage.channels
        self.input0 = preprocess(channels0, channels, stage.stride0, affine=affine, shifted=shifted)
        self.input1 = preprocess(channels1, channels, 1, affine=affine, shifted=shifted)
        self.edges = nn.ModuleDict()
        for edge in cell.edges:
            stride = stage.layer.stride if edge.source < 2 else 1
            builder = get_primitive(edge.op, "conv").builder()
            self.edges[edge_name(edge)] = builder(channels, stride, affine=affine, shifted=shifted)
        self.plan = [(node, cell.in_edges(node)) for node in cell.topological_order()]

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        """Return ``(N, n_nodes * C, out_length)`` for the outputs of the two cells before."""
        values = {0: self.input0(s0), 1: self.input1(s1)}
        for node, in_edges in self.plan:
            first, *others = [self._run_edge(edge, values[edge.source]) for edge in in_edges]
            values[node] = sum(others, start=first)
        return torch.cat([values[node] for node in self.cell.nodes], dim=1)

    def _run_edge(self, edge: Edge, x: Tensor) -> Tensor:
        op = self.edges[edge_name(edge)]
        output: Tensor = op(x)
        if self.training and self.drop_path > 0 and not isinstance(op, nn.Identity):
            output = drop_path(output, self.drop_path)
        return output
