"""Rendering: which Graphviz draws, and what is said where it cannot."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest

from genotools.errors import GenotoolsError, MissingExtraError
from genotools.genotype import GENOME_NAS, Genotype, get_primitive
from genotools.genotype import _rendering as rendering
from genotools.genotype.drawing import draw

needs_graphviz = pytest.mark.skipif(
    not (importlib.util.find_spec("pygraphviz") or shutil.which("dot")),
    reason="neither pygraphviz (extra draw) nor dot is installed",
)


def sample(seed: int) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


def without_pygraphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pygraphviz" else find_spec(name)
    )


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_without_graphviz_the_error_names_the_extra(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pygraphviz(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"^pygraphviz is needed for this.*genotools\[draw\]"):
        draw(sample(0), tmp_path / f"g.{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("dot"), reason="no dot program on the PATH")
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_without_pygraphviz_the_dot_of_the_machine_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, start: bytes
) -> None:
    without_pygraphviz(monkeypatch)
    path = tmp_path / f"g.{suffix}"
    draw(sample(0), path)
    assert path.read_bytes().startswith(start)
    if suffix == "svg":
        text = path.read_text(encoding="utf-8")
        cells = (sample(0).normal, sample(0).reduce)
        labels = {get_primitive(edge.op, "conv").label for cell in cells for edge in cell.edges}
        assert all(label.replace(" ", "&#160;") in text or label in text for label in labels)


needs_both = pytest.mark.skipif(
    not (importlib.util.find_spec("pygraphviz") and shutil.which("dot")),
    reason="pygraphviz (extra draw) or dot is not installed",
)


@needs_both
def test_a_page_is_the_same_by_the_dot_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view_box() -> list[float]:
        path = tmp_path / "g.svg"
        draw(sample(0), path, force=True)
        return [float(number) for number in ElementTree.parse(path).getroot().attrib["viewBox"].split()]

    bundled = view_box()
    without_pygraphviz(monkeypatch)
    assert view_box() == pytest.approx(bundled, rel=0.1, abs=5)


@needs_both
def test_a_failure_of_graphviz_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "digraph {\n a -> \n"
    with pytest.raises(
        GenotoolsError, match=r"^Graphviz did not draw the picture \(exit status 1\): .*Error"
    ):
        rendering.render(bad, "svg")
    without_pygraphviz(monkeypatch)
    with pytest.raises(GenotoolsError, match=r"^Graphviz did not draw the picture: .*syntax error in line 3"):
        rendering.render(bad, "svg")


@pytest.mark.parametrize(
    ("done", "message"),
    [
        ((3, b"", b"first\nlast\n"), r"\(exit status 3\): last$"),
        ((3, b"half a picture", b""), r"\(exit status 3\): no message$"),
        ((0, b"", b"\xff\n"), "\\(exit status 0\\): \ufffd$"),
    ],
)
def test_graphviz_that_draws_nothing_is_an_error_with_its_last_words(
    done: tuple[int, bytes, bytes], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "pygraphviz" or find_spec(name))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], *done))
    with pytest.raises(GenotoolsError, match="^Graphviz did not draw the picture " + message):
        rendering.render("digraph {\n}\n", "svg")


@pytest.mark.skipif(
    not importlib.util.find_spec("pygraphviz"), reason="pygraphviz (extra draw) is not installed"
)
def test_graphviz_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "TIMEOUT_S", 0.001)
    with pytest.raises(GenotoolsError, match=r"Graphviz did not draw the picture: .*timed out"):
        rendering.render("digraph {\n}\n", "svg")


class OfTheMachine:
    """Stands for the package graphviz's ``Source``; draws nothing."""

    made: ClassVar[list[object]] = []
    fault: ClassVar[Exception | None] = None

    def __init__(self, dot: str, *, engine: str) -> None:
        self.made.append((dot, engine))

    def pipe(self, form: str, *, neato_no_op: int | None, quiet: bool) -> bytes:
        self.made.append((form, neato_no_op, quiet))
        if self.fault is not None:
            raise self.fault
        return b"picture"


@pytest.fixture
def of_the_machine(monkeypatch: pytest.MonkeyPatch) -> type[OfTheMachine]:
    without_pygraphviz(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "dot" else None)
    monkeypatch.setattr("graphviz.Source", OfTheMachine)
    monkeypatch.setattr(OfTheMachine, "made", [])
    return OfTheMachine


@pytest.mark.parametrize(("engine", "program", "no_op"), [("dot", "dot", None), ("placed", "neato", 2)])
def test_graphviz_of_the_machine_leaves_what_is_placed_where_it_is(
    of_the_machine: type[OfTheMachine], engine: Any, program: str, no_op: int | None
) -> None:
    assert rendering._graphviz("digraph {}", "svg", engine, {}) == b"picture"
    assert of_the_machine.made == [("digraph {}", program), ("svg", no_op, True)]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (subprocess.CalledProcessError(1, "dot", stderr=b" syntax \xff error\n"), "syntax \ufffd error"),
        (subprocess.CalledProcessError(1, "dot"), "Command 'dot' returned non-zero exit status 1."),
        (graphviz.ExecutableNotFound(["dot"]), "failed to execute 'dot', make sure the Graphviz executables"),
    ],
)
def test_a_failure_of_the_graphviz_of_the_machine_is_told_in_its_words(
    of_the_machine: type[OfTheMachine], fault: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_the_machine, "fault", fault)
    with pytest.raises(GenotoolsError) as caught:
        rendering._graphviz("digraph {}", "svg", "dot", {})
    assert str(caught.value).startswith(f"Graphviz did not draw the picture: {message}")


def test_graphviz_that_comes_with_python_finds_the_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    environments = []

    def run(*_: Any, env: dict[str, str], **__: Any) -> subprocess.CompletedProcess[bytes]:
        environments.append(env)
        return subprocess.CompletedProcess([], 0, b"picture", b"")

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "pygraphviz" or find_spec(name))
    monkeypatch.setattr(subprocess, "run", run)
    assert rendering._graphviz("digraph {}", "svg", "dot", {"FONTCONFIG_FILE": "x"}) == b"picture"
    assert environments == [{"FONTCONFIG_FILE": "x"}]


Call = tuple[str, str, str, dict[str, str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Let nothing be drawn; return what would have been, with the font configuration in place of its path."""
    made: list[Call] = []

    def note(dot: str, form: str, engine: str, environment: dict[str, str]) -> bytes:
        if "FONTCONFIG_FILE" in environment:
            environment["FONTCONFIG_FILE"] = Path(environment["FONTCONFIG_FILE"]).read_text(encoding="utf-8")
        made.append((dot, form, engine, environment))
        return b"{}"

    monkeypatch.setattr(rendering, "_graphviz", note)
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    return made


def test_a_bitmap_has_300_dots_an_inch(calls: list[Call]) -> None:
    dot = "digraph {\n  subgraph {\n}\n}\n"
    rendering.render(dot, "png")
    rendering.render(dot, "svg", engine="placed")
    assert calls[0][:3] == ("digraph {\n  graph [dpi=300];\n  subgraph {\n}\n}\n", "png", "dot")
    assert calls[1][:3] == (dot, "svg", "placed")


@pytest.mark.parametrize("name", ["a.ttf", "a.OTF", "a.ttc", "a.pfb"])
def test_fonts_of_the_machine_are_found_in_any_depth_and_used(
    name: str, calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(rendering, "FONT_FOLDERS", ("/nowhere", "~/fonts"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    font = tmp_path / "fonts" / "deep" / name
    font.parent.mkdir(parents=True)
    font.with_suffix(".txt").touch()
    with pytest.raises(GenotoolsError, match="no font found"):
        rendering.render("digraph {\n}\n", "pdf")
    font.touch()
    rendering.render("digraph {\n}\n", "pdf")
    assert [environment for *_, environment in calls] == [dict(os.environ)]


def test_a_font_configuration_that_is_set_is_left_alone(
    calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_has_fonts", lambda: False)
    path = tmp_path / "mine.conf"
    path.write_text("mine")
    monkeypatch.setenv("FONTCONFIG_FILE", str(path))
    rendering.render("digraph {\n}\n", "png")
    assert calls[0][3]["FONTCONFIG_FILE"] == "mine"


@pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib"), reason="matplotlib (extra plots) brings the font"
)
def test_without_fonts_those_of_matplotlib_are_named_to_graphviz(
    calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_has_fonts", lambda: False)
    rendering.render("digraph {\n}\n", "png")
    rendering.layout("digraph {\n}\n")
    for *_, environment in calls:
        config = ElementTree.fromstring(environment.pop("FONTCONFIG_FILE"))
        assert (Path(config.findtext("dir") or "") / "DejaVuSans.ttf").is_file()
        assert not Path(config.findtext("cachedir") or ".").exists()
        assert environment == dict(os.environ)


def test_letters_without_any_font_are_refused_but_svg_and_layout_need_none(
    calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_has_fonts", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GenotoolsError, match=r"no font found.*genotools\[plots\]"):
        rendering.render("digraph {\n}\n", "png")
    assert calls == []
    assert rendering.render("digraph {\n}\n", "svg") == b"{}"
    assert rendering.layout("digraph {\n}\n") == {}
    assert [environment for *_, environment in calls] == [dict(os.environ)] * 2


@needs_graphviz
@pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib"), reason="matplotlib (extra plots) brings the font"
)
def test_a_machine_without_fonts_draws_with_the_one_of_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    monkeypatch.setattr(rendering, "_has_fonts", lambda: False)
    draw(sample(0), tmp_path / "g.pdf", cells=["normal"])
    assert b"DejaVu" in (tmp_path / "g.pdf").read_bytes()
