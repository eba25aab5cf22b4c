"""The precision a step computes in; weights, gradients and the optimiser stay in float32.

``fp32`` is float32 throughout, also in convolutions on CUDA devices, to which PyTorch would give TF32. ``tf32`` lets
tensor cores round the factors of products to 10 bits; on a CPU it is float32. ``bf16`` runs products and convolutions
of the forward pass in bfloat16, and with them their gradients.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

__all__ = ["Precision", "autocast", "tensor_cores"]

Precision = Literal["fp32", "tf32", "bf16"]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context of a forward pass; the backward pass follows it by itself."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def tensor_cores(device: torch.device, precision: Precision) -> Iterator[None]:
    """Let float32 products use TF32 inside the block, or see that none does: for forward and backward pass."""
    if device.type != "cuda":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
