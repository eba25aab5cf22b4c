"""The evaluator of a search: trains the network of a genotype on a store and validates it."""

from collections.abc import Callable
from typing import Any

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn import build, cost
from genotools.training.progress import StepReport
from genotools.training.settings import TrainingSettings
from genotools.training.trainer import fit

__all__ = ["OBJECTIVES", "TrainingEvaluator"]

OBJECTIVES = ("valid_auprc", "valid_auroc", "valid_weighted_f1")
"""Metrics that may be the score of a trial; higher is better."""


class TrainingEvaluator:
    """Trains every genotype alike and returns the validation metrics of its best epoch.

    Parameters
    ----------
    store
        Training and validation split.
    macro
        The frame around the cells.
    settings
        Training of one trial; its ``monitor`` is what chooses the best epoch.
    objective
        One of ``OBJECTIVES``.
    device
        Where to train.
    on_step
        Called about twice a second within a trial.

    Raises
    ------
    DataError
        If the objective is unknown or the macro's length is not that of the store's windows.
    """

    def __init__(
        self,
        store: SequenceStore,
        macro: Macro,
        settings: TrainingSettings,
        *,
        objective: str = "valid_auprc",
        device: str = "cpu",
        on_step: Callable[[StepReport], None] | None = None,
    ) -> None:
        if objective not in OBJECTIVES:
            raise DataError(f"unknown objective {objective[:60]!r}. Known: {', '.join(OBJECTIVES)}.")
        if macro.length != store.length:
            raise DataError(f"{store.path}: windows of {store.length} bp, the macro takes {macro.length} bp.")
        self.objective = objective
        self._store = store
        self._macro = macro
        self._settings = settings
        self._task = Task(len(store.names), names=store.names)
        self._device = device
        self._on_step = on_step

    def describe(self) -> dict[str, Any]:
        """Return data, macro, training settings and objective as JSON values."""
        return {
            "store_digest": self._store.digest,
            "macro": self._macro.to_document(),
            "training": self._settings.to_document(),
            "objective": self.objective,
        }

    def __call__(self, genotype: Genotype, *, seed: int) -> dict[str, float]:
        """Train and validate; ``seed`` decides initial weights, order of windows and dropout."""
        network = build(genotype, self._macro, self._task, seed=seed, device=self._device)
        result = fit(
            network, self._store, self._settings, seed=seed, device=self._device, on_step=self._on_step
        )
        best = result.best
        return {
            "valid_auprc": best.valid_auprc,
            "valid_auroc": best.valid_auroc,
            "valid_weighted_f1": best.valid_weighted_f1,
            "valid_loss": best.valid_loss,
            "epochs": float(len(result.history)),
            "params": float(cost(genotype, self._macro, self._task).params),
        }
