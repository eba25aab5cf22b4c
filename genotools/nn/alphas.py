"""Architecture logits of a supernet: one number for every live op of every live edge.

They are kept outside the supernet's parameters, so that no optimiser of weights ever moves them. Reference: Liu et
al., DARTS (2019).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps, Role

__all__ = ["INIT_SCALE", "Alphas"]

INIT_SCALE = 1e-3
"""Alphas start as this times standard normal numbers."""


class Alphas:
    """One matrix per cell: a row per live edge, a column per live op of that edge.

    Rows may differ in length; a row that is shorter than the widest is filled up with zeros that :meth:`softmax`
    leaves out and that never get a gradient.

    Parameters
    ----------
    live
        What the rows and columns stand for.
    generator
        Source of the initial values, :data:`INIT_SCALE` times standard normal; on the CPU, so that they are the
        same for every device.
    device, dtype
        Where the matrices live, and their precision.

    Attributes
    ----------
    live
        What the rows and columns stand for.

    Examples
    --------
    >>> from genotools import GENOME_NAS
    >>> alphas = Alphas(LiveOps.full(GENOME_NAS), generator=torch.Generator().manual_seed(0))
    >>> [tuple(tensor.shape) for tensor in alphas.tensors]
    [(14, 9), (14, 9), (36, 5)]
    """

    def __init__(
        self,
        live: LiveOps,
        *,
        generator: torch.Generator,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.live = live
        self._masks = {role: _mask(live, role).to(device) for role in ROLES}
        self._tensors: dict[Role, Tensor] = {}
        for role, mask in self._masks.items():
            values = torch.randn(mask.shape, generator=generator) * INIT_SCALE
            self._tensors[role] = (values.to(device, dtype) * mask).requires_grad_()

    @property
    def tensors(self) -> list[Tensor]:
        """The matrices of the normal, the reduction and the recurrent cell: what an optimiser takes."""
        return list(self._tensors.values())

    def __getitem__(self, role: Role) -> Tensor:
        return self._tensors[role]

    def softmax(self, role: Role) -> Tensor:
        """Return the weights of the ops, ``(n_edges, n_ops)``: each row sums to 1, filling is 0."""
        mask = self._masks[role]
        return self._tensors[role].masked_fill(~mask, -torch.inf).softmax(dim=1)

    @torch.no_grad()
    def probs(self, role: Role) -> dict[LiveOp, float]:
        """Return the softmax of every live op by ``(source, target, op)``, ``none`` included."""
        return self._by_op(role, self.softmax(role))

    @torch.no_grad()
    def values(self, role: Role) -> dict[LiveOp, float]:
        """Return the alpha of every live op by ``(source, target, op)``."""
        return self._by_op(role, self._tensors[role])

    def _by_op(self, role: Role, matrix: Tensor) -> dict[LiveOp, float]:
        # Row-major order of the mask is the order of `each`.
        numbers = matrix.detach()[self._masks[role]].tolist()
        return dict(zip(self.live.each(role), numbers, strict=True))

    @torch.no_grad()
    def set_values(self, role: Role, values: Mapping[tuple[int, int, str], float | Tensor]) -> None:
        """Set the alphas of some live ops, e.g. to switch one off with ``-inf`` in a copy.

        Raises
        ------
        DataError
            If one of them is not live.
        """
        places = self._places(role)
        for entry, value in values.items():
            if entry not in places:
                raise DataError(f"{role}: {entry[2]} on {entry[0]} -> {entry[1]} is not live.")
            self._tensors[role][places[LiveOp(*entry)]] = value

    @torch.no_grad()
    def carried(self, live: LiveOps) -> "Alphas":
        """Return the alphas of a part of this: the same number for every (edge, op) of ``live``.

        Raises
        ------
        DataError
            If something is live in ``live`` and not here.
        """
        if not self.live.contains(live):
            raise DataError("alphas cannot be carried: an op is live in the new stage that was not before.")
        first = self.tensors[0]
        new = Alphas(live, generator=torch.Generator(), device=first.device, dtype=first.dtype)
        for role in ROLES:
            places = self._places(role)
            rows_columns = [places[entry] for entry in live.each(role)]
            rows, columns = zip(*rows_columns, strict=True)
            new._tensors[role][new._masks[role]] = self._tensors[role][list(rows), list(columns)]
        return new

    def copy(self) -> "Alphas":
        """Return the same numbers in new tensors."""
        return self.carried(self.live)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Take no gradient of the alphas inside the block: for weight steps."""
        before = [tensor.requires_grad for tensor in self.tensors]
        for tensor in self.tensors:
            tensor.requires_grad_(False)
        try:
            yield
        finally:
            for tensor, required in zip(self.tensors, before, strict=True):
                tensor.requires_grad_(required)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the matrices by the name of their cell, for checkpoints; with :attr:`live` they say all."""
        return {role: tensor.detach().clone() for role, tensor in self._tensors.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over the numbers of :meth:`state_dict`.

        Raises
        ------
        DataError
            If a matrix is missing or has another shape.
        """
        for role, tensor in self._tensors.items():
            if role not in state or state[role].shape != tensor.shape:
                found = tuple(state[role].shape) if role in state else "none"
                raise DataError(f"alphas {role}: shape {found}, {tuple(tensor.shape)} was expected.")
        for role, tensor in self._tensors.items():
            tensor.copy_(state[role])

    def _places(self, role: Role) -> dict[LiveOp, tuple[int, int]]:
        return {
            LiveOp(source, target, op): (row, column)
            for row, (source, target, ops) in enumerate(self.live.edges(role))
            for column, op in enumerate(ops)
        }


def _mask(live: LiveOps, role: Role) -> Tensor:
    """Return where a matrix holds an alpha, bool ``(n_edges, largest number of ops)``."""
    counts = torch.tensor([len(edge.ops) for edge in live.edges(role)])
    return torch.arange(int(counts.max())) < counts[:, None]
