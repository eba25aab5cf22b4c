"""``genotools convert``: genotypes from and to DARTS-style text."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._genotypes import load_genotype
from genotools.cli._options import Force
from genotools.errors import DataError

__all__ = ["convert"]

MAX_CHARS = 1_000_000


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="GENOTYPE", help="A genotype (file, zoo name, run folder) or a text file; - reads text."
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Standard output without it.")] = None,
    force: Force = False,
) -> None:
    """Turn a genotype into DARTS-style text, or such text into a genotype file.

    A source that is JSON, a run folder or a zoo name becomes text; anything else is read as text.
    """
    from genotools.files import check_output, write_text
    from genotools.genotype.darts import from_darts, to_darts

    if output is not None:
        check_output(output, force=force)
    text = _standard_input() if source == "-" else _text_of(source)
    if text is not None and not text.lstrip().startswith("{"):
        result = from_darts(text, where=source).to_json()
    elif text is not None and source == "-":
        from genotools.genotype import Genotype

        result = to_darts(Genotype.from_json(text, where="standard input")) + "\n"
    else:
        result = to_darts(load_genotype(source)) + "\n"
    if output is None:
        typer.echo(result, nl=False)
    else:
        write_text(output, result)


def _standard_input() -> str:
    text = sys.stdin.read(MAX_CHARS + 1)
    if len(text) > MAX_CHARS:
        raise DataError(f"standard input: more than {MAX_CHARS:,} characters, which is no genotype.")
    return text


def _text_of(source: str) -> str | None:
    """Return the text of a small file, or None where ``source`` is not one."""
    path = Path(source)
    if not path.is_file() or path.stat().st_size > MAX_CHARS:
        return None
    return path.read_text(encoding="utf-8", errors="replace")
