"""The recurrent cell: highway states over a tree, run along the positions.

With H hidden units, weights ``W_0`` (2H x 2H) and ``W_i`` (H x 2H), at every position

    (c, u) = [x * mask_x, h * mask_h] W_0;   s_0 = h + sigmoid(c) (tanh(u) - h)
    (c, u) = (s_p * mask_h) W_i;             s_i = s_p + sigmoid(c) (f_i(u) - s_p)     with p the predecessor of i
    h = mean(s_1, ..., s_n)

starting from h = 0. In training the masks are variational dropout: drawn once per sequence and unit, the same at
every position and state. The plain loop, ``unroll_plain``, is the ground truth that the fast one of
:mod:`genotools.nn.recurrent_unroll` is compared with.

References: Scheppach et al., section III; Zilly et al., Recurrent Highway Networks (2017); Gal and Ghahramani
(2016) for the masks.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genotools.genotype.cells import RecurrentCell
from genotools.genotype.primitives import get_primitive
from genotools.nn.recurrent_unroll import families_of, has_fast_activations, masked, unroll

__all__ = ["INIT_RANGE", "RecurrentCellModule"]

INIT_RANGE = 0.04
"""Weights start uniform in -0.04 to 0.04."""


class RecurrentCellModule(nn.Module):
    """A recurrent cell on ``hidden`` units; input and state have the same width.

    ``weights.i`` makes state i. Random masks are drawn from PyTorch's global generator of the device: run training
    inside :func:`genotools.randomness.forked_torch` to make it reproducible.

    Attributes
    ----------
    dropout_x, dropout_h
        Rates of the masks on the inputs and on the states, in training.
    families
        How :meth:`unroll` groups the states; None where it cannot.
    """

    def __init__(self, cell: RecurrentCell, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.hidden = hidden
        self.dropout_x = 0.0
        self.dropout_h = 0.0
        widths = [2 * hidden] + [hidden] * cell.n_states
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(width, 2 * hidden).uniform_(-INIT_RANGE, INIT_RANGE)) for width in widths
        )
        activations = [get_primitive(state.activation, "activation").builder() for state in cell.states]
        self._plan = [
            (number, cell.states[number - 1].predecessor, activations[number - 1])
            for number in cell.topological_order()
        ]
        self.families = families_of(cell) if has_fast_activations(cell) else None

    def forward(self, x: Tensor, h: Tensor, mask_x: Tensor | None, mask_h: Tensor | None) -> Tensor:
        """Return the next hidden state for one position; all arguments and the result are ``(N, H)``."""
        inputs = torch.cat([masked(x, mask_x), masked(h, mask_h)], dim=-1)  # (N, 2H)
        states = {0: _highway(h, inputs @ self.weights[0], torch.tanh)}
        for number, predecessor, activation in self._plan:
            state = states[predecessor]
            states[number] = _highway(state, masked(state, mask_h) @ self.weights[number], activation)
        return torch.stack([states[number] for number in range(1, self.cell.n_states + 1)]).mean(dim=0)

    def unroll(self, sequence: Tensor) -> Tensor:
        """Return the hidden states ``(T, N, H)`` along ``sequence`` ``(T, N, H)``, from a zero state on.

        Gradients cannot be differentiated again; those of :meth:`unroll_plain` can. A cell with an activation of the
        user's is unrolled the plain way.
        """
        if self.families is None or torch.compiler.is_compiling():
            return self.unroll_plain(sequence)
        device, precision = sequence.device.type, self.weights[0].dtype
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else precision
        x = sequence.to(precision)
        masks = self.masks(x[0])
        with torch.autocast(device, enabled=False):
            return unroll(x, self.families, list(self.weights), *masks, dtype=dtype)

    def unroll_plain(self, sequence: Tensor) -> Tensor:
        """Return what :meth:`unroll` does, one position after the other, differentiated by PyTorch."""
        # State and masks keep the weights' precision even where autocast has made the sequence bfloat16.
        h = torch.zeros_like(sequence[0], dtype=self.weights[0].dtype)
        mask_x, mask_h = self.masks(h)
        states = []
        for x in sequence.unbind(0):
            h = self(x, h, mask_x, mask_h)
            states.append(h)
        return torch.stack(states)

    def masks(self, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return masks of inputs and states for every sequence and unit, shaped ``like`` ``(N, H)``.

        They are 0 or ``1 / (1 - rate)``; None where nothing is dropped.
        """
        return self._mask(like, self.dropout_x), self._mask(like, self.dropout_h)

    def _mask(self, like: Tensor, rate: float) -> Tensor | None:
        if not self.training or rate == 0:
            return None
        return torch.empty_like(like).bernoulli_(1 - rate) / (1 - rate)


def _highway(state: Tensor, projection: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``state`` moved towards the candidate as far as the gate is open; ``projection`` is ``(N, 2H)``."""
    gate, candidate = projection.chunk(2, dim=-1)
    return state + torch.sigmoid(gate) * (activation(candidate) - state)
