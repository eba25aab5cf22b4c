"""``genotools variants``: scores of the variants of a VCF."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genotools.cli._options import Device, Force, Json, Out

if TYPE_CHECKING:
    from rich.console import Console

    from genotools.variants import Summary

__all__ = ["variants"]


def variants(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder, zoo name, or .onnx file.")],
    *,
    vcf: Annotated[
        str,
        typer.Option("--vcf", help="VCF, plain or gzip, or five columns CHROM POS ID REF ALT; - for stdin."),
    ],
    fasta: Annotated[Path, typer.Option("--fasta", help="Genome that the variants were called on.")],
    output: Out,
    scores: Annotated[
        str, typer.Option("--scores", help="Of ref, alt, diff, absdiff, logfc, effect; separated by commas.")
    ] = "diff,logfc",
    strands: Annotated[
        Literal["both", "forward"],
        typer.Option("--strands", help="Average both strands, or take the forward one."),
    ] = "both",
    average: Annotated[
        Literal["scores", "probs"],
        typer.Option(
            "--average", help="Average the strands' scores (DeepSEA), or score their mean probabilities."
        ),
    ] = "scores",
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            help="Outputs to keep, all by default: indices, ranges (0-124), names, or regular expressions "
            "that match anywhere in a name.",
        ),
    ] = None,
    summary_only: Annotated[
        bool, typer.Option("--summary-only", help="Leave out the scores' columns, keep the largest effect.")
    ] = False,
    max_mismatch: Annotated[
        float,
        typer.Option(
            "--max-mismatch", min=0, max=1, help="Share of REF mismatches above which the build is suspected."
        ),
    ] = 0.2,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Windows in one call of the model, strands included.")
    ] = 256,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Score the variants of a VCF: what each ALT does to every output of a model.

    Writes one row per ALT, in the order of the file, as .tsv or .tsv.gz; a row that cannot be scored says why in
    its status column.
    """
    from rich.console import Console

    from genotools.cli._models import load_predictor
    from genotools.variants import score_to_file
    from genotools.variants.run import check_variants_output

    check_variants_output(output, force=force)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    console = Console(stderr=True)
    started = time.perf_counter()
    with _progress(console) as on_progress:
        summary = score_to_file(
            predictor,
            vcf,
            fasta,
            output,
            summary_only=summary_only,
            max_mismatch=max_mismatch,
            force=force,
            scores=[name.strip() for name in scores.split(",")],
            strands=strands,
            average=average,
            features=features,
            batch_size=batch_size,
            on_progress=on_progress,
        )
    _report(console, summary, output, seconds=time.perf_counter() - started)
    if json:
        from genotools.files import to_json

        typer.echo(to_json({"output": str(output), **summary.to_json()}), nl=False)


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
