"""``genotools export``: a trained network as one ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._options import Force, Json

__all__ = ["export"]


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder or zoo name.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write, .onnx.", show_default=False)
    ],
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a trained network as an ONNX file, which predicts without PyTorch.

    The file is run and compared with the network at several batch sizes before it is kept.
    """
    from genotools.cli._models import load_card, load_trained_network
    from genotools.files import check_output, to_json

    check_output(output, force=force)
    network = load_trained_network(model)
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
