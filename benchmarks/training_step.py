"""A whole training step at the published size: as it is taken now against the plain one, and an epoch of it.

    python benchmarks/training_step.py [--batch 8 32 100] [--repeats 5] [--baselines]

A step is forward pass, loss with slowness penalty, backward pass, clipping and update, on random windows; 1000 bp and
919 outputs. ``plain`` runs the modules as they are written, clips, and then steps; ``fast`` is what ``genotools
train`` does. ``--baselines`` adds the four hand-designed networks, in PyTorch's own code, with their published
optimiser. An epoch is 3000 steps, extrapolated. Share is of the machine's own peak in a large product, counting three
times the forward pass's multiply-accumulates.
"""

import argparse
from functools import partial

from _turns import Step, gemm_peak, take_turns

STEPS_PER_EPOCH = 3000
BASELINES = ("deepsea", "danq", "ncnet-rr", "ncnet-brr")


def main() -> None:
    """Run the benchmark and print one table a batch size."""
    parser = argparse.ArgumentParser(description="A training step, plain and fast.")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the random genotype")
    parser.add_argument("--baselines", action="store_true", help="the hand-designed networks too")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the fast step")
    arguments = parser.parse_args()
    peak, macs = gemm_peak(), forward_macs(arguments.seed)
    print(f"peak of a large product: {peak:.0f} GFLOP/s; one thread, medians of {arguments.repeats}")
    for batch_size in arguments.batch:
        setups = {
            "plain": partial(set_up_plain, arguments.seed, batch_size),
            "fast": partial(set_up_fast, arguments.seed, batch_size, arguments.precision),
        }
        if arguments.baselines:
            setups |= {name: partial(set_up_baseline, name, batch_size) for name in BASELINES}
        taken = take_turns(setups, arguments.repeats)
        first = taken["plain"].median
        print(f"\n| batch {batch_size} | ms a step | plain / this | share of peak | MiB | h an epoch |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, one in taken.items():
            share = "" if name in BASELINES else f"{3 * 2 * macs * batch_size / one.median / 1e9 / peak:.0%}"
            print(
                f"| {name} | {one.median * 1e3:.0f} | {first / one.median:.2f} | {share} | "
                f"{one.peak_bytes / 2**20:.0f} | {one.median * STEPS_PER_EPOCH / 3600:.2f} |",
                flush=True,
            )


def forward_macs(seed: int) -> int:
    """Return the multiply-accumulates of one window."""
    import numpy as np

    from genotools import GENOME_NAS, Macro, Task
    from genotools.nn.cost import cost

    genotype = GENOME_NAS.sample(rng=np.random.default_rng(seed))
    return int(cost(genotype, Macro.paper(), Task(919)).macs)


def data(batch_size: int):
    """Return base codes and targets."""
    import torch

    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(4, (batch_size, 1000), generator=generator, dtype=torch.uint8)
    return codes, (torch.rand(batch_size, 919, generator=generator) < 0.1).float()


def network_of(seed: int):
    """Return the network with the published dropout rates."""
    import numpy as np

    from genotools import GENOME_NAS, Macro, Task, build

    network = build(GENOME_NAS.sample(rng=np.random.default_rng(seed)), Macro.paper(), Task(919), seed=0)
    network.set_dropout(drop_path=0.2, dropout_x=0.1, dropout_h=0.05)
    return network.train()


def set_up_plain(seed: int, batch_size: int) -> Step:
    """Return the step as it is written down."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    network, (codes, targets) = network_of(seed), data(batch_size)
    assert network.recurrent is not None
    recurrent = {id(weight) for weight in network.recurrent.parameters()}
    others = [weight for weight in network.parameters() if id(weight) not in recurrent]
    groups = [
        {"params": others, "lr": 0.025, "momentum": 0.9, "weight_decay": 3e-4},
        {"params": network.recurrent.parameters(), "lr": 8.0, "momentum": 0.0, "weight_decay": 5e-7},
    ]
    optimiser = torch.optim.SGD(groups)

    def step() -> None:
        optimiser.zero_grad()
        logits, states = network.forward_plain(codes)
        assert states is not None
        slowness = (states[1:] - states[:-1]).square().mean()
        (binary_cross_entropy_with_logits(logits, targets) + 1e-3 * slowness).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.25)
        optimiser.step()

    return step


def set_up_fast(seed: int, batch_size: int, precision: str) -> Step:
    """Return the step that a training takes."""
    from genotools.training.allocator import keep_freed_memory
    from genotools.training.optimiser import make_optimiser
    from genotools.training.ranks import Ranks
    from genotools.training.settings import TrainingSettings
    from genotools.training.step import TrainingStep

    keep_freed_memory()
    network, (codes, targets) = network_of(seed), data(batch_size)
    settings = TrainingSettings().changed(precision=precision)
    step = TrainingStep(network, make_optimiser(network, settings), settings, ranks=Ranks())
    return lambda: step(codes, targets)


def set_up_baseline(name: str, batch_size: int) -> Step:
    """Return the step of a hand-designed network: SGD for DeepSEA, RMSprop for the others, as published."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from genotools import Task
    from genotools.nn.baselines import build_baseline

    network, (codes, targets) = build_baseline(name, 1000, Task(919), seed=0), data(batch_size)
    if name == "deepsea":
        optimiser: torch.optim.Optimizer = torch.optim.SGD(
            network.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-7
        )
    else:
        optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9)

    def step() -> None:
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(network(codes), targets).backward()
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
