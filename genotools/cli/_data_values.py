"""``genotools data from-signal``, ``from-table`` and ``next-base``: stores of values, classes, or the next base."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genotools.cli._data_output import report_build
from genotools.cli._options import Force, Json, Out

__all__ = [
    "ExactContigs",
    "Exclude",
    "Genome",
    "TestChroms",
    "ValidChroms",
    "Window",
    "from_signal_command",
    "from_table_command",
    "next_base_command",
]

FastaOption = Annotated[Path, typer.Option("--fasta", help="Genome, may be gzip.", show_default=False)]
Window = Annotated[int, typer.Option("--window", min=1, max=100_000_000, help="Width of a window in bp.")]
TestChroms = Annotated[
    list[str] | None, typer.Option("--test-chroms", help="Contigs of the test split, comma-separated.")
]
ValidChroms = Annotated[
    list[str] | None, typer.Option("--valid-chroms", help="Contigs of the validation split.")
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="Contigs to leave out.")]
ExactContigs = Annotated[
    bool, typer.Option("--exact-contigs", help="chr1, 1 and chrI are three contigs, not one.")
]
Genome = Annotated[str | None, typer.Option("--genome", help="Name of the assembly, for the record.")]
Log1p = Annotated[bool, typer.Option("--log1p", help="Learn the logarithm of one more than the value.")]
Standardise = Annotated[
    bool, typer.Option("--standardise", help="Mean 0 and deviation 1 in the training split.")
]


def from_signal_command(
    fasta: FastaOption,
    tracks: Annotated[
        Path,
        typer.Option(
            "--tracks",
            help="Table: name, path (bigWig, bedGraph, BED)[, group, column, statistic, missing].",
            show_default=False,
        ),
    ],
    output: Out,
    task: Annotated[
        Literal["regression", "counts"],
        typer.Option(help="Squared error, or Poisson loss of counts and rates."),
    ] = "regression",
    bin_bp: Annotated[int, typer.Option("--bin", min=1, max=100_000_000, help="Width of a bin in bp.")] = 200,
    window_bp: Window = 1000,
    log1p: Log1p = False,
    standardise: Standardise = False,
    test_chroms: TestChroms = None,
    valid_chroms: ValidChroms = None,
    exclude: Exclude = None,
    regions: Annotated[Path | None, typer.Option(help="BED; only bins that touch it.")] = None,
    exclude_regions: Annotated[
        Path | None, typer.Option(help="BED; bins that touch it are left out.")
    ] = None,
    max_unknown: Annotated[
        float,
        typer.Option(min=0, max=1, help="Largest share of unknown bases in a window, contig ends included."),
    ] = 0.0,
    max_shared_kmers: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Leave out held-out windows that share more of their 32-mers with training."
        ),
    ] = 1.0,
    exact_contigs: ExactContigs = False,
    genome: Genome = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Cut a genome into windows with the values of signals: FASTA and bigWig or bedGraph to a store."""
    from genotools.data.from_signal import from_signal
    from genotools.data.recipe import BinRecipe, contig_list
    from genotools.data.values import Scaling
    from genotools.genotype.task import TaskKind

    recipe = BinRecipe(
        bin_bp=bin_bp,
        window_bp=window_bp,
        keep="all",
        test_contigs=contig_list(test_chroms),
        valid_contigs=contig_list(valid_chroms),
        exclude_contigs=contig_list(exclude),
        max_unknown=max_unknown,
        max_shared_kmers=max_shared_kmers,
    )
    summary = from_signal(
        fasta,
        tracks,
        output,
        recipe=recipe,
        kind=TaskKind(task),
        scaling=Scaling(transform="log1p" if log1p else "none", standardise=standardise),
        regions=regions,
        exclude_regions=exclude_regions,
        exact_contigs=exact_contigs,
        genome=genome,
        force=force,
    )
    report_build(summary, as_json=as_json)
    _advise_on_scale(output)


def from_table_command(
    table: Annotated[
        Path,
        typer.Option(
            "--table",
            help="Table with contig, start, end (or sequence), perhaps strand and split, and the targets.",
            show_default=False,
        ),
    ],
    output: Out,
    task: Annotated[
        Literal["regression", "counts", "multiclass", "multilabel"],
        typer.Option(help="Numbers, counts, a column of class names, or 0 and 1.", show_default=False),
    ],
    targets: Annotated[
        list[str], typer.Option("--target", help="Columns to predict, comma-separated.", show_default=False)
    ],
    fasta: Annotated[
        Path | None, typer.Option("--fasta", help="Genome of the places; not for sequences.")
    ] = None,
    window_bp: Window = 1000,
    log1p: Log1p = False,
    standardise: Standardise = False,
    test_chroms: TestChroms = None,
    valid_chroms: ValidChroms = None,
    exact_contigs: ExactContigs = False,
    genome: Genome = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a store of your own windows: a line of a table each, with what was measured of it."""
    from genotools.data.from_table import from_table
    from genotools.data.recipe import contig_list
    from genotools.data.values import Scaling
    from genotools.genotype.task import TaskKind

    summary = from_table(
        table,
        output,
        kind=TaskKind(task),
        targets=contig_list(targets),
        window_bp=window_bp,
        fasta=fasta,
        valid_contigs=contig_list(valid_chroms),
        test_contigs=contig_list(test_chroms),
        scaling=Scaling(transform="log1p" if log1p else "none", standardise=standardise),
        exact_contigs=exact_contigs,
        genome=genome,
        force=force,
    )
    report_build(summary, as_json=as_json)
    _advise_on_scale(output)


def next_base_command(
    fasta: FastaOption,
    output: Out,
    window_bp: Window = 1000,
    stride_bp: Annotated[
        int, typer.Option("--stride", min=1, max=100_000_000, help="From the start of a window to the next.")
    ] = 100,
    test_chroms: TestChroms = None,
    valid_chroms: ValidChroms = None,
    exclude: Exclude = None,
    exact_contigs: ExactContigs = False,
    genome: Genome = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Cut a genome into windows labelled with the base that follows each: FASTA alone to a store."""
    from genotools.data.next_base import next_base
    from genotools.data.recipe import contig_list

    summary = next_base(
        fasta,
        output,
        window_bp=window_bp,
        stride_bp=stride_bp,
        valid_contigs=contig_list(valid_chroms),
        test_contigs=contig_list(test_chroms),
        exclude_contigs=contig_list(exclude),
        exact_contigs=exact_contigs,
        genome=genome,
        force=force,
    )
    report_build(summary, as_json=as_json)


def _advise_on_scale(path: Path) -> None:
    """Say so where values are so large or small that they are slow to learn."""
    from genotools.data.store import SequenceStore
    from genotools.data.values import far_from_one
    from genotools.genotype.task import TaskKind

    with SequenceStore.open(path) as store:
        if store.task.kind is not TaskKind.REGRESSION:
            return
        rows = store.rows("train")
        furthest = far_from_one(store.labels(rows), rows >= 0)
    if furthest is not None:
        typer.echo(
            f"Values with a standard deviation of {furthest:.3g} learn slowly, about 1 is best: see --standardise "
            "and --log1p.",
            err=True,
        )
