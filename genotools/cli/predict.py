"""``genotools predict``: what a model says of sequences or of regions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from genotools.cli._options import Device, Force, Json, Out

if TYPE_CHECKING:
    from rich.console import Console

    from genotools.export import PredictionSummary
    from genotools.export.predict import Progress

__all__ = ["predict"]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder, zoo name, or .onnx file.")],
    sequences: Annotated[
        Path | None, typer.Argument(metavar="SEQS.fa", help="Sequences to predict, one window each.")
    ] = None,
    *,
    output: Out,
    bed: Annotated[
        Path | None, typer.Option("--bed", help="Regions to predict instead, with --fasta.")
    ] = None,
    fasta: Annotated[Path | None, typer.Option("--fasta", help="Genome that the regions lie on.")] = None,
    strands: Annotated[
        Literal["both", "forward"] | None,
        typer.Option(
            "--strands",
            help="Average both strands, or take the forward one.  [default: both, where outputs hold for both]",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Windows in one call of the model.")
    ] = 256,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Predict the records of a FASTA file, or the regions of a BED file.

    Each is one window around its centre. Writes .tsv, .tsv.gz or .h5, one row a window, one column an output.
    """
    if (sequences is None) == (bed is None) or (bed is None) != (fasta is None):
        raise typer.BadParameter("Give either SEQS.fa, or --bed with --fasta.")
    from rich.console import Console

    from genotools.cli._models import load_predictor
    from genotools.export.predict import predict_bed, predict_fasta
    from genotools.export.tables import check_table_output

    check_table_output(output, force=force)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    console = Console(stderr=True)
    started = time.perf_counter()
    if sequences is not None:
        run = partial(predict_fasta, predictor, sequences)
    else:
        run = partial(predict_bed, predictor, cast(Path, bed), cast(Path, fasta))
    with _progress(console) as on_progress:
        summary = run(output, strands=strands, batch_size=batch_size, force=force, on_progress=on_progress)
    _report(console, summary, output, seconds=time.perf_counter() - started)
    if json:
        from genotools.files import to_json

        typer.echo(to_json({"output": str(output), **summary.to_document()}), nl=False)


@contextmanager
def _progress(console: "Console") -> Iterator["Progress"]:
    """Show windows done, their rate and the time left, for as long as the block runs."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Windows"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rate="")
        started = time.perf_counter()

        def on_progress(n_done: int, n_total: int) -> None:
            rate = n_done / max(time.perf_counter() - started, 1e-9)
            bar.update(task, completed=n_done, total=n_total, rate=f"{rate:,.0f} windows/s")

        yield on_progress


def _report(console: "Console", summary: "PredictionSummary", output: Path, *, seconds: float) -> None:
    console.print(
        f"{summary.n_windows:,} windows in {seconds:.1f} s ({summary.n_windows / max(seconds, 1e-9):,.0f} a "
        f"second): {summary.n_cropped:,} cropped to the model's length, {summary.n_padded:,} padded with "
        "unknown bases.",
        highlight=False,
    )
    if summary.n_blank:
        console.print(
            f"Warning: {summary.n_blank:,} windows hold no known base; their predictions mean nothing.",
            style="bold red",
            highlight=False,
        )
    console.print(f"Written to {output}", highlight=False, markup=False, soft_wrap=True)
