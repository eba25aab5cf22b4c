"""The recurrent cell: the fast way against the plain loop, in training and inference, as it grows.

    python benchmarks/recurrent_cell.py [--repeats 5] [--vary batch length hidden]

The cell of one random genotype (8 states). Published size: 42 positions, 512 units. Share is of the machine's own
peak in a large float32 product, counting the cell's products only (three times the forward ones in training).
"""

import argparse
from collections.abc import Callable
from functools import partial

from _turns import Step, gemm_peak, take_turns

SIZES = {"batch": (1, 8, 32, 64, 100), "length": (10, 42, 125), "hidden": (128, 256, 512, 1024)}
DEFAULT = {"batch": 8, "length": 42, "hidden": 512}


def main() -> None:
    """Run the benchmark and print one line a size."""
    parser = argparse.ArgumentParser(description="The recurrent cell, plain and fast.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--vary", nargs="+", choices=SIZES, default=list(SIZES))
    arguments = parser.parse_args()
    peak = gemm_peak()
    print(f"peak of a large product: {peak:.0f} GFLOP/s; one thread, float32, medians of {arguments.repeats}")
    for vary in arguments.vary:
        print(
            f"\n| {vary} | mode | plain ms | fast ms | ratio | GFLOP/s | share of peak | MiB plain | MiB fast |"
        )
        print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for value in SIZES[vary]:
            for mode in ("training", "inference"):
                line(vary, value, mode, peak, arguments.repeats)


def line(vary: str, value: int, mode: str, peak: float, repeats: int) -> None:
    """Measure one size and print it."""
    sizes = {**DEFAULT, vary: value}
    setups: dict[str, Callable[[], Step]] = {
        way: partial(set_up, way, mode, sizes["batch"], sizes["length"], sizes["hidden"])
        for way in ("plain", "fast")
    }
    taken = take_turns(setups, repeats)
    plain, fast = taken["plain"], taken["fast"]
    # One matrix of 2H x 2H and eight of H x 2H.
    flop = 2 * sizes["batch"] * sizes["length"] * (2 + 8) * 2 * sizes["hidden"] ** 2
    rate = flop * (3 if mode == "training" else 1) / fast.median / 1e9
    print(
        f"| {value} | {mode} | {plain.median * 1e3:.1f} | {fast.median * 1e3:.1f} | "
        f"{plain.median / fast.median:.2f} | {rate:.0f} | {rate / peak:.0%} | "
        f"{plain.peak_bytes / 2**20:.0f} | {fast.peak_bytes / 2**20:.0f} |",
        flush=True,
    )


def set_up(way: str, mode: str, batch_size: int, length: int, hidden: int) -> Step:
    """Return a pass: forward and backward in training, forward with laid out weights in inference."""
    import numpy as np
    import torch

    from genotools import GENOME_NAS
    from genotools.nn.recurrent_cell import RecurrentCellModule
    from genotools.nn.recurrent_unroll import PackedWeights, unroll_packed
    from genotools.training.allocator import keep_freed_memory

    if way == "fast":
        keep_freed_memory()
    cell = RecurrentCellModule(GENOME_NAS.recurrent.sample(rng=np.random.default_rng(0)), hidden)
    x = torch.randn(length, batch_size, hidden, requires_grad=mode == "training")
    unroll = cell.unroll_plain if way == "plain" else cell.unroll
    if mode == "training":
        cell.dropout_x, cell.dropout_h = 0.1, 0.05
        gradient = torch.randn(length, batch_size, hidden)

        def train() -> None:
            cell.zero_grad()
            unroll(x).backward(gradient)

        return train
    cell.eval().requires_grad_(False)
    if way == "plain":
        return torch.inference_mode()(lambda: unroll(x))
    assert cell.families is not None
    packed = PackedWeights(list(cell.weights), cell.families)
    return torch.inference_mode()(lambda: unroll_packed(x, packed))


if __name__ == "__main__":
    main()
