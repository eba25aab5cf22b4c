"""What it costs to run trials elsewhere: one evolution search in this process, in two processes, and on a local Ray.

    python benchmarks/executors.py [--trials 200] [--workers 2] [--seconds 0.05]

Trials do nothing but sleep. The table has, for trials of no length, the wall time a trial takes of the driver, and,
for trials of ``--seconds``, how much faster the search was than one trial after another; start-up is apart, since a
search pays it once. All three must find the same trials, and the script fails where they do not.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from genotools.genotype import GENOME_NAS
from genotools.search import search
from genotools.search.executors import EXECUTORS, ExecutorName, make_executor
from genotools.testing.faults import FaultyEvaluator

SETTINGS = {"population": 20, "tournament": 5, "children": 4}


def main() -> None:
    """Run the searches and print the table."""
    parser = argparse.ArgumentParser(description="Overhead of the executors of a search.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a trial in the second run")
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=EXECUTORS)
    arguments = parser.parse_args()
    found: dict[str, list[tuple[object, ...]]] = {}
    print(f"evolution, {arguments.trials} trials, {arguments.workers} workers, {SETTINGS}\n")
    print(
        f"{'executor':<12}{'start-up s':>12}{'ms a trial':>12}{'speed-up at ' + str(arguments.seconds) + ' s':>22}"
    )
    for name in arguments.executors:
        startup_s, trials_s, found[name] = timed(name, arguments.trials, arguments.workers, 0.0)
        _, long_s, again = timed(name, arguments.trials, arguments.workers, arguments.seconds)
        speed_up = arguments.trials * arguments.seconds / long_s
        print(f"{name:<12}{startup_s:>12.2f}{1e3 * trials_s / arguments.trials:>12.2f}{speed_up:>22.2f}")
        if again != found[name] or found[name] != found[arguments.executors[0]]:
            raise SystemExit(f"{name} found other trials.")
    print("\nAll found the same trials.")


def timed(
    name: ExecutorName, n_trials: int, n_workers: int, seconds: float
) -> tuple[float, float, list[tuple[object, ...]]]:
    """Return the seconds before the first trial ended, those of the others, and what the trials were."""
    started = time.monotonic()
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        search(
            "evolution",
            GENOME_NAS,
            FaultyEvaluator(seconds=seconds),
            Path(folder) / "run",
            seed=0,
            n_trials=n_trials,
            settings=SETTINGS,
            executor=make_executor(name, n_workers=n_workers),
            on_trial=lambda trial: ends.append(time.monotonic()) if trial.seconds is not None else None,
        )
        lines = (Path(folder) / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    trials = sorted(
        (event["trial"], event["genotype"]["digest"], event["seed"]) for event in map(json.loads, lines)
    )
    return ends[0] - started, ends[-1] - ends[0], trials


if __name__ == "__main__":
    main()
