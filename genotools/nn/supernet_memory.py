"""What one training step of a supernet needs of memory, said before it is taken, and help when it was too much.

The estimate comes from a supernet on PyTorch's ``meta`` device, whose tensors have shapes and no numbers: what
autograd keeps there is what it keeps in earnest. So it holds for every space, macro-architecture and primitive. What
a process really took at its peak was 6 to 15 % more (published sizes, batch 8 and 32, with and without
checkpointing): memory between blocks, and the libraries' own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genotools.errors import GenotoolsError
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import LiveOps
from genotools.nn.mixed_recurrent import ROWS_AT_ONCE
from genotools.nn.supernet import Supernet

__all__ = ["SupernetMemory", "explained_out_of_memory", "supernet_memory", "supernet_params"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetMemory:
    """Bytes of one weight step in float32, by part.

    Attributes
    ----------
    weights
        Parameters and running statistics.
    gradients, momentum
        One number for every parameter each.
    cells, recurrent, head
        What the forward pass keeps for the backward pass; the stem counts among the cells.
    working
        What the backward pass needs for a while besides.
    """

    weights: int
    gradients: int
    momentum: int
    cells: int
    recurrent: int
    head: int
    working: int

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        parts = (
            self.weights,
            self.gradients,
            self.momentum,
            self.cells,
            self.recurrent,
            self.head,
            self.working,
        )
        return sum(parts)

    def __str__(self) -> str:
        kept = self.cells + self.recurrent + self.head
        return (
            f"{_size(self.total)}: weights, gradients and momentum "
            f"{_size(self.weights + self.gradients + self.momentum)}, kept for the backward pass {_size(kept)} "
            f"(conv cells {_size(self.cells)}, recurrent cell {_size(self.recurrent)}), working {_size(self.working)}"
        )


def supernet_memory(
    live: LiveOps, macro: Macro, task: Task, batch_size: int, *, checkpoint_cells: bool = False
) -> SupernetMemory:
    """Return what a weight step needs, without building the supernet; alpha steps need less.

    Takes a few seconds for the published sizes.

    Raises
    ------
    ValueError
        If ``batch_size`` is below 2, with which no supernet can be trained.
    """
    if batch_size < 2:
        raise ValueError(f"batch_size is {batch_size}, a supernet needs at least 2 sequences.")
    supernet = _on_meta(live, macro, task)
    alphas = Alphas(live, generator=torch.Generator(), device="meta")
    kept = _Kept(supernet)
    codes = torch.empty(batch_size, macro.length, dtype=torch.uint8, device="meta")
    with alphas.frozen(), torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
        supernet(codes, alphas)
    params = sum(weight.nbytes for weight in supernet.parameters())
    buffers = sum(buffer.nbytes for buffer in supernet.buffers())
    cells = [kept.of(cell) for cell in supernet.cells]
    # The gradients of a cell's nodes and of what they share live at the same time as its activations.
    working = max(kept.outputs) * 4 + _recurrent_working(supernet, batch_size)
    return SupernetMemory(
        weights=params + buffers,
        gradients=params,
        momentum=params - sum(weight.nbytes for weight in _parameters(supernet.recurrent)),
        cells=sum(kept.outputs) if checkpoint_cells else kept.of(None) + sum(cells),
        recurrent=kept.of(supernet.recurrent),
        head=kept.of(supernet.head),
        working=working + (max(cells) if checkpoint_cells else 0),
    )


def supernet_params(live: LiveOps, macro: Macro, task: Task) -> int:
    """Return the number of weights of a supernet, without building it; alphas are not among them.

    >>> from genotools import GENOME_NAS
    >>> supernet_params(LiveOps.full(GENOME_NAS), Macro.paper(), Task(919))
    38035039
    """
    return sum(weight.numel() for weight in _on_meta(live, macro, task).parameters())


def _on_meta(live: LiveOps, macro: Macro, task: Task) -> Supernet:
    with torch.device("meta"):
        return Supernet(live, macro, task)


def _parameters(module: nn.Module | None) -> Iterator[nn.Parameter]:
    return iter(()) if module is None else module.parameters()


def _recurrent_working(supernet: Supernet, batch_size: int) -> int:
    """Return the bytes of the packed matrices and of the gradients that are kept for a common product."""
    if supernet.recurrent is None:
        return 0
    n_rows = max(ROWS_AT_ONCE, batch_size) * len(supernet.live.edges("recurrent"))
    packed = sum(weight.nbytes for weight in supernet.recurrent.parameters())
    return packed + n_rows * 2 * supernet.recurrent.hidden * 4


class _Kept:
    """Counts the memory that autograd keeps, by the module that is running; weights do not count."""

    def __init__(self, supernet: Supernet) -> None:
        self._owner: nn.Module | None = None
        self._bytes: dict[nn.Module | None, int] = {}
        # By the address of the storage; holding on to it keeps the address from being used again.
        self._seen: dict[int, Tensor] = {_address(weight): weight for weight in supernet.parameters()}
        self.outputs: list[int] = []
        for part in (*supernet.cells, supernet.recurrent, supernet.head):
            if part is not None:
                part.register_forward_pre_hook(self._enter)
        for cell in supernet.cells:
            cell.register_forward_hook(self._leave)

    def of(self, owner: nn.Module | None) -> int:
        """Return the bytes of a part; of None, those of the stem."""
        return self._bytes.get(owner, 0)

    def pack(self, tensor: Tensor) -> Tensor:
        if _address(tensor) not in self._seen:
            self._seen[_address(tensor)] = tensor
            self._bytes[self._owner] = self.of(self._owner) + tensor.untyped_storage().nbytes()
        return tensor

    def unpack(self, tensor: Tensor) -> Tensor:
        return tensor

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._owner = module

    def _leave(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.outputs.append(output.nbytes)


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def explained_out_of_memory(memory: SupernetMemory | None = None) -> Iterator[None]:
    """Say what helps where the block runs out of memory.

    Parameters
    ----------
    memory
        The estimate, named in the error where it is given.

    Raises
    ------
    GenotoolsError
        Instead of PyTorch's error, which stays its cause.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        needed = "" if memory is None else f" A training step was estimated at {memory}."
        raise GenotoolsError(
            f"out of memory.{needed} What helps: a smaller batch; bf16 on a CUDA device; checkpointing of cells, "
            "which computes them twice; a search that trains single paths."
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether PyTorch or Python ran out of memory; PyTorch has no type for it on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in ("DefaultCPUAllocator", "not enough memory", "out of memory"))


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"
