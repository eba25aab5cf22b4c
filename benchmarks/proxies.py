"""How well zero-cost scores rank genotypes: against what random ones reach after a short training.

    python benchmarks/proxies.py --data STORE -o FOLDER [--genotypes 40] [--repeats 2] [--proxy-seeds 2]

Random genotypes of the published space are trained alike, each from ``--repeats`` seeds, and the mean of their
validation AUPRC of the best epoch is what a score should rank. For every score the table has Spearman's and Kendall's
correlation with it, of the first seed as a search would have it; the interval that holds Spearman's in 95 % of
bootstrap samples of the genotypes; Spearman's with ``params``; how well the orders of two seeds agree; and the time
a score takes. ``params`` and ``macs`` are the line to beat. How well the orders of two trainings agree says how much
there is to be ranked at all: where it is low, no score can do well.

Everything is kept in FOLDER: a benchmark that was stopped goes on where it was, and more genotypes or repeats add to
it. Training is on one thread unless the environment says otherwise.
"""

import argparse
import itertools
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from genotools.data.store import SequenceStore
from genotools.errors import GenotoolsError
from genotools.genotype import GENOME_NAS, Genotype, Macro, Task
from genotools.search import Job
from genotools.search.evaluator import TrainingEvaluator
from genotools.search.journal import Journal
from genotools.search.proxies import PROXIES, score
from genotools.training.settings import get_preset

OBJECTIVE = "valid_auprc"
N_BOOTSTRAPS = 2000

Numbers = NDArray[np.float64]


def main() -> None:
    """Train, score and print the table."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(arguments.seed)
    genotypes = [GENOME_NAS.sample(rng=rng) for _ in range(arguments.genotypes)]
    training = get_preset(arguments.preset).changed(
        monitor="auprc", epochs=arguments.epochs, steps_per_epoch=arguments.steps
    )
    with SequenceStore.open(arguments.data) as store:
        macro = {"small": Macro.small, "paper": Macro.paper}[arguments.macro](store.length)
        task = store.task
        evaluator = TrainingEvaluator(store, macro, training, device=arguments.device)
        reached = trained(genotypes, evaluator, arguments)
    scores = {name: scored(name, genotypes, macro, task, arguments) for name in PROXIES}
    print(
        f"\nPython {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, "
        f"{arguments.threads} thread(s); {arguments.macro} macro, {macro.length} bp, {task.n_outputs} labels; "
        f"{training.epochs} epochs of {training.steps_per_epoch} steps of {training.batch_size}"
    )
    show(reached, scores)


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description="Zero-cost scores against trained genotypes.")
    parser.add_argument("--data", type=Path, required=True, help="a sequence store")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder of what was trained and scored"
    )
    parser.add_argument("--genotypes", type=int, default=40, help="random genotypes (default: 40)")
    parser.add_argument("--repeats", type=int, default=2, help="trainings of each (default: 2)")
    parser.add_argument("--proxy-seeds", type=int, default=2, help="seeds of each score (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the genotypes")
    parser.add_argument("--macro", choices=("small", "paper"), default="small")
    parser.add_argument("--preset", default="quick", help="of training (default: quick)")
    parser.add_argument("--epochs", type=int, help="the preset's")
    parser.add_argument("--steps", type=int, help="of an epoch; the preset's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.genotypes < 3 or min(arguments.repeats, arguments.proxy_seeds) < 1:
        parser.error("at least 3 genotypes, 1 repeat and 1 seed are needed.")
    return arguments


def trained(
    genotypes: list[Genotype], evaluator: TrainingEvaluator, arguments: argparse.Namespace
) -> Numbers:
    """Return the AUPRC of every genotype and repeat, ``(N, repeats)``; NaN where training failed."""

    def train(genotype: Genotype, seed: int) -> dict[str, Any]:
        print(f"training {genotype.digest[:12]}, seed {seed} ...", flush=True)
        try:
            return {"auprc": evaluator(Job(number=0, genotype=genotype, seed=seed))[OBJECTIVE]}
        except GenotoolsError as error:
            return {"auprc": None, "error": str(error)}

    events = kept(
        arguments.output / "trained.jsonl", genotypes, arguments.repeats, evaluator.describe(), train
    )
    values = [[event["auprc"] for event in row] for row in events]
    return np.array(values, dtype=np.float64)


def scored(
    name: str, genotypes: list[Genotype], macro: Macro, task: Task, arguments: argparse.Namespace
) -> tuple[Numbers, Numbers]:
    """Return a score of every genotype and seed, and the seconds it took, both ``(N, seeds)``."""

    def take(genotype: Genotype, seed: int) -> dict[str, Any]:
        started = time.perf_counter()
        value = score(name, genotype, macro, task, seed=seed, device=arguments.device)
        return {"score": value, "seconds": time.perf_counter() - started}

    settings = {"name": name, "macro": macro.to_document(), "n_outputs": task.n_outputs}
    events = kept(arguments.output / f"{name}.jsonl", genotypes, arguments.proxy_seeds, settings, take)
    values, seconds = ([[event[key] for event in row] for row in events] for key in ("score", "seconds"))
    return np.array(values, dtype=np.float64), np.array(seconds, dtype=np.float64)


def kept(
    path: Path,
    genotypes: list[Genotype],
    n_seeds: int,
    settings: dict[str, Any],
    make: Callable[[Genotype, int], dict[str, Any]],
) -> list[list[dict[str, Any]]]:
    """Return what ``make`` gives for every genotype and seed; what was made before is read from ``path``."""
    journal = Journal(path)
    known = {
        (event["digest"], event["seed"]): event for event in journal.read() if event["settings"] == settings
    }
    for seed in range(n_seeds):  # all genotypes once before any of them twice
        for genotype in genotypes:
            key = genotype.digest, seed
            if key not in known:
                known[key] = {"digest": key[0], "seed": seed, "settings": settings, **make(genotype, seed)}
                journal.append("made", known[key])
    return [[known[genotype.digest, seed] for seed in range(n_seeds)] for genotype in genotypes]


def show(reached: Numbers, scores: dict[str, tuple[Numbers, Numbers]]) -> None:
    """Print how each score ranks the genotypes, next to how well two trainings agree."""
    has_trained = ~np.isnan(reached).any(axis=1)
    if has_trained.sum() < 3:
        raise SystemExit(f"{has_trained.sum()} genotypes trained without a failure, at least 3 are needed.")
    auprc = reached[has_trained].mean(axis=1)
    print(
        f"{len(auprc)} genotypes, {len(reached) - len(auprc)} more failed to train; AUPRC {auprc.min():.4f} to "
        f"{auprc.max():.4f}, mean {auprc.mean():.4f}; Spearman of two trainings "
        f"{agreement(reached[has_trained]):.2f}\n"
    )
    print(
        f"{'score':<10}{'Spearman':>10}{'95 %':>16}{'Kendall':>9}{'params':>9}{'two seeds':>11}{'ms':>9}"
        "   better"
    )
    params = scores["params"][0][has_trained, 0]
    for name, (values, seconds) in scores.items():
        values = values[has_trained]
        sign = 1 if PROXIES[name].better == "higher" else -1
        first = sign * values[:, 0]
        low, high = interval(first, auprc)
        beaten = "  the line to beat" if name in ("params", "macs") else ""
        print(
            f"{name:<10}{rank_correlation(first, auprc):>10.2f}{f'{low:.2f} to {high:.2f}':>16}"
            f"{kendalltau(first, auprc).statistic:>9.2f}{rank_correlation(first, params):>9.2f}"
            f"{agreement(values):>11.2f}{1e3 * np.median(seconds):>9.1f}   {PROXIES[name].better}{beaten}"
        )


def rank_correlation(first: Numbers, second: Numbers) -> float:
    """Return Spearman's correlation, NaN where all values are equal."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def agreement(values: Numbers) -> float:
    """Return the mean rank correlation of two columns; NaN where there is one only."""
    pairs = itertools.combinations(values.T, 2)
    found = [rank_correlation(first, second) for first, second in pairs]
    return float(np.mean(found)) if found else float("nan")


def interval(values: Numbers, auprc: Numbers) -> tuple[float, float]:
    """Return between what Spearman's correlation lies in 95 % of bootstrap samples."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(auprc), size=(N_BOOTSTRAPS, len(auprc)))
    found = [rank_correlation(values[draw], auprc[draw]) for draw in draws]
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
