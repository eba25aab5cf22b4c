"""What ``genotools search --seeds`` does: a search a seed, random search beside each, mean and spread."""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from genotools.cli._options import MAX_SEED
from genotools.cli._sampling import SamplingOptions, run_sampling
from genotools.errors import DataError, OutputExistsError
from genotools.files import claimed, read_json, write_json
from genotools.formats import SEARCH_SEEDS
from genotools.search import SearchResult

__all__ = ["one_shot_seeds", "sampling_seeds", "seeds_of"]

LOCK = ".lock"


def seeds_of(text: str) -> list[int]:
    """Return the seeds of e.g. ``0,1,2``.

    Raises
    ------
    DataError
        If it is no such text, or a seed appears twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise DataError(
            f"--seeds {text[:60]!r}: whole numbers with commas between were expected, e.g. 0,1,2."
        )
    if any(len(part.lstrip("0")) > len(str(MAX_SEED)) or int(part) > MAX_SEED for part in parts):
        raise DataError(f"--seeds {text[:60]!r}: a seed is {MAX_SEED} at most.")
    seeds = [int(part) for part in parts]
    if len(set(seeds)) < len(seeds):
        raise DataError(f"--seeds {text[:60]!r}: a seed appears twice.")
    return seeds


def sampling_seeds(
    engine: str,
    options: SamplingOptions,
    output: Path,
    seeds: Sequence[int],
    *,
    beside_random: bool,
    as_json: bool,
) -> None:
    """Search once a seed in ``output/seed-N``, and at random with as much training in ``output/random-N``."""
    with _claimed(output, resume=options.resume):
        results = _results(engine, options, output, seeds, beside_random=beside_random)
        summary: dict[str, Any] = {
            **SEARCH_SEEDS.signed_header,
            "engine": engine,
            "seeds": list(seeds),
            "scores": {name: [result.best.score for result in found] for name, found in results.items()},
        }
        write_json(output / "seeds.json", summary)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
        return
    for name, scores in summary["scores"].items():
        spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        each = ", ".join(f"{score:.4f}" for score in scores)
        typer.echo(f"{name:<20} {statistics.fmean(scores):.4f}{spread}   ({each})")
    typer.echo(f"report               genotools report {output} -o report.html")


def _results(
    engine: str, options: SamplingOptions, output: Path, seeds: Sequence[int], *, beside_random: bool
) -> dict[str, list[SearchResult]]:
    """Run or continue every search; return those of each engine in the order of the seeds."""
    results: dict[str, list[SearchResult]] = {}
    for seed in seeds:
        typer.echo(f"{engine}, seed {seed} ...", err=True)
        folder = output / f"seed-{seed}"
        found = run_sampling(engine, replace(options, resume=folder.exists()), folder, seed=seed)
        results.setdefault(engine, []).append(found)
        if beside_random and engine != "random":
            typer.echo(f"random search beside it, seed {seed} ...", err=True)
            folder = output / f"random-{seed}"
            as_much = _as_random(options, found, resume=folder.exists())
            results.setdefault("random", []).append(run_sampling("random", as_much, folder, seed=seed))
    return results


def _as_random(options: SamplingOptions, found: SearchResult, *, resume: bool) -> SamplingOptions:
    """Return the options of a random search with as many trials, or as many epochs where trials differ in them."""
    preset = "quick" if options.preset == "quick" else "paper"
    alike = replace(
        options, preset=preset, settings=(), evaluation="own", warm_start=(), prefer=None, resume=resume
    )
    budgets = [trial.budget_epochs for trial in found.trials if trial.budget_epochs is not None]
    if not budgets:
        return replace(alike, trials=len(found.trials), budget=options.budget)
    epochs = {trial.number: trial.budget_epochs or 0 for trial in found.trials}
    spent = sum(
        epochs[trial.number] - (epochs[trial.continues] if trial.continues is not None else 0)
        for trial in found.trials
    )
    largest = max(budgets)
    return replace(alike, trials=max(1, round(spent / largest)), epochs=largest, budget=None)


def one_shot_seeds(
    run_once: Callable[[int, Path, bool], None],
    output: Path,
    seeds: Sequence[int],
    *,
    resume: bool,
    as_json: bool,
) -> None:
    """Search once a seed in ``output/seed-N`` with an engine that trains a supernet."""
    with _claimed(output, resume=resume):
        for seed in seeds:
            typer.echo(f"seed {seed} ...", err=True)
            run_once(seed, output / f"seed-{seed}", False)
        if as_json:
            results = {str(seed): read_json(output / f"seed-{seed}" / "result.json") for seed in seeds}
            typer.echo(json.dumps(results, indent=2))


@contextmanager
def _claimed(output: Path, *, resume: bool) -> Iterator[None]:
    """Hold the folder above the searches for this process, from the first of them to the last."""

    def check_free() -> None:
        if not resume and output.is_dir() and any(path.name != LOCK for path in output.iterdir()):
            raise OutputExistsError(output, "Continue its searches with --resume, or choose another folder.")

    with claimed(output, LOCK, check_free, busy="another process is running these searches."):
        yield
