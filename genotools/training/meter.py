"""Sums of losses, kept on the device so that no step waits for it."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.training.ranks import Ranks

__all__ = ["BadStep", "Meter"]


class BadStep(NamedTuple):
    """A step, from 1, that was not finite: its loss, or else what was watched beside it."""

    step: int
    is_loss: bool


class Meter:
    """Running sums of loss and slowness, and the first step that was not finite."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        # 0: none. A step of a bad loss, or the negative of one where only what was watched is bad.
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, loss: Tensor, slowness: Tensor, watched: Tensor, *, step: int) -> None:
        """Add the scalars of ``step``, counted from 1; nothing waits for them.

        ``watched`` must be finite as well: the norm of what a bad number would get into next.
        """
        self._sums += torch.stack([loss, slowness])
        is_finite = torch.isfinite(loss)
        is_first = ~(is_finite & torch.isfinite(watched)) & (self._first_bad == 0)
        self._first_bad = torch.where(is_first, torch.where(is_finite, -step, step), self._first_bad)

    def average(self, ranks: Ranks) -> None:
        """Make the sums those of all ranks together, per rank."""
        ranks.average([self._sums])

    def means(self, n_steps: int) -> tuple[float, float]:
        """Return the means of loss and slowness over ``n_steps``; waits for the device."""
        loss, slowness = (self._sums / n_steps).tolist()
        return loss, slowness

    def first_bad(self) -> BadStep | None:
        """Return the first step that was NaN or infinite; waits for the device."""
        step = int(self._first_bad.item())
        return BadStep(abs(step), is_loss=step > 0) if step else None

    def state(self) -> dict[str, Tensor]:
        """Return the meter as tensors; :meth:`from_state` gives it back."""
        return {"sums": self._sums, "first_bad": self._first_bad}

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], device: torch.device) -> "Meter":
        """Return a meter that goes on from ``tensors``."""
        meter = cls(device)
        if {name: tensor.shape for name, tensor in tensors.items()} != {
            name: tensor.shape for name, tensor in meter.state().items()
        }:
            raise DataError("the checkpoint's sums of losses are damaged.")
        meter._sums = tensors["sums"].to(device)
        meter._first_bad = tensors["first_bad"].to(device)
        return meter
