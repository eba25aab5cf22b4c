"""``genotools study``: engines and hand-designed networks compared under one protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genotools.cli._options import Device, Json, Resume

if TYPE_CHECKING:
    pass

__all__ = ["study"]


def study(
    protocol: Annotated[
        str,
        typer.Argument(
            metavar="PROTOCOL",
            help="A protocol (.toml), or one that comes with it: demo, paper, yeast-small.",
        ),
    ],
    data: Annotated[Path, typer.Option("--data", help="A sequence store (.h5).", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The study's folder.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=4096, help="Tasks that run at once.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every task and what it will cost; start nothing.")
    ] = False,
    device: Device = "auto",
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Compare search engines and hand-designed networks: search, select on validation, train anew, test.

    Every task is an ordinary run in a folder of its own. Ctrl-C stops; --resume goes on, and tries again what failed.
    """
    from genotools.cli._study import run

    run(
        protocol,
        data,
        output,
        n_workers=workers,
        dry_run=dry_run,
        device=device,
        resume=resume,
        as_json=as_json,
    )
