"""Stem and convolutional cells of a network: the fast way against the plain modules.

    python benchmarks/conv_cells.py [--batch 8 64] [--repeats 5]

Published size, without recurrent cell and head, for a random genotype and for two that use one op only. Training is a
forward and a backward pass; inference has batch norms folded.
"""

import argparse
from functools import partial

from _turns import Step, take_turns

KINDS = ("random", "sep_conv_15", "conv_15")


def main() -> None:
    """Run the benchmark and print one line a kind of genotype."""
    parser = argparse.ArgumentParser(description="Convolutional cells, plain and fast.")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--length", type=int, nargs="+", default=[1000], help="of the windows, in bp")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| ops | batch | bp | mode | plain ms | fast ms | ratio | MiB plain | MiB fast |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        for batch_size in arguments.batch:
            for length in arguments.length:
                for mode in ("training", "inference"):
                    setups = {
                        way: partial(set_up, way, mode, kind, batch_size, length) for way in ("plain", "fast")
                    }
                    taken = take_turns(setups, arguments.repeats)
                    plain, fast = taken["plain"], taken["fast"]
                    print(
                        f"| {kind} | {batch_size} | {length} | {mode} | {plain.median * 1e3:.1f} | "
                        f"{fast.median * 1e3:.1f} | {plain.median / fast.median:.2f} | "
                        f"{plain.peak_bytes / 2**20:.0f} | {fast.peak_bytes / 2**20:.0f} |",
                        flush=True,
                    )


def set_up(way: str, mode: str, kind: str, batch_size: int, length: int) -> Step:
    """Return a pass through stem and cells."""
    import numpy as np
    import torch

    from genotools import GENOME_NAS, Macro, Task, build
    from genotools.genotype import ConvCell, Genotype
    from genotools.nn.inference import PackedCells
    from genotools.training.allocator import keep_freed_memory

    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    if kind != "random":
        normal, reduce = (
            ConvCell((edge.source, edge.target, kind) for edge in cell.edges)
            for cell in (genotype.normal, genotype.reduce)
        )
        genotype = Genotype(normal, reduce, genotype.recurrent)
    if way == "fast":
        keep_freed_memory()
    network = build(genotype, Macro.paper(length), Task(1), seed=0)
    network.set_dropout(drop_path=0.2)
    x = network.one_hot(torch.randint(4, (batch_size, length), dtype=torch.uint8))
    run = network._run_cells_fast if way == "fast" else network._run_cells
    x = x if way == "fast" else x.contiguous()
    if mode == "training":

        def train() -> None:
            network.zero_grad()
            run(x).sum().backward()

        return train
    network.eval().requires_grad_(False)
    if way == "fast":
        run = PackedCells(network)
    return torch.inference_mode()(lambda: run(x))


if __name__ == "__main__":
    main()
