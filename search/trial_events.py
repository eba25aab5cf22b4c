"""Trials as lines of a search's journal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from genotools.errors import DataError
from genotools.genotype.documents import genotype_from_document, genotype_to_document
from genotools.genotype.space import SearchSpace
from genotools.search.evaluation import Outcome
from genotools.search.event_values import as_list, as_number, as_numbers, as_object, as_seconds, as_whole
from genotools.search.journal import Journal
from genotools.search.objectives import Objective
from genotools.search.trial import Status, Trial

__all__ = ["ended", "event_of", "read_trials", "trial_from_event"]


def ended(trial: Trial, outcome: Outcome, objectives: Sequence[Objective]) -> Trial:
    """Return a trial with what came of it; a score that is no finite number is a failure."""
    trial = replace(trial, seconds=outcome.seconds)
    if outcome.metrics is None:
        return replace(trial, status=Status.FAILED, error=outcome.error)
    metrics = {name: float(value) for name, value in outcome.metrics.items() if math.isfinite(value)}
    for objective in objectives:
        if objective.metric not in metrics:
            value = outcome.metrics.get(objective.metric, math.nan)
            return replace(trial, status=Status.FAILED, error=f"{objective.metric} is {value}.")
    scores = tuple(objective.score(metrics) for objective in objectives)
    return replace(trial, status=Status.FINISHED, scores=scores, metrics=metrics)


def event_of(trial: Trial) -> dict[str, Any]:
    """Return an ended trial as the values of its event."""
    return {
        "trial": trial.number,
        "status": str(trial.status),
        "seed": trial.seed,
        "scores": None if trial.scores is None else list(trial.scores),
        "metrics": trial.metrics,
        "seconds": trial.seconds,
        "error": trial.error,
        "budget_epochs": trial.budget_epochs,
        "continues": trial.continues,
        "origin": dict(trial.origin),
        "genotype": genotype_to_document(trial.genotype),
    }


def read_trials(journal: Journal, space: SearchSpace | None = None) -> tuple[dict[int, Trial], float]:
    """Return the ended trials of a journal by number, and the wall time of the search when the last one ended.

    ``space`` is the one they come from; it may be left out where it is registered.

    Raises
    ------
    DataError
        If a line is damaged or a trial stands there twice.
    """
    trials: dict[int, Trial] = {}
    elapsed = 0.0
    for event in journal.read():
        if event["event"] != "ended":
            continue
        trial = trial_from_event(event, space, where=str(journal.path))
        if trial.number in trials:
            raise DataError(f"{journal.path}: trial {trial.number} has ended twice.")
        trials[trial.number] = trial
        elapsed = max(elapsed, as_seconds(event.get("elapsed", 0.0), "elapsed", str(journal.path)))
    return trials, elapsed


def trial_from_event(event: Mapping[str, Any], space: SearchSpace | None, *, where: str) -> Trial:
    """Return the trial of an event; raises DataError where something is missing or damaged."""
    if "score" in event:  # version 1 had one score, and no budgets
        score = event["score"]
        later: dict[str, Any] = {"budget_epochs": None, "continues": None, "origin": {}}
        event = {**later, **event, "scores": None if score is None else [score]}
    try:
        number, status = as_whole(event["trial"], "trial", where), Status(event["status"])
        scores, metrics, seconds = event["scores"], event["metrics"], event["seconds"]
        error, epochs, continues = event["error"], event["budget_epochs"], event["continues"]
        seed, origin, document = event["seed"], event["origin"], event["genotype"]
    except DataError:
        raise
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"{where}: a trial is incomplete: {fault!r}.") from fault
    return Trial(
        number=number,
        genotype=genotype_from_document(document, where=f"{where}, trial {number}", space=space),
        seed=as_whole(seed, "seed", where, most=2**64),
        status=status,
        scores=None if scores is None else _scores(scores, where),
        metrics=None if metrics is None else as_numbers(metrics, "metrics", where),
        seconds=None if seconds is None else as_seconds(seconds, "seconds", where),
        error=None if error is None else str(error),
        budget_epochs=None if epochs is None else as_whole(epochs, "budget_epochs", where, least=1),
        continues=None if continues is None else as_whole(continues, "continues", where),
        origin=as_object(origin, f"{where}: origin"),
    )


def _scores(values: object, where: str) -> tuple[float, ...]:
    scores = tuple(as_number(score, "scores", where) for score in as_list(values, "scores", where))
    if not scores:
        raise DataError(f"{where}: scores: at least one is expected.")
    return scores
