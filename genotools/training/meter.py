"""Sums of losses, kept on the device so that no step waits for it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.training.ranks import Ranks

__all__ = ["Meter"]


class Meter:
    """Running sums of loss and slowness, and the first step whose loss was not finite."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)  # 0: none

    def add(self, loss: Tensor, slowness: Tensor, *, step: int) -> None:
        """Add the scalars of ``step``, counted from 1; nothing waits for them."""
        self._sums += torch.stack([loss, slowness])
        is_first = ~torch.isfinite(loss) & (self._first_bad == 0)
        self._first_bad = torch.where(is_first, step, self._first_bad)

    def average(self, ranks: Ranks) -> None:
        """Make the sums those of all ranks together, per rank."""
        ranks.average([self._sums])

    def means(self, n_steps: int) -> tuple[float, float]:
        """Return the means of loss and slowness over ``n_steps``; waits for the device."""
        loss, slowness = (self._sums / n_steps).tolist()
        return loss, slowness

    def first_bad_step(self) -> int | None:
        """Return the first step whose loss was NaN or infinite; waits for the device."""
        return int(self._first_bad.item()) or None

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
