"""Time and memory of a DARTS step: the fast supernet against the plain one, in one run.

    python benchmarks/supernet.py [--batch 8 32] [--repeats 3] [--small]

A step is a first-order alpha step and a weight step, both with forward and backward pass, clipping and optimiser, on
random sequences. Versions:

``plain``         every op on every edge by itself; both steps take gradients of weights and alphas, as published
``plain-frozen``  the same, but each step takes only the gradients it uses
``fast``          :class:`genotools.nn.supernet.Supernet` as a search trains it
"""

import argparse
from contextlib import nullcontext
from functools import partial
from typing import Any

from _turns import Step, gemm_peak, take_turns

VERSIONS = ("plain", "plain-frozen", "fast")
SEED = 0


def main() -> None:
    """Run the benchmark and print one table."""
    parser = argparse.ArgumentParser(description="A DARTS step, plain and fast.")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=VERSIONS)
    parser.add_argument("--small", action="store_true", help="200 bp and 2 channels, not the published size")
    arguments = parser.parse_args()
    size = "200 bp, 2 channels" if arguments.small else "published size"
    print(
        f"peak of a large product: {gemm_peak():.0f} GFLOP/s; {size}, one thread, medians of {arguments.repeats}"
    )
    print("| batch | version | s a step | lowest to highest | first / this | peak MiB | estimated MiB |")
    print("| ---: | --- | ---: | --- | ---: | ---: | ---: |")
    for batch_size in arguments.batch:
        setups = {
            version: partial(set_up, version, batch_size, arguments.small) for version in arguments.versions
        }
        taken = take_turns(setups, arguments.repeats)
        first = taken[arguments.versions[0]].median
        for version, one in taken.items():
            estimate = f"{estimated_mib(batch_size, arguments.small):.0f}" if version == "fast" else ""
            print(
                f"| {batch_size} | {version} | {one.median:.2f} | {min(one.seconds):.2f} to {max(one.seconds):.2f} | "
                f"{first / one.median:.2f} | {one.peak_bytes / 2**20:.0f} | {estimate} |",
                flush=True,
            )


def sizes(is_small: bool) -> Any:
    """Return macro-architecture and task."""
    from genotools import Macro, Task

    return Macro(length=200, channels=2) if is_small else Macro.paper(), Task(919)


def estimated_mib(batch_size: int, is_small: bool) -> float:
    """Return what a search says that it will need."""
    from genotools import GENOME_NAS
    from genotools.nn.live_ops import LiveOps
    from genotools.nn.supernet_memory import supernet_memory

    return supernet_memory(LiveOps.full(GENOME_NAS), *sizes(is_small), batch_size).total / 2**20


def set_up(version: str, batch_size: int, is_small: bool) -> Step:
    """Return the two steps of one version."""
    import torch

    from genotools import GENOME_NAS
    from genotools.nn.alphas import Alphas
    from genotools.nn.live_ops import LiveOps
    from genotools.nn.supernet import build_supernet
    from genotools.nn.supernet_plain import build_plain_supernet
    from genotools.training.allocator import keep_freed_memory
    from genotools.training.optimiser import clipped_step

    is_fast = version == "fast"
    if is_fast:
        keep_freed_memory()
    live, (macro, task) = LiveOps.full(GENOME_NAS), sizes(is_small)
    supernet: Any = (build_supernet if is_fast else build_plain_supernet)(live, macro, task, seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    alphas = Alphas(live, generator=generator)
    sgd = torch.optim.SGD(
        supernet.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4, fused=is_fast or None
    )
    adam = torch.optim.Adam(alphas.tensors, lr=3e-3, betas=(0.9, 0.999), weight_decay=1e-3)
    codes = torch.randint(4, (batch_size, macro.length), generator=generator, dtype=torch.uint8)
    targets = (torch.rand(batch_size, task.n_outputs, generator=generator) < 0.1).float()

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
        if is_fast:
            clipped_step(sgd, 0.25)
        else:
            torch.nn.utils.clip_grad_norm_(supernet.parameters(), 0.25)
            sgd.step()

    return step


if __name__ == "__main__":
    main()
