"""A search as a folder: configuration, journal, engine state, result. Whatever is killed goes on from there.

======================= =====================================================================================
``config.json``         engine and its settings, space, objectives, constraints, warm start, seed, evaluator
``journal.jsonl``       one line for every trial that has ended, in the order they ended
``checkpoint/``         ``engine.json``: the engine's state after the last round it was told of; the one before
``networks/``           the training states of trials under way, and of those that may be continued
``best.genotype.json``  the best genotype
``result.json``         the best trial and the figures; written last
``diverged.json``       instead of it, where weights that trials share were no longer finite
======================= =====================================================================================

The engine's state is saved between rounds only. A search that was killed asks the same round again, takes from the
journal what had ended, and runs the rest, each trial from its own seed: it ends as an undisturbed one. So does one
that goes on from an older state, since a damaged one gives way to that of the round before.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from genotools.errors import DataError, GenotoolsError
from genotools.files import write_json
from genotools.formats import SEARCH
from genotools.genotype.documents import space_to_document
from genotools.genotype.space import SearchSpace
from genotools.search.budget import Budget
from genotools.search.driver import Driver, Limits
from genotools.search.engine import ChoosingEngine
from genotools.search.evaluation import Evaluator, RoundEvaluator
from genotools.search.executors import Executor, LocalExecutor
from genotools.search.folder import BEST_FILE, opened
from genotools.search.objectives import Objective, check_objectives
from genotools.search.registry import make_engine
from genotools.search.source import Source, SourceOptions
from genotools.search.trial import Status, Trial
from genotools.training.divergence import recorded

__all__ = ["SearchResult", "search"]

DEFAULT_OBJECTIVES = (Objective("valid_auprc"),)


class SearchResult:
    """What a search found.

    Parameters
    ----------
    folder
        The run folder.
    trials
        All ended trials by number.
    choice
        The engine's own answer, where it has one.
    """

    def __init__(self, folder: Path, trials: list[Trial], choice: Trial | None = None) -> None:
        self.folder = folder
        self.trials = trials
        self._choice = choice

    @property
    def best(self) -> Trial:
        """The engine's choice, or of the trials with the largest budget the best, the earliest among equals.

        Raises
        ------
        GenotoolsError
            If every trial failed; quotes the last line of the first failure.
        """
        if self._choice is not None:
            return self._choice
        finished = [trial for trial in self.trials if trial.score is not None]
        if not finished:
            errors = [trial.error or "" for trial in self.trials]
            reason = (
                errors[0].strip().splitlines()[-1] if errors and errors[0].strip() else "no trial was run"
            )
            raise GenotoolsError(f"{self.folder}: no trial finished. The first failed with: {reason}")
        return max(finished, key=lambda trial: (trial.budget_epochs or 0, trial.score, -trial.number))

    @property
    def best_path(self) -> Path:
        """File of the best genotype."""
        return self.folder / BEST_FILE


def search(
    engine: str,
    space: SearchSpace,
    evaluator: Evaluator | RoundEvaluator,
    folder: Path,
    *,
    seed: int,
    objectives: Sequence[Objective] = DEFAULT_OBJECTIVES,
    n_trials: int | None = None,
    budget: Budget | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    options: SourceOptions | None = None,
    executor: Executor | None = None,
    resume: bool = False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> SearchResult:
    """Run an engine, or what is left of the search in ``folder``, and write the outcome there.

    Parameters
    ----------
    engine
        Name of a registered engine.
    space
        Where genotypes come from.
    evaluator
        What scores them: each by itself, or all of a round together.
    folder
        The run folder; it must be new unless ``resume``.
    seed
        Seed of the engine and, with the trial's number, of every trial.
    objectives
        Engines of one objective follow the first; the others are kept for the front.
    n_trials, budget
        Where the search ends, in all; a resumed one may be given more. None goes on until the engine ends.
    settings
        Keyword arguments of the engine.
    options
        Constraints, preference, warm start.
    executor
        Where trials run; in this process by default. An evaluator of rounds always runs in this process.
    resume
        Continue the search in ``folder``.
    on_trial
        Called when a trial is handed out and when it has ended.

    Raises
    ------
    OutputExistsError
        If ``folder`` holds something and ``resume`` was not asked for.
    DataError
        If a setting is wrong, or a resumed run was started with other settings, or is in use.
    DivergedError
        If weights that trials share are no longer finite. A trial of its own weights has failed then, no more.
    GenotoolsError
        If no trial finished.
    """
    check_objectives(objectives)
    options = options or SourceOptions()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    proposer = make_engine(engine, Source(space, rng=rng, options=options), settings)
    config = {
        **SEARCH.signed_header,
        "engine": engine,
        "space": space_to_document(space),
        "seed": seed,
        "objectives": [str(objective) for objective in objectives],
        "settings": dict(settings),
        "warm_start": [genotype.digest for genotype in options.initial],
        **options.description,
        "evaluator": evaluator.describe(),
    }
    with opened(folder, config, resume=resume), recorded(folder):
        driver = Driver(
            folder,
            proposer,
            evaluator,
            space,
            objectives=objectives,
            seed=seed,
            executor=executor or LocalExecutor(),
            on_trial=on_trial,
        )
        driver.run(Limits(n_trials, budget))
        choice = proposer.choice() if isinstance(proposer, ChoosingEngine) else None
        if choice is not None and choice not in driver.trials:
            raise DataError(f"{folder}: the engine's choice, trial {choice}, is not in the journal.")
        chosen = None if choice is None else driver.trials[choice]
        result = SearchResult(folder, sorted(driver.trials.values(), key=lambda trial: trial.number), chosen)
        _write_result(result, engine, objectives, seed)
        return result


def _write_result(result: SearchResult, engine: str, objectives: Sequence[Objective], seed: int) -> None:
    """Write the best genotype and the figures."""
    best = result.best
    assert best.scores is not None
    values = {
        objective.metric: objective.value(score)
        for objective, score in zip(objectives, best.scores, strict=True)
    }
    origin = {"engine": engine, "trial": best.number, "score": best.score}
    origin |= {"objective": str(objectives[0]), "seed": seed}
    best.genotype.with_meta(search=origin).save(result.best_path, force=True)
    trials = result.trials
    write_json(
        result.folder / "result.json",
        {
            **SEARCH.signed_header,
            "engine": engine,
            "seed": seed,
            "best": {"trial": best.number, "digest": best.genotype.digest, "file": BEST_FILE},
            "objectives": values,
            "score": best.score,
            "metrics": best.metrics,
            "n_trials": len(trials),
            "n_failed": sum(trial.status is Status.FAILED for trial in trials),
            "seconds": round(sum(trial.seconds or 0 for trial in trials), 3),
        },
    )
