"""Processes that train one network together, each on its share of every batch.

A process started by torchrun joins the others with :func:`joined_ranks`; everything else asks :meth:`Ranks.current`,
which is a single rank otherwise. All ranks hold the same weights: they start alike, average their gradients before
every step and their running statistics before every validation, so that all end with the same digest. Batch norms
take their statistics over a rank's own share, as in PyTorch's DistributedDataParallel.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from genotools.errors import DataError, GenotoolsError

__all__ = ["Ranks", "folder_of_rank", "joined_ranks", "n_launched"]

BUCKET_BYTES = 2**25
"""Tensors are averaged together up to this many bytes: hundreds of small messages cost more than their content."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where a process is, ``rank`` from 0, among the ``world_size`` that train together."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def current(cls) -> "Ranks":
        """Return where this process is; the only one where none was joined."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and speaks."""
        return self.rank == 0

    @property
    def path(self) -> tuple[int, ...]:
        """The rank's place below a seed: the first rank draws what a single process does."""
        return () if self.rank == 0 else (self.rank,)

    def share(self, n: int) -> slice:
        """Return this rank's part of ``n`` things in a row; the parts differ by one at most."""
        return slice(n * self.rank // self.world_size, n * (self.rank + 1) // self.world_size)

    def check_batch_size(self, batch_size: int) -> None:
        """Raise DataError if the ranks cannot share a batch equally."""
        if batch_size % self.world_size:
            raise DataError(
                f"batch_size {batch_size} cannot be shared equally by {self.world_size} ranks; "
                "choose a multiple of their number."
            )

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace every tensor by its mean over ranks; all ranks must give alike ones in the same order."""
        if self.world_size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            dist.all_reduce(flat)
            flat /= self.world_size
            means = torch.split(flat, [tensor.numel() for tensor in bucket])
            for tensor, mean in zip(bucket, means, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Average the gradients of ``parameters``; on all ranks the same ones have a gradient."""
        self.average(parameter.grad for parameter in parameters if parameter.grad is not None)

    def average_statistics(self, network: nn.Module) -> None:
        """Average the running statistics of all batch norms."""
        self.average(buffer for buffer in network.buffers() if buffer.is_floating_point())

    def sum(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over ranks."""
        if self.world_size > 1:
            dist.all_reduce(tensor)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Return whether the flag is up on any rank; all ranks must ask."""
        if self.world_size == 1:
            return flag
        flags = torch.tensor(int(flag), device=device)
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())

    def check_equal(self, digest: str, what: str) -> None:
        """Raise GenotoolsError if ``digest`` is not the same on all ranks; all ranks must ask."""
        if self.world_size == 1:
            return
        found: list[str | None] = [None] * self.world_size
        dist.all_gather_object(found, digest)
        if len(set(found)) > 1:
            raise GenotoolsError(f"{what} differ between ranks: {', '.join(str(one)[:12] for one in found)}.")

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.world_size > 1:
            dist.barrier()


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Yield tensors of one dtype in a row, together up to ``BUCKET_BYTES``."""
    bucket: list[Tensor] = []
    n_bytes = 0
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if bucket and (tensor.dtype != bucket[0].dtype or n_bytes + size > BUCKET_BYTES):
            yield bucket
            bucket, n_bytes = [], 0
        bucket.append(tensor)
        n_bytes += size
    if bucket:
        yield bucket


def n_launched() -> int:
    """Return how many processes torchrun started together with this one; 1 without it."""
    text = os.environ.get("WORLD_SIZE", "1")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise DataError(f"WORLD_SIZE is {text[:60]!r}: torchrun sets it to a whole number; unset it.")
    return int(text)


@contextmanager
def joined_ranks(device: str) -> Iterator[tuple[Ranks, str]]:
    """Join the other processes of torchrun inside the block; yield the rank and its device.

    Without torchrun, or with one process, nothing is joined. ``auto`` and ``cuda`` become the device of the rank's
    own number on its machine; NCCL connects CUDA devices, Gloo connects CPUs.

    Raises
    ------
    DataError
        If the device names one CUDA device for all ranks.
    """
    if n_launched() == 1:
        yield Ranks(), device
        return
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda:"):
        raise DataError(f"device {device!r} is one device for all ranks; use --device cuda.")
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield Ranks.current(), device
    finally:
        dist.destroy_process_group()


@contextmanager
def folder_of_rank(ranks: Ranks, folder: Path) -> Iterator[Path]:
    """Yield the folder in which a rank works: ``folder`` itself on the first, a temporary copy on the others.

    So all ranks run the same code, checkpoints included, and one of them leaves something.
    """
    if ranks.is_first:
        ranks.wait()  # until the others have their copies
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="genotools-rank-") as name:
        copy = Path(name) / "run"
        if folder.is_dir():
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".lock"))
        ranks.wait()
        yield copy
