"""The recurrent cell of a supernet: every state is a mixture over its live predecessors and activations.

With H hidden units, weights ``W_0`` (2H x 2H) and ``W_i`` (H x 2H), at every position

    (c, u) = [x * mask_x, h * mask_h] W_0;   s_0 = BN(h + sigmoid(c) (tanh(u) - h))
    (c_j, u_j) = (s_j * mask_h) W_i          for every live predecessor j < i
    s_i = BN(sum over j and f of p[j -> i, f] (s_j + sigmoid(c_j) (f(u_j) - s_j)))
    h = mean(s_1, ..., s_n)

starting from h = 0, where BN is one batch norm without parameters, shared by all states and positions. So its
running statistics are an average over the last states of a sequence, and evaluation mode differs from training mode
more than elsewhere.

Fast: the predecessors of a state lie side by side, so that a weight matrix is read once for all of them; inputs of
all positions go through ``W_0`` at once; matrices are packed once a pass; the backward pass is written out, keeps
one tensor a state instead of ten, and takes weight gradients of many positions with one product. The plain version
is in :mod:`genotools.nn.supernet_plain`.

References: Scheppach et al., section III; Zilly et al., Recurrent Highway Networks (2017).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genotools.nn.activation_mix import activate_each, mixture, mixture_slope_, tanh
from genotools.nn.live_ops import LiveEdge
from genotools.nn.mixing import Mix
from genotools.nn.products import outer_product, packed_product
from genotools.nn.recurrent_cell import INIT_RANGE
from genotools.nn.recurrent_unroll import masked

__all__ = ["ROWS_AT_ONCE", "MixedRecurrentCell", "Node", "nodes_of"]

ROWS_AT_ONCE = 256
"""Rows per predecessor that a product for weight gradients takes; the gradients of as many projections are kept."""


class MixedRecurrentCell(nn.Module):
    """The recurrent cell of a supernet on ``hidden`` units; ``weights.i`` makes state i.

    Its gradients cannot be differentiated again; those of the plain version can.

    Attributes
    ----------
    dropout_x, dropout_h
        Rates of variational dropout on the inputs and on the states, in training; drawn from PyTorch's global
        generator of the device.
    """

    def __init__(self, edges: Sequence[LiveEdge], hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.dropout_x = 0.0
        self.dropout_h = 0.0
        self.n_states = edges[-1].target
        widths = [2 * hidden] + [hidden] * self.n_states
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(width, 2 * hidden).uniform_(-INIT_RANGE, INIT_RANGE)) for width in widths
        )
        self.norm = nn.BatchNorm1d(hidden, affine=False)

    def forward(self, sequence: Tensor, mix: Mix) -> Tensor:
        """Return the hidden states ``(T, N, H)`` along ``sequence`` ``(T, N, H)``, from a zero state on.

        Raises
        ------
        ValueError
            If a single sequence is to be normalised by statistics of its batch.
        """
        # The states keep the weights' precision even where autocast has made the sequence bfloat16.
        x = sequence.to(self.weights[0].dtype)
        mask_x, mask_h = self._masks(x[0])
        ops = mix.ops()
        plan = _Plan(nodes_of(mix.edges), ops, self.norm.eps, torch.is_grad_enabled())
        statistics = (None, None) if self.norm.training else (self.norm.running_mean, self.norm.running_var)
        with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):
            hidden, means, rstds = _Unroll.apply(  # type: ignore[no-untyped-call]
                plan, statistics, mask_x, mask_h, x, mix.dense(ops, x), *self.weights
            )
        if self.norm.training and self.norm.track_running_stats:
            self._update_statistics(means, rstds, n_sequences=len(x[0]))
        states: Tensor = hidden
        return states

    def _masks(self, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the masks of inputs and states ``(N, H)``; also where batch statistics are impossible, say so."""
        if self.norm.training and len(like) < 2:
            raise ValueError(
                "a supernet's recurrent cell takes statistics of a batch in training mode: "
                "at least 2 sequences are needed, not 1. Use a larger batch, or evaluation mode."
            )
        mask_x, mask_h = (
            torch.empty_like(like).bernoulli_(1 - rate) / (1 - rate) if self.training and rate > 0 else None
            for rate in (self.dropout_x, self.dropout_h)
        )
        return mask_x, mask_h

    @torch.no_grad()
    def _update_statistics(self, means: Tensor, rstds: Tensor, *, n_sequences: int) -> None:
        """Do at once what a batch norm does in one update after another, in the order of positions and states."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        n_updates = means.shape[0] * means.shape[1]
        keep = 1 - (0.0 if norm.momentum is None else norm.momentum)
        age = torch.arange(n_updates - 1, -1, -1, device=means.device, dtype=means.dtype)
        shares = (1 - keep) * keep**age
        variances = (rstds.pow(-2) - norm.eps) * (n_sequences / (n_sequences - 1))
        norm.running_mean.mul_(keep**n_updates).add_(shares @ means.flatten(0, 1))
        norm.running_var.mul_(keep**n_updates).add_(shares @ variances.flatten(0, 1))
        norm.num_batches_tracked.add_(n_updates)


class Node(NamedTuple):
    """One state: its number, its live predecessors, and their rows in the matrix of weights."""

    number: int
    sources: list[int]
    rows: slice

    def gather(self, states: Tensor) -> Tensor:
        """Return the predecessors among ``(..., n_states + 1, N, H)``; a view where they are the first ones."""
        n_sources = len(self.sources)
        if self.sources[-1] == n_sources - 1:
            return states[..., :n_sources, :, :]
        return states[..., self.sources, :, :]

    def scatter_add(self, states: Tensor, values: Tensor) -> None:
        """Add ``values`` to the predecessors."""
        n_sources = len(self.sources)
        if self.sources[-1] == n_sources - 1:
            states[:n_sources].add_(values)
        else:
            states[self.sources] += values


class _Plan(NamedTuple):
    """What does not change along the sequence: states, activations by column, and whether to keep for gradients."""

    nodes: list[Node]
    ops: tuple[str, ...]
    eps: float
    keep: bool


def nodes_of(edges: Sequence[LiveEdge]) -> list[Node]:
    """Return the states in order, with their live predecessors."""
    nodes: list[Node] = []
    for row, edge in enumerate(edges):
        if not nodes or nodes[-1].number != edge.target:
            nodes.append(Node(edge.target, [], slice(row, row)))
        node = nodes[-1]
        nodes[-1] = Node(node.number, [*node.sources, edge.source], slice(node.rows.start, row + 1))
    return nodes


class _Unroll(torch.autograd.Function):
    """The whole sequence as one function; its second and third output are the statistics of every batch norm."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: _Plan,
        statistics: tuple[Tensor | None, Tensor | None],
        mask_x: Tensor | None,
        mask_h: Tensor | None,
        x: Tensor,
        mix: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n_positions, n_sequences, n_hidden = x.shape
        normalise = _normaliser(*statistics, plan.eps)
        from_input = packed_product(weights[0][:n_hidden])(masked(x, mask_x))  # (T, N, 2H)
        from_hidden, *products = [packed_product(weight) for weight in (weights[0][n_hidden:], *weights[1:])]
        mixes = [_node_mix(mix, node) for node in plan.nodes]
        states = x.new_empty(n_positions, len(weights), n_sequences, n_hidden)
        means, rstds = (x.new_empty(n_positions, len(weights), n_hidden) for _ in range(2))
        hidden = torch.empty_like(x)
        h = torch.zeros_like(x[0])
        projections = []
        for position, (here, mean, rstd) in enumerate(zip(states, means, rstds, strict=True)):
            projection = from_hidden(masked(h, mask_h)).add_(from_input[position])
            gate, candidate = _open_gate(projection)
            projections.append(projection)
            normalise(torch.lerp(h, tanh(candidate), gate), here[0], mean[0], rstd[0])
            for node, (weight, total) in zip(plan.nodes, mixes, strict=True):
                before = node.gather(here)  # (k, N, H)
                projection = products[node.number - 1](masked(before, mask_h))
                gate, candidate = _open_gate(projection)
                projections.append(projection)
                mixed = mixture(activate_each(candidate, plan.ops), weight)
                value = torch.lerp(before * total, mixed, gate).sum(0)
                normalise(value, here[node.number], mean[node.number], rstd[node.number])
            h = torch.mean(here[1:], 0, out=hidden[position])
            if not plan.keep:
                projections.clear()
        ctx.plan, ctx.in_training, ctx.n_weights = plan, statistics[0] is None, len(weights)
        ctx.save_for_backward(x, mix, mask_x, mask_h, states, rstds, hidden, *weights, *projections)
        ctx.mark_non_differentiable(means, rstds)
        return hidden, means, rstds

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Backward(ctx).run(gradients[0])


class _Backward:
    """The backward pass of :class:`_Unroll`, from the last position to the first."""

    def __init__(self, ctx: Any) -> None:
        saved = ctx.saved_tensors
        self.plan: _Plan = ctx.plan
        self.in_training: bool = ctx.in_training
        self.needs_x, self.needs_mix, *needs_weights = ctx.needs_input_grad[4:]
        self.needs_weights = any(needs_weights)
        self.x, self.mix, self.mask_x, self.mask_h, self.states, self.rstds, self.hidden = saved[:7]
        self.weights, self.projections = saved[7 : 7 + ctx.n_weights], saved[7 + ctx.n_weights :]
        n_positions, n_sequences, n_hidden = self.x.shape
        self.products = [
            packed_product(weight.t()) for weight in (self.weights[0][n_hidden:], *self.weights[1:])
        ]
        self.mixes = [_node_mix(self.mix, node) for node in self.plan.nodes]
        self.d_mix = torch.zeros_like(self.mix)
        self.d_first = self.x.new_empty(n_positions, n_sequences, 2 * n_hidden)
        self.n_at_once = min(n_positions, -(-ROWS_AT_ONCE // n_sequences))
        self.d_projections = [
            self.x.new_empty(self.n_at_once, len(node.sources), n_sequences, 2 * n_hidden)
            for node in self.plan.nodes
        ]
        self.d_weights: list[Tensor | None] = [None] * len(self.weights)
        # A batch norm of standardised values: mean 0, deviation 1, and its scale is the true one over that.
        self.zero, self.one = self.x.new_zeros(n_hidden), self.x.new_ones(n_hidden)

    def run(self, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        n_nodes = len(self.plan.nodes)
        dh = torch.zeros_like(self.x[0])
        for position in reversed(range(len(self.x))):
            here, rstd = self.states[position], self.rstds[position]
            projections = self.projections[position * (1 + n_nodes) :][: 1 + n_nodes]
            d_here = torch.empty_like(here)
            torch.add(dh, d_hidden[position], out=d_here[1]).div_(n_nodes)
            d_here[2:] = d_here[1]
            d_here[0] = 0
            for index in reversed(range(n_nodes)):
                node = self.plan.nodes[index]
                d_value = self._through_norm(d_here[node.number], here[node.number], rstd[node.number])
                d_projection = self.d_projections[index][position % self.n_at_once]
                d_before = self._node(index, node.gather(here), d_value, projections[1 + index], d_projection)
                node.scatter_add(d_here, d_before)
            d_value = self._through_norm(d_here[0], here[0], rstd[0])
            dh = self._first(position, d_value, projections[0], self.d_first[position])
            if self.needs_weights and position % self.n_at_once == 0:
                self._add_d_weights(position)
        d_mix = self.d_mix if self.needs_mix else None
        return None, None, None, None, self._d_x(), d_mix, *self.d_weights

    def _through_norm(self, gradient: Tensor, value: Tensor, rstd: Tensor) -> Tensor:
        """Return the gradient before a batch norm for the one behind it."""
        if not self.in_training:
            return gradient * rstd
        d_value: Tensor = torch.ops.aten.native_batch_norm_backward(
            gradient, value, rstd, None, None, self.zero, self.one, True, 0.0, [True, False, False]
        )[0]
        return d_value

    def _node(
        self, index: int, before: Tensor, d_value: Tensor, projection: Tensor, d_projection: Tensor
    ) -> Tensor:
        """Write the gradient of a state's projections, return that of its predecessors ``(k, N, H)``."""
        weight, total = self.mixes[index]
        gate, candidate = projection.chunk(2, dim=-1)
        d_gate, d_candidate = d_projection.chunk(2, dim=-1)
        values = activate_each(candidate, self.plan.ops)
        d_mixed = d_value * gate
        d_kept = d_value - d_mixed
        moved = mixture(values, weight).addcmul_(before, total, value=-1)
        torch.mul(moved.mul_(d_kept), gate, out=d_gate)
        if self.needs_mix:
            shares = torch.bmm(values.flatten(2), d_mixed.flatten(1).unsqueeze(2)).squeeze(2)
            kept = torch.bmm(d_kept.flatten(1).unsqueeze(1), before.flatten(1).unsqueeze(2)).squeeze(2)
            self.d_mix[self.plan.nodes[index].rows] += shares.add_(kept)
        torch.mul(d_mixed, mixture_slope_(candidate, values, weight, self.plan.ops), out=d_candidate)
        through = masked(self.products[1 + index](d_projection), self.mask_h)
        return through.addcmul_(d_kept, total)

    def _first(self, position: int, d_value: Tensor, projection: Tensor, d_projection: Tensor) -> Tensor:
        """Write the gradient of state 0's projection, return that of the hidden state before."""
        gate, candidate = projection.chunk(2, dim=-1)
        d_gate, d_candidate = d_projection.chunk(2, dim=-1)
        value = tanh(candidate)
        d_mixed = d_value * gate
        d_kept = d_value - d_mixed
        torch.addcmul(d_mixed, d_mixed, value.square(), value=-1, out=d_candidate)
        moved = value.sub_(self.hidden[position - 1]) if position else value
        torch.mul(moved.mul_(d_kept), gate, out=d_gate)
        return masked(self.products[0](d_projection), self.mask_h).add_(d_kept)

    def _d_x(self) -> Tensor | None:
        if not self.needs_x:
            return None
        product = packed_product(self.weights[0][: self.x.shape[2]].t())
        return masked(product(self.d_first), self.mask_x)

    def _add_d_weights(self, first: int) -> None:
        """Add the share of the positions from ``first`` on that are finished: one product a matrix."""
        here = slice(first, min(first + self.n_at_once, len(self.x)))
        for index, node in enumerate(self.plan.nodes):
            values = masked(node.gather(self.states[here]), self.mask_h)
            self._add_d_weight(1 + index, values, self.d_projections[index][: len(values)])
        if first == 0:
            before = torch.cat([torch.zeros_like(self.hidden[:1]), self.hidden[:-1]])
            values = torch.cat([masked(self.x, self.mask_x), masked(before, self.mask_h)], dim=-1)
            self._add_d_weight(0, values, self.d_first)

    def _add_d_weight(self, number: int, values: Tensor, gradient: Tensor) -> None:
        d_weight = outer_product(values.flatten(0, -2), gradient.flatten(0, -2))
        before = self.d_weights[number]
        self.d_weights[number] = d_weight if before is None else before.add_(d_weight)


class _NodeMix(NamedTuple):
    """The weights of one state's activations ``(k, n_ops)``, and their sums ``(k, 1, 1)``."""

    weight: Tensor
    total: Tensor


def _node_mix(mix: Tensor, node: Node) -> _NodeMix:
    weight = mix[node.rows]
    return _NodeMix(weight, weight.sum(1)[:, None, None])


def _normaliser(
    mean: Tensor | None, variance: Tensor | None, eps: float
) -> Callable[[Tensor, Tensor, Tensor, Tensor], object]:
    """Return what standardises ``(N, H)`` by its own statistics or the given ones; results go where they belong."""
    if mean is None or variance is None:
        standardise = torch.ops.aten.native_batch_norm.out
        return lambda x, into, mean_into, rstd_into: standardise(
            x, None, None, None, None, True, 0.0, eps, out=into, save_mean=mean_into, save_invstd=rstd_into
        )
    rstd = (variance + eps).rsqrt()

    def apply(x: Tensor, into: Tensor, mean_into: Tensor, rstd_into: Tensor) -> None:
        torch.mul(x - mean, rstd, out=into)
        mean_into.copy_(mean)
        rstd_into.copy_(rstd)

    return apply


def _open_gate(projection: Tensor) -> tuple[Tensor, Tensor]:
    """Return gate and candidate of ``(..., 2H)``; the gate's sigmoid replaces its half in place."""
    gate, candidate = projection.chunk(2, dim=-1)
    return gate.sigmoid_(), candidate
