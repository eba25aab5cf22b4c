"""The report's tables: all trials of a search, and all candidates of a supernet."""

from collections.abc import Collection, Sequence

from genotools.search.derive import count_skips
from genotools.search.objectives import Objective
from genotools.search.report.data import Found, OneShotRun, SamplingRun
from genotools.search.report.text import compact, count, last_line, metric_label, origin_words, score_text
from genotools.search.report.views import Cell, Column, Row, Table
from genotools.search.trial import Trial

__all__ = ["candidates_table", "selection_words", "trials_table"]

BOTTOM = float("-inf")
"""What an empty cell is sorted by."""


def trials_table(runs: Sequence[SamplingRun], *, id: str, carded: Collection[str]) -> Table:
    """Return the table of all trials; genotypes whose digest is in ``carded`` lead to their card."""
    objectives = runs[0].objectives
    metrics = {name for run in runs for trial in run.finished for name in trial.metrics or {}}
    has_params = "params" in metrics and all(objective.metric != "params" for objective in objectives)
    columns = [
        *([Column("seed", True)] if len(runs) > 1 else []),
        Column("trial", True),
        Column("genotype"),
        *(Column(metric_label(objective.metric), True) for objective in objectives),
        *([Column("parameters", True)] if has_params else []),
        Column("epochs", True),
        Column("seconds", True),
        Column("origin"),
        Column("status"),
    ]
    best = {(run.path, run.best.number) for run in runs if run.best is not None}
    rows = []
    for run in runs:
        for trial in run.trials:
            metrics_of = trial.metrics or {}
            cells = [Cell(str(run.seed), run.seed)] if len(runs) > 1 else []
            cells += [Cell(str(trial.number), trial.number), _genotype(trial.genotype.digest, id, carded)]
            cells += [_score(objective, trial, index) for index, objective in enumerate(objectives)]
            cells += [_number(metrics_of.get("params"))] if has_params else []
            cells += [_number(metrics_of.get("epochs", trial.budget_epochs)), _number(trial.seconds)]
            cells += [Cell(origin_words(trial)), _status(trial)]
            is_best = (run.path, trial.number) in best
            rows.append(Row(cells, "failed" if trial.scores is None else "best" if is_best else ""))
    n_failed = sum(row.tone == "failed" for row in rows)
    title = f"All {count(len(rows), 'trial')}" if len(rows) != 1 else "The trial"
    return Table(title, columns, rows, f"{n_failed} of them failed." if n_failed else "")


def _genotype(digest: str, id: str, carded: Collection[str]) -> Cell:
    short = digest[:12]
    return Cell(short, short, href=f"#{id}-{short}" if digest in carded else "", is_code=True)


def _score(objective: Objective, trial: Trial, index: int) -> Cell:
    if trial.scores is None:
        return Cell("", BOTTOM)
    score = trial.scores[index]
    return Cell(score_text(objective, score, trial.metrics), objective.value(score))


def _number(value: float | None) -> Cell:
    return Cell("", BOTTOM) if value is None else Cell(compact(value), value)


def _status(trial: Trial) -> Cell:
    if trial.scores is not None:
        return Cell(str(trial.status))
    return Cell(f"failed: {last_line(trial.error)}", "failed", unfolded=trial.error or "")


def candidates_table(run: OneShotRun, *, id: str, carded: Collection[str]) -> Table:
    """Return the table of all that a supernet came to, with where it comes from."""
    has_loss = any(found.held_out_loss is not None for found in run.candidates)
    columns = [
        Column("no.", True),
        Column("stage", True),
        Column("epoch", True),
        Column("genotype"),
        Column("selected by"),
        Column("skips", True),
        *([Column("held-out loss", True)] if has_loss else []),
        Column("found", True),
        Column("role"),
    ]
    digests = [found.genotype.digest for found in run.candidates]
    rows = []
    for number, found in enumerate(run.candidates, start=1):
        n_skips, n_times = count_skips(found.genotype), digests.count(found.genotype.digest)
        rows.append(
            Row(
                [
                    Cell(str(number), number),
                    Cell(str(found.stage), found.stage),
                    Cell(str(found.epoch), found.epoch),
                    _genotype(found.genotype.digest, id, carded),
                    Cell(selection_words(found)),
                    Cell(str(n_skips), n_skips),
                    *([_number(found.held_out_loss)] if has_loss else []),
                    Cell(f"{n_times} ×" if n_times > 1 else "once", n_times),
                    Cell("the choice" if found.is_choice else "candidate"),
                ],
                "best" if found.is_choice else "",
            )
        )
    n_distinct = len(set(digests))
    note = f"{count(n_distinct, 'different genotype')}. Skips are those of the normal cell."
    return Table(f"All {count(len(rows), 'candidate')}", columns, rows, note)


def selection_words(found: Found) -> str:
    """Return how a candidate was selected."""
    if found.max_skips is None:
        return found.selection
    return f"{found.selection}, at most {count(found.max_skips, 'skip')}"
