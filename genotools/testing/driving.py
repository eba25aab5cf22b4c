"""Drives a sampling engine by a function instead of a search, for tests."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from genotools.genotype.genotype import Genotype
from genotools.search.engine import Engine
from genotools.search.trial import Status, Trial

__all__ = ["drive"]

Score = Callable[[Genotype], float | Sequence[float]]


def drive(engine: Engine, score: Score, n_rounds: int, *, first: int = 0) -> list[Trial]:
    """Ask, score and tell for some rounds, or until the engine ends; return all trials.

    Parameters
    ----------
    engine
        At a round's end.
    score
        One score or several, higher is better; NaN is a failure.
    n_rounds
        At most.
    first
        Number of the first trial.
    """
    trials: list[Trial] = []
    for _ in range(n_rounds):
        proposals = engine.ask().proposals
        if not proposals:
            break
        asked = [
            Trial(
                number=first + len(trials) + index,
                genotype=proposal.genotype,
                seed=0,
                budget_epochs=proposal.budget_epochs,
                continues=proposal.continues,
                origin=proposal.origin,
            )
            for index, proposal in enumerate(proposals)
        ]
        asked = [_scored(trial, score(trial.genotype)) for trial in asked]
        engine.tell(asked)
        trials += asked
    return trials


def _scored(trial: Trial, found: float | Sequence[float]) -> Trial:
    scores = (float(found),) if isinstance(found, int | float) else tuple(found)
    if any(map(math.isnan, scores)):
        return replace(trial, status=Status.FAILED, error="failed on wish")
    return replace(trial, status=Status.FINISHED, scores=scores)
