"""What a network costs, from arithmetic alone: parameters, multiply-accumulates, receptive field.

Nothing is built and PyTorch is not imported; the parameters equal those of the built network. Counted as
multiply-accumulates (MACs), for one sequence, forward: convolutions, linear layers and the matrix products of the
recurrent cell, as many as a dense implementation does (padding counts). Not counted: batch norms, activations,
pools, sums, gates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from genotools.genotype.cells import ConvCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro, Stage
from genotools.genotype.primitives import Cost, ceil_length, get_primitive
from genotools.genotype.task import Task

__all__ = ["NetworkCost", "cost", "receptive_field"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCost:
    """Cost of one network.

    Attributes
    ----------
    params
        Trainable parameters.
    macs
        Multiply-accumulates for one sequence, forward; see the module for what counts.
    receptive_field_bp
        Base pairs that one output position of the last cell can see, in front of the recurrent cell. The sequence
        may be shorter.
    parts
        ``stem``, ``preprocess`` (of all cells), ``normal``, ``reduce`` (the edges), ``recurrent``, ``head``; their
        sum is the whole.
    """

    params: int
    macs: int
    receptive_field_bp: int
    parts: Mapping[str, Cost]

    @property
    def fixed_params(self) -> int:
        """Parameters that do not depend on the ops of the conv cells: all but ``normal`` and ``reduce``."""
        return self.params - self.parts["normal"].params - self.parts["reduce"].params


def cost(genotype: Genotype, macro: Macro, task: Task) -> NetworkCost:
    """Return what the network of ``genotype`` costs, without building it.

    Examples
    --------
    >>> import numpy as np
    >>> from genotools import GENOME_NAS, Macro, Task
    >>> genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    >>> cost(genotype, Macro.paper(), Task(919)).fixed_params
    26064447
    """
    stages = macro.stages(genotype.normal.n_nodes, genotype.reduce.n_nodes)
    edges = {"normal": Cost(), "reduce": Cost()}
    prepared = Cost()
    for stage in stages:
        prepared += _preprocess(stage)
        edges[stage.layer.cell] += _edges(_cell_of(genotype, stage), stage)
    n_positions = stages[-1].out_length
    hidden = stages[-1].channels * _cell_of(genotype, stages[-1]).n_nodes
    parts = {
        "stem": _stem(macro),
        "preprocess": prepared,
        **edges,
        "recurrent": _recurrent(genotype.recurrent.n_states, hidden, n_positions)
        if macro.recurrent
        else Cost(),
        "head": _head(n_positions, hidden, macro, task),
    }
    total = sum(parts.values(), start=Cost())
    return NetworkCost(
        params=total.params,
        macs=total.macs,
        receptive_field_bp=receptive_field(genotype, macro),
        parts=parts,
    )


def _cell_of(genotype: Genotype, stage: Stage) -> ConvCell:
    return genotype.normal if stage.layer.cell == "normal" else genotype.reduce


def _stem(macro: Macro) -> Cost:
    weights = 4 * macro.stem_channels * macro.stem_kernel
    return Cost(weights + 2 * macro.stem_channels, weights * macro.length)


def _preprocess(stage: Stage) -> Cost:
    """Return the cost of both inputs: 1x1 convolutions at the length behind them, and batch norms."""
    total = Cost()
    for channels, length, stride in zip(stage.in_channels, stage.in_lengths, (stage.stride0, 1), strict=True):
        weights = channels * stage.channels
        total += Cost(weights + 2 * stage.channels, weights * ceil_length(length, stride))
    return total


def _edges(cell: ConvCell, stage: Stage) -> Cost:
    total = Cost()
    for edge in cell.edges:
        stride = stage.layer.stride if edge.source < 2 else 1
        length = stage.in_lengths[1] if edge.source < 2 else stage.out_length
        total += get_primitive(edge.op, "conv").cost(stage.channels, length, stride)
    return total


def _recurrent(n_states: int, hidden: int, n_positions: int) -> Cost:
    weights = 2 * hidden * (2 * hidden + n_states * hidden)
    return Cost(weights, weights * n_positions)


def _head(n_positions: int, hidden: int, macro: Macro, task: Task) -> Cost:
    width, times = (hidden, n_positions) if task.per_position else (n_positions * hidden, 1)
    weights = width * macro.head_hidden + macro.head_hidden * task.n_outputs
    return Cost(weights + macro.head_hidden + task.n_outputs, weights * times)


class _Sight(NamedTuple):
    """What one position sees of the sequence, in bp: how far to the left and right of its own place."""

    left: int
    right: int

    def widened(self, left: int, right: int) -> "_Sight":
        return _Sight(self.left + left, self.right + right)

    def joined(self, other: "_Sight") -> "_Sight":
        return _Sight(max(self.left, other.left), max(self.right, other.right))


def receptive_field(genotype: Genotype, macro: Macro) -> int:
    """Return how many bp one output position of the last cell can see, ends of the sequence aside.

    Position i of a layer stands at i times the product of the strides so far; an op sees as far to the left as to
    the right of it, a shifted reduction one position more to the right.
    """
    half = (macro.stem_kernel - 1) // 2
    before = last = _Sight(half, half)
    before_step = step = 1  # bp between neighbouring positions of the two inputs
    for stage in macro.stages(genotype.normal.n_nodes, genotype.reduce.n_nodes):
        late = before_step if macro.shifted_reduction and stage.stride0 > 1 else 0
        inputs = (before.widened(0, late), last)
        before, before_step = last, step
        last = _cell_sight(_cell_of(genotype, stage), stage, inputs, step, macro.shifted_reduction)
        step *= stage.layer.stride
    return last.left + last.right + 1


def _cell_sight(
    cell: ConvCell, stage: Stage, inputs: tuple[_Sight, _Sight], step: int, shifted: bool
) -> _Sight:
    """Return the sight of a cell's output; ``step`` is the bp between two positions of its prepared inputs."""
    sights = dict(enumerate(inputs))
    stride = stage.layer.stride
    for node in cell.topological_order():
        for edge in cell.in_edges(node):
            edge_stride, edge_step = (stride, step) if edge.source < 2 else (1, step * stride)
            reach = get_primitive(edge.op, "conv").reach(edge_stride)
            late = 1 if shifted and edge_stride > 1 and edge.op == "skip_connect" else 0
            sight = sights[edge.source].widened(
                reach // 2 * edge_step, (reach - reach // 2 + late) * edge_step
            )
            sights[node] = sights[node].joined(sight) if node in sights else sight
    output = sights[cell.nodes[0]]
    for node in cell.nodes:
        output = output.joined(sights[node])
    return output
