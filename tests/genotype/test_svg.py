"""Pictures of cells inside a page: what Graphviz writes without what a page has no use for."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from genotools.errors import GenotoolsError
from genotools.genotype import GENOME_NAS, Genotype
from genotools.genotype import svg as svg_module
from genotools.genotype.drawing import CellName
from genotools.genotype.svg import Drawings

WRITTEN = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<svg width="300pt" height="100pt" viewBox="0.00 0.00 301.50 100.50"
 xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<g id="graph0" class="graph" transform="scale(1 1) rotate(0) translate(4 96.26)">
<title>cell</title>
<polygon fill="white" stroke="none" points="-4,4 -4,-96.26 297,-96.26 297,4 -4,4"/>
<g id="node1" class="node">
<title>x0</title>
<g id="a_node1"><a xlink:title="input 0">
<path fill="#eeeeee" stroke="none" d="M30,-10 L10.123,-20"/>
<path fill="none" stroke="#123456" d="M30,-10 L10.123,-20"/>
<path fill="none" stroke="black" d="M1,1"/>
<polygon fill="black" stroke="black" points="1.25,2.5 3,4"/>
<text text-anchor="middle" x="18.96" y="-3.04" font-family="sans" font-size="10.00">x0 &lt; 1</text>
</a></g>
</g>
</g>
</svg>
"""

TIDIED = (
    '<svg viewBox="0 0 301.5 100.5" class="cell" role="img" aria-label="The {label}">'
    '<g transform="scale(1 1) rotate(0) translate(4 96.3)"><g><g><a>'
    '<path fill="#eeeeee" stroke="none" d="M30,-10 L10.1,-20" />'
    '<path fill="none" stroke="#123456" d="M30,-10 L10.1,-20" />'
    '<path fill="none" stroke="black" d="M1,1" />'
    '<polygon fill="black" stroke="black" points="1.2,2.5 3,4" />'
    '<text text-anchor="middle" x="19" y="-3" font-size="10">x0 &lt; 1</text>'
    "</a></g></g></g></svg>"
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Genotype, CellName]]:
    """Let a fixed text stand for what Graphviz writes; return what was asked of it."""
    asked: list[tuple[Genotype, CellName]] = []

    def write(genotype: Genotype, path: Path, *, cells: Sequence[CellName]) -> None:
        (cell,) = cells
        asked.append((genotype, cell))
        path.write_text(WRITTEN, encoding="utf-8")

    monkeypatch.setattr(svg_module, "draw", write)
    return asked


def sampled(seed: int) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


@pytest.mark.usefixtures("drawn")
def test_a_picture_keeps_places_and_looks_and_nothing_else() -> None:
    pictures = Drawings([sampled(0)])
    assert pictures.lack is None
    found = pictures.of(sampled(0))
    labels = ("normal cell", "reduction cell", "recurrent cell")
    assert [str(drawing.svg) for drawing in found] == [TIDIED.format(label=label) for label in labels]
    assert {(drawing.aspect, drawing.width_px) for drawing in found} == {(3.0, 402)}


@pytest.mark.usefixtures("drawn")
def test_a_box_that_is_filled_and_then_outlined_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = (
        '<svg viewBox="0 0 10 3" xmlns="http://www.w3.org/2000/svg"><g>'
        '<polygon fill="white" points="0"/><path fill="white" d="M0"/>'
        '<path fill="red" stroke="none" d="M1"/><path fill="none" stroke="blue" d="M1"/>'
        '<path fill="red" stroke="red" d="M2"/><path fill="none" d="M2"/>'
        '<path fill="none" stroke="green" d="M3"/><path d="M3"/><path fill="none" stroke="blue" d="M3"/>'
        '<polygon fill="black" points="4"/><polygon fill="none" stroke="black" points="5"/></g></svg>'
    )
    monkeypatch.setattr(svg_module, "draw", lambda _, path, cells: path.write_text(inner, encoding="utf-8"))
    (picture, *_) = Drawings([sampled(0)]).of(sampled(0))
    assert picture.svg[picture.svg.index("<g>") :] == (
        '<g><path fill="white" d="M0" /><path fill="red" stroke="blue" d="M1" />'
        '<path fill="red" stroke="none" d="M2" />'
        '<path fill="none" stroke="green" d="M3" /><path d="M3" stroke="blue" />'
        '<polygon fill="black" points="4" /><polygon fill="none" stroke="black" points="5" /></g></svg>'
    )
    assert (picture.aspect, picture.width_px) == (3.333, 13)


def test_cells_that_are_the_same_are_drawn_once(drawn: list[tuple[Genotype, CellName]]) -> None:
    first, other = sampled(0), sampled(1)
    mixed = Genotype(first.normal, other.reduce, first.recurrent)
    pictures = Drawings([first, mixed, first])
    assert sorted(name for _, name in drawn) == ["normal", "recurrent", "reduce", "reduce"]
    assert pictures.of(mixed)[0] is pictures.of(first)[0]
    assert pictures.of(mixed)[1] is not pictures.of(first)[1]
    assert pictures.of(mixed)[2] is pictures.of(first)[2]
    assert pictures.of(other) == [pictures.of(mixed)[1]]


def test_cells_of_another_numbering_are_drawn_anew(drawn: list[tuple[Genotype, CellName]]) -> None:
    first, other = sampled(0), sampled(1)
    Drawings([first, Genotype(first.normal, first.reduce, other.recurrent)])
    assert [name for _, name in drawn].count("recurrent") == 2


def test_nothing_is_drawn_of_no_genotypes(drawn: list[tuple[Genotype, CellName]]) -> None:
    assert Drawings([]).lack is None
    assert drawn == []


def test_without_a_renderer_there_is_a_reason_and_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*_: object, **__: object) -> None:
        asked.append(1)
        raise GenotoolsError("no renderer: install graphviz.")

    monkeypatch.setattr(svg_module, "draw", refuse)
    pictures = Drawings([sampled(0), sampled(1)])
    assert pictures.lack == "no renderer: install graphviz."
    assert list(pictures.of(sampled(0))) == []
    assert len(asked) == 1


@pytest.mark.skipif(
    not (importlib.util.find_spec("pygraphviz") or shutil.which("dot")),
    reason="neither pygraphviz (extra draw) nor dot is installed",
)
def test_pictures_of_one_page_share_no_ids_and_name_no_address() -> None:
    pictures = Drawings([sampled(0)])
    assert pictures.lack is None
    found = pictures.of(sampled(0))
    assert len(found) == 3
    for drawing in found:
        root = ElementTree.fromstring(drawing.svg)
        assert root.tag == "svg"
        assert not [element for element in root.iter() if "id" in element.attrib or element.tag == "title"]
        assert "http" not in drawing.svg
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        assert drawing.aspect == pytest.approx(width / height, rel=0.01)
