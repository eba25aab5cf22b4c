"""Time and memory of a DARTS step: the fast supernet against the plain one, in one run.

    python benchmarks/supernet.py [--batch 8 32] [--repeats 3] [--small]

A step is a first-order alpha step and a weight step, both with forward and backward pass, clipping and optimiser, on
random sequences. Every version has a process of its own with one thread; they take turns, and the median of their CPU
seconds is reported, which other work on the machine disturbs less than wall time. Versions:

``plain``         every op on every edge by itself; both steps take gradients of weights and alphas, as published
``plain-frozen``  the same, but each step takes only the gradients it uses
``fast``          :class:`genotools.nn.supernet.Supernet`

Peak memory is the resident set's maximum of a process minus what it had before it built its supernet.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import time
from contextlib import nullcontext
from multiprocessing.connection import Connection
from typing import Any

VERSIONS = ("plain", "plain-frozen", "fast")
SEED = 0


def main() -> None:
    """Run the benchmark and print one table a batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=VERSIONS)
    parser.add_argument(
        "--small", action="store_true", help="200 bp and 2 channels instead of the published size"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before the workers start
    for batch_size in arguments.batch:
        measure(batch_size, arguments.repeats, arguments.versions, small=arguments.small)


def measure(batch_size: int, repeats: int, versions: list[str], *, small: bool) -> None:
    """Let the versions take turns and print what they took."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for version in versions:
        pipes[version], theirs = context.Pipe()
        context.Process(target=work, args=(theirs, version, batch_size, small), daemon=True).start()
    estimates = {version: pipe.recv() for version, pipe in pipes.items()}
    seconds: dict[str, list[float]] = {version: [] for version in versions}
    for _ in range(1 + repeats):  # the first is to warm up
        for version, pipe in pipes.items():
            pipe.send("step")
            seconds[version].append(pipe.recv())
    size = "small" if small else "published"
    print(f"batch {batch_size}, {size} size, one thread, median of {repeats}")
    first = statistics.median(seconds[versions[0]][1:])
    for version, pipe in pipes.items():
        pipe.send("stop")
        median = statistics.median(seconds[version][1:])
        print(
            f"  {version:13} {median:7.2f} CPU s ({min(seconds[version][1:]):.2f} to "
            f"{max(seconds[version][1:]):.2f})   {first / median:5.2f} times   "
            f"peak {pipe.recv() / 2**30:5.2f} GiB{estimates[version]}"
        )


def work(pipe: Connection, version: str, batch_size: int, small: bool) -> None:
    """Build one version and take a step whenever told to; answer with its CPU seconds."""
    import torch

    from genotools import GENOME_NAS, Macro, Task
    from genotools.nn.alphas import Alphas
    from genotools.nn.live_ops import LiveOps
    from genotools.nn.supernet import build_supernet
    from genotools.nn.supernet_memory import supernet_memory
    from genotools.nn.supernet_plain import build_plain_supernet

    torch.set_num_threads(1)
    live, task = LiveOps.full(GENOME_NAS), Task(919)
    macro = Macro(length=200, channels=2) if small else Macro.paper()
    estimate = f", estimated {supernet_memory(live, macro, task, batch_size).total / 2**30:.2f}"
    before = peak_bytes()
    build = build_supernet if version == "fast" else build_plain_supernet
    supernet: Any = build(live, macro, task, seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    alphas = Alphas(live, generator=generator)
    sgd = torch.optim.SGD(supernet.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
    adam = torch.optim.Adam(alphas.tensors, lr=3e-3, betas=(0.9, 0.999), weight_decay=1e-3)
    codes = torch.randint(4, (batch_size, macro.length), generator=generator, dtype=torch.uint8)
    targets = (torch.rand(batch_size, 919, generator=generator) < 0.1).float()

    def backward(slowness: float) -> None:
        logits, states = supernet.forward_with_states(codes, alphas)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        (loss + slowness * (states[1:] - states[:-1]).square().mean()).backward()

    def step() -> None:
        adam.zero_grad()
        sgd.zero_grad()
        with nullcontext() if version == "plain" else supernet.frozen():
            backward(0.0)
        adam.step()
        adam.zero_grad()
        sgd.zero_grad()
        with nullcontext() if version == "plain" else alphas.frozen():
            backward(1e-3)
        torch.nn.utils.clip_grad_norm_(supernet.parameters(), 0.25)
        sgd.step()

    pipe.send(estimate if version == "fast" else "")
    while pipe.recv() == "step":
        started = time.process_time()
        step()
        pipe.send(time.process_time() - started)
    pipe.send(peak_bytes() - before)


def peak_bytes() -> int:
    """Return the largest resident set this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
