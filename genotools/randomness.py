"""Reproducible module initialisation without touching the global random state."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["forked_torch"]


@contextmanager
def forked_torch(seed: int, *, device: str = "cpu") -> Iterator[None]:
    """Run the block with PyTorch's global generators seeded, and put their states back afterwards.

    For code that can only draw from the global generator: module initialisation and dropout. The CPU generator is
    forked, and with a CUDA ``device`` that device's too; others are neither seeded nor initialised.

    Examples
    --------
    >>> import torch
    >>> with forked_torch(1):
    ...     first = torch.rand(3)
    >>> with forked_torch(1):
    ...     second = torch.rand(3)
    >>> torch.equal(first, second)
    True
    """
    import torch

    target = torch.device(device)
    cuda = []
    if target.type == "cuda":
        cuda = [torch.cuda.current_device() if target.index is None else target.index]
    with torch.random.fork_rng(devices=cuda):
        # Not torch.manual_seed: it would also seed every CUDA device, forked or not.
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
