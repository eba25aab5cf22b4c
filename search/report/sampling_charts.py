"""Charts of searches by trials: the best score so far beside random search's, and what the trials trade off."""

from collections.abc import Callable, Sequence

from genotools.search.fronts import dominates
from genotools.search.objectives import Objective
from genotools.search.report.charts import Band, Chart, Dots, Layer, Line, Point, Style
from genotools.search.report.courses import Course, over_seconds, over_trials, seconds_spent, spread
from genotools.search.report.data import SamplingRun
from genotools.search.report.scales import Axis, time_axis
from genotools.search.report.subjects import Subject
from genotools.search.report.text import compact, engine_title, last_line, metric_label, score_text
from genotools.search.trial import Trial

__all__ = [
    "SEEDS_NOTE",
    "TRIALS",
    "course_charts",
    "course_layers",
    "first_front",
    "longest_s",
    "trade_off_charts",
]

SEEDS_NOTE = "Lines are means over seeds; bands reach from the worst seed to the best."

TRIALS = Axis(label="trial", low=0.0, is_whole=True)


def course_charts(subject: Subject, *, name: str) -> list[Chart]:
    """Return the best score so far over trials and over time, with every trial as a point."""
    unit, seconds = time_axis("time in trials", longest_s([*subject.sampling_runs, *subject.random]))
    return [
        _course_chart(subject, f"{name}-trials", "over trials", TRIALS, over_trials, _numbers),
        _course_chart(
            subject,
            f"{name}-time",
            "over time",
            unit,
            lambda run: [(at / seconds, score) for at, score in over_seconds(run)],
            lambda run: {number: at / seconds for number, at in seconds_spent(run).items()},
        ),
    ]


def longest_s(runs: Sequence[SamplingRun]) -> float:
    """Return the seconds of the longest run."""
    return max((max(seconds_spent(run).values(), default=0.0) for run in runs), default=0.0)


def _numbers(run: SamplingRun) -> dict[int, float]:
    return {trial.number: float(trial.number) for trial in run.trials}


def _course_chart(
    subject: Subject,
    name: str,
    what: str,
    x: Axis,
    course: Callable[[SamplingRun], Course],
    places: Callable[[SamplingRun], dict[int, float]],
) -> Chart:
    runs = subject.sampling_runs
    objective = runs[0].objectives[0]
    title = engine_title(subject.engine)
    own = course_layers(title, "s1", [course(run) for run in runs], objective)
    beside = course_layers(
        "Random search", "random", [course(run) for run in subject.random], objective, is_dashed=True
    )
    trials = [(run, trial, places(run)[trial.number]) for run in runs for trial in run.trials]
    scored = [
        Point(at, objective.value(trial.scores[0]), _words(run, trial, len(runs) > 1))
        for run, trial, at in trials
        if trial.scores is not None
    ]
    failed = [
        Point(at, float("nan"), f"trial {trial.number} failed: {last_line(trial.error)}")
        for _, trial, at in trials
        if trial.scores is None
    ]
    layers: list[Layer] = [
        *(layer for layer in [*beside, *own] if isinstance(layer, Band)),
        Dots(name="a trial", points=scored, style="quiet"),
        *(layer for layer in [*beside, *own] if not isinstance(layer, Band)),
        Dots(name="a failed trial", points=failed, style="bad", shape="cross"),
    ]
    return Chart(
        name=name,
        title=f"Best so far, {what}",
        description=_course_words(subject, objective),
        x=x,
        y=_score_axis(objective),
        layers=layers,
    )


def course_layers(
    name: str, style: Style, courses: Sequence[Course], objective: Objective, *, is_dashed: bool = False
) -> list[Layer]:
    """Return the line of the best so far; of several seeds their mean, and a band from the worst to the best."""
    found = spread(courses)
    mean = [(at, objective.value(score)) for at, score in found.mean]
    several = sum(bool(course) for course in courses) > 1
    line = Line(
        name=f"{name}, {len(courses)} seeds" if several else name,
        points=mean,
        style=style,
        is_stepped=True,
        is_dashed=is_dashed,
    )
    if not several:
        return [line]
    ends = [(at, objective.value(worst), objective.value(best)) for at, worst, best in found.band]
    return [Band(name="", points=ends, style=style, is_stepped=True), line]


def _score_axis(objective: Objective) -> Axis:
    better = "" if objective.direction == "max" else " (lower is better)"
    return Axis(label=f"{metric_label(objective.metric)}{better}")


def _words(run: SamplingRun, trial: Trial, with_seed: bool) -> str:
    seed = f"seed {run.seed}, " if with_seed else ""
    figures = [
        f"{metric_label(objective.metric)} {score_text(objective, score, trial.metrics)}"
        for objective, score in zip(run.objectives, trial.scores or (), strict=False)
    ]
    return f"{seed}trial {trial.number}, {trial.genotype.digest[:12]}: {', '.join(figures)}"


def _course_words(subject: Subject, objective: Objective) -> str:
    parts = []
    for name, runs in (
        (engine_title(subject.engine), subject.sampling_runs),
        ("Random search", subject.random),
    ):
        ends = [over_trials(run)[-1][1] for run in runs if run.finished]
        if ends:
            mean = objective.value(sum(ends) / len(ends))
            parts.append(f"{name} ends at {compact(mean)}{' in the mean' if len(ends) > 1 else ''}.")
    return " ".join(parts) or "No trial has finished."


def trade_off_charts(subject: Subject, *, name: str) -> list[Chart]:
    """Return the first objective against every other, or, where there is one, against the number of parameters.

    The front is that of all objectives; with two of them it is a line.
    """
    runs = subject.sampling_runs
    objectives = runs[0].objectives
    entries = [(run, trial) for run in runs for trial in run.finished]
    if len(objectives) > 1:
        scores = [trial.scores or () for _, trial in entries]
        others: Sequence[Objective] = objectives[1:]
        title = "Front of the objectives"
    else:
        entries = [(run, trial) for run, trial in entries if "params" in (trial.metrics or {})]
        size = Objective("params", "min")
        scores = [(*(trial.scores or ()), size.score(trial.metrics or {})) for _, trial in entries]
        others, title = ([size] if objectives[0].metric != "params" else []), "Score and size"
    if not entries:
        return []
    best = first_front(scores)
    charts = []
    for index, other in enumerate(others, start=1):
        points = [
            Point(other.value(score[index]), objectives[0].value(score[0]), _words(run, trial, len(runs) > 1))
            for score, (run, trial) in zip(scores, entries, strict=True)
        ]
        charts.append(
            _trade_off(objectives[0], other, points, best, f"{name}-{index}", title, len(scores[0]) == 2)
        )
    return charts


def _trade_off(
    first: Objective,
    second: Objective,
    points: Sequence[Point],
    best: set[int],
    name: str,
    title: str,
    has_line: bool,
) -> Chart:
    front = [points[index] for index in sorted(best)]
    # From the best of the second objective on: the line holds what is reached at least that cheaply.
    line = sorted({point[:2] for point in front}, reverse=second.direction == "max")
    direction = " (lower is better)" if second.direction == "min" else ""
    return Chart(
        name=name,
        title=title,
        description=f"{len(front)} of {len(points)} trials are beaten by no other in all of it.",
        x=Axis(label=f"{metric_label(second.metric)}{direction}", may_be_log=True),
        y=_score_axis(first),
        layers=[
            Dots(name="a trial", points=[p for i, p in enumerate(points) if i not in best], style="quiet"),
            Line(name="", points=line if has_line else [], style="s2", is_stepped=True),
            Dots(
                name="no trial is better in both" if has_line else "no trial is better in all objectives",
                points=front,
                style="s2",
            ),
        ],
    )


def first_front(scores: Sequence[Sequence[float]]) -> set[int]:
    """Return the indices of what nothing dominates; what dominates a point comes before it in falling order.

    >>> sorted(first_front([(1, 1), (2, 0), (1, 0), (0, 3)]))
    [0, 1, 3]
    """
    front: list[int] = []
    for index in sorted(range(len(scores)), key=lambda index: tuple(scores[index]), reverse=True):
        if not any(dominates(scores[other], scores[index]) for other in front):
            front.append(index)
    return set(front)
