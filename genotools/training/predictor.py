"""A trained PyTorch network as a :class:`~genotools.predictor.Predictor`."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.genotype.task import Task
from genotools.nn.inference import fastest_inference, weights_version
from genotools.nn.window_network import WindowNetwork, activate
from genotools.training.precision import Precision, autocast, tensor_cores
from genotools.training.validation import to_device
from genotools.training.weights import load_network, model_digest

__all__ = ["WEIGHTS_NAME", "TorchPredictor", "load_predictor_from_run"]

WEIGHTS_NAME = "weights.safetensors"


class TorchPredictor:
    """Predicts with a network, in evaluation mode.

    Parameters
    ----------
    network
        Its mode is put back after every call; it is moved to ``device`` for good.
    device
        Where it runs.
    batch_size
        Windows in one forward pass; more are split.
    precision
        ``fp32``, or ``bf16`` for a bfloat16 forward pass.

    Raises
    ------
    DataError
        If the network predicts per position: one row per window is promised here.
    """

    def __init__(
        self,
        network: WindowNetwork,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 256,
        precision: Precision = "fp32",
    ) -> None:
        if network.task.per_position:
            raise DataError("a network that predicts per position has no single row of outputs per window.")
        self.device = torch.device(device)
        self.network = network.to(self.device)
        self.batch_size = batch_size
        self.precision: Precision = precision
        self._packed: tuple[object, Callable[[torch.Tensor], torch.Tensor]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K outputs, in order."""
        return tuple(self.network.task.names)

    @property
    def length(self) -> int:
        """Length of a window in bp."""
        return self.network.length

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        return self.network.task

    @cached_property
    def digest(self) -> str:
        """SHA-256 over architecture and weights, as they are when it is first asked for."""
        return model_digest(self.network)

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return outputs ``(N, K)`` for base codes ``(N, length)``; NaN where a logit is not finite.

        Raises
        ------
        DataError
            If ``codes`` has another shape or type.
        """
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != self.length:
            raise DataError(
                f"the model takes uint8 codes of shape (N, {self.length}), not {codes.dtype} {codes.shape}."
            )
        outputs = torch.empty(len(codes), len(self.names), device=self.device)
        was_training = self.network.training
        self.network.eval()
        try:
            with (
                torch.inference_mode(),
                tensor_cores(self.device, self.precision),
                autocast(self.device, self.precision),
            ):
                run = self._inference()
                for start in range(0, len(codes), self.batch_size):
                    rows = slice(start, start + self.batch_size)
                    logits = run(to_device(codes[rows], self.device))
                    # A logit that has overflowed is no certain answer: infinity less itself is NaN, all else 0.
                    outputs[rows] = activate(logits, self.task.kind) + (logits - logits)
        finally:
            self.network.train(was_training)
        return outputs.cpu().numpy()

    def _inference(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what runs the network; made again where its weights have changed."""
        if self.precision != "fp32":
            return self.network
        version = weights_version(self.network)
        if self._packed is None or self._packed[0] != version:
            self._packed = version, fastest_inference(self.network)
        return self._packed[1]


def load_predictor_from_run(
    folder: Path | str, *, device: str | torch.device = "cpu", batch_size: int = 256
) -> TorchPredictor:
    """Return the predictor of a training folder: the weights of its best epoch.

    Raises
    ------
    DataError
        If the folder is no training's, or the training has not finished yet.
    """
    folder = Path(folder)
    if not (folder / WEIGHTS_NAME).is_file():
        if (folder / "config.json").is_file():
            raise DataError(
                f"{folder}: no {WEIGHTS_NAME} yet: finish the training with `train ... --resume`."
            )
        raise DataError(f"{folder}: no training folder, it has no {WEIGHTS_NAME}.")
    return TorchPredictor(
        load_network(folder / WEIGHTS_NAME, device=device), device=device, batch_size=batch_size
    )
