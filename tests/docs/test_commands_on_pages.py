"""Every command line on a page is one that the program accepts, and every option that a page names exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from genotools.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
GENERATED = "docs/commands.md"

PROGRAM: Any = typer.main.get_command(app)

OF_OTHERS = {"--nproc-per-node", "--help"}


def all_options(command: Any = PROGRAM) -> set[str]:
    """Return the options of all commands."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return found.union(*(all_options(inner) for inner in getattr(command, "commands", {}).values()))


def command_lines(page: str) -> list[str]:
    """Return the lines in blocks and the words in line that call genotools, without prompts and notes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines += [" ".join([*words.split(), "..."]) for words in re.findall(r"`([^`]+)`", prose)]
    called = re.compile(r"(?:\$ )?(?:torchrun .*-m )?(genotools .*)")
    return [found[1] for line in lines if (found := called.match(line))]


def faults(line: str) -> str | None:
    """Return what the program would say of a line's words; missing ones are allowed where the line is no whole."""
    words = shlex.split(re.sub(r"[\[\]]", "", line), comments=True)[1:]  # brackets: what may be left out
    is_whole = "..." not in words
    try:
        parse([word for word in words if word != "..."])
    except typer.Exit:  # --version, --help
        return None
    except Exception as error:  # noqa: BLE001 - of the parser's own, which has two homes
        if type(error).__name__ == "MissingParameter" and not is_whole:
            return None
        if type(error).__name__ == "NoArgsIsHelpError" or str(error).endswith("does not exist."):
            return None
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return None


def parse(words: list[str]) -> None:
    context, command, name = None, PROGRAM, "genotools"
    while True:
        context = command.make_context(name, words, parent=context)
        if not hasattr(command, "commands"):
            return
        words = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, words)


LINES = [(page, line) for page in PAGES if page != GENERATED for line in command_lines(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line[:70]}" for page, line in LINES])
def test_a_command_on_a_page_is_accepted(page: str, line: str) -> None:
    assert faults(line) is None, page


@pytest.mark.parametrize(
    "line",
    [
        "genotools serach random",
        "genotools train g.json --data s.h5 -o run --epoch 3",
        "genotools train g.json --data s.h5",
        "genotools train ... --no-such",
        "genotools export model -o m.onnx --precision fp8",
    ],
)
def test_a_wrong_command_is_noticed(line: str) -> None:
    assert faults(line) is not None


def test_command_lines_are_found() -> None:
    assert {page for page, _ in LINES} >= {"README.md", "docs/index.md", "docs/data.md", "docs/zoo.md"}
    assert len(LINES) > 60


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED])
def test_options_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"(?<!\S)--[a-z-]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert named - all_options() - OF_OTHERS == set()


def test_the_page_of_commands_is_that_of_the_program() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_docs.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
