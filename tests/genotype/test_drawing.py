"""Drawings: what stands in them, that they are the same every time, and that the rendered files are sound."""

import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from genotools.errors import DataError, OutputExistsError
from genotools.genotype import (
    GENOME_NAS,
    ConvCell,
    Genotype,
    Layer,
    Macro,
    Primitive,
    RecurrentCell,
    get_primitive,
    register,
)
from genotools.genotype import _rendering as rendering
from genotools.genotype.drawing import ALL_CELLS, CellName, draw, to_dot, to_mermaid

needs_graphviz = pytest.mark.skipif(
    not (importlib.util.find_spec("pygraphviz") or shutil.which("dot")),
    reason="neither pygraphviz (extra draw) nor dot is installed",
)

NASTY = 'a "b" <c> & {d}|#;`e`'
NASTY_HTML = "a &quot;b&quot; &lt;c&gt; &amp; {d}|#;`e`"


def sample(seed: int) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


def single_op_genotype(op: str) -> Genotype:
    cell = ConvCell([(0, 2, op), (1, 2, op)])
    return Genotype(cell, cell, RecurrentCell([(0, "tanh")]))


def extreme_genotypes() -> list[Genotype]:
    """Return genotypes whose cells are as broad and as deep as can be."""
    broad = ConvCell((source, node, "skip_connect") for node in range(2, 6) for source in (0, 1))
    deep = ConvCell((source, node, "conv_15") for node in range(2, 6) for source in (node - 2, node - 1))
    chain = RecurrentCell((number, "tanh") for number in range(8))
    star = RecurrentCell((0, "identity") for _ in range(8))
    return [Genotype(broad, deep, chain), Genotype(deep, broad, star)]


def dot_edges(dot: str) -> Counter[tuple[str, str, str | None]]:
    """Return source, target and the number of the op of every edge in DOT text."""
    found = re.findall(r'"(\w+)":out:\w -> "(\w+)"(?::op(\d+):\w)?', dot)
    assert len(found) == dot.count("->")
    return Counter((source, target, op or None) for source, target, op in found)


def dot_ops(dot: str) -> dict[tuple[str, str], str]:
    """Return the label of every op chip in DOT text, by node and number of the op."""
    ops: dict[tuple[str, str], str] = {}
    for line in dot.splitlines():
        if named := re.match(r'\s*"(\w+)" \[label=<', line):
            for number, label in re.findall(r'PORT="op(\d+)".*?<FONT[^>]*>(.*?)</FONT>', line):
                assert (named[1], number) not in ops
                ops[named[1], number] = label
    return ops


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["normal", "reduce"])
def test_dot_holds_every_edge_of_a_conv_cell_once_and_ending_at_its_op(seed: int, name: CellName) -> None:
    genotype = sample(seed)
    cell = genotype.normal if name == "normal" else genotype.reduce
    dot = to_dot(genotype, cells=[name])
    edges, ops = dot_edges(dot), dot_ops(dot)
    drawn = Counter(
        (source, target, ops[target, op]) for (source, target, op) in edges.elements() if op is not None
    )
    expected = [(str(e.source), str(e.target), get_primitive(e.op, "conv").label) for e in cell.edges]
    assert drawn == Counter(expected)
    assert len(ops) == len(cell.edges)
    to_output = {source for source, target, op in edges if op is None and target == "out"}
    assert to_output == {str(node) for node in cell.nodes}


@pytest.mark.parametrize("genotype", [sample(0), sample(1), *extreme_genotypes()])
def test_dot_holds_every_state_of_a_recurrent_cell_once(genotype: Genotype) -> None:
    dot = to_dot(genotype, cells=["recurrent"])
    edges, ops = dot_edges(dot), dot_ops(dot)
    drawn = {(source, target): ops[target, op] for source, target, op in edges if op is not None}
    states = enumerate(genotype.recurrent.states, start=1)
    assert drawn == {(str(state.predecessor), str(number)): state.activation for number, state in states}
    assert edges["x", "0", None] == edges["h", "0", None] == 1


@pytest.mark.parametrize("genotype", [sample(0), *extreme_genotypes()])
def test_mermaid_holds_every_edge_once_with_its_op(genotype: Genotype) -> None:
    text = to_mermaid(genotype)
    drawn = Counter(re.findall(r'(\w+)_(\w+) -->\|"([^"]*)"\| \1_(\w+)', text))
    expected = Counter(
        (name, str(e.source), get_primitive(e.op, "conv").label, str(e.target))
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce))
        for e in cell.edges
    )
    expected.update(
        ("recurrent", str(state.predecessor), state.activation, str(number))
        for number, state in enumerate(genotype.recurrent.states, start=1)
    )
    assert drawn == expected


def test_mermaid_colours_each_edge_as_its_op() -> None:
    lines = to_mermaid(sample(0), macro=Macro.paper()).splitlines()
    edges = [line for line in lines if "-->" in line]
    labels = {get_primitive(e.op, "conv").label: e.op for e in sample(0).normal.edges}
    for index, line in enumerate(edges):
        if named := re.search(r'normal_\w+ -->\|"(.*)"\|', line):
            colour = get_primitive(labels[named[1]], "conv").colour
            assert f"linkStyle {index} stroke:{colour},stroke-width:3px" in lines


def test_macro_picture_shows_channels_and_lengths_of_every_stage() -> None:
    dot = to_dot(sample(0), cells=[], macro=Macro.paper())
    shapes = re.findall(r"(\d+ × \d+)", dot)
    assert shapes == [
        "4 × 1000",
        "24 × 1000",
        "32 × 1000",
        "64 × 500",
        "128 × 250",
        "128 × 250",
        "256 × 125",
        "512 × 42",
    ]
    assert "42 steps" in dot
    assert "925 hidden" in dot


def test_equal_cells_in_a_row_are_one_box_and_a_recurrent_cell_that_is_off_is_not_drawn() -> None:
    macro = Macro(layers=[Layer("normal")] * 5 + [Layer("reduce", 4)], recurrent=False)
    dot = to_dot(sample(0), cells=[], macro=macro)
    assert "normal × 5" in dot
    assert dot.count('"cell') == len(["cell1 box", "stem to 1", "cell2 box", "1 to 2", "from 1", "2 to head"])
    assert "recurrent" not in dot


def test_text_is_the_same_under_every_hash_seed(tmp_path: Path) -> None:
    genotype_path = tmp_path / "g.json"
    sample(3).save(genotype_path)
    program = (
        "import sys; from genotools.genotype import Genotype, Macro; from genotools.genotype import drawing as d;"
        "g = Genotype.load(sys.argv[1]); m = Macro.paper();"
        "sys.stdout.buffer.write((d.to_dot(g, macro=m) + d.to_mermaid(g, macro=m)).encode())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(genotype_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    expected = to_dot(sample(3), macro=Macro.paper()) + to_mermaid(sample(3), macro=Macro.paper())
    assert outputs == {expected.encode()}


def test_drawing_imports_neither_torch_nor_numpy() -> None:
    program = "import sys, genotools.genotype.drawing; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("suffix", [".dot", ".md"])
def test_text_formats_need_no_graphviz(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_graphviz", None)
    path = tmp_path / f"g{suffix}"
    draw(sample(0), path)
    expected = to_dot(sample(0)) if suffix == ".dot" else to_mermaid(sample(0))
    assert path.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("suffix", ["md", "dot"])
def test_only_the_cells_that_are_asked_for_are_drawn(tmp_path: Path, suffix: str) -> None:
    draw(sample(0), tmp_path / f"one.{suffix}", cells=["reduce"])
    draw(sample(0), tmp_path / f"all.{suffix}")
    one, both = ((tmp_path / f"{name}.{suffix}").read_text(encoding="utf-8") for name in ("one", "all"))
    assert "Normal" not in one
    assert "Normal" in both
    assert all(sample(0).digest[:12] in text for text in (one, both))


def test_a_page_is_drawn_as_it_was_placed_and_one_picture_by_graphviz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []

    def render(dot: str, form: str, *, engine: str = "dot") -> bytes:
        calls.append((form, engine))
        assert f"Genotype {sample(0).digest[:12]}" in dot
        return b"picture"

    monkeypatch.setattr("genotools.genotype.drawing.render", render)
    monkeypatch.setattr("genotools.genotype.drawing.page_to_dot", lambda pictures, comment: comment)
    draw(sample(0), tmp_path / "one.svg", cells=["normal"])
    draw(sample(0), tmp_path / "two.pdf", cells=["normal", "reduce"])
    assert calls == [("svg", "dot"), ("pdf", "placed")]


def test_an_unused_input_looks_different() -> None:
    used, unused = single_op_genotype("conv_15"), ConvCell([(1, 2, "conv_15")])
    only_last = Genotype(unused, unused, used.recurrent)

    def first_input(genotype: Genotype) -> str:
        return next(line for line in to_dot(genotype, cells=["normal"]).splitlines() if "cell k−2" in line)

    assert first_input(used) != first_input(only_last)


def test_clusters_of_one_graph_all_run_downwards() -> None:
    broad = extreme_genotypes()[0]
    assert '":out:e ->' in to_dot(broad, cells=["normal"])
    assert '":out:e ->' not in to_dot(broad)


@pytest.fixture
def nasty_genotype() -> Genotype:
    register(
        Primitive(
            name="nasty", kind="conv", label=NASTY, description="x", colour="#101010", build="builtins:id"
        )
    )
    return single_op_genotype("nasty")


def test_special_characters_in_a_label_are_escaped(nasty_genotype: Genotype) -> None:
    dot = to_dot(nasty_genotype, cells=["normal"])
    assert set(dot_ops(dot).values()) == {NASTY_HTML}
    labels = re.findall(r'-->\|"(.*)"\|', to_mermaid(nasty_genotype, cells=["normal"]))
    assert len(labels) == 2
    assert not set('"<>&{}|`') & set(labels[0])
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), labels[0]) == NASTY


@pytest.mark.parametrize(
    ("colour", "is_dark"),
    [
        ("#101010", True),
        ("#6e6e6e", True),
        ("#6f6f6f", False),
        ("#ff0000", True),
        ("#008000", True),
        ("#00ff00", False),
        ("#0000ff", True),
        ("#5f5fff", False),
    ],
)
def test_text_on_a_dark_op_is_white(colour: str, is_dark: bool) -> None:
    register(
        Primitive(name="mine", kind="conv", label="x", description="x", colour=colour, build="builtins:id")
    )
    dot = to_dot(single_op_genotype("mine"), cells=["normal"])
    inks = re.findall(rf'BGCOLOR="{colour}"[^\n]*?<FONT COLOR="(.*?)">', dot)
    assert ["#ffffff" in inks, len(set(inks))] == [is_dark, 1]


def png_size(content: bytes) -> tuple[int, int]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


@needs_graphviz
@pytest.mark.parametrize("name", ALL_CELLS)
@pytest.mark.parametrize("seed", [0])
def test_a_cell_fits_a_paper_column_at_readable_size(tmp_path: Path, seed: int, name: CellName) -> None:
    draw(sample(seed), tmp_path / "g.png", cells=[name])
    width, height = png_size((tmp_path / "g.png").read_bytes())
    width_mm = width / 300 * 25.4
    # Text of 8 points stays above 5.5 points when the drawing is shrunk to a column of 85 mm.
    assert 20 < width_mm < 85 * 8 / 5.5
    assert height > 100


@needs_graphviz
@pytest.mark.parametrize("genotype", [sample(0), *extreme_genotypes()])
def test_svg_is_xml_and_holds_every_op_label(tmp_path: Path, genotype: Genotype) -> None:
    draw(genotype, tmp_path / "g.svg", macro=Macro.paper())
    root = ElementTree.parse(tmp_path / "g.svg").getroot()
    texts = Counter(element.text for element in root.iter("{http://www.w3.org/2000/svg}text"))
    ops = [edge.op for cell in (genotype.normal, genotype.reduce) for edge in cell.edges]
    labels = Counter(get_primitive(op, "conv").label for op in ops)
    labels.update(state.activation for state in genotype.recurrent.states)
    assert {text: texts[text] for text in labels} == dict(labels)
    for title in ("Normal cell", "Reduction cell", "Recurrent cell", "Network"):
        assert texts[title] == 1


@needs_graphviz
def test_svg_of_a_label_with_special_characters_reads_back(tmp_path: Path, nasty_genotype: Genotype) -> None:
    draw(nasty_genotype, tmp_path / "g.svg", cells=["normal"])
    texts = [element.text for element in ElementTree.parse(tmp_path / "g.svg").iter()]
    assert texts.count(NASTY) == 2


@needs_graphviz
def test_pdf_is_a_pdf(tmp_path: Path) -> None:
    draw(sample(0), tmp_path / "g.pdf", macro=Macro.small())
    content = (tmp_path / "g.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"%%EOF" in content[-32:]


def node_rectangles(dot: str) -> list[tuple[str, float, float, float, float]]:
    """Return name, left, bottom, right, top of every box that Graphviz laid out."""
    objects = rendering.layout(dot)["objects"]
    assert isinstance(objects, list)
    rectangles = []
    for entry in objects:
        if "pos" in entry:
            x, y = map(float, entry["pos"].split(","))
            half_width, half_height = float(entry["width"]) * 36, float(entry["height"]) * 36
            rectangles.append(
                (entry["name"], x - half_width, y - half_height, x + half_width, y + half_height)
            )
    return rectangles


@needs_graphviz
@pytest.mark.parametrize("genotype", [sample(2), *extreme_genotypes()])
def test_boxes_do_not_overlap(genotype: Genotype) -> None:
    for name in ALL_CELLS:
        boxes = node_rectangles(to_dot(genotype, cells=[name]))
        for index, (_, left, bottom, right, top) in enumerate(boxes):
            for _, other_left, other_bottom, other_right, other_top in boxes[index + 1 :]:
                apart = (
                    right <= other_left or other_right <= left or top <= other_bottom or other_top <= bottom
                )
                assert apart


@needs_graphviz
def test_a_page_is_no_strip(tmp_path: Path) -> None:
    for seed in (0, 1):
        path = tmp_path / f"{seed}.png"
        draw(sample(seed), path, macro=Macro.paper())
        width, height = png_size(path.read_bytes())
        assert 0.6 < width / height < 1.7


@pytest.mark.parametrize(("name", "suffix"), [("g.gif", r"\.gif"), ("g", "nothing"), ("g.svg.txt", r"\.txt")])
def test_an_unknown_suffix_is_named_with_the_known_ones(tmp_path: Path, name: str, suffix: str) -> None:
    known = r"\.svg, \.png, \.pdf, \.dot, \.md"
    with pytest.raises(DataError, match=rf"{name}: drawings end in one of {known}, not in {suffix}\.$"):
        draw(sample(0), tmp_path / name)


def test_a_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    draw(sample(0), tmp_path / "g.DOT", cells=["normal"])
    assert (tmp_path / "g.DOT").read_text(encoding="utf-8") == to_dot(sample(0), cells=["normal"])


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "g.dot"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        draw(sample(0), path)
    assert path.read_text() == "mine"
    draw(sample(0), path, force=True)
    assert path.read_text(encoding="utf-8") == to_dot(sample(0))


def test_an_unknown_cell_and_an_empty_drawing_are_refused(tmp_path: Path) -> None:
    for name, shown in (("stem", "stem"), ("x" * 61, "x" * 60)):
        with pytest.raises(
            DataError, match=f"^unknown cell '{shown}'\\. Known: normal, reduce, recurrent\\.$"
        ):
            draw(sample(0), tmp_path / "g.dot", cells=["normal", name])  # type: ignore[list-item]
    with pytest.raises(DataError, match="nothing to draw"):
        draw(sample(0), tmp_path / "g.dot", cells=[])


@needs_graphviz
def test_the_command_draws_a_genotype_file(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from genotools.cli.main import app

    sample(0).save(tmp_path / "g.json")
    output = tmp_path / "out.svg"
    arguments = ["draw", str(tmp_path / "g.json"), "-o", str(output), "--cell", "macro", "--length", "600"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stdout.strip() == str(output)
    assert "4 × 600" in output.read_text(encoding="utf-8").replace("&#160;", " ")
