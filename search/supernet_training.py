"""One stage of a one-shot search: weights and alphas of a supernet trained in turn.

Weight step: binary cross-entropy and slowness on the half of the weights, alphas frozen, gradients clipped, two
groups of SGD. Alpha step, before it and once the weight-only epochs are over: cross-entropy alone on the half of the
alphas, weights frozen, Adam; batch norms take the statistics of the batch and leave their running ones to the weight
steps. All randomness is a function of seed, stage, epoch and step, so that a stage that was stopped between two steps
and taken up again ends, on a CPU with one thread, with the same numbers bit for bit.

References: Scheppach et al., section III and appendix A; Liu et al., DARTS (2019).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import ROLES
from genotools.nn.supernet import Supernet, frozen_statistics
from genotools.randomness import forked_torch
from genotools.search.halves import EpochBatches, Halves
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.second_order import Weights, sgd_step, unrolled_gradients
from genotools.search.supernet_faults import FAULTS, LOWER_THE_RATES, Part
from genotools.search.supernet_state import by_part, joined, restore_supernet, supernet_state
from genotools.training.divergence import DivergedError, weights_fault
from genotools.training.loss import prediction_loss, slowness
from genotools.training.meter import Meter
from genotools.training.optimiser import clipped_step, learning_rates, make_optimiser, set_learning_rates
from genotools.training.precision import autocast, tensor_cores
from genotools.training.ranks import Ranks
from genotools.training.seeds import child_seed
from genotools.training.validation import to_device

__all__ = ["EpochLosses", "StageTraining", "StepPlace"]

WEIGHT_ORDER, ALPHA_ORDER, STEP, TUNING = range(20, 24)
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""

REPORT_EVERY_S = 0.5

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlace:
    """Where a search is: stage, epoch and step count from 1; ``step`` steps of the epoch are done."""

    stage: int
    n_stages: int
    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLosses:
    """Means over an epoch: of the weight steps without penalty, the penalty, and of the alpha steps, if any."""

    train_loss: float
    train_slowness: float
    alpha_loss: float | None
    lr: float
    recurrent_lr: float
    skip_dropout: float
    seconds: float


class StageTraining:
    """A stage between two steps: ``epoch`` epochs are finished, and ``step`` steps of the next.

    Parameters
    ----------
    supernet, alphas
        Trained in place. For ``order="second"`` the supernet is a plain one, which can be differentiated twice.
    store, halves
        What they learn from.
    settings
        Of the whole search.
    stage
        Number of the stage, from 0.
    seed
        Of order, strands and dropout.
    device
        Where supernet and alphas are.
    """

    def __init__(
        self,
        supernet: Supernet,
        alphas: Alphas,
        store: SequenceStore,
        halves: Halves,
        settings: OneShotSettings,
        *,
        stage: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.supernet, self.alphas = supernet, alphas
        self.store, self.halves, self.settings = store, halves, settings
        self.stage, self.seed, self.device = stage, seed, device
        self.plan, self.training = settings.stages[stage], settings.weights_in(stage)
        self.parameters = dict(supernet.named_parameters())
        self.optimiser = make_optimiser(supernet, self.training)
        self.alpha_optimiser = torch.optim.Adam(
            alphas.tensors,
            lr=settings.alpha_lr,
            betas=settings.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
        )
        n_batches = max(1, len(halves.weights) // self.training.batch_size)
        self.n_steps = min(self.training.steps_per_epoch or n_batches, n_batches)
        self.epoch, self.step = 0, 0
        self.weight_meter, self.alpha_meter = Meter(device), Meter(device)
        self.ranks = Ranks.current()
        self.ranks.check_batch_size(self.training.batch_size)
        if self.ranks.world_size > 1 and settings.order == "second":
            raise DataError("second order takes its virtual step on a whole batch: run it in one process.")
        supernet.set_dropout(dropout_x=self.training.dropout_x, dropout_h=self.training.dropout_h)

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.plan.epochs

    @property
    def trains_alphas(self) -> bool:
        """Whether the next step has an alpha step."""
        return self.epoch >= self.plan.weight_only_epochs

    def run_epoch(
        self, *, before_step: Callable[[], None], on_step: Callable[[StepPlace], None] | None = None
    ) -> EpochLosses:
        """Do what is left of the epoch.

        Parameters
        ----------
        before_step
            Called between two steps; may raise to stop, with the state whole.
        on_step
            Called about twice a second.

        Raises
        ------
        DivergedError
            If losses, gradients, weights or alphas are no longer finite; names stage, epoch, step and rows.
        """
        started = reported = time.perf_counter()
        set_learning_rates(self.optimiser, self.training, epoch=self.epoch)
        skip_dropout = self.plan.skip_dropout_at(self.epoch)
        self.supernet.set_dropout(skip=skip_dropout)
        self.supernet.train()
        for_weights, for_alphas = self._epoch_batches("weights"), self._epoch_batches("alphas")
        while self.step < self.n_steps:
            before_step()
            batch = self._to_device(for_weights, self.step)
            # Dropout of each step is a function of its place: nothing has to be saved.
            seed = child_seed(self.seed, STEP, self.stage, self.epoch, self.step, *self.ranks.path)
            if self.trains_alphas:
                self.alpha_step(self._to_device(for_alphas, self.step), batch, seed=seed)
            with forked_torch(seed, device=str(self.device)):
                self.weight_step(batch)
            self.step += 1
            now = time.perf_counter()
            if on_step is not None and (now - reported > REPORT_EVERY_S or self.step == self.n_steps):
                reported = now
                self.check_finite()
                on_step(self._place())
        self.check_finite()
        self.check_weights()
        return self._finish_epoch(skip_dropout, seconds=time.perf_counter() - started)

    def weight_step(self, batch: Batch) -> None:
        """Train the weights on one batch; the alphas stay."""
        self.weight_meter.add(*self._train_weights(batch), step=self.step + 1)

    def _train_weights(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Take a step of the weights; return loss, slowness, and the norm of the gradients."""
        with self.alphas.frozen():
            self.optimiser.zero_grad(set_to_none=True)
            loss, slow = self.losses(batch)
            with self._tensor_cores():
                (loss + self.training.slowness * slow).backward()  # type: ignore[no-untyped-call]
            self.ranks.average_gradients(self.parameters.values())
            norm = clipped_step(self.optimiser, self.training.clip_norm)
        return loss.detach(), slow.detach(), norm

    def tune(self, number: int, *, n_steps: int) -> None:
        """Train the weights alone for some steps, as the ``number``-th time that is done."""
        if n_steps == 0:
            return
        batches = self._batches(self.halves.weights, TUNING, n_steps=n_steps, number=number)
        meter = Meter(self.device)
        for step in range(n_steps):
            seed = child_seed(self.seed, TUNING, self.stage, number, step, *self.ranks.path)
            with forked_torch(seed, device=str(self.device)):
                meter.add(*self._train_weights(self._to_device(batches, step)), step=step + 1)
        self.ranks.average_statistics(self.supernet)
        if (bad := meter.first_bad()) is not None:
            rows = batches.rows_of(bad.step - 1)
            raise self._diverged(FAULTS["weights", bad.is_loss], rows, decision=number, step=bad.step)

    def alpha_step(self, held_out: Batch, batch: Batch, *, seed: int) -> None:
        """Train the alphas on a held-out batch; weights and running statistics stay."""
        with frozen_statistics(self.supernet):
            if self.settings.order == "first":
                loss = self._first_order(held_out, seed)
            else:
                loss = self.second_order(held_out, batch, seed)
        self.ranks.average_gradients(self.alphas.tensors)
        if self.settings.alpha_clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.alphas.tensors, self.settings.alpha_clip_norm)
        self.alpha_optimiser.step()
        self.alpha_optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            largest = torch.nn.utils.get_total_norm(self.alphas.tensors, float("inf"))
        self.alpha_meter.add(loss, torch.zeros_like(loss), largest, step=self.step + 1)

    def _first_order(self, held_out: Batch, seed: int) -> Tensor:
        with self.supernet.frozen(), forked_torch(seed, device=str(self.device)):
            loss, _ = self.losses(held_out)
            with self._tensor_cores():
                loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def second_order(self, held_out: Batch, batch: Batch, seed: int) -> Tensor:
        """Set the gradients of the alphas after one virtual step on ``batch``; return the held-out loss there."""
        losses = []

        def held_out_loss(weights: Weights) -> Tensor:
            with forked_torch(seed, device=str(self.device)):
                loss, _ = self.losses(held_out, weights)
            losses.append(loss.detach())
            return loss

        def train_loss(weights: Weights) -> Tensor:
            with forked_torch(seed, device=str(self.device)):  # the same dropout every time
                loss, slow = self.losses(batch, weights)
            return loss + self.training.slowness * slow

        step = sgd_step(self.optimiser, self.parameters, clip_norm=self.training.clip_norm)
        found = unrolled_gradients(train_loss, held_out_loss, self.parameters, self.alphas.tensors, step)
        for tensor, gradient in zip(self.alphas.tensors, found, strict=True):
            tensor.grad = gradient
        return losses[0]

    def losses(self, batch: Batch, weights: Weights | None = None) -> tuple[Tensor, Tensor]:
        """Return prediction loss and slowness of a batch, with other weights than the supernet's if given."""
        codes, targets = batch
        with self._tensor_cores(), autocast(self.device, self.training.precision):
            if weights is None:
                logits, states = self.supernet.forward_with_states(codes, self.alphas)
            else:
                renamed = {f"supernet.{name}": tensor for name, tensor in weights.items()}
                logits, states = functional_call(_WithStates(self.supernet), renamed, (codes, self.alphas))
            loss = prediction_loss(logits, targets, self.supernet.task.kind)
            return loss, slowness(states, loss)

    def _epoch_batches(self, part: Part) -> EpochBatches:
        """Return the batches of the epoch that is under way."""
        if part == "alphas":
            return self._batches(self.halves.alphas, ALPHA_ORDER, n_steps=self.n_steps, number=self.epoch)
        return self._batches(self.halves.weights, WEIGHT_ORDER, n_steps=self.n_steps, number=self.epoch)

    def _batches(self, rows: NDArray[np.int64], branch: int, *, n_steps: int, number: int) -> EpochBatches:
        return EpochBatches(
            self.store,
            rows,
            n_steps=n_steps,
            batch_size=self.training.batch_size,
            reverse_complement_rate=self.training.reverse_complement_rate,
            shift_bp=self.training.shift_bp,
            seed=self.seed,
            path=(branch, self.stage, number),
        )

    def _tensor_cores(self) -> AbstractContextManager[None]:
        return tensor_cores(self.device, self.training.precision)

    def _to_device(self, batches: EpochBatches, step: int) -> Batch:
        """Return this rank's share of a step's batch."""
        codes, labels = batches[step]
        share = self.ranks.share(len(codes))
        codes, labels = codes[share], labels[share]
        return to_device(codes, self.device), to_device(labels, self.device).float()

    def check_finite(self) -> None:
        """Raise DivergedError if a step was not finite; the first one is named, whenever it is looked for."""
        meters: tuple[tuple[Part, Meter], ...] = (
            ("alphas", self.alpha_meter),
            ("weights", self.weight_meter),
        )
        found = [(bad, part) for part, meter in meters if (bad := meter.first_bad()) is not None]
        if found:
            bad, part = min(found, key=lambda one: one[0].step)  # of one step the alphas, whose turn is first
            rows = self._epoch_batches(part).rows_of(bad.step - 1)
            raise self._diverged(FAULTS[part, bad.is_loss], rows, step=bad.step)

    def check_weights(self) -> None:
        """Raise DivergedError if weights or statistics are not finite: such a state is not kept."""
        if fault := weights_fault(self.supernet.state_dict()):
            raise self._diverged(fault)

    def _diverged(self, what: str, rows: Iterable[int] = (), **place: int) -> DivergedError:
        return DivergedError(
            what,
            place={"stage": self.stage + 1, "epoch": self.epoch + 1, **place},
            rows=rows,
            store_path=self.store.path,
            way_out=LOWER_THE_RATES,
        )

    def _place(self) -> StepPlace:
        return StepPlace(
            stage=self.stage + 1,
            n_stages=len(self.settings.stages),
            epoch=self.epoch + 1,
            n_epochs=self.plan.epochs,
            step=self.step,
            n_steps=self.n_steps,
            loss=self.weight_meter.means(self.step)[0],
        )

    def _finish_epoch(self, skip_dropout: float, *, seconds: float) -> EpochLosses:
        self.settle()
        train_loss, train_slowness = self.weight_meter.means(self.n_steps)
        lr, recurrent_lr = learning_rates(self.training, epoch=self.epoch)
        losses = EpochLosses(
            train_loss=train_loss,
            train_slowness=train_slowness,
            alpha_loss=self.alpha_meter.means(self.n_steps)[0] if self.trains_alphas else None,
            lr=lr,
            recurrent_lr=recurrent_lr,
            skip_dropout=skip_dropout,
            seconds=round(seconds, 3),
        )
        self.epoch, self.step = self.epoch + 1, 0
        self.weight_meter, self.alpha_meter = Meter(self.device), Meter(self.device)
        return losses

    def settle(self) -> None:
        """Make statistics and losses those of all ranks: both are sums, so when it is done makes no difference."""
        self.ranks.average_statistics(self.supernet)
        self.weight_meter.average(self.ranks)
        self.alpha_meter.average(self.ranks)

    def state(self) -> dict[str, Tensor]:
        """Return everything the stage needs to go on, ``epoch`` and ``step`` apart, as tensors by name."""
        parts: dict[str, Mapping[str, Tensor]] = {
            **supernet_state(self.supernet, self.optimiser),
            "alphas": self.alphas.state_dict(),
            "weight_meter": self.weight_meter.state(),
            "alpha_meter": self.alpha_meter.state(),
        }
        for role in ROLES:
            parts[f"adam.{role}"] = self.alpha_optimiser.state.get(self.alphas[role], {})
        return joined(parts)

    def restore(self, tensors: Mapping[str, Tensor], *, epoch: int, step: int) -> None:
        """Take over a state of :meth:`state`.

        Raises
        ------
        DataError
            If it belongs to another supernet.
        """
        parts = by_part(tensors)
        restore_supernet(self.supernet, self.optimiser, parts)
        self.alphas.load_state_dict(parts.get("alphas", {}))
        for role in ROLES:
            if adam := parts.get(f"adam.{role}"):
                # The count of steps stays on the CPU, where Adam keeps it.
                moved = {name: t if name == "step" else t.to(self.device) for name, t in adam.items()}
                self.alpha_optimiser.state[self.alphas[role]].update(moved)
        self.weight_meter = Meter.from_state(parts.get("weight_meter", {}), self.device)
        self.alpha_meter = Meter.from_state(parts.get("alpha_meter", {}), self.device)
        self.epoch, self.step = epoch, step


class _WithStates(nn.Module):
    """A supernet whose call returns its recurrent states too."""

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        self.supernet = supernet

    def forward(self, codes: Tensor, alphas: Alphas) -> tuple[Tensor, Tensor | None]:
        return self.supernet.forward_with_states(codes, alphas)
