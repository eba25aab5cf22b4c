"""How fast floor 1 is: digests, samples, mutants, neighbours and JSON files a second, on one core.

    python benchmarks/genotype.py [-n N] [--repeats R]

Fixed seeds. Every repeat works on fresh genotypes, since a digest is computed once and kept. Time is CPU time of the
process, so that other programs on the machine count little; the median of the repeats is printed, and the range.
"""

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genotools.genotype import GENOME_NAS, Genotype


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Speed of genotypes on one core.")
    parser.add_argument("-n", type=int, default=2000, help="genotypes a repeat (default: 2000)")
    parser.add_argument("--repeats", type=int, default=7, help="repeats (default: 7)")
    arguments = parser.parse_args()
    n, repeats = arguments.n, arguments.repeats

    print(
        f"Python {platform.python_version()}, {platform.machine()}, {n} genotypes, {repeats} repeats, CPU time"
    )
    print(f"{'':<24}{'a second':>12}{'µs each':>12}{'slowest':>12}{'fastest':>12}")
    for name, make, work, n_items in (
        ("digest", fresh, digests, n),
        ("sample", generators, sample, n),
        ("mutate", fresh, mutate, max(n // 20, 1)),
        ("neighbors (all of one)", fresh, neighbors, max(n // 40, 1)),
        ("crossover", fresh, crossover, n),
        ("encode", fresh, encode, n),
        ("write JSON", fresh, write, n),
        ("read JSON", texts, read, n),
    ):
        seconds = measure(make, work, n_items, repeats)
        each = [1e6 * value / n_items for value in seconds]
        middle = statistics.median(each)
        print(f"{name:<24}{1e6 / middle:>12,.0f}{middle:>12,.1f}{max(each):>12,.1f}{min(each):>12,.1f}")


def measure(
    make: Callable[[int, int], Any], work: Callable[[Any], None], n_items: int, repeats: int
) -> list[float]:
    """Return the CPU seconds of every repeat; making the input is not measured, and the first is a warm-up."""
    seconds = []
    for repeat in range(repeats + 1):
        given = make(n_items, repeat)
        gc.collect()
        gc.disable()  # as timeit does: when it runs depends on what else is in memory
        started = time.process_time()
        work(given)
        seconds.append(time.process_time() - started)
        gc.enable()
    return seconds[1:]


def generators(n_items: int, seed: int) -> tuple[int, np.random.Generator]:
    """Return how many to draw, and from what."""
    return n_items, np.random.default_rng(seed)


def fresh(n_items: int, seed: int) -> list[Genotype]:
    """Return genotypes of which nothing has been computed yet."""
    rng = np.random.default_rng(seed)
    return [GENOME_NAS.sample(rng=rng) for _ in range(n_items)]


def texts(n_items: int, seed: int) -> list[str]:
    """Return genotypes as JSON text."""
    return [genotype.to_json() for genotype in fresh(n_items, seed)]


def digests(genotypes: Sequence[Genotype]) -> None:
    """Compute digests."""
    for genotype in genotypes:
        _ = genotype.digest


def sample(given: tuple[int, np.random.Generator]) -> None:
    """Draw genotypes."""
    n_items, rng = given
    for _ in range(n_items):
        GENOME_NAS.sample(rng=rng)


def mutate(genotypes: Sequence[Genotype]) -> None:
    """Mutate each once."""
    rng = np.random.default_rng(0)
    for genotype in genotypes:
        GENOME_NAS.mutate(genotype, rng=rng)


def neighbors(genotypes: Sequence[Genotype]) -> None:
    """List the neighbours of each."""
    for genotype in genotypes:
        GENOME_NAS.neighbors(genotype)


def crossover(genotypes: Sequence[Genotype]) -> None:
    """Cross each with the next."""
    rng = np.random.default_rng(0)
    for first, second in zip(genotypes, [*genotypes[1:], genotypes[0]], strict=True):
        GENOME_NAS.crossover(first, second, rng=rng)


def encode(genotypes: Sequence[Genotype]) -> None:
    """Turn each into arrays."""
    for genotype in genotypes:
        GENOME_NAS.encode(genotype)


def write(genotypes: Sequence[Genotype]) -> None:
    """Write each as JSON text, digest included."""
    for genotype in genotypes:
        genotype.to_json()


def read(given: Sequence[str]) -> None:
    """Read each from JSON text with every check, the digest included."""
    for text in given:
        Genotype.from_json(text)


if __name__ == "__main__":
    main()
