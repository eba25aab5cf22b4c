"""The best score so far, over trials and over time: of one search, and of the same search from several seeds."""

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from genotools.search.report.data import SamplingRun
from genotools.search.trial import Trial

__all__ = ["Course", "Spread", "epochs_spent", "over_seconds", "over_trials", "seconds_spent", "spread"]

Course = Sequence[tuple[float, float]]
"""Places and the best score from there on; the first is that of the first score, the last where the search ended."""


class Spread(NamedTuple):
    """Mean of several courses, and what lies between the worst and the best of them."""

    mean: list[tuple[float, float]]
    band: list[tuple[float, float, float]]


def over_trials(run: SamplingRun) -> Course:
    """Return the best first score over the numbers of the trials."""
    return _course(run, {trial.number: float(trial.number) for trial in run.trials})


def over_seconds(run: SamplingRun) -> Course:
    """Return the best first score over the seconds that trials took, one after the other."""
    return _course(run, seconds_spent(run))


def seconds_spent(run: SamplingRun) -> dict[int, float]:
    """Return, for every trial by number, the seconds of all trials up to its end."""
    total, spent = 0.0, {}
    for trial in run.trials:
        total += trial.seconds or 0.0
        spent[trial.number] = total
    return spent


def epochs_spent(run: SamplingRun) -> float | None:
    """Return the epochs of training in all trials that finished; None where it is not known of one.

    What a trial took over from the one it continues is not counted twice.
    """
    by_number = {trial.number: trial for trial in run.trials}
    total = 0.0
    for trial in run.finished:
        epochs = _epochs(trial)
        before = by_number.get(trial.continues) if trial.continues is not None else None
        if epochs is None:
            return None
        total += epochs - (_epochs(before) or 0.0 if before is not None else 0.0)
    return total


def _epochs(trial: Trial) -> float | None:
    return (trial.metrics or {}).get("epochs", trial.budget_epochs)


def _course(run: SamplingRun, places: Mapping[int, float]) -> list[tuple[float, float]]:
    course: list[tuple[float, float]] = []
    for trial in run.finished:
        assert trial.scores is not None
        if not course or trial.scores[0] > course[-1][1]:
            course.append((places[trial.number], trial.scores[0]))
    if course:
        course.append((places[run.trials[-1].number], course[-1][1]))
    return course


def spread(courses: Sequence[Course]) -> Spread:
    """Return mean and range of courses, from where each has a score; one that has ended keeps its last.

    >>> spread([[(0, 1), (4, 1)], [(1, 2), (2, 4)]]).mean
    [(1, 1.5), (2, 2.5), (4, 2.5)]
    """
    courses = [course for course in courses if course]
    if not courses:
        return Spread([], [])
    first = max(course[0][0] for course in courses)
    places = sorted({first, *(place for course in courses for place, _ in course if place >= first)})
    columns = [(place, [_value_at(course, place) for course in courses]) for place in places]
    mean = [(place, math.fsum(values) / len(values)) for place, values in columns]
    return Spread(mean, [(place, min(values), max(values)) for place, values in columns])


def _value_at(course: Course, place: float) -> float:
    return course[bisect.bisect_right(course, (place, math.inf)) - 1][1]
