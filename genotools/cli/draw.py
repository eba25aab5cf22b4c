"""``genotools draw``: a genotype as a picture."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._genotypes import GenotypeArgument, load_genotype
from genotools.cli._options import Force

__all__ = ["draw"]


class CellChoice(StrEnum):
    """What to draw."""

    NORMAL = "normal"
    REDUCE = "reduce"
    RECURRENT = "recurrent"
    MACRO = "macro"
    ALL = "all"


def draw(
    genotype: GenotypeArgument,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Picture to write: .svg, .png, .pdf, .dot or .md (Mermaid).",
            show_default=False,
        ),
    ],
    cell: Annotated[
        CellChoice, typer.Option("--cell", help="One cell, the network around them, or all on one page.")
    ] = CellChoice.ALL,
    macro: Annotated[
        str, typer.Option("--macro", help="The network: paper, small, or a JSON file.")
    ] = "paper",
    length: Annotated[int, typer.Option("--length", min=1, help="Input length of the network in bp.")] = 1000,
    force: Force = False,
) -> None:
    """Draw the cells of a genotype and the network around them."""
    from genotools.cli._macros import load_macro
    from genotools.genotype import drawing

    drawing.draw(
        load_genotype(genotype),
        output,
        cells=[name for name in drawing.ALL_CELLS if cell in (CellChoice.ALL, name)],
        macro=load_macro(macro, length=length) if cell in (CellChoice.ALL, CellChoice.MACRO) else None,
        force=force,
    )
    typer.echo(output)
