"""Sampling engines on a synthetic landscape whose optimum is known, next to random search.

    python benchmarks/engines_on_landscape.py [--seeds 20] [--evaluations 200] [--engines evolution bonas ...]

A landscape scores a genotype between 0 and 1 by how like it is to a hidden one, which has 1; each seed has another
landscape, the same for all engines. The table has the best score so far after a quarter, half and all of the
evaluations, mean and standard deviation over seeds; on what share of the landscapes an engine came to 0.9 of the
optimum; on how many it ended above random search; and the CPU time of one search. No network is trained: BONAS has
trials of their own here, as every engine has. It also prints Hyperband's brackets.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from genotools.genotype import GENOME_NAS
from genotools.search import Source, make_engine
from genotools.search.hyperband import brackets
from genotools.testing.driving import drive
from genotools.testing.landscape import Landscape

SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "random": {},
        "evolution": {"population": 20, "tournament": 5, "children": 4},
        "local-search": {"n_starts": 10, "round_size": 8},
        "pareto": {"population": 20},
        "bonas": {"n_initial": 20, "round_size": 10, "n_candidates": 300},
        "rl": {"round_size": 10, "lr": 1e-2},
    }
)
"""Fit for 200 evaluations: the published populations would be hardly more than random search."""

NEAR_OPTIMUM = 0.9


def main() -> None:
    """Run every engine on every landscape and print the tables."""
    parser = argparse.ArgumentParser(description="Engines on a landscape with a known optimum.")
    parser.add_argument("--seeds", type=int, default=20, help="landscapes (default: 20)")
    parser.add_argument(
        "--evaluations", type=int, default=200, help="of every search, at least 4 (default: 200)"
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=SETTINGS,
        default=[name for name in SETTINGS if name != "rl"],
        help="random is always there; all by default but rl, which has hardly learned by then",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engines = ["random", *(name for name in arguments.engines if name != "random")]
    n_seeds, n_evaluations = arguments.seeds, arguments.evaluations
    places = [n_evaluations // 4, n_evaluations // 2, n_evaluations]
    print(f"{n_seeds} landscapes, {n_evaluations} evaluations, optimum 1\n")
    heads = "".join(f"{f'after {n}':>18}" for n in places)
    print(f"{'engine':<14}{heads}{f'to {NEAR_OPTIMUM}':>8}{'beats random':>14}{'CPU s':>8}")
    random_ends: list[float] = []
    for engine in engines:
        started = time.process_time()
        courses = [course(engine, seed, n_evaluations) for seed in range(n_seeds)]
        seconds = (time.process_time() - started) / n_seeds
        ends = [best[-1] for best in courses]
        random_ends = random_ends or ends
        cells = "".join(f"{spread([best[n - 1] for best in courses]):>18}" for n in places)
        share = sum(end >= NEAR_OPTIMUM for end in ends) / n_seeds
        n_better = sum(end > other for end, other in zip(ends, random_ends, strict=True))
        beats = "" if engine == "random" else f"{n_better} of {n_seeds}"
        print(f"{engine:<14}{cells}{share:>8.0%}{beats:>14}{seconds:>8.1f}", flush=True)
    print("\nsettings: " + "; ".join(f"{name} {dict(SETTINGS[name])}" for name in engines))
    print("\nHyperband, R=81, eta=3, trials@epochs:")
    for bracket in brackets(81, 3):
        print("  " + " -> ".join(f"{n}@{epochs}" for n, epochs in bracket))


def course(engine: str, seed: int, n_evaluations: int) -> list[float]:
    """Return the best score so far after each evaluation."""
    landscape = Landscape(GENOME_NAS, seed=seed)
    proposer = make_engine(engine, Source(GENOME_NAS, rng=np.random.default_rng(seed)), SETTINGS[engine])
    scores: list[float] = []
    while len(scores) < n_evaluations:
        found = drive(proposer, landscape, 1, first=len(scores))
        if not found:
            break
        scores += [trial.score or 0.0 for trial in found]
    best = np.maximum.accumulate(scores[:n_evaluations]).tolist()
    return [*best, *[best[-1]] * (n_evaluations - len(best))]


def spread(values: list[float]) -> str:
    """Return mean and standard deviation as text."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
