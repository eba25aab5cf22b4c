"""One training step: forward pass, loss, backward pass, clipped update."""

from typing import NamedTuple

import torch
from torch import Tensor

from genotools.nn.window_network import WindowNetwork
from genotools.training.loss import prediction_loss, slowness
from genotools.training.optimiser import clipped_step
from genotools.training.precision import autocast, tensor_cores
from genotools.training.ranks import Ranks
from genotools.training.settings import TrainingSettings

__all__ = ["CapturedStep", "Losses", "TrainingStep", "make_step"]


class Losses(NamedTuple):
    """Loss without penalty, slowness, and the norm of the gradients: scalars on the device, not waited for."""

    loss: Tensor
    slowness: Tensor
    gradient_norm: Tensor


class TrainingStep:
    """A step as PyTorch runs it, operation by operation.

    Parameters
    ----------
    network, optimiser
        Changed by every step; the network is in training mode then.
    settings
        Of precision, penalty and clipping.
    """

    def __init__(
        self, network: WindowNetwork, optimiser: torch.optim.SGD, settings: TrainingSettings, *, ranks: Ranks
    ) -> None:
        self.network, self.optimiser, self.settings, self.ranks = network, optimiser, settings, ranks

    def start_epoch(self) -> None:
        """Take note that learning rates have changed."""

    def __call__(self, codes: Tensor, targets: Tensor) -> Losses:
        """Train on base codes ``(N, L)`` and float targets ``(N, K)``, both on the network's device."""
        self.optimiser.zero_grad(set_to_none=True)
        with tensor_cores(codes.device, self.settings.precision):
            with autocast(codes.device, self.settings.precision):
                logits, states = self.network.forward_with_states(codes)
                loss = prediction_loss(logits, targets, self.network.task.kind)
                slow = slowness(states, loss)
            (loss + self.settings.slowness * slow).backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.network.parameters())
        norm = clipped_step(self.optimiser, self.settings.clip_norm)
        return Losses(loss.detach(), slow.detach(), norm)


class CapturedStep(TrainingStep):
    """A step as one CUDA graph: recorded once an epoch, then started as a whole.

    The recurrent cell is thousands of small kernels, whose starts one by one take longer than they run. The first
    steps of an epoch run as usual, so that whatever is set up at first use is there before the recording; learning
    rates are constants of the recording, hence once an epoch. Dropout goes on drawing from the device's generator.
    A batch of another shape runs as usual.
    """

    N_WARM_UP = 3

    def start_epoch(self) -> None:
        """Forget the recording."""
        self._graph: torch.cuda.CUDAGraph | None = None
        self._n_warm = 0

    def __call__(self, codes: Tensor, targets: Tensor) -> Losses:
        """Train on base codes ``(N, L)`` and float targets ``(N, K)``, both on the network's device.

        The losses are overwritten by the next step.
        """
        if self._graph is not None and codes.shape == self._codes.shape:
            self._codes.copy_(codes)
            self._targets.copy_(targets)
            self._graph.replay()
            return self._losses
        if self._n_warm < self.N_WARM_UP or self._graph is not None:
            self._n_warm += 1
            return self._warm_up(codes, targets)
        return self._record(codes, targets)

    def _warm_up(self, codes: Tensor, targets: Tensor) -> Losses:
        """Take a step on a stream of its own, as a recording demands."""
        stream = torch.cuda.Stream(codes.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(codes.device))
        with torch.cuda.stream(stream):
            losses = super().__call__(codes, targets)
        torch.cuda.current_stream(codes.device).wait_stream(stream)
        return losses

    def _record(self, codes: Tensor, targets: Tensor) -> Losses:
        """Record a step and take it."""
        self._codes, self._targets = codes.clone(), targets.clone()
        self.optimiser.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(codes.device)  # type: ignore[no-untyped-call]
        # PyTorch's own stream of recordings is of the current device, which need not be this one.
        with torch.cuda.device(codes.device), torch.cuda.graph(self._graph, stream=stream):
            self._losses = super().__call__(self._codes, self._targets)
        self._graph.replay()
        return self._losses


def make_step(
    network: WindowNetwork,
    optimiser: torch.optim.SGD,
    settings: TrainingSettings,
    *,
    device: torch.device,
    ranks: Ranks,
    capture: bool = True,
) -> TrainingStep:
    """Return the fastest step there is: a captured one on a single CUDA device, unless ``capture`` is off."""
    is_captured = capture and device.type == "cuda" and ranks.world_size == 1
    step = (CapturedStep if is_captured else TrainingStep)(network, optimiser, settings, ranks=ranks)
    step.start_epoch()
    return step
