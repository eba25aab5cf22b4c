"""Scores the trials of a round with weights that they share: a supernet trained on single paths.

Of a round (BONAS): the supernet has just what the round's genotypes use together, is trained anew for some epochs,
each step on one of them drawn at random, and then scores each by itself. Of the whole search (ENAS): the supernet has
the whole space, and each round trains it on, one step for each path that the engine asks for.

Before a genotype is scored, the statistics of the batch norms are estimated again with its path alone; those of the
training are a mixture over all paths. A round that was killed and is run again ends, on a CPU with one thread, with
the same scores bit for bit.

References: Shi et al., BONAS (2020), section 3.3; Pham et al., ENAS (2018), section 2.2.
"""

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.space import SearchSpace
from genotools.nn.cost import cost
from genotools.nn.live_ops import LiveOps
from genotools.nn.network import GenomeNet
from genotools.nn.supernet import Supernet, build_supernet, frozen_statistics, without_dropout
from genotools.search.evaluation import Outcome, RoundJob
from genotools.search.executors import run_job
from genotools.search.halves import EpochBatches
from genotools.search.path_training import PathTraining, SavedTraining
from genotools.training.divergence import DivergedError
from genotools.training.seeds import child_seed
from genotools.training.settings import TrainingSettings
from genotools.training.validation import to_device, validate

__all__ = ["SharedWeightsEvaluator"]

STATE = "shared.safetensors"

WEIGHTS, PATHS, RECALIBRATION = range(42, 45)
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""


class SharedWeightsEvaluator:
    """Evaluates rounds with a supernet.

    Parameters
    ----------
    store
        Training and validation split.
    space
        Of the supernet that is kept for the search.
    macro
        The frame around the cells.
    settings
        Training of the weights. Of a round's supernet, ``epochs`` and ``steps_per_epoch`` are its training; for one
        that is kept, ``epochs`` is the number of rounds that the schedule of the rates spans. Slowness and drop path
        do not count.
    keep
        ``round`` builds a supernet for every round, ``search`` one for all.
    device
        Where to train.
    recalibration_batches
        Training batches over which the batch norms of a path are estimated.
    before_step
        Called between two steps; may raise to stop.

    Raises
    ------
    DataError
        If the macro's length is not that of the store's windows.
    """

    def __init__(
        self,
        store: SequenceStore,
        space: SearchSpace,
        macro: Macro,
        settings: TrainingSettings,
        *,
        keep: Literal["round", "search"],
        device: str = "cpu",
        recalibration_batches: int = 10,
        before_step: Callable[[], None] = lambda: None,
    ) -> None:
        if macro.length != store.length:
            raise DataError(f"{store.path}: windows of {store.length} bp, the macro takes {macro.length} bp.")
        self._store, self._space, self._macro, self._settings = store, space, macro, settings
        self._keep = keep
        self._task = store.task
        self._device = torch.device(device)
        self._n_recalibration = recalibration_batches
        self._before_step = before_step
        self._kept: PathTraining | None = None

    def describe(self) -> dict[str, Any]:
        """Return data, macro, settings, and how weights are shared, as JSON values."""
        return {
            "store_digest": self._store.digest,
            "macro": self._macro.to_document(),
            "training": self._settings.to_document(),
            "shared_weights": {"keep": self._keep, "recalibration_batches": self._n_recalibration},
        }

    def evaluate_round(self, job: RoundJob) -> Iterator[Outcome]:
        """Train the shared weights, or what is left of it, and yield the outcome of every job that is not done.

        The time of the training is shared among the trials: together they say what the round has cost.

        Where the weights of a round diverge, its trials have failed, and another round may do better.

        Raises
        ------
        DivergedError
            If weights that are kept for the search, or their losses or gradients, are no longer finite; names round,
            epoch, step and rows.
        DataError
            If the saved state is damaged or not of this search.
        """
        left = [one for one, is_done in zip(job.jobs, job.is_done, strict=True) if not is_done]
        started = time.monotonic()
        try:
            training = self._trained_for_round(job) if self._keep == "round" else self._trained_on(job)
        except DivergedError:
            if self._keep == "search":
                raise
            error = traceback.format_exc()
            share = (time.monotonic() - started) / max(1, len(left))
            yield from (Outcome(number=one.number, seconds=round(share, 3), error=error) for one in left)
            return
        share = (time.monotonic() - started) / max(1, len(left))
        for one in left:
            outcome = run_job(lambda one: self._score(training.supernet, one.genotype, seed=job.seed), one)
            yield replace(outcome, seconds=round(outcome.seconds + share, 3))

    def _trained_for_round(self, job: RoundJob) -> PathTraining:
        """Return a supernet of the round's genotypes, trained on them."""
        genotypes = [one.genotype for one in job.jobs]
        parts = [LiveOps.of(genotype) for genotype in genotypes]
        training, saved = self._new(LiveOps.of(*genotypes), job), SavedTraining.read(job.folder / STATE)
        if saved is not None and saved.round == job.number:
            training.restore(saved)
        training.round = job.number
        while training.epoch < self._settings.epochs:
            rng = np.random.default_rng(child_seed(job.seed, PATHS, training.epoch))
            drawn = rng.integers(len(parts), size=training.n_steps())
            training.run_epoch(
                [parts[index] for index in drawn],
                seed=job.seed,
                schedule_epoch=training.epoch,
                before_step=self._before_step,
            )
        return training

    def _trained_on(self, job: RoundJob) -> PathTraining:
        """Return the supernet of the whole search, trained on by the round's paths."""
        training = self._kept or self._taken_up(job)
        self._kept = training
        if training.round == job.number - 1 and training.epoch == 1:
            training.round, training.epoch, training.step = job.number, 0, 0
        if training.round != job.number:
            raise DataError(
                f"{job.folder / STATE}: the shared weights are those of round {training.round + 1}, the search is in "
                f"round {job.number + 1}. The file was removed or replaced; start a new search."
            )
        if training.epoch == 0:
            training.run_epoch(
                [LiveOps.of(path) for path in job.paths],
                seed=job.seed,
                schedule_epoch=min(job.number, self._settings.epochs - 1),
                before_step=self._before_step,
            )
            # Once more: the rounds after this one have use for its end only, so the state before is that, too.
            training.save()
        return training

    def _taken_up(self, job: RoundJob) -> PathTraining:
        """Return the supernet of an earlier session, or a new one in the first round."""
        live = LiveOps.full(self._space, with_none=False)
        training, saved = self._new(live, job), SavedTraining.read(job.folder / STATE)
        if saved is not None:
            training.restore(saved)
        return training

    def _new(self, live: LiveOps, job: RoundJob) -> PathTraining:
        supernet = build_supernet(
            live, self._macro, self._task, seed=child_seed(job.seed, WEIGHTS), device=self._device
        )
        rows, path = self._store.rows("train"), job.folder / STATE
        return PathTraining(supernet, self._store, rows, self._settings, device=self._device, path=path)

    def _score(self, supernet: Supernet, genotype: Genotype, *, seed: int) -> dict[str, float]:
        """Return the validation metrics of one path; the supernet stays as it is."""
        network = _Path(supernet, genotype)
        with frozen_statistics(supernet):
            self._recalibrate(network, seed=seed)
            validation = validate(
                cast(GenomeNet, network),
                self._store,
                "valid",
                batch_size=self._settings.batch_size,
                device=self._device,
                precision=self._settings.precision,
            )
        if validation.metrics is None:
            raise DivergedError(
                "the validation loss is not a finite number",
                rows=validation.bad_rows,
                store_path=self._store.path,
            )
        costs = cost(genotype, self._macro, self._task)
        return {
            **{f"valid_{name}": value for name, value in validation.metrics.summary().items()},
            "valid_loss": validation.loss,
            "params": float(costs.params),
            "macs": float(costs.macs),
        }

    @torch.no_grad()
    def _recalibrate(self, network: "_Path", *, seed: int) -> None:
        """Estimate the batch norms of a path anew: the mean of some training batches."""
        batches = EpochBatches(
            self._store,
            self._store.rows("train"),
            n_steps=self._n_recalibration,
            batch_size=self._settings.batch_size,
            reverse_complement_rate=0.0,
            seed=seed,
            path=(RECALIBRATION,),
        )
        supernet = network.supernet
        norms = [norm for norm in supernet.modules() if isinstance(norm, nn.BatchNorm1d)]
        shared = None if supernet.recurrent is None else supernet.recurrent.norm
        momenta = [norm.momentum for norm in norms]
        try:
            with without_dropout(supernet):
                for norm in norms:
                    norm.reset_running_stats()
                supernet.train()
                for step in range(self._n_recalibration):
                    for norm in norms:
                        # The mean over batches. The norm that all recurrent states share is updated hundreds of
                        # times a batch: its running mean has forgotten where it started.
                        norm.momentum = norm.momentum if norm is shared else 1 / (step + 1)
                    codes, _ = batches[step]
                    network(to_device(codes, self._device))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


class _Path(nn.Module):
    """One path of a supernet, as a network that can be validated."""

    def __init__(self, supernet: Supernet, genotype: Genotype) -> None:
        super().__init__()
        self.supernet, self.genotype, self.task = supernet, genotype, supernet.task

    def forward(self, codes: Tensor) -> Tensor:
        return self.supernet.forward_path(codes, self.genotype)
