"""Rendering: which Graphviz draws, and what is said where it cannot."""

import importlib.util
import shutil
from pathlib import Path

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


def without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pygraphviz" else find_spec(name)
    )
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_without_graphviz_the_error_names_the_extra(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_graphviz(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"pygraphviz.*genotools\[draw\]"):
        draw(sample(0), tmp_path / f"g.{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("dot"), reason="no dot program on the PATH")
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_without_pygraphviz_the_dot_of_the_machine_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, start: bytes
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pygraphviz" else find_spec(name)
    )
    path = tmp_path / f"g.{suffix}"
    draw(sample(0), path)
    assert path.read_bytes().startswith(start)
    if suffix == "svg":
        text = path.read_text(encoding="utf-8")
        cells = (sample(0).normal, sample(0).reduce)
        labels = {get_primitive(edge.op, "conv").label for cell in cells for edge in cell.edges}
        assert all(label.replace(" ", "&#160;") in text or label in text for label in labels)


@needs_graphviz
def test_a_failure_of_graphviz_is_one_clear_error() -> None:
    with pytest.raises(GenotoolsError, match="Graphviz did not draw the picture"):
        rendering.render("digraph {\n a -> \n", "svg")


def test_letters_without_any_font_are_refused_but_svg_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    monkeypatch.setattr(rendering, "_has_fonts", lambda: False)
    monkeypatch.setattr(rendering, "_graphviz", lambda *arguments: b"drawn")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GenotoolsError, match=r"no font found.*genotools\[plots\]"):
        rendering.render("digraph {\n}\n", "png")
    assert rendering.render("digraph {\n}\n", "svg") == b"drawn"


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
