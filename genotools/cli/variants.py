"""``genotools variants``: scores of the variants of a VCF, and the background that E-values are read off."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genotools.cli._default_command import DefaultCommandGroup
from genotools.cli._options import Device, Force, Json, Out, Seed

if TYPE_CHECKING:
    from rich.console import Console

    from genotools.variants import Summary

__all__ = ["app", "variants"]


app = typer.Typer(
    name="variants",
    help="Score the variants of a VCF, or make a background for it.",
    cls=DefaultCommandGroup,
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Training folder, zoo name, or .onnx file.")]
Vcf = Annotated[
    str,
    typer.Option(
        "--vcf",
        help="VCF, plain or gzip, BCF, or five columns CHROM POS ID REF ALT; - for stdin.",
        show_default=False,
    ),
]
FastaOption = Annotated[
    Path,
    typer.Option("--fasta", help="Genome the variants were called on: FASTA or 2bit.", show_default=False),
]
StrandsOption = Annotated[
    Literal["both", "forward"] | None,
    typer.Option(
        "--strands",
        help="Average both strands, or take the forward one.  [default: both, where outputs hold for both]",
    ),
]
AverageOption = Annotated[
    Literal["scores", "probs"],
    typer.Option(
        "--average", help="Average the strands' scores (DeepSEA), or score their mean probabilities."
    ),
]
ExactDeepsea = Annotated[
    bool, typer.Option("--exact-deepsea", help="Odds as in DeepSEA's scripts: +1e-12, not clipped.")
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, help="Windows in one call of the model, strands included.")
]


@app.command("score")
def variants(
    model: Model,
    *,
    vcf: Vcf,
    fasta: FastaOption,
    output: Out,
    scores: Annotated[
        str | None,
        typer.Option(
            "--scores",
            help="Of ref, alt, diff, absdiff, logfc, effect, evalue, zscore; separated by commas.  [default: "
            "diff,logfc; diff for values]",
        ),
    ] = None,
    strands: StrandsOption = None,
    average: AverageOption = "scores",
    exact_deepsea: ExactDeepsea = False,
    background: Annotated[
        Path | None,
        typer.Option("--background", help="For evalue and zscore; made by `variants background`."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            help="Outputs to keep, all by default: indices, ranges (0-124), names, regular expressions that match "
            "anywhere in a name, or @FILE with one of these a line.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", min=1, help="Scores of as many outputs that change most, not of all."),
    ] = None,
    summary_only: Annotated[
        bool, typer.Option("--summary-only", help="Leave out the scores' columns, keep the largest effect.")
    ] = False,
    max_mismatch: Annotated[
        float,
        typer.Option(
            "--max-mismatch",
            min=0,
            max=1,
            help="Share of REF mismatches among the first 1000 records above which to stop; 1 never stops.",
        ),
    ] = 0.2,
    batch_size: BatchSize = 256,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a table that was stopped.")] = False,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Score the variants of a VCF: what each ALT does to every output of a model.

    One row per ALT, in the order of the file, as .tsv, .tsv.gz, .h5 or .parquet; or the VCF itself with GT_ fields in
    INFO, as .vcf or .vcf.gz. What cannot be scored says why in its status. `genotools variants background MODEL ...`
    makes the background for evalue and zscore.
    """
    from rich.console import Console

    from genotools.cli._models import load_predictor
    from genotools.cli._resume import resume_hint
    from genotools.variants import read_background, score_to_file
    from genotools.variants.features import read_features
    from genotools.variants.run import check_variants_output

    check_variants_output(output, force=force)
    known = None if background is None else read_background(background)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    console = Console(stderr=True)
    started = time.perf_counter()
    with resume_hint(), _progress(console) as on_progress:
        summary = score_to_file(
            predictor,
            vcf,
            fasta,
            output,
            top_k=top_k,
            summary_only=summary_only,
            max_mismatch=max_mismatch,
            resume=resume,
            force=force,
            on_message=lambda message: console.print(message, highlight=False, markup=False, soft_wrap=True),
            scores=None if scores is None else [name.strip() for name in scores.split(",")],
            strands=strands,
            average=average,
            odds="deepsea" if exact_deepsea else "clipped",
            background=known,
            features=read_features(features),
            batch_size=batch_size,
            on_progress=on_progress,
        )
    _report(console, summary, output, seconds=time.perf_counter() - started)
    if json:
        from genotools.files import to_json

        typer.echo(to_json({"output": str(output), **summary.to_json()}), nl=False)


@app.command("background")
def background_command(
    model: Model,
    *,
    vcf: Vcf,
    fasta: FastaOption,
    output: Out,
    n: Annotated[
        int, typer.Option("-n", min=1, help="Variants, drawn from the VCF where it has more.")
    ] = 100_000,
    strands: StrandsOption = None,
    average: AverageOption = "scores",
    exact_deepsea: ExactDeepsea = False,
    batch_size: BatchSize = 256,
    seed: Seed = 0,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Score variants of no known effect, as of a population, for evalue and zscore to compare with.

    The file (.h5) belongs to this model, its strands and its odds.
    """
    from rich.console import Console

    from genotools.cli._models import load_predictor
    from genotools.data.strands import default_strands
    from genotools.files import check_output
    from genotools.variants import write_background
    from genotools.variants.background_run import make_background

    check_output(output, force=force)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    console = Console(stderr=True)
    with _progress(console) as on_progress:
        found = make_background(
            predictor,
            vcf,
            fasta,
            n=n,
            seed=seed,
            strands=strands or default_strands(predictor),
            average=average,
            odds="deepsea" if exact_deepsea else "clipped",
            batch_size=batch_size,
            on_progress=on_progress,
        )
    write_background(output, found, source=f"{Path(vcf).name}, {found.n} variants, seed {seed}", force=force)
    console.print(f"{found.n:,} variants. Written to {output}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress(console: "Console") -> Iterator[Callable[[int, int | None], None]]:
    """Show variants done, their rate and the time left, for as long as the block runs."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Variants"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, rate="")
        started = time.perf_counter()

        def on_progress(n_done: int, n_total: int | None) -> None:
            rate = n_done / max(time.perf_counter() - started, 1e-9)
            progress.update(task, completed=n_done, total=n_total, rate=f"{rate:,.0f} variants/s")

        yield on_progress


def _report(console: "Console", summary: "Summary", output: Path, *, seconds: float) -> None:
    from rich.table import Table

    from genotools.variants import Status

    table = Table("status", "meaning", box=None, pad_edge=False, header_style="bold")
    table.add_column("ALTs", justify="right")
    for status, count in summary.statuses.items():
        if count:
            table.add_row(status, Status(status).meaning, f"{count:,}")
    console.print(table)
    console.print(
        f"{summary.n_variants:,} ALTs of {summary.n_records:,} records in {seconds:.1f} s "
        f"({summary.n_variants / max(seconds, 1e-9):,.0f} a second), {summary.n_padded:,} of them in windows "
        "that reach over a contig's end.",
        highlight=False,
        soft_wrap=True,
    )
    for warning in summary.warnings:
        console.print(f"Warning: {warning}", style="bold red", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Written to {output}", highlight=False, markup=False, soft_wrap=True)
