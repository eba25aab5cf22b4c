"""``genotools data``: look at files of sequences, make stores, count what is in them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genotools.cli._data_output import (
    print_json,
    print_lines,
    print_stats,
    print_table,
    report_build,
    report_store,
)
from genotools.cli._data_values import (
    ExactContigs,
    Exclude,
    Genome,
    TestChroms,
    ValidChroms,
    Window,
    from_signal_command,
    from_table_command,
    next_base_command,
)
from genotools.cli._options import Force, Json, Out, Seed
from genotools.errors import DataError

__all__ = ["app"]

app = typer.Typer(name="data", help="Sequence stores: look, build, count.", no_args_is_help=True)


@app.command("inspect")
def inspect_command(
    file: Annotated[
        Path,
        typer.Argument(help="Store, FASTA, 2bit, BED, bigWig, .mat, HDF5, .npy or .npz.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Say what FILE is: kind, shapes, names, first rows."""
    from genotools.data.inspect import inspect_file

    report = inspect_file(file)
    if as_json:
        print_json(report.to_json())
        return
    lines = [f"{report.path}: {report.title}", *(f"{name}: {value}" for name, value in report.facts.items())]
    print_lines(lines)
    if report.parts:
        print_table(report.columns, report.parts)
    print_lines(report.preview)


@app.command("stats")
def stats_command(
    store: Annotated[Path, typer.Argument(help="Sequence store.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Count rows, labels and bases of STORE by split."""
    from genotools.data.stats import store_stats
    from genotools.data.store import SequenceStore

    with SequenceStore.open(store) as opened:
        stats = store_stats(opened)
    if as_json:
        print_json(stats.to_json())
    else:
        print_stats(stats)


@app.command("from-bed")
def from_bed_command(
    fasta: Annotated[Path, typer.Option(help="Genome, may be gzip.", show_default=False)],
    peaks: Annotated[
        Path,
        typer.Option(help="BED with names in column 4, or a table: name, path[, group].", show_default=False),
    ],
    output: Out,
    bin_bp: Annotated[int, typer.Option("--bin", min=1, max=100_000_000, help="Width of a bin in bp.")] = 200,
    window_bp: Window = 1000,
    min_overlap: Annotated[
        str, typer.Option(help="Overlap that makes a label: 0.5 is half of the bin, 100 is 100 bp.")
    ] = "0.5",
    overlap_op: Annotated[
        Literal["gt", "ge"], typer.Option(help="Must exceed --min-overlap, or may equal it.")
    ] = "gt",
    merge: Annotated[
        bool,
        typer.Option(
            "--merge-peaks/--single-peaks", help="Overlap of a label's peaks together, or of one alone."
        ),
    ] = True,
    keep: Annotated[
        Literal["any", "all"], typer.Option(help="Bins to keep: with any label, or all.")
    ] = "any",
    min_positives: Annotated[int, typer.Option(min=1, help="Leave out labels with fewer bins.")] = 1,
    test_chroms: TestChroms = None,
    valid_chroms: ValidChroms = None,
    exclude: Exclude = None,
    exclude_regions: Annotated[
        Path | None, typer.Option(help="BED; bins that touch it are left out.")
    ] = None,
    max_unknown: Annotated[
        float,
        typer.Option(min=0, max=1, help="Largest share of unknown bases in a window, contig ends included."),
    ] = 0.0,
    valid_regions: Annotated[
        Path | None,
        typer.Option(help="BED; windows inside are for validation, those across its bounds left out."),
    ] = None,
    test_regions: Annotated[Path | None, typer.Option(help="BED; the same for the test split.")] = None,
    max_shared_kmers: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Leave out held-out windows that share more of their 32-mers with training."
        ),
    ] = 1.0,
    negatives: Annotated[
        float,
        typer.Option(min=0, help="Windows without a label, of the same GC share, for every labelled one."),
    ] = 0.0,
    seed: Seed = 0,
    min_signal: Annotated[
        float | None, typer.Option(help="Least signal of a peak, column 7 of narrowPeak.")
    ] = None,
    point_peaks: Annotated[
        Literal["centre", "summit"] | None, typer.Option(help="One base of each peak instead of all.")
    ] = None,
    exact_contigs: ExactContigs = False,
    genome: Genome = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Cut a genome into labelled windows: FASTA and peaks to a store."""
    from genotools.data.from_bed import from_bed
    from genotools.data.recipe import BinRecipe, contig_list

    recipe = BinRecipe(
        bin_bp=bin_bp,
        window_bp=window_bp,
        min_overlap=_overlap(min_overlap),
        overlap_op=overlap_op,
        merge=merge,
        keep=keep,
        min_positives=min_positives,
        test_contigs=contig_list(test_chroms),
        valid_contigs=contig_list(valid_chroms),
        exclude_contigs=contig_list(exclude),
        max_unknown=max_unknown,
        max_shared_kmers=max_shared_kmers,
        negatives=negatives,
        seed=seed,
    )
    regions = {"valid": valid_regions, "test": test_regions}
    summary = from_bed(
        fasta,
        peaks,
        output,
        recipe=recipe,
        exclude_regions=exclude_regions,
        split_regions={split: path for split, path in regions.items() if path is not None},
        min_signal=min_signal,
        point=point_peaks,
        exact_contigs=exact_contigs,
        genome=genome,
        force=force,
    )
    report_build(summary, as_json=as_json)
    for split, option in (("valid", "--valid-chroms"), ("test", "--test-chroms")):
        if not summary.n_rows.get(split):
            typer.echo(
                f"No {split} windows: search and train need validation windows. See {option}.", err=True
            )


@app.command("from-deepsea")
def from_deepsea_command(
    output: Out,
    train: Annotated[Path | None, typer.Option(help="train.mat, of either kind.", show_default=False)] = None,
    valid: Annotated[Path | None, typer.Option(help="valid.mat.", show_default=False)] = None,
    test: Annotated[Path | None, typer.Option(help="test.mat.", show_default=False)] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Names of the labels, one a line (predictor.names).", show_default=False),
    ] = None,
    channel_order: Annotated[
        Literal["auto", "AGCT", "ACGT"], typer.Option(help="Bases of the channels; auto tells by rare CpG.")
    ] = "auto",
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="Keep the half that is the other strand of the rest.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a conversion that was stopped.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Convert DeepSEA's MATLAB files (v7.3 or v5) to a store, streamed; a sample of rows is compared at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from genotools.cli._resume import resume_hint
    from genotools.data.from_deepsea import from_deepsea

    given = {"train": train, "valid": valid, "test": test}
    sources = {split: path for split, path in given.items() if path is not None}
    console = Console(stderr=True)
    columns = (
        TextColumn("rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with resume_hint(), Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rows", total=None)
        summary = from_deepsea(
            sources,
            output,
            names_path=labels,
            channel_order=None if channel_order == "auto" else channel_order,
            keep_both_strands=both_strands,
            resume=resume,
            force=force,
            on_rows=lambda n_done, n_rows: bar.update(task, completed=n_done, total=n_rows),
            on_message=lambda message: console.print(message, highlight=False, markup=False),
        )
    if as_json:
        print_json(summary.to_json())
        return
    n_bytes = summary.path.stat().st_size
    rows = ", ".join(f"{split} {n:,}" for split, n in summary.n_rows.items())
    print_lines(
        [
            f"rows           {rows}",
            f"windows        {summary.length:,} bp, {summary.n_labels} labels",
            f"source order   {summary.channel_order}",
            f"verified       {summary.n_verified:,} rows against the source",
            f"Wrote {summary.path} ({n_bytes:,} bytes), {summary.digest}.",
        ]
    )


app.command("from-signal")(from_signal_command)
app.command("from-table")(from_table_command)
app.command("next-base")(next_base_command)


@app.command("export")
def export_command(
    store: Annotated[Path, typer.Argument(help="Sequence store.", show_default=False)],
    output: Out,
    to: Annotated[
        Literal["h5", "npz", "fasta"], typer.Option("--to", help="One-hot HDF5, numpy archive, FASTA.")
    ],
    split: Annotated[Literal["train", "valid", "test"] | None, typer.Option(help="These rows only.")] = None,
    force: Force = False,
) -> None:
    """Write STORE as a file that other tools read."""
    from genotools.data.export import export_store
    from genotools.data.store import SequenceStore

    with SequenceStore.open(store) as opened:
        n_rows = export_store(opened, output, to, split=split, force=force)
    print_lines([f"Wrote {n_rows:,} rows to {output} ({output.stat().st_size:,} bytes)."])


@app.command("merge")
def merge_command(
    stores: Annotated[list[Path], typer.Argument(help="Stores with the same labels.", show_default=False)],
    output: Out,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Take held-out windows that overlap others.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the rows of several STORES as one store; each keeps its splits."""
    from genotools.data.merge import merge_stores

    merge_stores(stores, output, allow_overlap=allow_overlap, force=force)
    report_store(output, as_json=as_json)


@app.command("split")
def split_command(
    store: Annotated[Path, typer.Argument(help="Sequence store.", show_default=False)],
    output: Out,
    test_chroms: TestChroms = None,
    valid_chroms: ValidChroms = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write STORE with other contigs held out."""
    from genotools.data.merge import split_store
    from genotools.data.recipe import contig_list

    split_store(
        store,
        output,
        valid_contigs=contig_list(valid_chroms),
        test_contigs=contig_list(test_chroms),
        force=force,
    )
    report_store(output, as_json=as_json)


@app.command("demo")
def demo_command(output: Out, force: Force = False, as_json: Json = False) -> None:
    """Write the store of the embedded yeast genome and its annotation."""
    from genotools.data.demo import write_demo_store

    summary = write_demo_store(output, force=force)
    report_store(output, as_json=as_json)
    for label, reason in summary.dropped.items():
        typer.echo(f"Left out {label}: {reason}", err=True)
    typer.echo(f"Bins of held-out chromosomes left out as repeats: {summary.n_repeat_bins:,}.", err=True)


def _overlap(text: str) -> float:
    """Return a whole number as bp (int), anything else as a fraction (float)."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError as error:
        raise DataError(
            f"--min-overlap {text!r} is neither a fraction (0.5) nor a number of bp (100)."
        ) from error
