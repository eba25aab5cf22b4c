"""A network for predictions on a CUDA device: a forward pass as one CUDA graph.

A forward pass is thousands of small kernels, most of the recurrent cell, and starting them one by one takes longer
than they run.
"""

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from genotools.nn.network import GenomeNet

__all__ = ["CapturedNetwork"]

MAX_SHAPES = 4
"""Recordings that are kept; each holds the memory of its forward pass."""


class CapturedNetwork:
    """What predicts as ``network`` does in evaluation mode; changes of its weights in place are seen.

    A shape is recorded when it comes the second time: whoever predicts once does not wait for it, and the rest of a
    split, which is shorter, is not recorded. Nothing is translated by ``torch.compile``, which takes a minute.

    Parameters
    ----------
    network
        On a CUDA device.
    """

    def __init__(self, network: GenomeNet) -> None:
        self._network = network
        self._recordings: dict[torch.Size, _Recording | None] = {}

    @torch.inference_mode()
    def __call__(self, codes: Tensor) -> Tensor:
        """Return logits ``(N, K)``, or ``(N, P, K)`` for a task per position, for base codes ``(N, length)``."""
        shape = codes.shape
        if codes.dtype != torch.uint8:  # copying them into a recording would hide it
            return self._run(codes)
        if (recording := self._recordings.get(shape)) is not None:
            return recording.replay(codes)
        if shape in self._recordings:
            self._recordings[shape] = recording = self._record(codes)
            return recording.replay(codes)
        if len(self._recordings) < MAX_SHAPES:
            self._recordings[shape] = None
        return self._run(codes)

    def _run(self, codes: Tensor) -> Tensor:
        # The import behind it takes a second.
        stance = torch.compiler.set_stance("force_eager") if self._network.is_compiled else nullcontext()
        with stance:
            logits: Tensor = self._network(codes)
        return logits

    def _record(self, codes: Tensor) -> "_Recording":
        """Record a pass, once it has run on a stream of its own, as a recording demands."""
        codes, stream = codes.clone(), torch.cuda.Stream(codes.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(codes.device))
        with torch.cuda.stream(stream):
            self._run(codes)
        torch.cuda.current_stream(codes.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # PyTorch's own stream of recordings is of the current device, which need not be this one.
        with torch.cuda.device(codes.device), torch.cuda.graph(graph, stream=stream):
            logits = self._run(codes)
        return _Recording(graph, codes, logits)


class _Recording(NamedTuple):
    """A graph, what it reads, and what it writes."""

    graph: torch.cuda.CUDAGraph
    codes: Tensor
    logits: Tensor

    def replay(self, codes: Tensor) -> Tensor:
        self.codes.copy_(codes)
        self.graph.replay()
        return self.logits.clone()  # the next call overwrites it
