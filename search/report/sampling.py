"""The report's section on a search by trials, from one seed or several."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from genotools.genotype.svg import Drawings
from genotools.search.objectives import Objective
from genotools.search.report.commands import next_command, random_commands, search_command
from genotools.search.report.courses import epochs_spent
from genotools.search.report.data import SamplingRun
from genotools.search.report.facts import config_rows, facts, frame_words
from genotools.search.report.sampling_charts import SEEDS_NOTE, course_charts, first_front, trade_off_charts
from genotools.search.report.subjects import Subject
from genotools.search.report.tables import trials_table
from genotools.search.report.text import (
    compact,
    count,
    duration,
    engine_title,
    last_line,
    metric_label,
    score_text,
    spread_text,
)
from genotools.search.report.views import Card, Figure, Notice, Section, Task, Tile, card, figure
from genotools.search.trial import Trial

__all__ = ["sampling_section"]

N_CARDS = 12
"""Genotypes that are drawn and described."""


class _Entry(NamedTuple):
    """A trial that finished, and the run it belongs to."""

    run: SamplingRun
    trial: Trial

    @property
    def rank(self) -> tuple[int, float]:
        return self.trial.budget_epochs or 0, -math.inf if self.trial.score is None else self.trial.score

    @property
    def key(self) -> tuple[Path, int]:
        return self.run.path, self.trial.number


def sampling_section(subject: Subject, *, id: str) -> Section:
    """Return the section of a subject whose runs are searches by trials."""
    runs = subject.sampling_runs
    ranked = _ranked(runs)
    drawings = Drawings(entry.trial.genotype for entry in ranked)
    front = _front([_Entry(run, trial) for run in runs for trial in run.finished])
    cards = [
        _card(entry, place, drawings, id, _place_words(entry, len(runs) > 1, entry.key in front))
        for place, entry in enumerate(ranked, start=1)
    ]
    carded = {entry.trial.genotype.digest for entry in ranked}
    return Section(
        id=id,
        title=engine_title(subject.engine),
        lead=_lead(subject),
        path=str(subject.path),
        tiles=list(_tiles(subject, id)),
        notices=list(_notices(subject)),
        figures=_figures(subject, id),
        cards_title="The best genotype" if len(cards) == 1 else f"The best {len(cards)} genotypes",
        cards=cards,
        cards_note=drawings.lack or "",
        table=trials_table(runs, id=id, carded=carded) if any(run.trials for run in runs) else None,
        tasks=list(_tasks(subject)),
        facts=facts(subject),
        config=config_rows(runs[0].config),
    )


def _best(runs: Sequence[SamplingRun]) -> _Entry | None:
    entries = [_Entry(run, run.best) for run in runs if run.best is not None]
    return max(entries, key=lambda entry: entry.rank, default=None)


def _ranked(runs: Sequence[SamplingRun]) -> list[_Entry]:
    """Return the best trial of each of the best genotypes: the search's own best, then the front, then the others."""
    entries = [_Entry(run, trial) for run in runs for trial in run.finished]
    front = _front(entries)
    ordered = sorted(entries, key=lambda entry: (entry.key in front, entry.rank), reverse=True)
    best = _best(runs)
    by_digest: dict[str, _Entry] = {}
    for entry in [*([best] if best else []), *ordered]:
        by_digest.setdefault(entry.trial.genotype.digest, entry)
    return list(by_digest.values())[:N_CARDS]


def _front(entries: Sequence[_Entry]) -> set[tuple[Path, int]]:
    """Return the trials that no other beats in all objectives; nothing where there is one objective."""
    scores = [entry.trial.scores or () for entry in entries]
    if not scores or len(scores[0]) < 2:
        return set()
    return {entries[index].key for index in first_front(scores)}


def _card(entry: _Entry, place: int, drawings: Drawings, id: str, where: str) -> Card:
    run, trial = entry
    figures = [
        f"{metric_label(objective.metric)} {score_text(objective, score, trial.metrics)}"
        for objective, score in zip(run.objectives, trial.scores or (), strict=True)
    ]
    size = (trial.metrics or {}).get("params")
    if size is not None and all(objective.metric != "params" for objective in run.objectives):
        figures.append(f"{compact(size)} parameters")
    return card(
        trial.genotype,
        drawings,
        id=f"{id}-{trial.genotype.digest[:12]}",
        rank=str(place),
        facts=[*figures, where],
        is_open=place == 1,
    )


def _place_words(entry: _Entry, with_seed: bool, is_on_front: bool) -> str:
    parts = [f"seed {entry.run.seed}"] if with_seed else []
    parts.append(f"trial {entry.trial.number}")
    if entry.trial.budget_epochs is not None:
        parts.append(f"after {count(entry.trial.budget_epochs, 'epoch')}")
    return ", ".join([*parts, "on the front"] if is_on_front else parts)


def _lead(subject: Subject) -> str:
    run = subject.sampling_runs[0]
    wanted = [
        f"{'highest' if objective.direction == 'max' else 'lowest'} {metric_label(objective.metric)}"
        for objective in run.objectives
    ]
    rules = [str(rule) for rule in run.config.get("constraints") or []]
    text = f"Looked for the {' and the '.join(wanted)} {frame_words(run)}"
    return f"{text}, with {' and '.join(rules)}." if rules else f"{text}."


def _tiles(subject: Subject, id: str) -> Iterator[Tile]:
    runs = subject.sampling_runs
    objective = runs[0].objectives[0]
    best = _best(runs)
    if best is not None:
        scores = [run.best.scores[0] for run in runs if run.best is not None and run.best.scores is not None]
        href = f"#{id}-{best.trial.genotype.digest[:12]}"
        yield _best_tile(objective, best, scores, href)
        yield from _against_random(subject, objective, scores)
    n_trials = sum(len(run.trials) for run in runs)
    n_finished = sum(len(run.finished) for run in runs)
    n_failed = n_trials - n_finished
    note = f"{n_finished} finished, {n_failed} failed" if n_failed else "all finished" if n_trials else ""
    yield Tile("Trials", f"{n_trials:,}", note, "bad" if n_trials and not n_finished else "")
    yield _time_tile(runs)
    seeds = ", ".join(str(run.seed) for run in runs)
    yield Tile(
        "Seed" if len(runs) == 1 else "Seeds", seeds, "" if len(runs) == 1 else f"{len(runs)} searches"
    )


def _best_tile(objective: Objective, best: _Entry, scores: Sequence[float], href: str) -> Tile:
    label = f"Best {metric_label(objective.metric)}"
    digest = best.trial.genotype.digest[:12]
    value = score_text(objective, best.trial.score or 0.0, best.trial.metrics)
    if len(scores) == 1:
        others = [
            f"{metric_label(other.metric)} {score_text(other, score)}"
            for other, score in zip(best.run.objectives[1:], (best.trial.scores or ())[1:], strict=True)
        ]
        return Tile(label, value, ", ".join([f"trial {best.trial.number}, {digest}", *others]), "", href)
    note = f"mean and sd of {len(scores)} seeds; best {value}, seed {best.run.seed}, {digest}"
    return Tile(label, spread_text([objective.value(score) for score in scores]), note, "", href)


def _against_random(subject: Subject, objective: Objective, scores: Sequence[float]) -> Iterator[Tile]:
    random = [run.best.scores[0] for run in subject.random if run.best is not None and run.best.scores]
    if not random:
        return
    gap = sum(scores) / len(scores) - sum(random) / len(random)
    value = spread_text([objective.value(score) for score in random])
    n_trials = sum(len(run.trials) for run in subject.random)
    seeds = f", {len(random)} seeds" if len(random) > 1 else ""
    word = "better" if gap > 0 else "worse" if gap < 0 else "alike"
    tone = "good" if gap > 0 else "bad" if gap < 0 else ""
    note = f"random search reaches {value} in {count(n_trials, 'trial')}{seeds}"
    yield Tile("Against random search", f"{compact(abs(gap))} {word}" if gap else word, note, tone)


def _time_tile(runs: Sequence[SamplingRun]) -> Tile:
    seconds = sum(trial.seconds or 0.0 for run in runs for trial in run.trials)
    epochs = [epochs_spent(run) for run in runs]
    known = [value for value in epochs if value]
    elapsed = sum(run.elapsed for run in runs)
    parts = [f"{compact(sum(known))} epochs of training"] if known and len(known) == len(epochs) else []
    parts += [f"{duration(elapsed)} on the clock"] if elapsed else []
    return Tile("Time in trials", duration(seconds), ", ".join(parts))


def _notices(subject: Subject) -> Iterator[Notice]:
    runs = subject.sampling_runs
    for run in runs:
        which = f"Seed {run.seed}" if len(runs) > 1 else "This search"
        if not run.trials:
            yield Notice(f"{which} has no trial that has ended yet.", "warn")
        elif not run.finished:
            reason = last_line(run.trials[0].error)
            yield Notice(f"{which} has no trial that finished. The first failed with: {reason}", "warn")
        elif run.result is None:
            yield Notice(f"{which} is unfinished: what follows is what it had written down so far.", "warn")
    yield from (Notice(caveat, "warn") for caveat in subject.caveats)
    if not subject.is_random and not any(run.finished for run in subject.random):
        commands = "\n".join(command.text for command in random_commands(subject))
        text = (
            "No random search lies beside this one, so nothing says whether the engine beats chance. "
            "A random search with as much training, which the next report will find:"
        )
        yield Notice(text, "info", commands)


def _figures(subject: Subject, id: str) -> list[Figure]:
    if not any(run.finished for run in subject.sampling_runs):
        return []
    note = SEEDS_NOTE if max(len(subject.runs), len(subject.random)) > 1 else ""
    courses = [figure(chart, note) for chart in course_charts(subject, name=f"{id}-course")]
    trade_offs = trade_off_charts(subject, name=f"{id}-front")
    return [*courses, *(figure(chart) for chart in trade_offs if not chart.is_empty)]


def _tasks(subject: Subject) -> Iterator[Task]:
    best = _best(subject.sampling_runs)
    if best is not None and best.run.result is not None:
        yield Task("Train the best genotype in full", next_command(best.run))
    yield Task(
        "Repeat this search" if len(subject.runs) == 1 else "Repeat these searches", search_command(subject)
    )
