"""``genotools report``: a search as one web page."""

from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._options import Force

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run folders, or folders that search --seeds wrote."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The page to write, .html.", show_default=False)
    ],
    force: Force = False,
) -> None:
    """Report searches on one web page: scores beside random search, every trial, the cells, how to repeat them.

    The page is one file that needs nothing else. Searches that still run can be reported, too.
    """
    from genotools.search.report import write_report

    write_report(output, runs, force=force)
    typer.echo(output)
