"""The table of a study: one row an entrant, as TSV for machines and as Markdown for people."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from genotools.files import write_text
from genotools.search.study.results import EntrantResult, StudyResults

__all__ = ["FOOT", "TITLES", "markdown", "write_tables"]

TITLES = {
    "auroc": "ROC-AUC",
    "auprc": "PR-AUC",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "cross_entropy": "cross-entropy",
    "pearson": "Pearson's r",
    "r2": "R²",
    "d2": "D²",
}
SHOWN = (("auprc", "auroc"), ("accuracy", "cross_entropy"), ("pearson", "r2"), ("pearson", "d2"))
"""The two metrics of the Markdown table, by kind of task."""

FOOT = (
    "Mean ± standard deviation over runs from different seeds, on the test split. p: Welch's t test over the runs "
    "against {reference}, corrected by Holm for {n} comparisons; it says whether another training of *this* genotype "
    "would again come out better, not whether another search would. Interval: 95 % of 10,000 paired resamplings of "
    "the labels; it says whether the difference holds for other labels of this kind. Selection: the {metric} on the "
    "validation split of each search's best genotype, mean ± sd over searches, which is what shows how engines vary."
)


def write_tables(results: StudyResults, folder: Path) -> None:
    """Write ``table.tsv`` and ``table.md``."""
    write_text(folder / "table.tsv", _tsv(results))
    write_text(folder / "table.md", markdown(results))


def _tsv(results: StudyResults) -> str:
    """Return the table with full numbers; empty cells are unknown."""
    header = ["entrant", "kind", "params", "n"]
    for metric in results.metrics:
        header += [f"{metric}_mean", f"{metric}_sd"]
    header += ["selection_mean", "selection_sd", "n_searches", "difference", "p", "p_holm", "low", "high"]
    rows = [[*header, "search_seconds", "training_seconds"]]
    for entrant in results.ranked:
        row = [entrant.name, entrant.kind, *_counts(entrant)]
        for metric in results.metrics:
            row += _mean_sd(entrant.values(metric))
        row += [*_mean_sd(list(entrant.selection.values())), str(len(entrant.selection))]
        row += _comparison(results, entrant)
        seconds = "" if entrant.search_seconds is None else f"{entrant.search_seconds:.1f}"
        training = [run.seconds for run in entrant.runs.values()]
        rows.append([*row, seconds, f"{statistics.fmean(training):.1f}" if training else ""])
    return "".join("\t".join(row) + "\n" for row in rows)


def _counts(entrant: EntrantResult) -> list[str]:
    first = next(iter(entrant.runs.values()), None)
    return ["" if first is None else str(first.n_params), str(len(entrant.runs))]


def _mean_sd(values: Sequence[float]) -> list[str]:
    if not values:
        return ["", ""]
    return [f"{statistics.fmean(values):.6f}", f"{statistics.stdev(values):.6f}" if len(values) > 1 else ""]


def _comparison(results: StudyResults, entrant: EntrantResult) -> list[str]:
    found = [one for one in results.comparisons if one["first"] == entrant.name]
    if not found:
        return [""] * 5
    (one,) = found
    numbers = [one["difference"], one["p"], one["p_holm"], *(one["label_interval"] or (None, None))]
    return ["" if number is None else f"{number:.6g}" for number in numbers]


def markdown(results: StudyResults) -> str:
    """Return the table for people, with its foot and what failed."""
    pair = next(pair for pair in SHOWN if set(pair) <= set(results.metrics))
    metrics = tuple(dict.fromkeys([results.metric, *pair]))
    against = results.reference
    header = ["entrant", "parameters", *(TITLES[metric] for metric in metrics), "n"]
    header += [f"vs {against}", "95 % interval", "p (Holm)"] if against else []
    header += [f"selection ({TITLES[results.metric]}, valid)", "search", "training"]
    rows = [header, ["---", "---:", *["---:"] * (len(header) - 2)]]
    rows += [_markdown_row(results, entrant, metrics) for entrant in results.ranked]
    lines = [f"# {results.title}", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    if against:
        n = len(results.comparisons)
        lines.append(FOOT.format(reference=against, n=n, metric=TITLES[results.metric]))
    if results.failures:
        lines += [
            "",
            f"**Incomplete: {len(results.failures)} tasks failed**, and the table is of what is there:",
            "",
        ]
        lines += [f"- `{name}`: {reason[:200]}" for name, reason in results.failures.items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def _markdown_row(results: StudyResults, entrant: EntrantResult, metrics: Sequence[str]) -> list[str]:
    params, n = _counts(entrant)
    row = [entrant.name, f"{int(params):,}" if params else ""]
    row += [*(_plus_minus(entrant.values(metric)) for metric in metrics), n]
    if results.reference:
        difference, _, p, low, high = _comparison(results, entrant)
        row += [
            f"{float(difference):+.4f}" if difference else "",
            f"{float(low):+.4f} to {float(high):+.4f}" if low else "",
            _p_value(p),
        ]
    training = [run.seconds for run in entrant.runs.values()]
    return [
        *row,
        _plus_minus(list(entrant.selection.values())),
        "" if entrant.search_seconds is None else duration(entrant.search_seconds),
        duration(statistics.fmean(training)) if training else "",
    ]


def _p_value(text: str) -> str:
    if not text:
        return ""
    return "< 0.001" if float(text) < 0.001 else f"{float(text):.3f}"


def _plus_minus(values: Sequence[float]) -> str:
    mean, sd = _mean_sd(values)
    if not mean:
        return ""
    return f"{float(mean):.4f}" + (f" ± {float(sd):.4f}" if sd else "")


def duration(seconds: float) -> str:
    """Return a time in words: ``12 s``, ``3 min``, ``2.5 h``, ``4.0 d``."""
    for size, unit in ((86400, "d"), (3600, "h")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
