"""Base codes as one-hots, made on the device."""

import torch
from torch import Tensor

__all__ = ["N_BASES", "all_bases", "one_hot"]

N_BASES = 4


def all_bases() -> Tensor:
    """Return the four base codes: a buffer for a module, so that they lie on its device."""
    return torch.arange(N_BASES, dtype=torch.uint8)


def one_hot(codes: Tensor, bases: Tensor, *, length: int, dtype: torch.dtype) -> Tensor:
    """Return base codes ``(N, L)`` as ``(N, 4, L)``, position after position in memory.

    Raises
    ------
    ValueError
        If type or shape of the codes is another.
    """
    if codes.dtype != torch.uint8 or codes.dim() != 2 or codes.shape[1] != length:
        raise ValueError(
            f"codes must be uint8 of shape (N, {length}), not {str(codes.dtype).removeprefix('torch.')} of shape "
            f"{tuple(codes.shape)}. The network takes windows of {length} bp."
        )
    return (codes[:, :, None] == bases).to(dtype).transpose(1, 2)
