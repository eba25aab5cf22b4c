"""The recurrent cell along a whole sequence, fast: the same sums as the plain loop in another order.

States with one predecessor are a family. Their matrices lie side by side, so that the predecessor is multiplied once
for all of them, and their states lie one behind the other, so that one call treats all. The families are worked out
from the genotype (:func:`families_of`); the rest is this, for every position:

* inputs of all positions go through their part of ``W_0`` before the loop, in one product;
* states, gates and candidates are written once, into memory that holds the whole sequence;
* the backward pass is written out. It takes the gradient of a family's matrices after the loop, in one product over
  the rows of all positions, instead of one a position.

Every matrix is laid out once a pass for the faster library of the machine (:mod:`genotools.nn.products`). Without
gradients nothing is kept but the hidden states.

The formulas are those of :mod:`genotools.nn.recurrent_cell`. With g the gate and a the candidate of state s of
predecessor p, s = p + g (a - p), so for the gradient ds

    da = ds g;    dp = ds (1 - g);    d(gate's argument) = (a - p) dp g
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genotools.genotype.cells import RecurrentCell
from genotools.nn.activation_mix import tanh
from genotools.nn.products import Product, outer_product, packed_product

__all__ = [
    "Family",
    "PackedWeights",
    "families_of",
    "has_fast_activations",
    "masked",
    "unroll",
    "unroll_packed",
]


class Family(NamedTuple):
    """The states that have one predecessor.

    Attributes
    ----------
    predecessor
        Its place in memory; the cell's input state has place 0.
    first, stop
        The places of the family.
    numbers
        Their states' numbers in the genotype, in the order of places.
    runs
        ``(activation, first, stop)``: places, counted in the family, with the same activation.
    """

    predecessor: int
    first: int
    stop: int
    numbers: tuple[int, ...]
    runs: tuple[tuple[str, int, int], ...]

    @property
    def size(self) -> int:
        """Number of states."""
        return self.stop - self.first


def families_of(cell: RecurrentCell) -> list[Family]:
    """Return the families of a cell, every predecessor's place before those of its family.

    Examples
    --------
    >>> [family.numbers for family in families_of(RecurrentCell([(0, "tanh"), (1, "relu"), (0, "relu")]))]
    [(3, 1), (2,)]
    """
    places, families = {0: 0}, []
    queue = [0]
    while queue:
        predecessor = queue.pop(0)
        children = [n for n, state in enumerate(cell.states, start=1) if state.predecessor == predecessor]
        if not children:
            continue
        children.sort(key=lambda number: cell.states[number - 1].activation)
        first, runs, start = len(places), [], 0
        for activation, members in groupby(children, key=lambda n: cell.states[n - 1].activation):
            stop = start + len(list(members))
            runs.append((activation, start, stop))
            start = stop
        places |= {number: first + index for index, number in enumerate(children)}
        family = (places[predecessor], first, first + len(children), tuple(children), tuple(runs))
        families.append(Family(*family))
        queue += children
    return families


def has_fast_activations(cell: RecurrentCell) -> bool:
    """Return whether the slopes of all activations are known here; a user's own are left to autograd."""
    return all(state.activation in _ACTIVATIONS for state in cell.states)


class PackedWeights:
    """The matrices of a recurrent cell, laid out for products with many states one after the other.

    Parameters
    ----------
    weights
        ``weights[i]`` makes state i: ``(2H, 2H)`` for 0, ``(H, 2H)`` for the others. They are read once.
    families
        See :func:`families_of`.
    dtype
        The precision to multiply in; None is that of the weights.
    """

    def __init__(
        self, weights: Sequence[Tensor], families: Sequence[Family], dtype: torch.dtype | None = None
    ) -> None:
        hidden = weights[0].shape[1] // 2
        self.families = list(families)
        self.from_input: Product = packed_product(weights[0][:hidden], dtype)
        self.from_hidden: Product = packed_product(weights[0][hidden:], dtype)
        self.of_family: list[Product] = [
            packed_product(side_by_side(weights, family), dtype) for family in families
        ]


def side_by_side(weights: Sequence[Tensor], family: Family) -> Tensor:
    """Return the matrices of a family as one ``(H, size * 2H)``."""
    matrices = [weights[number] for number in family.numbers]
    return matrices[0] if len(matrices) == 1 else torch.cat(matrices, dim=1)


def unroll(
    sequence: Tensor,
    families: Sequence[Family],
    weights: Sequence[Tensor],
    mask_x: Tensor | None = None,
    mask_h: Tensor | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the hidden states ``(T, N, H)`` along ``sequence`` ``(T, N, H)``, from a zero state on.

    Parameters
    ----------
    sequence
        Inputs, in the precision of the weights.
    families, weights
        As in :class:`PackedWeights`.
    mask_x, mask_h
        Masks ``(N, H)`` of the inputs and the states.
    dtype
        The precision to multiply in; None is that of the weights.

    Gradients are taken by the sequence and the weights, once; they cannot be differentiated again.
    """
    if torch.is_grad_enabled() and (sequence.requires_grad or any(w.requires_grad for w in weights)):
        hidden: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            families, dtype, mask_x, mask_h, sequence, *weights
        )
        return hidden
    return unroll_packed(sequence, PackedWeights(weights, families, dtype), mask_x, mask_h)


@torch.no_grad()
def unroll_packed(
    sequence: Tensor, packed: PackedWeights, mask_x: Tensor | None = None, mask_h: Tensor | None = None
) -> Tensor:
    """Return what :func:`unroll` does, without gradients, with matrices that were laid out before."""
    n_positions, n_sequences, n_hidden = sequence.shape
    states = sequence.new_empty(1 + sum(family.size for family in packed.families), n_sequences, n_hidden)
    hidden = torch.empty_like(sequence, memory_format=torch.contiguous_format)
    h = torch.zeros_like(states[0])
    inputs = packed.from_input(masked(sequence, mask_x))
    for position in range(n_positions):
        _step(packed, inputs[position], h, mask_h, states)
        h = torch.mean(states[1:], 0, out=hidden[position])
    return hidden


def _step(
    packed: PackedWeights, from_input: Tensor, h: Tensor, mask_h: Tensor | None, states: Tensor
) -> list[Tensor]:
    """Write the states of one position, places first; return gates and candidates of state 0 and the families."""
    projection = packed.from_hidden(masked(h, mask_h)).add_(from_input)
    gate, candidate = projection.chunk(2, dim=-1)
    torch.lerp(h, tanh(candidate, out=candidate), gate.sigmoid_(), out=states[0])
    projections = [projection]
    for family, product in zip(packed.families, packed.of_family, strict=True):
        before = states[family.predecessor]
        projection = product(masked(before, mask_h))
        gate, candidate = gates_and_candidates(projection, family)
        gate.sigmoid_()
        for activation, start, stop in family.runs:
            _ACTIVATIONS[activation](candidate[start:stop])
        torch.lerp(before, candidate, gate, out=states[family.first : family.stop])
        projections.append(projection)
    return projections


class _Unroll(torch.autograd.Function):
    """The whole sequence as one function with a backward pass of its own."""

    @staticmethod
    def forward(
        ctx: Any,
        families: Sequence[Family],
        dtype: torch.dtype | None,
        mask_x: Tensor | None,
        mask_h: Tensor | None,
        x: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        n_positions, n_sequences, n_hidden = x.shape
        packed = PackedWeights(weights, families, dtype)
        states = x.new_empty(n_positions, len(weights), n_sequences, n_hidden)
        hidden = torch.empty_like(x, memory_format=torch.contiguous_format)
        h = torch.zeros_like(states[0, 0])
        inputs = packed.from_input(masked(x, mask_x))
        projections: list[Tensor] = []
        for position, here in enumerate(states):
            projections += _step(packed, inputs[position], h, mask_h, here)
            h = torch.mean(here[1:], 0, out=hidden[position])
        ctx.families, ctx.dtype, ctx.n_weights = families, dtype, len(weights)
        ctx.save_for_backward(mask_x, mask_h, x, states, hidden, *weights, *projections)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, None, *_Backward(ctx).run(d_hidden)


class _Backward:
    """The backward pass, from the last position to the first."""

    def __init__(self, ctx: Any) -> None:
        self.families: Sequence[Family] = ctx.families
        self.dtype: torch.dtype | None = ctx.dtype
        self.needs_x, *needs_weights = ctx.needs_input_grad[4:]
        self.needs_weights = any(needs_weights)
        self.mask_x, self.mask_h, self.x, self.states, self.hidden, *rest = ctx.saved_tensors
        self.weights, self.projections = rest[: ctx.n_weights], rest[ctx.n_weights :]
        n_positions, n_sequences, n_hidden = self.x.shape
        self.through_hidden = packed_product(self.weights[0][n_hidden:].t(), self.dtype)
        self.through_family = [
            packed_product(side_by_side(self.weights, family).t(), self.dtype) for family in self.families
        ]
        # Gradients of all projections, for the products after the loop.
        self.d_first = self.x.new_empty(n_positions, n_sequences, 2 * n_hidden)
        self.d_projections = [
            self.x.new_empty(n_positions, n_sequences, 2 * n_hidden * family.size) for family in self.families
        ]

    def run(self, d_hidden: Tensor) -> list[Tensor | None]:
        """Return the gradients of the inputs and of every matrix."""
        n_states = len(self.weights) - 1
        d_states = torch.empty_like(self.states[0])
        dh = torch.zeros_like(self.x[0])
        for position in reversed(range(len(self.x))):
            d_states[0].zero_()
            torch.add(dh, d_hidden[position], out=d_states[1]).div_(n_states)
            d_states[2:] = d_states[1]
            for index in reversed(range(len(self.families))):
                self._family(position, index, d_states)
            dh = self._first(position, d_states[0])
        return [self._d_x(), *self._d_weights()]

    def _family(self, position: int, index: int, d_states: Tensor) -> None:
        """Write the gradient of a family's projections and add that of its predecessor."""
        family = self.families[index]
        before = self.states[position, family.predecessor]
        projection = self.projections[position * (1 + len(self.families)) + 1 + index]
        gate, candidate = gates_and_candidates(projection, family)
        d_projection = self.d_projections[index][position]
        d_gate, d_candidate = gates_and_candidates(d_projection, family)
        d_state = d_states[family.first : family.stop]
        torch.mul(d_state, gate, out=d_candidate)
        d_kept = d_state - d_candidate
        torch.mul(torch.sub(candidate, before).mul_(d_kept), gate, out=d_gate)
        for activation, start, stop in family.runs:
            _SLOPES[activation](candidate[start:stop], d_candidate[start:stop])
        through = masked(self.through_family[index](d_projection), self.mask_h)
        d_before = d_states[family.predecessor]
        d_before.add_(through).add_(d_kept[0] if family.size == 1 else d_kept.sum(0))

    def _first(self, position: int, d_state: Tensor) -> Tensor:
        """Write the gradient of state 0's projection, return that of the hidden state before."""
        projection = self.projections[position * (1 + len(self.families))]
        gate, candidate = projection.chunk(2, dim=-1)
        d_gate, d_candidate = self.d_first[position].chunk(2, dim=-1)
        torch.mul(d_state, gate, out=d_candidate)
        d_kept = d_state - d_candidate
        moved = candidate - self.hidden[position - 1] if position else candidate
        torch.mul(moved * d_kept, gate, out=d_gate)
        _SLOPES["tanh"](candidate, d_candidate)
        return masked(self.through_hidden(self.d_first[position]), self.mask_h).add_(d_kept)

    def _d_x(self) -> Tensor | None:
        if not self.needs_x:
            return None
        product = packed_product(self.weights[0][: self.x.shape[2]].t(), self.dtype)
        return masked(product(self.d_first), self.mask_x)

    def _d_weights(self) -> list[Tensor | None]:
        """Return the gradient of every matrix: one product a family over the rows of all positions."""
        gradients: list[Tensor | None] = [None] * len(self.weights)
        if not self.needs_weights:
            return gradients
        before = torch.cat([torch.zeros_like(self.hidden[:1]), self.hidden[:-1]])
        inputs = torch.cat([masked(self.x, self.mask_x), masked(before, self.mask_h)], dim=-1)
        gradients[0] = self._d_weight(inputs, self.d_first)
        for family, d_projection in zip(self.families, self.d_projections, strict=True):
            inputs = masked(self.states[:, family.predecessor], self.mask_h)
            parts = self._d_weight(inputs, d_projection).chunk(family.size, dim=1)
            for number, part in zip(family.numbers, parts, strict=True):
                gradients[number] = part.contiguous()
        return gradients

    def _d_weight(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        return outer_product(inputs.flatten(0, 1), gradient.flatten(0, 1), self.dtype)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return ``x`` times a mask of variational dropout, where there is one."""
    return x if mask is None else x * mask


def gates_and_candidates(projection: Tensor, family: Family) -> tuple[Tensor, Tensor]:
    """Return views ``(size, N, H)`` of the gates and the candidates in ``(N, size * 2H)``."""
    n_sequences, width = projection.shape
    halves = projection.view(n_sequences, family.size, 2, width // (2 * family.size)).permute(2, 1, 0, 3)
    return halves[0], halves[1]


def _tanh_slope(value: Tensor, gradient: Tensor) -> None:
    gradient.addcmul_(gradient * value, value, value=-1)


def _sigmoid_slope(value: Tensor, gradient: Tensor) -> None:
    gradient.mul_(value).addcmul_(gradient, value, value=-1)


# The published activations, in place.
_ACTIVATIONS: Mapping[str, Callable[[Tensor], object]] = {
    "tanh": lambda u: tanh(u, out=u),
    "identity": lambda u: u,
    "sigmoid": lambda u: u.sigmoid_(),
    "relu": lambda u: u.relu_(),
}

# What turns the gradient of an activation's value into that of its argument, in place.
_SLOPES: Mapping[str, Callable[[Tensor, Tensor], object]] = {
    "tanh": _tanh_slope,
    "identity": lambda value, gradient: gradient,
    "sigmoid": _sigmoid_slope,
    "relu": lambda value, gradient: gradient.mul_(value.sign()),
}
