"""Write what pages of docs/ are made by a program: the commands, and the drawn cells of the front page.

``python tools/build_docs.py`` writes both; with ``--check`` it writes nothing and says whether the page of commands
is that of the program. Drawings follow the installed Graphviz and are not compared.
"""

import html
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from genotools.cli.main import app
from genotools.files import read_json
from genotools.genotype.documents import genotype_from_document
from genotools.genotype.svg import Drawings

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Commands

All commands and options of `genotools`, as the program knows them; `--help` behind a command shows the same.
Results go to standard output, messages to standard error. Exit code 0 is success, 1 failure, 2 wrong usage.
"""


def commands_page() -> str:
    """Return the page of all commands."""
    root: Any = typer.main.get_command(app)
    lines = [HEAD]
    for path, command in walk(root, ("genotools",)):
        lines += [*section(path, command), ""]
    return "\n".join(lines).rstrip() + "\n"


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command with the words that name it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


def section(path: tuple[str, ...], command: Any) -> list[str]:
    """Return the lines about one command."""
    context = command.make_context(" ".join(path), [], resilient_parsing=True)
    usage = " ".join([" ".join(path), *command.collect_usage_pieces(context)])
    lines = [f"{'#' * min(len(path) + (len(path) == 1), 3)} `{' '.join(path)}`", ""]
    lines += ["```text", usage.replace("{", "").replace("}", ""), "```", ""]
    lines += [" ".join(paragraph.split()) + "\n" for paragraph in (command.help or "").split("\n\n")]
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if records:
        lines += ["| | |", "| --- | --- |"]
        lines += [f"| {code(name)} | {cell(text)} |" for name, text in records]
    elif hasattr(command, "commands"):
        lines += [" ".join(f"[`{name}`](#{'-'.join([*path, name])})" for name in command.commands)]
    return lines


def code(name: str) -> str:
    """Return a name as code in a table's cell, where a bar would end the cell."""
    name = " ".join(name.split())
    if "|" not in name:
        return f"`{name}`"
    return f"<code>{html.escape(name).replace('|', '&#124;')}</code>"


def cell(text: str) -> str:
    """Return the text of a table's cell."""
    text = " ".join(text.split())
    return text.replace("|", "&#124;").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def drawn_cells() -> dict[str, str]:
    """Return the cells of the genotype of the front page as files."""
    genotype = genotype_from_document(read_json(DOCS / "assets" / "example.genotype.json"))
    drawings = Drawings([genotype])
    if drawings.lack:
        sys.exit(drawings.lack)
    names = ("normal", "reduce", "recurrent")
    head = '<svg xmlns="http://www.w3.org/2000/svg" font-family="DejaVu Sans,Verdana,sans-serif" '
    return {
        f"cell-{name}.svg": str(drawing.svg).replace("<svg ", head, 1) + "\n"
        for name, drawing in zip(names, drawings.of(genotype), strict=True)
    }


def main() -> None:
    """Write the files, or compare."""
    page, path = commands_page(), DOCS / "commands.md"
    if "--check" in sys.argv:
        if path.read_text(encoding="utf-8") != page:
            sys.exit(f"{path.name} is not what the program says; run python tools/build_docs.py")
        return
    path.write_text(page, encoding="utf-8")
    for name, text in drawn_cells().items():
        (DOCS / "assets" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
