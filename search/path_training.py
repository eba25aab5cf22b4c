"""Training of a supernet's weights on parts of it, one part a step, from any step on.

A part is a single path or more, summed without weights. Binary cross-entropy, gradients clipped, two groups of SGD.
Batches and dropout are a function of seed, epoch and step.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import parse_json
from genotools.formats import SHARED_WEIGHTS
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import Supernet
from genotools.randomness import forked_torch
from genotools.search.halves import EpochBatches
from genotools.search.supernet_state import by_part, joined, restore_supernet, supernet_state
from genotools.training.divergence import DivergedError, weights_fault
from genotools.training.loss import prediction_loss
from genotools.training.meter import Meter
from genotools.training.optimiser import clipped_step, make_optimiser, set_learning_rates
from genotools.training.precision import autocast, tensor_cores
from genotools.training.seeds import child_seed
from genotools.training.settings import TrainingSettings
from genotools.training.state_files import read_state, write_state
from genotools.training.validation import to_device

__all__ = ["PathTraining", "SavedTraining"]

ORDER, STEP = 40, 41
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""

LOWER_THE_RATES = (
    "Lower the learning rates or clip_norm, and search anew in another folder: resumed, the same search ends here "
    "again."
)

START_ANEW = (
    "Remove it, and the same name with .before behind it, and resume: its training starts anew. Where weights are "
    "kept for a whole search, as by enas, start that anew in another folder."
)

SAVED_EVERY = 200
"""Steps after which the state is saved within an epoch."""


class PathTraining:
    """A supernet between two steps of its training.

    Parameters
    ----------
    supernet
        Trained in place.
    store, rows
        What is learnt from.
    settings
        Batch, rates, clipping, dropout of the recurrent cell, strands; ``epochs`` is the span of the schedule.
    device
        Where the supernet is.
    path
        Where the state is kept; None keeps none.

    Attributes
    ----------
    round, epoch, step
        How far it is: ``epoch`` epochs of the round are finished, and ``step`` steps of the next.
    """

    def __init__(
        self,
        supernet: Supernet,
        store: SequenceStore,
        rows: NDArray[np.int64],
        settings: TrainingSettings,
        *,
        device: torch.device,
        path: Path | None,
    ) -> None:
        self.supernet, self.store, self.rows = supernet, store, rows
        self.settings, self.device = settings, device
        self.path = path
        self.round, self.epoch, self.step = 0, 0, 0
        self._meter, self._first = Meter(device), 0
        self._batches: EpochBatches | None = None
        self._parameters = dict(supernet.named_parameters())
        self._optimiser = make_optimiser(supernet, settings)
        supernet.set_dropout(dropout_x=settings.dropout_x, dropout_h=settings.dropout_h)

    def loss_so_far(self) -> float:
        """Return the mean loss of the epoch so far; waits for the device."""
        return self._meter.means(max(1, self.step - self._first))[0]

    def n_steps(self) -> int:
        """Return the steps of an epoch."""
        n_batches = max(1, len(self.rows) // self.settings.batch_size)
        return min(self.settings.steps_per_epoch or n_batches, n_batches)

    def run_epoch(
        self,
        parts: Sequence[LiveOps],
        *,
        seed: int,
        schedule_epoch: int,
        before_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Do what is left of an epoch, one step on each of ``parts``.

        Parameters
        ----------
        parts
            In order.
        seed
            Of the round.
        schedule_epoch
            Place in the schedule of the rates, from 0.
        before_step
            Called between two steps; may raise to stop.

        Raises
        ------
        DivergedError
            If losses, gradients or weights are no longer finite; names round, epoch, step and rows.
        """
        if parts:
            set_learning_rates(self._optimiser, self.settings, epoch=schedule_epoch)
            self._train(parts, seed, before_step)
        self.epoch, self.step = self.epoch + 1, 0
        self.save()

    def _train(self, parts: Sequence[LiveOps], seed: int, before_step: Callable[[], None]) -> None:
        batches = EpochBatches(
            self.store,
            self.rows,
            n_steps=len(parts),
            batch_size=self.settings.batch_size,
            reverse_complement_rate=self.settings.reverse_complement_rate,
            shift_bp=self.settings.shift_bp,
            seed=seed,
            path=(ORDER, self.epoch),
        )
        self._meter, self._first = Meter(self.device), self.step
        self._batches = batches
        self.supernet.train()
        while self.step < len(parts):
            before_step()
            codes, labels = batches[self.step]
            with forked_torch(child_seed(seed, STEP, self.epoch, self.step), device=str(self.device)):
                loss, norm = self._do_step(codes, labels, parts[self.step])
            self.step += 1
            self._meter.add(loss, torch.zeros_like(loss), norm, step=self.step)
            if self.step % SAVED_EVERY == 0 and self.step < len(parts):
                self.save()
        self._check_finite()

    def _do_step(
        self, codes: NDArray[np.uint8], labels: NDArray[np.uint8], part: LiveOps
    ) -> tuple[Tensor, Tensor]:
        """Take a step; return the loss and the norm of the gradients."""
        self._optimiser.zero_grad(set_to_none=True)
        with (
            tensor_cores(self.device, self.settings.precision),
            autocast(self.device, self.settings.precision),
        ):
            logits = self.supernet.forward_subset(to_device(codes, self.device), part)
            targets = to_device(labels, self.device).float()
            loss = prediction_loss(logits, targets, self.supernet.task.kind)
        with tensor_cores(self.device, self.settings.precision):
            loss.backward()  # type: ignore[no-untyped-call]
        norm = clipped_step(self._optimiser, self.settings.clip_norm)
        return loss.detach(), norm

    def _check_finite(self) -> None:
        """Raise DivergedError if a step was not finite, the first one being named, or if the weights are not."""
        if self._batches is not None and (bad := self._meter.first_bad()) is not None:
            what = "loss of the shared weights" if bad.is_loss else "norm of the shared weights' gradients"
            rows = self._batches.rows_of(bad.step - 1)
            raise self._diverged(f"the {what} is not a finite number", rows, step=bad.step)
        if fault := weights_fault(self.supernet.state_dict()):
            raise self._diverged(fault)

    def _diverged(self, what: str, rows: Iterable[int] = (), **place: int) -> DivergedError:
        return DivergedError(
            what,
            place={"round": self.round + 1, "epoch": self.epoch + 1, **place},
            rows=rows,
            store_path=self.store.path,
            state=self.path,
            way_out=LOWER_THE_RATES,
        )

    def save(self) -> None:
        """Write the state in place of the one before; raises DivergedError where it is not finite."""
        self._check_finite()
        if self.path is None:
            return
        place = {"round": self.round, "epoch": self.epoch, "step": self.step}
        live = self.supernet.live.to_document()
        tensors = joined(supernet_state(self.supernet, self._optimiser))
        write_state(self.path, SHARED_WEIGHTS, tensors, {"place": place, "live": live})

    def restore(self, saved: "SavedTraining") -> None:
        """Take over a saved state.

        Raises
        ------
        DataError
            If it belongs to another supernet.
        """
        restore_supernet(self.supernet, self._optimiser, by_part(saved.tensors))
        self.round, self.epoch, self.step = saved.round, saved.epoch, saved.step


class SavedTraining(NamedTuple):
    """A state that :meth:`PathTraining.save` wrote: how far it is, what its supernet holds, and its tensors."""

    round: int
    epoch: int
    step: int
    live: LiveOps
    tensors: dict[str, Tensor]

    @classmethod
    def read(cls, path: Path) -> "SavedTraining | None":
        """Return the state at ``path``, or the one before it where it is damaged; None where there is none.

        Raises
        ------
        DataError
            If both are damaged.
        """
        if not path.exists():
            return None
        return read_state(path, SHARED_WEIGHTS, cls._parsed, way_out=START_ANEW)

    @classmethod
    def _parsed(cls, path: Path, metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> "SavedTraining":
        live = LiveOps.from_document(
            parse_json(metadata.get("live", "null"), where=f"{path}: live"), where=f"{path}: live"
        )
        match parse_json(metadata.get("place", "null"), where=f"{path}: place"):
            case {"round": int(number), "epoch": int(epoch), "step": int(step)} if (
                min(number, epoch, step) >= 0
            ):
                return cls(number, epoch, step, live, tensors)
            case place:
                raise DataError(f"{path}: place: {place!r} is no place of a training.")
