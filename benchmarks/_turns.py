"""Versions of one thing, each in a process of its own with one thread, that take turns: what all benchmarks here do.

What disturbs the machine so disturbs all of them. Times are CPU seconds of a version's process, which other work on
the machine disturbs less than wall time; peak memory is the resident set's maximum minus what it was before the
version was set up.
"""

import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

__all__ = ["Taken", "gemm_peak", "take_turns"]

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Taken:
    """CPU seconds of the timed steps, and peak memory in bytes."""

    seconds: list[float]
    peak_bytes: int

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


def take_turns(
    setups: Mapping[str, Callable[[], Step]], repeats: int, *, warm_up: int = 1, threads: int = 1
) -> dict[str, Taken]:
    """Return what every version took.

    Parameters
    ----------
    setups
        For every version a function that can be pickled; called in the version's process it returns the step.
    repeats, warm_up
        Steps that are timed, and before them steps that are not.
    threads
        Of each version. With more than one, times are wall time.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before the workers start
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name, setup in setups.items():
        pipes[name], theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, setup, threads), daemon=True).start()
    for pipe in pipes.values():
        pipe.recv()
    seconds: dict[str, list[float]] = {name: [] for name in setups}
    for _ in range(warm_up + repeats):
        for name, pipe in pipes.items():
            pipe.send("step")
            seconds[name].append(pipe.recv())
    taken = {}
    for name, pipe in pipes.items():
        pipe.send("stop")
        taken[name] = Taken(seconds[name][warm_up:], pipe.recv())
    return taken


def _work(pipe: Connection, setup: Callable[[], Step], threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    before = _peak_bytes()
    step = setup()
    pipe.send("ready")
    while pipe.recv() == "step":
        started = clock()
        step()
        pipe.send(clock() - started)
    pipe.send(_peak_bytes() - before)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def gemm_peak(size: int = 2048) -> float:
    """Return the GFLOP/s of the faster library in a product of large square matrices, float32, one thread."""
    taken = take_turns({"torch": _torch_product, "onednn": _onednn_product}, 5, warm_up=2)
    return 2 * size**3 / min(min(one.seconds) for one in taken.values()) / 1e9


def _torch_product(size: int = 2048) -> Step:
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    return lambda: torch.mm(a, b)


def _onednn_product(size: int = 2048) -> Step:
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    packed = torch.ops.mkldnn._reorder_linear_weight(b)
    return lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], "")
