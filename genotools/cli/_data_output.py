"""What the ``genotools data`` commands print."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genotools.data.build import BuildSummary
    from genotools.data.stats import SplitStats, StoreStats

__all__ = ["print_json", "print_lines", "print_stats", "print_table", "report_build", "report_store"]

MANY, FEW = 20, 5
"""Of a longer list so many are printed at both ends."""


def report_build(summary: "BuildSummary", *, as_json: bool) -> None:
    """Print what a build wrote and what it left out."""
    from genotools.data.stats import store_stats
    from genotools.data.store import SequenceStore

    with SequenceStore.open(summary.path) as store:
        stats = store_stats(store)
    if as_json:
        built = {
            "path": str(summary.path),
            "digest": summary.digest,
            "dropped_bins": dict(summary.dropped_bins),
            "dropped_labels": dict(summary.dropped_labels),
        }
        print_json({**built, **stats.to_json()})
        return
    print_stats(stats)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.dropped_bins.items() if count)
    notes = [f"Bins left out: {reasons or 'none'}."]
    if summary.dropped_labels:
        names = ", ".join(f"{name} ({count})" for name, count in list(summary.dropped_labels.items())[:FEW])
        more = ", ..." if len(summary.dropped_labels) > FEW else ""
        notes.append(f"Labels left out for few positive bins: {len(summary.dropped_labels)}: {names}{more}.")
    print_lines([*notes, f"Wrote {summary.path} ({summary.path.stat().st_size:,} bytes), {summary.digest}."])


def report_store(path: Path, *, as_json: bool) -> None:
    """Print what a new store holds."""
    from genotools.data.stats import store_stats
    from genotools.data.store import SequenceStore

    with SequenceStore.open(path) as store:
        stats, digest = store_stats(store), store.digest
    if as_json:
        print_json({"path": str(path), "digest": digest, **stats.to_json()})
        return
    print_stats(stats)
    print_lines([f"Wrote {path} ({path.stat().st_size:,} bytes), {digest}."])


def print_stats(stats: "StoreStats") -> None:
    """Print a table of splits and one of labels."""
    without = "labels without values" if stats.is_of_values else "labels without positives"
    columns = ("split", "rows", "labels a row", "GC", "unknown", without)
    rows = [
        (
            split,
            f"{part.n_rows:,}",
            f"{part.labels_per_row:.2f}" if part.n_rows else "",
            f"{part.gc_share:.3f}" if part.n_rows else "",
            f"{part.unknown_share:.2%}" if part.n_rows else "",
            str(len(stats.labels_without_positives(split))),
        )
        for split, part in stats.splits.items()
    ]
    print_table(columns, rows)
    order = sorted(
        range(len(stats.names)),
        key=lambda label: -sum(part.positives[label] for part in stats.splits.values()),
    )
    labels = [
        (
            stats.names[label],
            stats.groups[label],
            *(
                _label_cell(part, label, is_value=stats.is_of_values) if part.n_rows else ""
                for part in stats.splits.values()
            ),
        )
        for label in order
    ]
    print_table(("label", "group", *stats.splits), labels)


def _label_cell(part: "SplitStats", label: int, *, is_value: bool) -> str:
    """Return how many rows of a split carry a label, or the mean and spread of its values."""
    n_rows = f"{part.positives[label]:,}"
    if is_value:
        return f"{n_rows}: {part.means[label]:.3g} ± {part.deviations[label]:.3g}"
    return f"{n_rows} ({part.rates[label]:.2%})"


def print_table(columns: tuple[str, ...], rows: "Sequence[tuple[str | int, ...]]") -> None:
    """Print a table to stdout; of a long one, the two ends. Names are text, never markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    shown = [*rows[:FEW], ("...",), *rows[-FEW:]] if len(rows) > MANY else rows
    for row in shown:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    console = Console()
    console.print(table)
    if len(rows) > MANY:
        console.print(f"({len(rows):,} in all; --json lists them)", highlight=False)


def print_lines(lines: "Iterable[str]") -> None:
    """Print lines to stdout."""
    for line in lines:
        typer.echo(line)


def print_json(value: object) -> None:
    """Print a value as JSON to stdout."""
    from genotools.files import to_json

    typer.echo(to_json(value), nl=False)
