"""DOT text to SVG, PNG or PDF, and several pictures onto one page.

Graphviz runs in a process of its own: either the library that the wheels of pygraphviz bundle, which need no ``dot``
on the machine, or the machine's ``dot`` through the graphviz package.

A page is made in two steps, because one graph has one direction while a page mixes sideways and downward pictures:
every picture is laid out alone, then the finished layouts are moved to their places and drawn as they are.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from genotools.errors import GenotoolsError, MissingExtraError

__all__ = ["Format", "dot_version", "layout", "render"]

Format = Literal["svg", "png", "pdf"]
Engine = Literal["dot", "placed"]

PNG_DPI = 300
TIMEOUT_S = 120

PYGRAPHVIZ_PROGRAM = """
import sys, pygraphviz
engine, format = sys.argv[1:]
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(None, prog=engine, format=format))
"""

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
)


def render(dot: str, form: Format, *, engine: Engine = "dot") -> bytes:
    """Return ``dot`` drawn as ``form``; ``placed`` takes the positions in the text as they are.

    Raises
    ------
    MissingExtraError
        If there is neither pygraphviz nor a ``dot`` program.
    GenotoolsError
        If Graphviz fails, or letters are to be drawn on a machine without any font.
    """
    if form == "png":
        dot = dot.replace("{\n", f"{{\n  graph [dpi={PNG_DPI}];\n", 1)
    with _font_environment(needs_font=form != "svg") as environment:
        return _graphviz(dot, form, engine, environment)


def layout(dot: str) -> dict[str, object]:
    """Return Graphviz's JSON of ``dot`` with the positions of everything, in points."""
    with _font_environment(needs_font=False) as environment:
        result: dict[str, object] = json.loads(_graphviz(dot, "json0", "dot", environment))
    return result


def dot_version() -> str | None:
    """Return the version of the machine's ``dot``; None where there is none, or it does not run."""
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-V"], capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\S+)", done.stdout + done.stderr)
    return found[1] if found else "of an unknown version"


def _graphviz(dot: str, form: str, engine: Engine, environment: dict[str, str]) -> bytes:
    if importlib.util.find_spec("pygraphviz"):
        return _bundled_graphviz(dot, form, "dot" if engine == "dot" else "nop2", environment)
    if not shutil.which("dot"):
        raise MissingExtraError("pygraphviz", "draw")
    import graphviz

    try:
        source = graphviz.Source(dot, engine="dot" if engine == "dot" else "neato")
        drawn: bytes = source.pipe(form, neato_no_op=None if engine == "dot" else 2, quiet=True)
    except (graphviz.ExecutableNotFound, subprocess.CalledProcessError) as error:
        stderr = (getattr(error, "stderr", None) or b"").decode(errors="replace")
        raise GenotoolsError(f"Graphviz did not draw the picture: {stderr.strip() or error}") from error
    return drawn


def _bundled_graphviz(dot: str, form: str, program: str, environment: dict[str, str]) -> bytes:
    command = [sys.executable, "-P", "-c", PYGRAPHVIZ_PROGRAM, program, form]
    try:
        done = subprocess.run(
            command, input=dot.encode(), capture_output=True, env=environment, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GenotoolsError(f"Graphviz did not draw the picture: {error}.") from error
    if done.returncode != 0 or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise GenotoolsError(
            f"Graphviz did not draw the picture (exit status {done.returncode}): {lines[-1]}"
        )
    return done.stdout


@contextmanager
def _font_environment(*, needs_font: bool) -> Iterator[dict[str, str]]:
    """Yield an environment in which Graphviz finds a font: the machine's, else the one inside matplotlib."""
    if "FONTCONFIG_FILE" in os.environ or os.name == "nt" or _has_fonts():
        yield dict(os.environ)
        return
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        if needs_font:
            raise GenotoolsError(
                "no font found on this machine, the letters of the drawing would be missing. Install one (e.g. the "
                "package fonts-dejavu), or pip install 'genotools[plots]', whose matplotlib brings one; "
                "SVG, DOT and Mermaid need none."
            )
        yield dict(os.environ)
        return
    fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    with tempfile.TemporaryDirectory(prefix="genotools-fonts-") as folder:
        config = Path(folder) / "fonts.conf"
        config.write_text(
            f"<fontconfig><dir>{fonts}</dir><cachedir>{folder}</cachedir></fontconfig>", encoding="utf-8"
        )
        yield {**os.environ, "FONTCONFIG_FILE": str(config)}


def _has_fonts() -> bool:
    return any(
        file.suffix.lower() in (".ttf", ".otf", ".ttc", ".pfb")
        for folder in FONT_FOLDERS
        for file in Path(folder).expanduser().rglob("*.*")
    )
