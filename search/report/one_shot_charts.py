"""Charts of searches with a supernet: losses, and the numbers that tell a collapse, over epochs."""

import itertools
import math
from collections.abc import Sequence

from genotools.nn.live_ops import ROLES
from genotools.search.collapse import MAX_SKIP_SHARE
from genotools.search.report.charts import Band, Chart, Dots, Layer, Line, Point, Style
from genotools.search.report.data import Epoch, OneShotRun
from genotools.search.report.scales import Axis
from genotools.search.report.text import compact

__all__ = ["collapse_chart", "live_ops_chart", "loss_chart", "removals_chart"]

ROUNDS = Axis(label="round", is_whole=True)
EPOCHS = Axis(label="epoch", is_whole=True)
MAX_DOTS = 60
"""Epochs up to which each has a dot of its own."""

LOSSES: Sequence[tuple[str, str, Style]] = (
    ("train_loss", "weights", "s1"),
    ("alpha_loss", "alphas", "s2"),
)
SHARES: Sequence[tuple[str, str, Style]] = (
    ("entropy", "entropy of the alphas", "s1"),
    ("skip_share", "share of skips", "s2"),
    ("none_share", "share of edges where none leads", "s3"),
)


def loss_chart(runs: Sequence[OneShotRun], *, name: str) -> Chart:
    """Return the losses of weights and alphas over all epochs; of several seeds mean and range."""
    layers = [layer for key, label, style in LOSSES for layer in _layers(runs, key, label, style)]
    return Chart(
        name=name,
        title="Losses of the supernet",
        description=_ends(runs, LOSSES),
        x=EPOCHS,
        y=Axis(label="binary cross entropy"),
        layers=layers,
        marks=_stage_marks(runs),
    )


def collapse_chart(runs: Sequence[OneShotRun], *, name: str) -> Chart:
    """Return entropy and shares over all epochs, with a mark where an alarm was raised."""
    layers = [layer for key, label, style in SHARES for layer in _layers(runs, key, label, style)]
    alarms = [
        Point(float(place), 0.0, f"epoch {place}: {' '.join(epoch.alarms)}")
        for run in runs
        for place, epoch in enumerate(run.epochs, start=1)
        if epoch.alarms
    ]
    return Chart(
        name=name,
        title="Signs of a collapse",
        description=f"{_ends(runs, SHARES)} {len(alarms)} alarms.",
        x=EPOCHS,
        y=Axis(label="share, or entropy (1 is uniform)", low=0.0, high=1.0),
        layers=[*layers, Dots(name="an alarm", points=alarms, style="bad", shape="alarm")],
        marks=_stage_marks(runs),
        levels=[(MAX_SKIP_SHARE, "a share above this is an alarm")]
        if any(run.epochs for run in runs)
        else (),
    )


def live_ops_chart(runs: Sequence[OneShotRun], *, name: str) -> Chart:
    """Return how many ops are live in each cell, round by round; cells with as many share a line."""
    lines: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for role in ROLES:
        for run in runs:
            points = tuple((float(end.stage), end.n_live[role]) for end in run.rounds if role in end.n_live)
            names = lines.setdefault(points, [])
            names += [role] if role not in names else []
    styles: Sequence[Style] = ("s1", "s2", "s3", "s4", "s5", "s6")
    return Chart(
        name=name,
        title="Ops that are left",
        description="Live ops of the cells in every round.",
        x=ROUNDS,
        y=Axis(label="live ops of a cell", low=0.0),
        layers=[
            Line(name=f"{', '.join(names)} cell{'s' if len(names) > 1 else ''}", points=points, style=style)
            for style, (points, names) in zip(itertools.cycle(styles), lines.items(), strict=False)
        ],
    )


def removals_chart(runs: Sequence[OneShotRun], *, name: str) -> Chart:
    """Return the held-out loss without each proposal; the one that is missed most stays, the others go."""
    kept: list[Point] = []
    removed: list[Point] = []
    for run in runs:
        for end in run.rounds:
            highest = max(end.losses.values(), default=0.0)
            for what, loss in end.losses.items():
                point = Point(float(end.stage), loss, f"round {end.stage}, without {what}: {compact(loss)}")
                (kept if loss == highest else removed).append(point)
    return Chart(
        name=name,
        title="What is missed",
        description=f"{len(kept)} proposals were kept and {len(removed)} removed.",
        x=ROUNDS,
        y=Axis(label="held-out loss without a proposal"),
        layers=[
            Dots(name="removed", points=removed, style="quiet"),
            Dots(name="kept: missed most", points=kept, style="s2"),
        ],
    )


def _value(epoch: Epoch, key: str) -> float | None:
    return epoch.losses.get(key, epoch.collapse.get(key))


def _layers(runs: Sequence[OneShotRun], key: str, label: str, style: Style) -> list[Layer]:
    """Return the lines of a number over the epochs of every stage, and for several seeds what they range over."""
    stages: dict[int, dict[float, list[float]]] = {}
    for run in runs:
        for place, epoch in enumerate(run.epochs, start=1):
            found = _value(epoch, key)
            if found is not None:
                stages.setdefault(epoch.stage, {}).setdefault(float(place), []).append(found)
    layers: list[Layer] = []
    for columns in stages.values():
        if len(runs) > 1:
            ranges = [(place, min(values), max(values)) for place, values in columns.items()]
            layers.append(Band(name="", points=ranges, style=style))
        mean = [(place, math.fsum(values) / len(values)) for place, values in columns.items()]
        layers.append(Line(name=label, points=mean, style=style))
        if len(runs[0].epochs) <= MAX_DOTS:
            points = [Point(*at, f"epoch {at[0]:.0f}: {label} {compact(at[1])}") for at in mean]
            layers.append(Dots(name="", points=points, style=style))
    return layers


def _stage_marks(runs: Sequence[OneShotRun]) -> list[tuple[float, str]]:
    """Return where the stages of the longest run begin; nothing where there is one."""
    epochs = max((run.epochs for run in runs), key=len)
    starts = [
        (place - 0.5, f"stage {epoch.stage}")
        for place, epoch in enumerate(epochs, start=1)
        if place == 1 or epoch.stage != epochs[place - 2].stage
    ]
    return starts if len(starts) > 1 else []


def _ends(runs: Sequence[OneShotRun], keys: Sequence[tuple[str, str, Style]]) -> str:
    parts = []
    for key, label, _ in keys:
        last = [_value(run.epochs[-1], key) for run in runs if run.epochs]
        found = [value for value in last if value is not None]
        if found:
            parts.append(f"{label} {compact(sum(found) / len(found))}")
    return f"At the end: {', '.join(parts)}." if parts else "No epoch has finished."
