"""The evaluators of a search: one trains a genotype's network on a store and validates it, one repeats it."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype.macro import Macro
from genotools.nn import GenomeNet, build, cost
from genotools.search.budget import TrainingCost
from genotools.search.evaluation import Job
from genotools.training.progress import StepReport
from genotools.training.settings import TrainingSettings
from genotools.training.state_files import previous_of
from genotools.training.task_metrics import HEADLINE
from genotools.training.trainer import fit

__all__ = ["KNOWLEDGE", "Knowledge", "RepeatingEvaluator", "TrainingEvaluator"]

Knowledge = Callable[[GenomeNet], float]
"""A judgement of a trained network that is no metric of its predictions, e.g. of what its filters look like."""

KNOWLEDGE = "knowledge"
"""Name of that metric."""


class TrainingEvaluator:
    """Trains every genotype alike and returns the validation metrics of its best epoch, and its costs.

    It can be sent to another process, where the store is opened anew and nothing is reported.

    Parameters
    ----------
    store
        Training and validation split.
    macro
        The frame around the cells.
    settings
        Training of one trial; its ``monitor`` is what chooses the best epoch, its ``epochs`` the span of the
        schedule and what a trial has where its engine gives no budget.
    device
        Where to train.
    knowledge
        Its value of the trained network becomes the metric ``knowledge``; must be picklable for other processes.
    knowledge_weight
        Times that, it is added to the AUPRC: the metric ``reward``.
    on_step
        Called about twice a second within a trial.

    Raises
    ------
    DataError
        If the macro's length is not that of the store's windows.
    """

    def __init__(
        self,
        store: SequenceStore,
        macro: Macro,
        settings: TrainingSettings,
        *,
        device: str = "cpu",
        knowledge: Knowledge | None = None,
        knowledge_weight: float = 0.1,
        on_step: Callable[[StepReport], None] | None = None,
    ) -> None:
        if macro.length != store.length:
            raise DataError(f"{store.path}: windows of {store.length} bp, the macro takes {macro.length} bp.")
        self._store = store
        self._macro = macro
        self._settings = settings
        self._task = store.task
        self._device = device
        self._knowledge, self._knowledge_weight = knowledge, knowledge_weight
        self._on_step = on_step

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the callback: it belongs to this process."""
        return self.__dict__ | {"_on_step": None}

    def describe(self) -> dict[str, Any]:
        """Return data, macro and training settings as JSON values."""
        described: dict[str, Any] = {
            "store_digest": self._store.digest,
            "macro": self._macro.to_document(),
            "training": self._settings.to_document(),
        }
        if self._knowledge is not None:
            described["knowledge"] = {"what": repr(self._knowledge), "weight": self._knowledge_weight}
        return described

    def training_cost(self, job: Job) -> TrainingCost:
        """Return the epochs and steps of a trial's training."""
        epochs = job.budget_epochs or self._settings.epochs
        n_batches = max(1, len(self._store.rows("train")) // self._settings.batch_size)
        n_steps = min(self._settings.steps_per_epoch or n_batches, n_batches)
        return TrainingCost(epochs=epochs, steps=epochs * n_steps)

    def __call__(self, job: Job) -> dict[str, float]:
        """Train and validate.

        Raises
        ------
        DataError
            If the budget is longer than the schedule of the settings.
        """
        if job.budget_epochs is not None and job.budget_epochs > self._settings.epochs:
            raise DataError(
                f"a budget of {job.budget_epochs} epochs, the schedule spans {self._settings.epochs}; "
                "give the search as many --epochs."
            )
        network = build(
            job.genotype, self._macro, self._task, seed=job.seed, device=self._device, compile=False
        )
        result = fit(
            network,
            self._store,
            self._settings,
            seed=job.seed,
            device=self._device,
            checkpoint_path=job.network_path,
            resume=job.network_path is not None,
            until_epoch=job.budget_epochs,
            on_step=self._on_step,
        )
        if job.network_path is not None:
            previous_of(job.network_path).unlink(missing_ok=True)  # of use within a trial only
        best, costs = result.best, cost(job.genotype, self._macro, self._task)
        metrics = {
            **{f"valid_{name}": value for name, value in best.valid.items()},
            "valid_loss": best.valid_loss,
            "epochs": float(len(result.history)),
            "params": float(costs.params),
            "macs": float(costs.macs),
        }
        if self._knowledge is not None:
            metrics[KNOWLEDGE] = self._knowledge(network)
            metrics["reward"] = (
                best.valid[HEADLINE[self._task.kind]] + self._knowledge_weight * metrics[KNOWLEDGE]
            )
        return metrics


class RepeatingEvaluator:
    """Evaluates every genotype several times, each from another seed; metrics are means.

    The spread is kept: ``NAME_sd`` for every metric that varies.

    Parameters
    ----------
    evaluator
        What is repeated.
    n_repeats
        How often, at least 2.
    """

    def __init__(self, evaluator: TrainingEvaluator, n_repeats: int) -> None:
        if n_repeats < 2:
            raise DataError(f"n_repeats is {n_repeats}, it must be at least 2.")
        self._evaluator, self._n_repeats = evaluator, n_repeats

    def describe(self) -> dict[str, Any]:
        """Return what is repeated, and how often."""
        return self._evaluator.describe() | {"n_repeats": self._n_repeats}

    def training_cost(self, job: Job) -> TrainingCost:
        """Return the epochs and steps of all repeats."""
        once = self._evaluator.training_cost(job)
        return TrainingCost(epochs=once.epochs * self._n_repeats, steps=once.steps * self._n_repeats)

    def __call__(self, job: Job) -> dict[str, float]:
        """Train and validate as often as is asked for."""
        found = [self._evaluator(self._repeat(job, number)) for number in range(self._n_repeats)]
        metrics: dict[str, float] = {}
        for name in found[0]:
            values = [one[name] for one in found]
            metrics[name] = statistics.fmean(values)
            if len(set(values)) > 1:
                metrics[f"{name}_sd"] = statistics.stdev(values)
        return metrics

    def _repeat(self, job: Job, number: int) -> Job:
        seed = np.random.SeedSequence(job.seed, spawn_key=(number,)).generate_state(1)[0]
        path = job.network_path
        own = None if path is None else path.with_name(f"{path.stem}.{number}{path.suffix}")
        return replace(job, seed=int(seed), network_path=own)
