"""The report's section on a search with a supernet, from one seed or several."""

import statistics
from collections.abc import Iterator, Sequence

from genotools.genotype.prose import describe, diff
from genotools.genotype.svg import Drawings
from genotools.search.derive import count_skips
from genotools.search.report.alphas import heat_maps
from genotools.search.report.commands import next_command, random_commands, search_command
from genotools.search.report.data import Epoch, OneShotRun
from genotools.search.report.facts import config_rows, facts, frame_words
from genotools.search.report.one_shot_charts import (
    collapse_chart,
    live_ops_chart,
    loss_chart,
    removals_chart,
)
from genotools.search.report.subjects import Subject
from genotools.search.report.tables import candidates_table, selection_words
from genotools.search.report.text import count, duration, engine_title, metric_label, spread_text
from genotools.search.report.views import Card, Figure, Notice, Section, Step, Task, Tile, card, figure

__all__ = ["one_shot_section"]

N_STEPS = 5
"""Moments at which the cells are drawn."""


def one_shot_section(subject: Subject, *, id: str) -> Section:
    """Return the section of a subject whose runs are searches with a supernet; several seeds become parts."""
    runs = subject.one_shot_runs
    alone = len(runs) == 1
    seeds = [_part(run, id if alone else f"{id}-seed-{run.seed}", alone) for run in runs]
    detail = seeds[0]
    return Section(
        id=id,
        title=engine_title(subject.engine),
        lead=f"Trained a supernet {frame_words(runs[0])}, and {_answer_words(runs)}.",
        path=str(subject.path),
        tiles=list(_tiles(subject, id)),
        notices=[*_notices(subject), *_random_notices(subject)],
        figures=_figures(runs, id),
        heat_maps=detail.heat_maps if alone else (),
        cards_title=detail.cards_title,
        cards=detail.cards if alone else (),
        cards_note=detail.cards_note if alone else "",
        steps=detail.steps if alone else (),
        table=detail.table if alone else None,
        parts=() if alone else seeds,
        tasks=list(_tasks(subject)),
        facts=facts(subject),
        config=config_rows(runs[0].config),
    )


def _answer_words(runs: Sequence[OneShotRun]) -> str:
    if any(run.rounds for run in runs):
        return "removed ops, round by round, until one genotype was left"
    return "took the genotype that its alphas prefer"


def _part(run: OneShotRun, id: str, alone: bool) -> Section:
    """Return what belongs to one seed: its choice, alphas, cells and candidates."""
    moments = _moments(run)
    choice = run.choice
    genotypes = [moment.genotype for moment in moments] + ([choice.genotype] if choice else [])
    drawings = Drawings(genotypes)
    cards = [_choice_card(run, drawings, id)] if choice else []
    return Section(
        id=id,
        title=f"Seed {run.seed}",
        lead=_part_lead(run),
        path=str(run.path),
        heat_maps=heat_maps(run.alphas, choice.genotype if choice else None, name=f"{id}-alphas"),
        cards_title="The choice",
        cards=cards,
        cards_note=drawings.lack or "",
        steps=list(_steps(run, moments, drawings)),
        table=candidates_table(run, id=id, carded={choice.genotype.digest} if choice else set())
        if run.candidates
        else None,
    )


def _part_lead(run: OneShotRun) -> str:
    if run.choice is None:
        ended = count(len(run.rounds), "round") if run.rounds else count(len(run.epochs), "epoch")
        return f"{ended} so far, no choice yet."
    return f"Chose {run.choice.genotype.digest[:12]} by {selection_words(run.choice)}."


def _choice_card(run: OneShotRun, drawings: Drawings, id: str) -> Card:
    assert run.choice is not None
    genotype = run.choice.genotype
    n_skips = count_skips(genotype)
    texts = [f"selected by {selection_words(run.choice)}", f"{count(n_skips, 'skip')} in the normal cell"]
    texts.append(f"stage {run.choice.stage}, epoch {run.choice.epoch}")
    return card(genotype, drawings, id=f"{id}-{genotype.digest[:12]}", rank="✓", facts=texts, is_open=True)


def _moments(run: OneShotRun) -> list[Epoch]:
    """Return a handful of epochs: the first, the last, and of those in which the genotype changed some between."""
    changed = [
        epoch
        for index, epoch in enumerate(run.epochs)
        if index == 0 or epoch.genotype != run.epochs[index - 1].genotype
    ]
    if len(changed) <= N_STEPS:
        return changed
    places = [round(index * (len(changed) - 1) / (N_STEPS - 1)) for index in range(N_STEPS)]
    return [changed[place] for place in places]


def _steps(run: OneShotRun, moments: Sequence[Epoch], drawings: Drawings) -> Iterator[Step]:
    has_stages = len({epoch.stage for epoch in run.epochs}) > 1
    shown = [
        (f"Stage {m.stage}, epoch {m.epoch}" if has_stages else f"Epoch {m.epoch}", m.genotype)
        for m in moments
    ]
    if run.choice is not None and (not shown or shown[-1][1] != run.choice.genotype):
        shown.append(("The choice", run.choice.genotype))
    if not moments:
        return  # where there are no epochs to compare it with, the choice has its card
    for index, (title, genotype) in enumerate(shown):
        changes = None if index == 0 else diff(shown[index - 1][1], genotype)
        yield Step(title, genotype.digest, drawings.of(genotype), describe(genotype), changes)


def _tiles(subject: Subject, id: str) -> Iterator[Tile]:
    runs = subject.one_shot_runs
    ended = [run.epochs[-1] for run in runs if run.epochs]
    choices = [run.choice for run in runs if run.choice is not None]
    if len(runs) == 1 and choices:
        digest = choices[0].genotype.digest[:12]
        yield Tile(
            "The choice", digest, f"selected by {selection_words(choices[0])}", "code", f"#{id}-{digest}"
        )
    elif choices:
        n_distinct = len({choice.genotype.digest for choice in choices})
        yield Tile("Choices", f"{n_distinct} different", f"of {count(len(choices), 'seed')}")
    if choices:
        skips = spread_text([count_skips(choice.genotype) for choice in choices])
        yield Tile("Skips in the normal cell", skips, f"of {len(choices[0].genotype.normal.edges)} edges")
    if ended:
        entropy = [epoch.collapse.get("entropy", 1.0) for epoch in ended]
        yield Tile("Entropy of the alphas", spread_text(entropy), "at the end; 1 is undecided, 0 a decision")
        n_alarms = sum(bool(epoch.alarms) for epoch in ended)
        value = "none" if not n_alarms else f"{n_alarms} of {len(ended)} seeds" if len(ended) > 1 else "yes"
        yield Tile("Alarm at the end", value, _alarm_note(runs), "bad" if n_alarms else "good")
    n_steps = sum(run.n_steps for run in runs)
    n_rounds = sum(len(run.rounds) for run in runs)
    n_epochs = sum(len(run.epochs) for run in runs)
    stages = len({epoch.stage for run in runs for epoch in run.epochs})
    in_stages = f" in {stages} stages" if stages > 1 else ""
    spent = duration(sum(run.seconds for run in runs))
    label, n_ended = ("Rounds", n_rounds) if n_rounds else ("Epochs", n_epochs)
    yield Tile(label, f"{n_ended:,}", f"{count(n_steps, 'step')} of the weights{in_stages}, {spent}")
    yield Tile("Seed" if len(runs) == 1 else "Seeds", ", ".join(str(run.seed) for run in runs))


def _alarm_note(runs: Sequence[OneShotRun]) -> str:
    n_epochs = sum(bool(epoch.alarms) for run in runs for epoch in run.epochs)
    return f"in {count(n_epochs, 'epoch')} along the way" if n_epochs else "nor along the way"


def _notices(subject: Subject) -> Iterator[Notice]:
    runs = subject.one_shot_runs
    for run in runs:
        which = f"Seed {run.seed}" if len(runs) > 1 else "This search"
        if not run.epochs and not run.rounds:
            yield Notice(f"{which} has no finished epoch yet.", "warn")
            continue
        if run.result is None:
            yield Notice(f"{which} is unfinished: what follows is what it had written down so far.", "warn")
        prefix = f"Seed {run.seed}, " if len(runs) > 1 else ""
        for epoch in run.epochs[-1:]:
            for alarm in epoch.alarms:
                yield Notice(f"{prefix}Stage {epoch.stage}, epoch {epoch.epoch}: {alarm}", "warn")
    yield from (Notice(caveat, "warn") for caveat in subject.caveats)


def _random_notices(subject: Subject) -> Iterator[Notice]:
    """A supernet's losses compare with nothing; random search gives the score that its choice must reach."""
    best = [(run, run.best) for run in subject.random if run.best is not None]
    if best:
        objective = best[0][0].objectives[0]
        values = [objective.value(trial.scores[0]) for _, trial in best if trial.scores]
        n_trials = round(statistics.fmean(len(run.trials) for run, _ in best))
        seconds = statistics.fmean(sum(trial.seconds or 0 for trial in run.trials) for run, _ in best)
        yield Notice(
            f"Random search beside it reaches a {metric_label(objective.metric)} of {spread_text(values)} in "
            f"{count(n_trials, 'trial')} and {duration(seconds)}. The choice, trained alike, must beat that; a "
            "supernet's own losses say nothing about it."
        )
        return
    commands = "\n".join(command.text for command in random_commands(subject))
    yield Notice(
        "No random search lies beside this one, so nothing says what the choice must beat once it is trained. A "
        "random search that takes as long, which the next report will find:",
        "info",
        commands,
    )


def _figures(runs: Sequence[OneShotRun], id: str) -> list[Figure]:
    charts = [
        loss_chart(runs, name=f"{id}-losses"),
        collapse_chart(runs, name=f"{id}-collapse"),
        live_ops_chart(runs, name=f"{id}-live"),
        removals_chart(runs, name=f"{id}-removals"),
    ]
    return [figure(chart) for chart in charts if not chart.is_empty]


def _tasks(subject: Subject) -> Iterator[Task]:
    for run in subject.one_shot_runs:
        if run.choice is not None and run.result is not None:
            which = f", seed {run.seed}" if len(subject.runs) > 1 else ""
            yield Task(f"Train the choice in full{which}", next_command(run))
    yield Task(
        "Repeat this search" if len(subject.runs) == 1 else "Repeat these searches", search_command(subject)
    )
