"""A search as a folder: configuration, journal, engine state, result. Whatever is killed goes on from there.

``config.json`` says what was asked for, ``journal.jsonl`` holds one event a line, ``checkpoint/engine.json`` the
engine's state after the last trial it was told of, ``best.genotype.json`` and ``result.json`` the outcome. A trial
that a kill cut short is run again from its own seed, so a resumed search ends as an undisturbed one.
"""

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genotools.errors import DataError, GenotoolsError
from genotools.files import read_json, write_json
from genotools.genotype.documents import genotype_from_document, genotype_to_document, space_to_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.search.engine import Engine, SpaceExhaustedError
from genotools.search.folder import BEST_FILE, RUN_FORMAT, VERSION, opened
from genotools.search.journal import Journal
from genotools.search.registry import make_engine
from genotools.search.trial import Status, Trial

__all__ = ["Evaluator", "SearchResult", "search"]


class Evaluator(Protocol):
    """Turns a genotype into metrics. It knows data and networks; engines do not."""

    objective: str
    """The metric that is the score, higher is better."""

    def describe(self) -> dict[str, Any]:
        """Return all settings that results depend on, as JSON values; a resumed run must have equal ones."""
        ...

    def __call__(self, genotype: Genotype, *, seed: int) -> dict[str, float]:
        """Train and validate; return metrics by name."""
        ...


class SearchResult:
    """What a search found.

    Parameters
    ----------
    folder
        The run folder.
    trials
        All ended trials by number.
    """

    def __init__(self, folder: Path, trials: list[Trial]) -> None:
        self.folder = folder
        self.trials = trials

    @property
    def best(self) -> Trial:
        """The finished trial of the highest score, the earliest among equals.

        Raises
        ------
        GenotoolsError
            If every trial failed; quotes the last line of the first failure.
        """
        finished = [trial for trial in self.trials if trial.score is not None]
        if not finished:
            errors = [trial.error or "" for trial in self.trials]
            reason = (
                errors[0].strip().splitlines()[-1] if errors and errors[0].strip() else "no trial was run"
            )
            raise GenotoolsError(f"{self.folder}: no trial finished. The first failed with: {reason}")
        return max(finished, key=lambda trial: (trial.score, -trial.number))

    @property
    def best_path(self) -> Path:
        """File of the best genotype."""
        return self.folder / BEST_FILE


def search(
    engine: str,
    space: SearchSpace,
    evaluator: Evaluator,
    folder: Path,
    *,
    n_trials: int,
    seed: int,
    resume: bool = False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> SearchResult:
    """Run ``n_trials`` trials of an engine, or what is left of them, and write the outcome into ``folder``.

    Parameters
    ----------
    engine
        Name of a registered engine.
    space
        Where genotypes come from.
    evaluator
        What scores them.
    folder
        The run folder; it must be new unless ``resume``.
    n_trials
        Trials in all; a resumed run may ask for more than before.
    seed
        Seed of the engine and, with the trial's number, of every trial.
    resume
        Continue the run in ``folder``.
    on_trial
        Called when a trial starts and when it has ended.

    Raises
    ------
    OutputExistsError
        If ``folder`` holds something and ``resume`` was not asked for.
    DataError
        If a resumed run was started with other settings, or is in use.
    GenotoolsError
        If no trial finished.
    """
    config = {
        "format": RUN_FORMAT,
        "version": VERSION,
        "engine": engine,
        "space": space_to_document(space),
        "seed": seed,
        "evaluator": evaluator.describe(),
    }
    proposer = make_engine(
        engine, space, rng=np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    )
    with opened(folder, config, resume=resume):
        run = _Run(folder, proposer, evaluator, seed, on_trial)
        run.restore(space)
        try:
            while len(run.trials) < n_trials:
                run.step()
        except SpaceExhaustedError:
            pass  # a small space may hold fewer genotypes than trials were asked for; result.json has the number
        return run.finish()


class _Run:
    """The state of a search between two trials."""

    def __init__(
        self, folder: Path, engine: Engine, evaluator: Evaluator, seed: int, on_trial: Callable[[Trial], None]
    ) -> None:
        self.folder = folder
        self.trials: list[Trial] = []
        self._engine = engine
        self._evaluator = evaluator
        self._seed = seed
        self._on_trial = on_trial
        self._journal = Journal(folder / "journal.jsonl")
        self._state_path = folder / "checkpoint" / "engine.json"

    def restore(self, space: SearchSpace) -> None:
        """Take up what journal and checkpoint hold; trials told after the checkpoint are told again."""
        for event in self._journal.read():
            if event["event"] == "ended":
                self.trials.append(_trial_from_event(event, space, where=str(self._journal.path)))
        if [trial.number for trial in self.trials] != list(range(len(self.trials))):
            raise DataError(f"{self._journal.path}: trials are missing or out of order.")
        n_told = 0
        if self._state_path.exists():
            state = read_json(self._state_path, max_bytes=1 << 30)
            if not isinstance(state, dict) or not isinstance(state.get("n_told"), int):
                raise DataError(f"{self._state_path}: not the state of an engine.")
            n_told = state["n_told"]
            if n_told > len(self.trials):
                raise DataError(
                    f"{self._journal.path}: {len(self.trials)} trials, the checkpoint knows {n_told}. "
                    "The journal was cut or removed; start a new search."
                )
            self._engine.load_state_dict(state["engine"])
        for trial in self.trials[n_told:]:
            asked = self._engine.ask()
            if asked != trial.genotype:
                raise DataError(
                    f"{self._journal.path}: trial {trial.number} is not what the engine asks from this state."
                )
            self._engine.tell(trial.genotype, trial.score)

    def step(self) -> None:
        """Run one trial; what it raises is written down and the search goes on."""
        number = len(self.trials)
        seeds = np.random.SeedSequence(self._seed, spawn_key=(1, number))
        trial = Trial(number=number, genotype=self._engine.ask(), seed=int(seeds.generate_state(1)[0]))
        self._on_trial(trial)
        started = time.monotonic()
        try:
            found = self._evaluator(trial.genotype, seed=trial.seed)
            score = float(found.get(self._evaluator.objective, math.nan))
            if not math.isfinite(score):
                raise GenotoolsError(f"{self._evaluator.objective} is {score}.")
            metrics = {name: float(value) for name, value in found.items() if math.isfinite(value)}
            trial = replace(trial, status=Status.FINISHED, score=score, metrics=metrics)
        except OSError:
            raise  # a full disk or a lost device is the machine's failure, not the genotype's
        except Exception:  # noqa: BLE001 - a trial may fail in any way; the journal keeps its traceback
            trial = replace(trial, status=Status.FAILED, error=traceback.format_exc())
        trial = replace(trial, seconds=round(time.monotonic() - started, 3))
        self._journal.append("ended", _event_of(trial))
        self.trials.append(trial)
        self._engine.tell(trial.genotype, trial.score)
        state = {"n_told": len(self.trials), "engine": self._engine.state_dict()}
        write_json(self._state_path, state)
        self._on_trial(trial)

    def finish(self) -> SearchResult:
        """Write the best genotype and the result."""
        result = SearchResult(self.folder, self.trials)
        best = result.best
        origin = {"engine": self._engine.name, "trial": best.number, "score": best.score}
        origin |= {"objective": self._evaluator.objective, "seed": self._seed}
        best.genotype.with_meta(search=origin).save(result.best_path, force=True)
        write_json(
            self.folder / "result.json",
            {
                "format": RUN_FORMAT,
                "version": VERSION,
                "best": {"trial": best.number, "digest": best.genotype.digest, "file": BEST_FILE},
                "objective": self._evaluator.objective,
                "score": best.score,
                "metrics": best.metrics,
                "n_trials": len(self.trials),
                "n_failed": sum(trial.status is Status.FAILED for trial in self.trials),
                "seconds": round(sum(trial.seconds or 0 for trial in self.trials), 3),
            },
        )
        return result


def _event_of(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "status": str(trial.status),
        "seed": trial.seed,
        "score": trial.score,
        "metrics": trial.metrics,
        "seconds": trial.seconds,
        "error": trial.error,
        "genotype": genotype_to_document(trial.genotype),
    }


def _trial_from_event(event: Mapping[str, Any], space: SearchSpace, *, where: str) -> Trial:
    try:
        number, status = int(event["trial"]), Status(event["status"])
        seed, score, metrics = int(event["seed"]), event["score"], event["metrics"]
        document, seconds, error = event["genotype"], event["seconds"], event["error"]
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"{where}: a trial is incomplete: {fault!r}.") from fault
    genotype = genotype_from_document(document, where=f"{where}, trial {number}", space=space)
    return Trial(
        number=number,
        genotype=genotype,
        seed=seed,
        status=status,
        score=score,
        metrics=metrics,
        seconds=seconds,
        error=error,
    )
