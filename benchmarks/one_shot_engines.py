"""The one-shot engines next to random search with as many training steps, each answer trained anew alike.

    python benchmarks/one_shot_engines.py --data STORE -o FOLDER [--seeds 0 1 2] [--engines darts ...]

For every engine and seed a search runs with its preset; then the genotype it chose is trained from scratch, with the
same settings and seed for all, and the validation AUPRC of the best epoch counts. Random search gets as many steps as
the engine that takes most, those of weights and of alphas together, in trials of ``--trial-steps``. A step of a
supernet takes several times as long as one of a network: the table has the seconds too, of wall time, and of the CPU
for the searches that ran without a stop.

Everything is kept in FOLDER: a benchmark that was stopped goes on where it was, and more seeds or engines add to it.
Training is on one thread unless the environment says otherwise.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genotools.data.store import SequenceStore
from genotools.genotype import GENOME_NAS, Genotype, Macro
from genotools.search import Job, search
from genotools.search.evaluator import TrainingEvaluator
from genotools.search.journal import Journal
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, get_one_shot_settings
from genotools.search.one_shot_run import search_one_shot
from genotools.training.settings import TrainingSettings, get_preset

OBJECTIVE = "valid_auprc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search chose, and what it took."""

    engine: str
    seed: int
    genotype: Genotype
    n_steps: int
    seconds: float
    cpu_seconds: float


def main() -> None:
    """Search, train anew, and print the table."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    macro_of = {"small": Macro.small, "paper": Macro.paper}[arguments.macro]
    training = get_preset(arguments.train_preset).changed(
        monitor="auprc", epochs=arguments.train_epochs, steps_per_epoch=arguments.train_steps
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    with SequenceStore.open(arguments.data) as store:
        macro = macro_of(store.length)
        found = [
            one_shot(engine, seed, store, macro, arguments)
            for seed in arguments.seeds
            for engine in arguments.engines
        ]
        n_steps = max(one.n_steps for one in found)
        found += [random_search(n_steps, seed, store, macro, training, arguments) for seed in arguments.seeds]
        scores = retrained(found, store, macro, training, arguments)
    show(found, scores, training, arguments)


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description="One-shot engines and random search, equal steps.")
    parser.add_argument("--data", type=Path, required=True, help="a sequence store")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--engines", nargs="+", default=list(ONE_SHOT_ENGINES), help="default: all four")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--preset", default="quick", help="of the searches (default: quick)")
    parser.add_argument("--macro", choices=("small", "paper"), default="small")
    parser.add_argument("--search-epochs", type=int, help="of every stage; the preset's")
    parser.add_argument("--search-steps", type=int, help="of an epoch; the preset's")
    parser.add_argument("--trial-steps", type=int, default=48, help="of random search's trials (default: 48)")
    parser.add_argument("--train-preset", default="quick", help="of training anew (default: quick)")
    parser.add_argument("--train-epochs", type=int, help="the preset's")
    parser.add_argument("--train-steps", type=int, help="of an epoch; the preset's")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def one_shot(
    engine: str, seed: int, store: SequenceStore, macro: Macro, arguments: argparse.Namespace
) -> Found:
    """Run a one-shot engine, or what is left of it."""
    print(f"{engine}, seed {seed} ...", flush=True)
    folder = arguments.output / f"{engine}-{seed}"
    settings = get_one_shot_settings(engine, arguments.preset).changed(
        epochs=arguments.search_epochs, steps_per_epoch=arguments.search_steps
    )
    with cpu_time(folder):
        result = search_one_shot(
            engine,
            GENOME_NAS,
            store,
            folder,
            macro=macro,
            settings=settings,
            seed=seed,
            resume=folder.exists(),
        )
    written: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return Found(
        engine=engine,
        seed=seed,
        genotype=result.choice.genotype,
        n_steps=written["n_steps"] + written["n_alpha_steps"],
        seconds=written["seconds"],
        cpu_seconds=read_cpu_time(folder),
    )


@contextmanager
def cpu_time(folder: Path) -> Iterator[None]:
    """Write down the CPU seconds of a search, unless some of it was done before."""
    is_new, started = not folder.exists(), time.process_time()
    yield
    if is_new:
        (folder / "cpu_seconds.json").write_text(json.dumps(time.process_time() - started))


def read_cpu_time(folder: Path) -> float:
    """Return the CPU seconds of a search, NaN where it was stopped in between."""
    path = folder / "cpu_seconds.json"
    return float(json.loads(path.read_text())) if path.exists() else float("nan")


def random_search(
    n_steps: int,
    seed: int,
    store: SequenceStore,
    macro: Macro,
    training: TrainingSettings,
    arguments: argparse.Namespace,
) -> Found:
    """Run random search with ``n_steps`` steps in all, or what is left of it."""
    n_trials = max(1, round(n_steps / arguments.trial_steps))
    print(f"random, seed {seed}: {n_trials} trials of {arguments.trial_steps} steps ...", flush=True)
    folder = arguments.output / f"random-{seed}"
    settings = training.changed(epochs=1, steps_per_epoch=arguments.trial_steps)
    evaluator = TrainingEvaluator(store, macro, settings)
    with cpu_time(folder):
        result = search(
            "random", GENOME_NAS, evaluator, folder, n_trials=n_trials, seed=seed, resume=folder.exists()
        )
    return Found(
        engine="random",
        seed=seed,
        genotype=result.best.genotype,
        n_steps=n_trials * arguments.trial_steps,
        seconds=sum(trial.seconds or 0 for trial in result.trials),
        cpu_seconds=read_cpu_time(folder),
    )


def retrained(
    found: list[Found],
    store: SequenceStore,
    macro: Macro,
    training: TrainingSettings,
    arguments: argparse.Namespace,
) -> list[float]:
    """Return the score of every genotype trained from scratch; what was trained before is read."""
    evaluator = TrainingEvaluator(store, macro, training)
    journal = Journal(arguments.output / "retrained.jsonl")
    settings = evaluator.describe()
    known = {
        (event["digest"], event["seed"]): event["score"]
        for event in journal.read()
        if event["settings"] == settings
    }
    scores = []
    for one in found:
        key = one.genotype.digest, one.seed
        if key not in known:
            print(f"training the choice of {one.engine}, seed {one.seed} ...", flush=True)
            job = Job(number=len(known), genotype=one.genotype, seed=one.seed)
            known[key] = evaluator(job)[OBJECTIVE]
            journal.append(
                "retrained",
                {"digest": key[0], "seed": one.seed, "score": known[key], "settings": settings},
            )
        scores.append(known[key])
    return scores


def show(
    found: list[Found], scores: list[float], training: TrainingSettings, arguments: argparse.Namespace
) -> None:
    """Print mean and spread over seeds of every engine."""
    print(
        f"\nPython {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, "
        f"{arguments.threads} thread(s)\nsearches: preset {arguments.preset}; trained anew: "
        f"{training.epochs} epochs of {training.steps_per_epoch} steps of {training.batch_size}\n"
    )
    print(
        f"{'engine':<12}{'seeds':>6}{OBJECTIVE:>14}{'sd':>9}{'lowest':>9}{'highest':>9}"
        f"{'steps':>8}{'search s':>10}{'CPU s':>8}"
    )
    for engine in [*arguments.engines, "random"]:
        rows = [(one, score) for one, score in zip(found, scores, strict=True) if one.engine == engine]
        values = [score for _, score in rows]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        seconds = statistics.mean(one.seconds for one, _ in rows)
        cpu_seconds = statistics.mean(one.cpu_seconds for one, _ in rows)
        print(
            f"{engine:<12}{len(rows):>6}{statistics.mean(values):>14.4f}{spread:>9.4f}{min(values):>9.4f}"
            f"{max(values):>9.4f}{rows[0][0].n_steps:>8}{seconds:>10.0f}{cpu_seconds:>8.0f}"
        )
    print("\nby seed:")
    for one, score in zip(found, scores, strict=True):
        print(f"{one.engine:<12}{one.seed:>6}{score:>14.4f}  {one.genotype.digest[:12]}")


if __name__ == "__main__":
    main()
