"""Loss and metrics of a network on one split, as training watches them: forward strand, evaluation mode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genotools.data.loader import batches
from genotools.data.store import SequenceStore
from genotools.nn.inference import fastest_inference
from genotools.nn.window_network import WindowNetwork, activate
from genotools.training.loss import prediction_loss
from genotools.training.precision import Precision, autocast, tensor_cores
from genotools.training.ranks import Ranks
from genotools.training.task_metrics import Metrics, evaluate_task

__all__ = ["Validation", "to_device", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Mean loss over windows and labels, and the metrics; none where loss or predictions are not finite.

    ``bad_rows`` are the rows of the store whose predictions are not.
    """

    loss: float
    metrics: Metrics | None
    bad_rows: tuple[int, ...] = ()


def validate(
    network: WindowNetwork,
    store: SequenceStore,
    split: str,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision = "fp32",
    before_batch: Callable[[], None] | None = None,
) -> Validation:
    """Return loss and metrics of ``network`` on ``split``; the mode it was in is put back.

    ``before_batch`` is called before every batch and may raise to stop. Several ranks predict a share each, without
    being stopped in between.
    """
    rows, ranks = store.rows(split), Ranks.current()
    logits = torch.zeros(len(rows), len(store.names), device=device)
    mine = ranks.share(len(rows))
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), tensor_cores(device, precision), autocast(device, precision):
            # Ranks wait for each other, which a recording of one of them could not.
            is_fast = precision == "fp32" and ranks.world_size == 1
            run = fastest_inference(network) if is_fast else network
            n_done = mine.start
            for batch in batches(store, rows[mine], batch_size, rng=None):
                if before_batch is not None and ranks.world_size == 1:
                    before_batch()
                logits[n_done : n_done + len(batch)] = run(to_device(batch.codes, device))
                n_done += len(batch)
    finally:
        network.train(was_training)
    ranks.sum(logits)
    labels = store.labels(rows)
    loss = prediction_loss(logits, to_device(labels, device).float(), network.task.kind).item()
    is_finite = torch.isfinite(logits).all(dim=1).cpu().numpy()
    if not (np.isfinite(loss) and is_finite.all()):
        return Validation(loss=loss, metrics=None, bad_rows=tuple(rows[~is_finite].tolist()))
    probs = activate(logits, network.task.kind).cpu().numpy()
    return Validation(loss=loss, metrics=evaluate_task(store.task, labels, probs))


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return ``array`` as a tensor on ``device``; the copy to a CUDA device is not waited for."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))  # copies where it must
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
