"""Several searches side by side: one table, and one chart for all that follow the same objective."""

import itertools
from collections.abc import Iterator, Sequence

from genotools.files import resolved
from genotools.search.objectives import Objective
from genotools.search.report.charts import Band, Chart, Layer, Style
from genotools.search.report.courses import Course, over_seconds, over_trials
from genotools.search.report.data import SamplingRun
from genotools.search.report.sampling_charts import SEEDS_NOTE, TRIALS, course_layers, longest_s
from genotools.search.report.scales import Axis, time_axis
from genotools.search.report.subjects import Subject
from genotools.search.report.text import duration, engine_title, metric_label, spread_text
from genotools.search.report.views import Cell, Column, Row, Section, Table, figure

__all__ = ["comparison_section", "subject_names"]

STYLES: Sequence[Style] = ("s1", "s2", "s3", "s4", "s5", "s6")


def subject_names(subjects: Sequence[Subject]) -> list[str]:
    """Return a name for every subject: its engine, with the folder where an engine appears twice."""
    titles = [engine_title(subject.engine) for subject in subjects]
    return [
        title if titles.count(title) == 1 else f"{title} ({subject.path.name})"
        for title, subject in zip(titles, subjects, strict=True)
    ]


def comparison_section(subjects: Sequence[Subject], ids: Sequence[str]) -> Section:
    """Return the section that compares several subjects, which come after it in the page."""
    names = subject_names(subjects)
    has_seeds = any(max(len(subject.runs), len(subject.random)) > 1 for subject in subjects)
    note = SEEDS_NOTE if has_seeds else ""
    charts = [
        chart
        for number, objective in enumerate(_objectives(subjects))
        for chart in _charts(subjects, names, objective, f"comparison-{number}")
    ]
    return Section(
        id="comparison",
        title="Side by side",
        lead="Every search of this report, and the random searches that lie beside them.",
        path="",
        figures=[figure(chart, note) for chart in charts if not chart.is_empty],
        table=_table(subjects, names, ids),
    )


def _objectives(subjects: Sequence[Subject]) -> list[Objective]:
    found = [run.objectives[0] for subject in subjects for run in subject.sampling_runs]
    return list(dict.fromkeys(found))


def _random_beside(subjects: Sequence[Subject]) -> list[SamplingRun]:
    """Return random searches that lie beside the subjects and are none of them, each once."""
    given = {resolved(run.path) for subject in subjects for run in subject.runs}
    found = {resolved(run.path): run for subject in subjects for run in subject.random}
    return [run for path, run in found.items() if path not in given]


def _charts(
    subjects: Sequence[Subject], names: Sequence[str], objective: Objective, id: str
) -> Iterator[Chart]:
    followers = [
        (subject, name)
        for subject, name in zip(subjects, names, strict=True)
        if any(run.objectives[0] == objective for run in subject.sampling_runs)
    ]
    random = [run for run in _random_beside(subjects) if run.objectives[0] == objective]
    longest = longest_s([*random, *(run for subject, _ in followers for run in subject.sampling_runs)])
    axis, unit = time_axis("time in trials", longest)

    def in_units(run: SamplingRun) -> Course:
        return [(at / unit, score) for at, score in over_seconds(run)]

    for what, x, course in (("over trials", TRIALS, over_trials), ("over time", axis, in_units)):
        styles = itertools.cycle(STYLES)
        layers: list[Layer] = []
        if random:
            layers += course_layers(
                "Random search", "random", list(map(course, random)), objective, is_dashed=True
            )
        for subject, name in followers:
            style = "random" if subject.is_random else next(styles)
            courses = list(map(course, subject.sampling_runs))
            layers += course_layers(name, style, courses, objective, is_dashed=subject.is_random)
        yield Chart(
            name=f"{id}-{what[5:]}",
            title=f"Best so far, {what}",
            description=f"The best {metric_label(objective.metric)} of {len(followers)} engines {what}.",
            x=x,
            y=Axis(label=metric_label(objective.metric)),
            layers=sorted(layers, key=lambda layer: not isinstance(layer, Band)),
        )


def _table(subjects: Sequence[Subject], names: Sequence[str], ids: Sequence[str]) -> Table:
    columns = [
        Column("engine"),
        Column("objective"),
        Column("best", True),
        Column("seeds", True),
        Column("trials", True),
        Column("failed", True),
        Column("time", True),
        Column("folder"),
    ]
    rows = [
        _row(name, subject.sampling_runs, f"#{id}", str(subject.path)) if subject.sampling_runs
        else _one_shot_row(name, subject, f"#{id}")
        for name, id, subject in zip(names, ids, subjects, strict=True)
    ]  # fmt: skip
    random = _random_beside(subjects)
    if random:
        rows.append(_row("Random search", random, "", str(random[0].path.parent)))
    return Table(
        "The searches", columns, rows, "Best is mean and standard deviation where there are several seeds."
    )


def _row(name: str, runs: Sequence[SamplingRun], href: str, folder: str) -> Row:
    objective = runs[0].objectives[0]
    scores = [run.best.scores[0] for run in runs if run.best is not None and run.best.scores]
    values = [objective.value(score) for score in scores]
    n_trials = sum(len(run.trials) for run in runs)
    n_failed = n_trials - sum(len(run.finished) for run in runs)
    seconds = sum(trial.seconds or 0.0 for run in runs for trial in run.trials)
    return Row(
        [
            Cell(name, href=href),
            Cell(metric_label(objective.metric)),
            Cell(spread_text(values), sum(values) / len(values)) if values else Cell("none"),
            Cell(str(len(runs)), len(runs)),
            Cell(f"{n_trials:,}", n_trials),
            Cell(str(n_failed), n_failed),
            Cell(duration(seconds), seconds),
            Cell(folder, is_code=True),
        ]
    )


def _one_shot_row(name: str, subject: Subject, href: str) -> Row:
    runs = subject.one_shot_runs
    seconds = sum(run.seconds for run in runs)
    return Row(
        [
            Cell(name, href=href),
            Cell("loss of a supernet"),
            Cell("train the choice"),
            Cell(str(len(runs)), len(runs)),
            Cell(""),
            Cell(""),
            Cell(duration(seconds), seconds),
            Cell(str(subject.path), is_code=True),
        ]
    )
