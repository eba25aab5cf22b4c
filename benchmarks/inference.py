"""Predictions of a whole network at the published size: plain modules, the network, and packed for predictions.

    python benchmarks/inference.py [--batch 1 8 64] [--repeats 7]

``packed`` is what ``evaluate`` and ``predict`` run on a CPU with a PyTorch model; what it lays out once is not timed.
Share is of the machine's own peak in a large product.
"""

import argparse
from functools import partial

from _turns import Step, gemm_peak, take_turns
from training_step import forward_macs

WAYS = ("plain", "network", "packed")


def main() -> None:
    """Run the benchmark and print one table."""
    parser = argparse.ArgumentParser(description="Predictions, plain and packed.")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    peak = gemm_peak()
    print(f"peak of a large product: {peak:.0f} GFLOP/s; one thread, float32, medians of {arguments.repeats}")
    print("| batch | plain ms | network ms | packed ms | plain / packed | windows a second | share of peak |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for batch_size in arguments.batch:
        taken = take_turns(
            {way: partial(set_up, way, batch_size) for way in WAYS}, arguments.repeats, warm_up=2
        )
        plain, network, packed = (taken[way].median for way in WAYS)
        share = 2 * forward_macs(seed=0) * batch_size / packed / 1e9 / peak
        print(
            f"| {batch_size} | {plain * 1e3:.1f} | {network * 1e3:.1f} | {packed * 1e3:.1f} | {plain / packed:.2f} | "
            f"{batch_size / packed:.0f} | {share:.0%} |",
            flush=True,
        )


def set_up(way: str, batch_size: int) -> Step:
    """Return a prediction."""
    import numpy as np
    import torch

    from genotools import GENOME_NAS, Macro, Task, build
    from genotools.nn.inference import PackedNetwork
    from genotools.training.allocator import keep_freed_memory

    if way != "plain":
        keep_freed_memory()
    network = build(GENOME_NAS.sample(rng=np.random.default_rng(0)), Macro.paper(), Task(919), seed=0).eval()
    codes = torch.randint(4, (batch_size, 1000), dtype=torch.uint8)
    if way == "packed":
        packed = PackedNetwork(network)
        return lambda: packed(codes)
    run = network.forward_plain if way == "plain" else network
    return torch.inference_mode()(lambda: run(codes))


if __name__ == "__main__":
    main()
