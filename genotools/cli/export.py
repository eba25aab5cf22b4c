"""``genotools export``: a trained network as one ONNX file, and whether such a file still is what it was."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genotools.cli._default_command import DefaultCommandGroup
from genotools.cli._options import Json
from genotools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genotools.export.comparison import Comparison
    from genotools.export.onnx_file import ExportReport
    from genotools.export.program import ProgramReport

__all__ = ["app", "export"]

app = typer.Typer(
    name="export",
    help="Write a network as ONNX or .pt2, or verify such a file.",
    cls=DefaultCommandGroup,
)


@app.command("onnx")
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder or zoo name.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write, .onnx or .pt2.", show_default=False)
    ],
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(
            "--precision", help="fp16: half the file, as fast. int8: a quarter, and several times as fast."
        ),
    ] = "fp32",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="A store: its training windows calibrate int8, its test windows show what fewer bits cost.",
            show_default=False,
        ),
    ] = None,
    strands: Annotated[
        Literal["forward", "both"],
        typer.Option("--strands", help="both: average a window and its reverse complement inside the file."),
    ] = "forward",
    unroll: Annotated[
        bool, typer.Option("--unroll", help="Write the recurrent cell without a loop, for other runtimes.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the output, and keep a file that has lost too much.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a trained network as an ONNX file, which predicts without PyTorch; or as a PyTorch program, .pt2.

    The file is run and compared with the network at several batch sizes before it is kept; one of fewer bits that
    loses more than 1 % of its AUPRC is not. `genotools export verify model.onnx` does so again with a file that has
    come from somewhere.
    """
    from genotools.cli._models import load_card, load_trained_network
    from genotools.files import check_output, to_json

    check_output(output, force=force)
    is_program = output.suffix == ".pt2"
    if is_program and (precision != "fp32" or data is not None or unroll):
        raise DataError(f"{output}: --precision, --data and --unroll are for .onnx files.")
    network = load_trained_network(model)
    typer.echo("Exporting takes some seconds ...", err=True)
    if is_program:
        from genotools.export import export_program

        program = export_program(network, output, card=load_card(model), strands=strands, force=force)
        typer.echo(to_json(program.to_document()), nl=False) if json else _print_program(program)
        return
    from contextlib import nullcontext

    from genotools.data.store import SequenceStore
    from genotools.export import export_onnx

    with nullcontext() if data is None else SequenceStore.open(data) as store:
        report = export_onnx(
            network,
            output,
            card=load_card(model),
            precision=precision,
            strands=strands,
            store=store,
            unrolled=unroll,
            force=force,
        )
    typer.echo(to_json(report.to_document()), nl=False) if json else _print_report(report)


def _print_report(report: "ExportReport") -> None:
    typer.echo(f"file        {report.path}")
    typer.echo(
        f"size        {report.size_bytes / 1e6:.1f} MB, {report.n_nodes:,} nodes, opset {report.opset}"
    )
    typer.echo(f"digest      {report.digest}")
    typer.echo(f"exported    in {report.export_s:.1f} s, checked in {report.check_s:.1f} s")
    _print_differences(report.differences)
    if report.comparison is not None:
        _print_comparison(report.comparison)
    typer.echo(f"Next: genotools predict {report.path} SEQUENCES.fa -o predictions.tsv", err=True)


def _print_program(report: "ProgramReport") -> None:
    typer.echo(f"file        {report.path}")
    typer.echo(f"size        {report.size_bytes / 1e6:.1f} MB")
    typer.echo(f"digest      {report.digest}")
    typer.echo(f"exported    in {report.export_s:.1f} s")
    _print_differences(report.differences)
    typer.echo(f'Next: in Python, torch.export.load("{report.path}").module()(codes)', err=True)


def _print_differences(differences: "Mapping[int, float]") -> None:
    typer.echo("difference  to PyTorch, the largest of all outputs:")
    for size, difference in differences.items():
        typer.echo(f"            {difference:.1e} at {size} window{'s' * (size > 1)}")


def _print_comparison(found: "Comparison") -> None:
    typer.echo(f"on {found.n_windows:,} {found.split} windows, beside float32:")
    for name, before in found.before.items():
        after = found.after[name]
        typer.echo(f"            {name} {before:.4f} -> {after:.4f} ({after - before:+.4f})")
    typer.echo(
        f"            predictions differ by {found.mean_difference:.1e}, at most {found.max_difference:.1e}"
    )
    typer.echo(f"            {found.speed:.2f} times as many windows a second")


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported .onnx file.", show_default=False)],
    weights: Annotated[
        str | None, typer.Option("--weights", help="Training folder or zoo name it was exported from.")
    ] = None,
    json: Json = False,
) -> None:
    """Run an exported file on the windows whose answers it carries, and beside its weights if they are given."""
    from dataclasses import asdict

    from genotools.export.verify import verify_onnx
    from genotools.files import to_json

    predictor = None
    if weights is not None:
        from genotools.cli._models import load_trained_network
        from genotools.training.predictor import TorchPredictor

        predictor = TorchPredictor(load_trained_network(weights))
    found = verify_onnx(file, predictor)
    if json:
        typer.echo(to_json({"file": str(file), **asdict(found)}), nl=False)
        return
    typer.echo(f"known answers  {found.n_known} windows, largest difference {found.known_difference:.1e}")
    if found.weights_difference is not None:
        typer.echo(f"weights        largest difference {found.weights_difference:.1e}")
    typer.echo(f"{file} is what it says, within {found.tolerance:g}.")
