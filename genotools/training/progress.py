"""A training in progress: its state, one epoch of it, and how it is saved and taken up again.

:mod:`genotools.training.trainer` is the way in.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genotools.data.augment import augmented
from genotools.data.store import SequenceStore
from genotools.data.strands import opposite_labels
from genotools.errors import DataError
from genotools.nn.window_network import WindowNetwork
from genotools.randomness import forked_torch
from genotools.training.checkpoint import Checkpoint, check_identity, load_checkpoint, save_checkpoint
from genotools.training.divergence import DivergedError, weights_fault
from genotools.training.history import EpochRecord
from genotools.training.interruption import TrainingInterrupted
from genotools.training.meter import Meter
from genotools.training.optimiser import learning_rates, make_optimiser, set_learning_rates
from genotools.training.ranks import Ranks
from genotools.training.resident import ResidentRows, fits_on
from genotools.training.seeds import DROPOUT, ORDER, child_seed
from genotools.training.settings import TrainingSettings
from genotools.training.step import make_step
from genotools.training.task_metrics import LOWER_IS_BETTER
from genotools.training.validation import Validation, to_device, validate
from genotools.training.weights import load_weights

__all__ = ["StepReport", "Training", "training_identity"]

REPORT_EVERY_S = 0.5

LOWER_THE_RATES = (
    "Lower the learning rates (--lr, --recurrent-lr) or clip_norm and start anew, with --force or in another folder: "
    "resumed, the same training ends here again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Where a training is.

    Parameters
    ----------
    epoch, epochs
        Number of the epoch, from 1, and how many there will be at most.
    step, n_steps
        Steps done in this epoch, and how many it has.
    loss
        Mean training loss of the epoch so far, without the slowness penalty.
    sequences_per_s
        Training windows a second since the epoch, or the resumed part of it, began.
    """

    epoch: int
    epochs: int
    step: int
    n_steps: int
    loss: float
    sequences_per_s: float


def training_identity(
    network: WindowNetwork, store: SequenceStore, settings: TrainingSettings, *, seed: int
) -> dict[str, object]:
    """Return all that decides the result of a training, as JSON values."""
    architecture = network.architecture()
    genotype = architecture.get("genotype")
    if isinstance(genotype, dict):  # its notes and the name of its space decide nothing
        architecture["genotype"] = {key: genotype[key] for key in ("digest", "cells")}
    return {
        "settings": settings.to_document(),
        **architecture,
        "task": network.task.to_document(),
        "seed": seed,
        "data": {"digest": store.digest},
    }


class _Epoch(NamedTuple):
    """The training windows of an epoch in order, which come from the other strand, and how far each is moved."""

    rows: NDArray[np.int64]
    is_reversed: NDArray[np.bool_]
    shifts: NDArray[np.int64]


class Training:
    """The state of a training; ``epoch`` epochs are finished and ``step`` steps of the next."""

    def __init__(
        self,
        network: WindowNetwork,
        store: SequenceStore,
        settings: TrainingSettings,
        *,
        seed: int,
        device: torch.device,
        capture: bool = True,
    ) -> None:
        self.network, self.store, self.settings = network, store, settings
        self.seed, self.device = seed, device
        self.ranks = Ranks.current()
        self.ranks.check_batch_size(settings.batch_size)
        self.checkpoint_path: Path | None = None
        self.should_stop: Callable[[], bool] | None = None
        self.on_step: Callable[[StepReport], None] | None = None
        network.set_dropout(
            drop_path=settings.drop_path, dropout_x=settings.dropout_x, dropout_h=settings.dropout_h
        )
        self.identity = training_identity(network, store, settings, seed=seed)
        self.optimiser = make_optimiser(network, settings)
        self.do_step = make_step(
            network, self.optimiser, settings, device=device, ranks=self.ranks, capture=capture
        )
        self.opposite = opposite_labels(store.names)
        self.rows = store.rows("train")
        is_resident = fits_on(device, store, len(self.rows))
        self.resident = ResidentRows(store, self.rows, device=device) if is_resident else None
        n_batches = max(1, len(self.rows) // settings.batch_size)
        self.n_steps = min(settings.steps_per_epoch or n_batches, n_batches)

        self.epoch, self.step = 0, 0
        self.history: list[EpochRecord] = []
        self.best: dict[str, Tensor] = {}
        self.meter = Meter(device)

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        if self.epoch >= self.settings.epochs:
            return True
        patience = self.settings.patience
        best = max((record.epoch for record in self.history if record.is_best), default=self.epoch)
        return patience is not None and self.epoch - best >= patience

    def run_epoch(self) -> EpochRecord:
        """Train what is left of the epoch, validate, and save a checkpoint."""
        started = time.perf_counter()
        set_learning_rates(self.optimiser, self.settings, epoch=self.epoch)
        self.do_step.start_epoch()
        self._train(started)
        self._settle()
        validation = validate(
            self.network,
            self.store,
            "valid",
            batch_size=self.settings.batch_size,
            device=self.device,
            precision=self.settings.precision,
            before_batch=self._stop_if_asked,
        )
        record = self._record(validation, seconds=time.perf_counter() - started)
        if record.is_best:
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self.history.append(record)
        self.epoch, self.step = self.epoch + 1, 0
        self.meter = Meter(self.device)
        self._save()
        return record

    def _train(self, started: float) -> None:
        """Do the steps of the epoch from ``self.step`` on."""
        first_step, reported = self.step, started
        epoch = self._draw_epoch()
        self.network.train()
        while self.step < self.n_steps:
            self._stop_if_asked()
            codes, targets = self._batch(epoch)
            # Dropout of each step is a function of its place: nothing has to be saved.
            seed = child_seed(self.seed, DROPOUT, self.epoch, self.step, *self.ranks.path)
            with forked_torch(seed, device=str(self.device)):
                losses = self.do_step(codes, targets)
            self.step += 1
            self.meter.add(*losses, step=self.step)
            now = time.perf_counter()
            if self.on_step is not None and (now - reported > REPORT_EVERY_S or self.step == self.n_steps):
                n_sequences = (self.step - first_step) * self.settings.batch_size
                self._report(self.on_step, n_sequences / (now - started))
                reported = now
        self._check_finite()

    def _settle(self) -> None:
        """Make statistics and losses those of all ranks: both are sums, so when it is done makes no difference."""
        self.ranks.average_statistics(self.network)
        self.meter.average(self.ranks)

    def _draw_epoch(self) -> _Epoch:
        """Return the rows of the epoch in order, which are read from the other strand, and how far they are moved."""
        rng = np.random.default_rng(child_seed(self.seed, ORDER, self.epoch))
        rows = rng.permutation(self.rows)[: self.n_steps * self.settings.batch_size]
        is_reversed = rng.random(len(rows)) < self.settings.reverse_complement_rate
        reach = self.settings.shift_bp
        shifts = rng.integers(-reach, reach + 1, len(rows)) if reach else np.zeros(len(rows), dtype=np.int64)
        return _Epoch(rows, is_reversed, shifts)

    def _batch(self, epoch: _Epoch) -> tuple[Tensor, Tensor]:
        """Return codes and targets of this rank's share of the next batch, on the device."""
        size = self.settings.batch_size
        share = self.ranks.share(min(size, len(epoch.rows)))
        first = self.step * size
        part = slice(first + share.start, first + share.stop)
        rows, flip, shifts = epoch.rows[part], epoch.is_reversed[part], epoch.shifts[part]
        if self.resident is not None:
            return self.resident.batch(rows, flip, shifts)
        codes, labels = augmented(
            self.store.codes(rows),
            self.store.labels(rows),
            is_reversed=flip,
            opposite=self.opposite,
            shifts=shifts if self.settings.shift_bp else None,
        )
        return to_device(codes, self.device), to_device(labels, self.device).float()

    def _report(self, on_step: Callable[[StepReport], None], sequences_per_s: float) -> None:
        self._check_finite()
        on_step(
            StepReport(
                epoch=self.epoch + 1,
                epochs=self.settings.epochs,
                step=self.step,
                n_steps=self.n_steps,
                loss=self.meter.means(self.step)[0],
                sequences_per_s=sequences_per_s,
            )
        )

    def _check_finite(self) -> None:
        """Raise DivergedError if a step was not finite; the first one is named, whenever it is looked for."""
        bad = self.meter.first_bad()
        if bad is not None:
            last = bad.step * self.settings.batch_size
            rows = self._draw_epoch().rows[last - self.settings.batch_size : last]
            what = "training loss" if bad.is_loss else "norm of the gradients"
            raise self._diverged(f"the {what} is not a finite number", rows, step=bad.step)

    def _check_weights(self) -> None:
        """Raise DivergedError rather than keep weights or statistics that are not finite."""
        if fault := weights_fault(self.network.state_dict()):
            raise self._diverged(fault)

    def _diverged(self, what: str, rows: Iterable[int] = (), **place: int) -> DivergedError:
        return DivergedError(
            what,
            place={"epoch": self.epoch + 1, **place},
            rows=rows,
            store_path=self.store.path,
            state=self.checkpoint_path,
            way_out=LOWER_THE_RATES,
        )

    def _record(self, validation: Validation, *, seconds: float) -> EpochRecord:
        if validation.metrics is None:
            raise self._diverged("the validation loss is not a finite number", validation.bad_rows)
        self._check_weights()
        train_loss, train_slowness = self.meter.means(self.step)
        lr, recurrent_lr = learning_rates(self.settings, epoch=self.epoch)
        valid = validation.metrics.summary()
        return EpochRecord(
            epoch=self.epoch + 1,
            n_steps=self.step,
            lr=lr,
            recurrent_lr=recurrent_lr,
            train_loss=train_loss,
            train_slowness=train_slowness,
            valid_loss=validation.loss,
            valid=valid,
            is_best=self._is_best({"loss": validation.loss, **valid}[self.settings.monitor]),
            seconds=round(seconds, 3),
        )

    def _is_best(self, value: float) -> bool:
        """Return whether ``value`` of the monitored quantity is better than every epoch before."""
        monitor = self.settings.monitor
        if math.isnan(value):
            raise DataError(
                f"{self.store.path}: {monitor} cannot be monitored: no label varies in the validation split, or "
                "nothing was measured there. Use monitor 'loss', or another split."
            )
        before = [{"loss": record.valid_loss, **record.valid}[monitor] for record in self.history]
        if monitor in LOWER_IS_BETTER:
            return all(value < other for other in before)
        return all(value > other for other in before)

    def _stop_if_asked(self) -> None:
        if self.should_stop is not None and self.should_stop():
            self._check_finite()
            self._settle()
            self._check_weights()
            self._save()
            raise TrainingInterrupted(
                epoch=self.epoch + 1, step=self.step, is_saved=self.checkpoint_path is not None
            )

    def _save(self) -> None:
        if self.checkpoint_path is None:
            return
        momenta = {
            name: self.optimiser.state[parameter]["momentum_buffer"]
            for name, parameter in self.network.named_parameters()
            if "momentum_buffer" in self.optimiser.state.get(parameter, {})
        }
        parts = {
            "network": self.network.state_dict(),
            "momentum": momenta,
            "best": self.best,
            "meter": self.meter.state(),
        }
        tensors = {
            f"{part}/{name}": tensor for part, found in parts.items() for name, tensor in found.items()
        }
        checkpoint = Checkpoint(
            identity=self.identity,
            epoch=self.epoch,
            step=self.step,
            history=tuple(self.history),
            tensors=tensors,
        )
        save_checkpoint(self.checkpoint_path, checkpoint)

    def restore(self, path: Path) -> None:
        """Take over the state saved at ``path``."""
        checkpoint = load_checkpoint(path)
        check_identity(checkpoint.identity, self.identity, where=path)
        load_weights(self.network, checkpoint.part("network"), where=path)
        parameters = dict(self.network.named_parameters())
        for name, tensor in checkpoint.part("momentum").items():
            if name not in parameters or parameters[name].shape != tensor.shape:
                raise DataError(f"{path}: momentum/{name} belongs to no parameter of the network.")
            self.optimiser.state[parameters[name]]["momentum_buffer"] = tensor.to(self.device)
        self.best = {name: tensor.to(self.device) for name, tensor in checkpoint.part("best").items()}
        self.epoch, self.step = checkpoint.epoch, checkpoint.step
        self.history = list(checkpoint.history)
        self.meter = Meter.from_state(checkpoint.part("meter"), self.device)
