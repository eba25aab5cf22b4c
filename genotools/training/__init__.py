"""Training a network, measuring it, and keeping what was learned.

The names here are imported when they are first used: ``import genotools.training`` does not import PyTorch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genotools.training.divergence import DivergedError
    from genotools.training.evaluate import evaluate
    from genotools.training.history import EpochRecord, read_history
    from genotools.training.interruption import TrainingInterrupted, stop_on_signals
    from genotools.training.kmer import fit_kmer_regression
    from genotools.training.metrics import evaluate_multilabel
    from genotools.training.predictor import TorchPredictor, load_predictor_from_run
    from genotools.training.progress import StepReport
    from genotools.training.run import Reporter, TrainingResult, train
    from genotools.training.settings import PRESETS, TrainingSettings, get_preset
    from genotools.training.trainer import FitResult, fit
    from genotools.training.weights import load_network, save_weights

__all__ = [
    "PRESETS",
    "DivergedError",
    "EpochRecord",
    "FitResult",
    "Reporter",
    "StepReport",
    "TorchPredictor",
    "TrainingInterrupted",
    "TrainingResult",
    "TrainingSettings",
    "evaluate",
    "evaluate_multilabel",
    "fit",
    "fit_kmer_regression",
    "get_preset",
    "load_network",
    "load_predictor_from_run",
    "read_history",
    "save_weights",
    "stop_on_signals",
    "train",
]

_HOME = {
    "PRESETS": "settings",
    "DivergedError": "divergence",
    "EpochRecord": "history",
    "FitResult": "trainer",
    "Reporter": "run",
    "StepReport": "progress",
    "TorchPredictor": "predictor",
    "TrainingInterrupted": "interruption",
    "TrainingResult": "run",
    "TrainingSettings": "settings",
    "evaluate": "evaluate",
    "evaluate_multilabel": "metrics",
    "fit": "trainer",
    "fit_kmer_regression": "kmer",
    "get_preset": "settings",
    "load_network": "weights",
    "load_predictor_from_run": "predictor",
    "read_history": "history",
    "save_weights": "weights",
    "stop_on_signals": "interruption",
    "train": "run",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'genotools.training' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genotools.training.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
