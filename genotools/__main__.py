"""The program's start: as ``genotools``, and as ``python -m genotools`` where its script is not on the PATH."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the program; Ctrl-C ends it quietly from the first import on."""
    try:
        from genotools.cli.main import main as run

        run()
    except KeyboardInterrupt:  # while modules were imported: a command that runs has its own way to end
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)  # as shells have it


if __name__ == "__main__":
    main()
