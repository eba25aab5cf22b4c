"""What a person is told when a command that can be resumed was stopped."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["resume_command", "resume_hint"]


def resume_command() -> str:
    """Return the command line that was typed, with --resume and without --force."""
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--force", "--resume")]
    return shlex.join(["genotools", *arguments, "--resume"])


@contextmanager
def resume_hint() -> Iterator[None]:
    """Answer Ctrl-C inside the block with the command that goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo(f"\nStopped. Go on with: {resume_command()}", err=True)
        raise typer.Exit(130) from error
