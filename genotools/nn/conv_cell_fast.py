"""A network's convolutional cell on a CPU, fast: channels_last memory, and what edges share computed once.

The same parameters, statistics and draws of drop-path as :class:`~genotools.nn.conv_cell.ConvCellModule`, which
stays the ground truth.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genotools.genotype.cells import Edge
from genotools.nn.conv_cell import ConvCellModule, drop_mask, edge_name
from genotools.nn.node_value import NodeSum, NodeValue, run_op

__all__ = ["run_cell"]


def run_cell(
    cell: ConvCellModule, s0: NodeValue, s1: NodeValue, run: Callable[[nn.Module, NodeValue], Tensor] = run_op
) -> NodeValue:
    """Return ``(N, n_nodes * C, 1, out_length)`` for the outputs of the two cells before.

    ``run`` makes what an op that is neither pool nor identity makes of a node, in memory of its own.
    """
    values = {0: NodeValue(run(cell.input0, s0)), 1: NodeValue(run(cell.input1, s1))}
    for node, in_edges in cell.plan:
        total = NodeSum()
        for edge in in_edges:
            _add_edge(total, cell, edge, values[edge.source], run)
        values[node] = NodeValue(total.get())
    return NodeValue(torch.cat([values[node].x for node in cell.cell.nodes], dim=1))


def _add_edge(
    total: NodeSum,
    cell: ConvCellModule,
    edge: Edge,
    source: NodeValue,
    run: Callable[[nn.Module, NodeValue], Tensor],
) -> None:
    """Add what an edge makes of its source."""
    op = cell.edges[edge_name(edge)]
    if isinstance(op, nn.Identity):
        total.add_shared(source.x)
        return
    mask = drop_mask(source.x, cell.drop_path) if cell.training and cell.drop_path > 0 else None
    if isinstance(op, nn.MaxPool1d | nn.AvgPool1d):
        total.add_shared(source.pooled(edge.op, op), mask)
    else:
        total.add_own(run(op, source), mask)
