"""The ``genotools`` program: its commands, and what a person sees when something goes wrong."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from genotools.cli import (
    convert,
    data,
    demo,
    doctor,
    draw,
    export,
    info,
    ism,
    predict,
    report,
    sample,
    search,
    study,
    train,
    variants,
    zoo,
)
from genotools.errors import GenotoolsError

__all__ = ["app", "main"]

app = typer.Typer(
    name="genotools",
    help="Neural architecture search for genome sequences, centred on the genotype.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


ZOO = "GENOTOOLS_ZOO"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("genotools"))
        raise typer.Exit


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment inside the block: processes that a command starts see it, too."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    space: Annotated[
        list[Path] | None,
        typer.Option("--space", help="File of a search space of your own; genotypes that name it are read."),
    ] = None,
    zoo: Annotated[
        str | None,
        typer.Option(
            "--zoo",
            metavar="WHERE",
            envvar=ZOO,
            help="Look for names in this zoo first: a folder, https://HOST/PATH, or hf:OWNER/NAME.",
        ),
    ] = None,
) -> None:
    """Neural architecture search for genome sequences, centred on the genotype."""
    if zoo is not None:
        context.with_resource(_variable(ZOO, zoo))
    for path in space or []:
        from genotools.cli._genotypes import load_space

        load_space(str(path))
    del debug, version  # debug is read by main(), which stands outside of any command


app.command()(sample.sample)
app.command()(sample.mutate)
app.command()(draw.draw)
app.command()(info.info)
app.command("hash")(info.hash_)
app.command()(info.validate)
app.command()(info.diff)
app.command()(convert.convert)
app.command()(search.search)
app.command()(study.study)
app.command()(report.report)
app.command()(train.train)
app.command()(train.evaluate)
app.command()(predict.predict)
app.add_typer(data.app, name="data")
app.command()(ism.ism)
app.command()(ism.attribute)
app.add_typer(export.app, name="export")
app.add_typer(variants.app, name="variants")
app.add_typer(zoo.app, name="zoo")
app.command()(demo.demo)
app.command()(doctor.doctor)


def main() -> None:
    """Run the program; errors a user can meet are one message and exit code 1."""
    # Threads that wait for each other spin by default. On two busy cores a training step then took more than 7 s;
    # 1.4 s with threads that sleep instead. Read when PyTorch is loaded, so it must be set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings = logging.StreamHandler()
    warnings.setFormatter(logging.Formatter("Warning: %(message)s"))
    logging.getLogger("genotools").addHandler(warnings)
    try:
        app()
    except GenotoolsError as error:
        _fail(error, str(error))
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _fail(error, f"{named}.")
    except MemoryError as error:
        _fail(error, "out of memory. A smaller --batch-size needs less.")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("Interrupted.", err=True)
        raise


def _fail(error: BaseException, message: str) -> None:
    if isinstance(error, BrokenPipeError):
        # The reader of a pipe has gone; Python would complain once more while closing the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if "--debug" in sys.argv:
        raise error
    typer.echo(f"Error: {message}", err=True)
    sys.exit(1)
