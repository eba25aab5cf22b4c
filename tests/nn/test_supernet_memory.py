"""The estimate of memory, and what is said when it was not enough."""

import pytest
import torch
from torch import Tensor

from genotools import GENOME_NAS, Macro, Task
from genotools.errors import GenotoolsError
from genotools.genotype import Layer
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import build_supernet
from genotools.nn.supernet_memory import (
    SupernetMemory,
    explained_out_of_memory,
    supernet_memory,
    supernet_params,
)

FULL = LiveOps.full(GENOME_NAS)
SMALL = Macro(length=60, channels=4, layers=(Layer("normal"), Layer("reduce", 2)), head_hidden=16)
TASK = Task(3)


def kept_bytes(batch_size: int) -> int:
    """Return what a forward pass of the real supernet keeps besides its weights."""
    supernet = build_supernet(FULL, SMALL, TASK, seed=0)
    alphas = Alphas(FULL, generator=torch.Generator().manual_seed(0))
    storages = {weight.data_ptr(): 0 for weight in supernet.parameters()}
    held = []

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor)
        storages.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with alphas.frozen(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = supernet(torch.zeros(batch_size, 60, dtype=torch.uint8), alphas)
    del output
    return sum(storages.values())


def test_the_estimate_is_what_the_supernet_keeps() -> None:
    memory = supernet_memory(FULL, SMALL, TASK, 6)
    estimated = memory.cells + memory.recurrent + memory.head
    assert abs(estimated - kept_bytes(6)) < 0.03 * estimated
    assert memory.total > estimated


def test_parts_of_the_estimate_follow_batch_weights_and_checkpointing() -> None:
    small, large = (supernet_memory(FULL, SMALL, TASK, batch_size) for batch_size in (4, 8))
    assert small.gradients == large.gradients == 4 * supernet_params(FULL, SMALL, TASK)
    assert 1.9 < large.cells / small.cells < 2.1
    checkpointed = supernet_memory(FULL, SMALL, TASK, 8, checkpoint_cells=True)
    assert checkpointed.cells < large.cells / 10
    assert checkpointed.total < large.total
    assert "conv cells" in str(large)


def test_a_batch_of_one_has_no_estimate() -> None:
    with pytest.raises(ValueError, match="batch_size is 1"):
        supernet_memory(FULL, SMALL, TASK, 1)


def test_the_published_supernet_has_the_published_number_of_weights() -> None:
    assert supernet_params(FULL, Macro.paper(), Task(919)) == 38_035_471 - 432


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."
        ),
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
    ],
)
def test_running_out_of_memory_names_what_helps(error: Exception) -> None:
    part = 2**30
    memory = SupernetMemory(
        weights=part, gradients=part, momentum=part, cells=part, recurrent=part, head=part, working=part
    )
    with (
        pytest.raises(
            GenotoolsError,
            match=r"(?s)estimated at 7.00 GiB.*smaller batch.*bf16.*checkpointing.*single paths",
        ),
        explained_out_of_memory(memory),
    ):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="another"), explained_out_of_memory():
        raise RuntimeError("another")
