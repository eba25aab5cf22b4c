"""What all networks are to those that train, export and predict with them: base codes in, logits out.

The network of a genotype (:class:`genotools.nn.network.GenomeNet`) and the hand-designed ones
(:mod:`genotools.nn.baselines`) are both one; :func:`genotools.nn.architecture.rebuild` makes one of its document.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from genotools.genotype.task import Task, TaskKind
from genotools.nn.one_hot import N_BASES, all_bases, one_hot
from genotools.randomness import forked_torch

__all__ = ["WindowNetwork", "activate"]


def activate(logits: Tensor, kind: TaskKind) -> Tensor:
    """Return the predictions that ``logits`` of shape ``(..., K)`` stand for.

    Probabilities for ``multilabel`` (sigmoid) and ``multiclass`` (softmax), the logits themselves for
    ``regression``, their exponential for ``counts``.
    """
    match kind:
        case TaskKind.MULTILABEL:
            return torch.sigmoid(logits)
        case TaskKind.MULTICLASS:
            return torch.softmax(logits, dim=-1)
        case TaskKind.REGRESSION:
            return logits
        case TaskKind.COUNTS:
            return torch.exp(logits)


class WindowNetwork(nn.Module):
    """A network on windows of ``length`` bp for the outputs of ``task``.

    A subclass gives ``_run``, from a one-hot to logits and recurrent states, and says what it is: ``digest``,
    :meth:`architecture`, and ``_untrained``, the same network with other weights.
    """

    bases: Tensor

    def __init__(self, length: int, task: Task) -> None:
        super().__init__()
        self.length, self.task = length, task
        # Not a weight: it comes with the class, not with a checkpoint.
        self.register_buffer("bases", all_bases(), persistent=False)

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of what is built, whatever the length, task and weights; 64 hex digits."""

    @abstractmethod
    def architecture(self) -> dict[str, object]:
        """Return the JSON values that rebuild the network, but for its task and weights.

        ``genotype`` and ``macro``, documents both, or ``baseline``, a name, and ``length`` in bp.
        """

    @abstractmethod
    def _run(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return logits, and recurrent states ``(T, N, H)`` or None, for a one-hot ``(N, 4, length)``."""

    @abstractmethod
    def _untrained(self) -> Self:
        """Return a network of the same architecture and task on the CPU, its weights from the global generator."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.parameters()).dtype

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits ``(N, K)``, or ``(N, P, K)`` for a task per position.

        Parameters
        ----------
        codes
            Base codes, uint8, ``(N, length)``: A, C, G, T are 0 to 3; everything above is unknown and becomes a zero
            column.

        Raises
        ------
        ValueError
            If the type or the shape is another.
        """
        return self.forward_with_states(codes)[0]

    def forward_with_states(self, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits and the recurrent states ``(T, N, H)``, None without a recurrent cell.

        The states are what the slowness penalty is taken of.
        """
        return self._run(self.one_hot(codes))

    def forward_one_hot(self, x: Tensor) -> Tensor:
        """Return the logits for a one-hot ``(N, 4, length)``, through which gradients can flow.

        Raises
        ------
        ValueError
            If the type is no float or the shape is another.
        """
        if not x.is_floating_point() or x.dim() != 3 or x.shape[1:] != (N_BASES, self.length):
            raise ValueError(
                f"one-hot must be floats of shape (N, {N_BASES}, {self.length}), "
                f"not {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}. Base codes go to forward."
            )
        return self._run(x)[0]

    def one_hot(self, codes: Tensor) -> Tensor:
        """Return base codes ``(N, L)`` as ``(N, 4, L)`` in the precision of the weights."""
        return one_hot(codes, self.bases, length=self.length, dtype=self.dtype)

    def predict_probs(self, codes: Tensor) -> Tensor:
        """Return what :func:`activate` makes of the logits, in evaluation mode and without gradients.

        The mode the network was in is put back.
        """
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return activate(self(codes), self.task.kind)
        finally:
            self.train(was_training)

    def recurrent_parameters(self) -> Sequence[nn.Parameter]:
        """Return the parameters that are trained with the recurrent cell's learning rate; here none."""
        return ()

    def set_dropout(
        self,
        *,
        drop_path: float | None = None,
        dropout_x: float | None = None,
        dropout_h: float | None = None,
        head: float | None = None,
    ) -> None:
        """Set the dropout rates of a searched network's parts; one without them keeps the rates of its own."""

    def copy_on_cpu(self) -> Self:
        """Return a copy on the CPU in float32 and evaluation mode, not compiled, that takes no gradients.

        The network itself is left alone; nobody listens to the copy's modules.
        """
        with forked_torch(0):
            copy = self._untrained()
        copy.load_state_dict(self.state_dict())
        return copy.float().eval().requires_grad_(False)
