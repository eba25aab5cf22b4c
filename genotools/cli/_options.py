"""Options that several commands share, so that they read and behave alike."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["MAX_SEED", "Device", "Force", "Json", "Out", "Resume", "Seed"]

MAX_SEED = 2**63 - 1
"""Any number would do; but results hold it, and their readers take no endless ones."""

Seed = Annotated[
    int, typer.Option("--seed", min=0, max=MAX_SEED, help="Seed of everything random in this command.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Out = Annotated[Path, typer.Option("-o", "--output", help="Where to write.", show_default=False)]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run in the same folder.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto (CUDA where there is one).")]
