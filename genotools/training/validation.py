"""Loss and metrics of a network on one split, as training watches them: forward strand, evaluation mode."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genotools.data.loader import batches
from genotools.data.store import SequenceStore
from genotools.nn.inference import fastest_inference
from genotools.nn.network import GenomeNet, activate
from genotools.training.loss import prediction_loss
from genotools.training.metrics import MultilabelMetrics, evaluate_multilabel
from genotools.training.settings import Precision

__all__ = ["Validation", "autocast", "to_device", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Mean loss over windows and labels, and the metrics; no metrics where the loss is not finite."""

    loss: float
    metrics: MultilabelMetrics | None


def validate(
    network: GenomeNet,
    store: SequenceStore,
    split: str,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision = "fp32",
    before_batch: Callable[[], None] | None = None,
) -> Validation:
    """Return loss and metrics of ``network`` on ``split``; the mode it was in is put back.

    ``before_batch`` is called before every batch and may raise to stop.
    """
    rows = store.rows(split)
    logits = torch.empty(len(rows), len(store.names), device=device)
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), autocast(device, precision):
            run = network if precision != "fp32" else fastest_inference(network)
            n_done = 0
            for batch in batches(store, rows, batch_size, rng=None):
                if before_batch is not None:
                    before_batch()
                logits[n_done : n_done + len(batch)] = run(to_device(batch.codes, device))
                n_done += len(batch)
    finally:
        network.train(was_training)
    labels = store.labels(rows)
    loss = prediction_loss(logits, to_device(labels, device).float(), network.task.kind).item()
    if not np.isfinite(loss):
        return Validation(loss=loss, metrics=None)
    probs = activate(logits, network.task.kind).cpu().numpy()
    return Validation(loss=loss, metrics=evaluate_multilabel(labels, probs, store.names))


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs at ``precision``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def to_device(array: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return ``array`` as a tensor on ``device``; the copy to a CUDA device is not waited for."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))  # copies where it must
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
