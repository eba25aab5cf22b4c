"""``genotools export``: a trained network as one ONNX file, and whether such a file still is what it was."""

from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._default_command import DefaultCommandGroup
from genotools.cli._options import Force, Json

__all__ = ["app", "export"]

app = typer.Typer(
    name="export",
    help="Write a network as ONNX, or verify such a file.",
    cls=DefaultCommandGroup,
)


@app.command("onnx")
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder or zoo name.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write, .onnx.", show_default=False)
    ],
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a trained network as an ONNX file, which predicts without PyTorch.

    The file is run and compared with the network at several batch sizes before it is kept. `genotools export verify
    model.onnx` does so again with a file that has come from somewhere.
    """
    from genotools.cli._models import load_card, load_trained_network
    from genotools.errors import DataError
    from genotools.files import check_output, to_json
    from genotools.nn.network import GenomeNet

    check_output(output, force=force)
    network = load_trained_network(model)
    if not isinstance(network, GenomeNet):
        raise DataError(f"{model}: only networks of genotypes are exported; its weights predict as they are.")
    typer.echo("Exporting takes half a minute or so ...", err=True)
    from genotools.export import export_onnx

    report = export_onnx(network, output, card=load_card(model), force=force)
    if json:
        typer.echo(to_json(report.to_document()), nl=False)
        return
    typer.echo(f"file        {report.path}")
    typer.echo(
        f"size        {report.size_bytes / 1e6:.1f} MB, {report.n_nodes:,} nodes, opset {report.opset}"
    )
    typer.echo(f"digest      {report.digest}")
    typer.echo(f"exported    in {report.export_s:.1f} s, checked in {report.check_s:.1f} s")
    typer.echo("difference  to PyTorch, the largest of all outputs:")
    for size, difference in report.differences.items():
        typer.echo(f"            {difference:.1e} at {size} window{'s' * (size > 1)}")
    typer.echo(f"Next: genotools predict {report.path} SEQUENCES.fa -o predictions.tsv", err=True)


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
