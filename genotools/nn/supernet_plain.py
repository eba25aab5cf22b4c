"""The supernet evaluated edge by edge, as it is written down: the ground truth of the fast one.

Every op runs on every edge by itself, in PyTorch's own layout, and autograd does the rest. Names of parameters and
statistics are those of :class:`~genotools.nn.supernet.Supernet`, so state dicts load into either. Slower by a factor,
but it can be differentiated twice. Reference: as there.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype.macro import Macro
from genotools.genotype.primitives import get_primitive
from genotools.genotype.task import Task
from genotools.nn.live_ops import LiveOps
from genotools.nn.mixed_cell import MixedCell
from genotools.nn.mixed_recurrent import MixedRecurrentCell, nodes_of
from genotools.nn.mixing import Mix
from genotools.nn.recurrent_unroll import masked
from genotools.nn.supernet import Supernet
from genotools.randomness import forked_torch

__all__ = ["PlainMixedCell", "PlainMixedRecurrentCell", "PlainSupernet", "build_plain_supernet"]


class PlainMixedCell(MixedCell):
    """A convolutional cell of a supernet on ``(N, C, L)``."""

    def forward(self, s0: Tensor, s1: Tensor, mix: Mix) -> Tensor:
        """Return ``(N, n_nodes * C, out_length)`` for the outputs ``(N, C, L)`` of the two cells before."""
        values = {0: self.input0(s0), 1: self.input1(s1)}
        for edge, ops in mix.weighted_ops():
            for name, weight in ops:
                output = self._run(self._op(edge, name), values[edge.source])
                if weight is not None:
                    output = weight * output
                before = values.get(edge.target)
                values[edge.target] = output if before is None else before + output
        return torch.cat([values[node] for node in sorted(values) if node >= 2], dim=1)

    def _run(self, op: nn.Module, x: Tensor) -> Tensor:
        output: Tensor = op(x)
        if isinstance(op, nn.Identity):
            return F.dropout(output, self.skip_dropout, self.training)
        return output


class PlainMixedRecurrentCell(MixedRecurrentCell):
    """The recurrent cell of a supernet, one position after another, one state after another."""

    def forward(self, sequence: Tensor, mix: Mix) -> Tensor:
        """Return the hidden states ``(T, N, H)`` along ``sequence`` ``(T, N, H)``, from a zero state on."""
        x = sequence.to(self.weights[0].dtype)
        mask_x, mask_h = self._masks(x[0])
        h = torch.zeros_like(x[0])
        hidden = []
        for position in x:
            inputs = torch.cat([masked(position, mask_x), masked(h, mask_h)], dim=-1)
            h = self._step(inputs, h, mask_h, mix)
            hidden.append(h)
        return torch.stack(hidden)

    def _step(self, inputs: Tensor, h: Tensor, mask_h: Tensor | None, mix: Mix) -> Tensor:
        """Return the next hidden state ``(N, H)`` for ``inputs`` ``(N, 2H)``."""
        ops = mix.ops()
        weights = mix.dense(ops, h)
        gate, candidate = (inputs @ self.weights[0]).chunk(2, dim=-1)
        states = [self.norm(h + torch.sigmoid(gate) * (torch.tanh(candidate) - h))]
        for number, sources, rows in nodes_of(mix.edges):
            before = torch.stack([states[source] for source in sources])  # (k, N, H)
            gate, candidate = (masked(before, mask_h) @ self.weights[number]).chunk(2, dim=-1)
            gate = torch.sigmoid(gate)
            total = torch.zeros_like(h)
            for column, op in enumerate(ops):
                activation = get_primitive(op, "activation").builder()
                moved = before + gate * (activation(candidate) - before)
                total = total + (weights[rows, column, None, None] * moved).sum(dim=0)
            states.append(self.norm(total))
        return torch.stack(states[1:]).mean(dim=0)


class PlainSupernet(Supernet):
    """The supernet, plain; made by :func:`build_plain_supernet`."""

    cell_type: ClassVar[type[MixedCell]] = PlainMixedCell
    recurrent_type: ClassVar[type[MixedRecurrentCell]] = PlainMixedRecurrentCell

    def _enter(self, x: Tensor) -> Tensor:
        output: Tensor = self.stem(x)
        return output

    def _leave(self, x: Tensor) -> Tensor:
        return x


def build_plain_supernet(
    live: LiveOps,
    macro: Macro,
    task: Task,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    checkpoint_cells: bool = False,
) -> PlainSupernet:
    """Return the plain supernet of ``live``; same weights as :func:`~genotools.nn.supernet.build_supernet` gives."""
    with forked_torch(seed):
        supernet = PlainSupernet(live, macro, task, checkpoint_cells=checkpoint_cells)
    return supernet.to(device)
