"""Pages of several pictures: rows of one width, and every picture as it is drawn alone."""

import re
from collections.abc import Sequence

import pytest

from genotools.genotype import ConvCell, Genotype, Macro, RecurrentCell
from genotools.genotype import _page as page_module
from genotools.genotype._dot import pictures_to_dot
from genotools.genotype._pictures import Picture, cell_picture, macro_picture

TITLE_STRIP = 16.0
Size = tuple[float, float]


def lay_out(pictures: Sequence[Picture], sizes: Sequence[Size], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the page of ``pictures`` laid out into ``sizes``, box i at (i, 2 i), every spline the same."""

    def layout(picture: Picture, size: Size) -> dict[str, object]:
        names = [box.name for box in picture.boxes]
        objects: list[dict[str, object]] = [{"_gvid": 0, "name": "%1"}]
        objects += [{"_gvid": i, "name": name, "pos": f"{i},{2 * i}"} for i, name in enumerate(names, 1)]
        edges = [
            {"tail": 1 + names.index(arrow.source), "head": 1 + names.index(arrow.target), "pos": "e,1,2 3,4"}
            for arrow in picture.arrows
        ]
        return {"bb": f"0,0,{size[0]},{size[1]}", "objects": objects, "edges": edges}

    layouts = map(layout, pictures, sizes)

    def next_layout(dot: str) -> dict[str, object]:
        assert "labelloc" not in dot  # the page has room of its own for titles
        return next(layouts)

    monkeypatch.setattr(page_module, "layout", next_layout)
    return page_module.page_to_dot(pictures, comment="the page")


def place(dot: str, name: str) -> tuple[float, float]:
    found = re.search(rf'"{name}" .*pos="([\d.-]+),([\d.-]+)"', dot)
    assert found
    return float(found[1]), float(found[2])


def frame(dot: str, name: str) -> tuple[float, float, float, float]:
    """Return left, bottom, right and top of a picture's frame, in points."""
    x, y = place(dot, f"{name}_frame")
    found = re.search(rf'"{name}_frame" .* width=([\d.]+) height=([\d.]+) ', dot)
    assert found
    half_width, half_height = float(found[1]) * 36, float(found[2]) * 36
    return x - half_width, y - half_height, x + half_width, y + half_height


@pytest.fixture
def drawn() -> list[Picture]:
    """Return a cell that is drawn sideways, one that is drawn downwards, and a network."""
    broad = ConvCell((source, node, "conv_15") for node in range(2, 6) for source in (0, 1))
    genotype = Genotype(broad, broad, RecurrentCell([(0, "tanh"), (1, "relu"), (1, "tanh")]))
    cells = [cell_picture(genotype, "normal"), cell_picture(genotype, "recurrent")]
    assert [cell.is_horizontal for cell in cells] == [True, False]
    return [*cells, macro_picture(genotype, Macro.paper())]


def test_a_picture_on_a_page_is_the_one_that_is_drawn_alone(
    drawn: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = lay_out(drawn, [(200, 100), (100, 300), (90, 200)], monkeypatch)
    assert page.startswith("// the page\ndigraph genotype {\n")
    for picture in drawn:
        own = [line for line in page.splitlines() if f'"{picture.name}_' in line]
        bare = [re.sub(r' \[pos="[^"]*"\]| pos="[^"]*"', "", line) for line in own]
        alone = pictures_to_dot([picture], comment="").splitlines()
        expected = [line for line in alone if line.startswith('  "')]
        assert bare[2:] == [re.sub(r'^  "|(?<=-> )"', rf"\g<0>{picture.name}_", line) for line in expected]
        assert f"<B>{picture.title}</B>" in bare[1]


def test_a_picture_is_moved_as_a_whole_into_the_middle_of_its_frame(
    drawn: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(200.0, 100.0), (100.0, 300.0), (90.0, 200.0)]
    page = lay_out(drawn, sizes, monkeypatch)
    for picture, (width, height) in zip(drawn, sizes, strict=True):
        left, bottom, right, top = frame(page, picture.name)
        dx, dy = (left + right - width) / 2, (bottom + top - TITLE_STRIP - height) / 2
        for index, box in enumerate(picture.boxes, start=1):
            assert place(page, f"{picture.name}_{box.name}") == pytest.approx(
                (dx + index, dy + 2 * index), abs=0.02
            )
        splines = re.findall(
            rf'"{picture.name}_\w+":out:\w+ -> .*pos="e,([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', page
        )
        assert len(splines) == len(picture.arrows)
        for spline in splines:
            assert list(map(float, spline)) == pytest.approx([dx + 1, dy + 2, dx + 3, dy + 4], abs=0.02)
        assert place(page, f"{picture.name}_title") == pytest.approx(((left + right) / 2, top - 13), abs=0.02)


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ([(200, 200), (300, 200), (150, 200), (120, 230)], [[0, 1], [2, 3]]),
        ([(400, 200), (150, 150), (180, 200)], [[0], [1, 2]]),
        ([(180, 200), (150, 100), (400, 200)], [[0, 1], [2]]),
        ([(400, 100), (400, 100), (400, 100)], [[0], [1], [2]]),
        ([(100, 500), (100, 500), (100, 500)], [[0, 1, 2]]),
        # With margins 189 and 191 wide: a row of two is 386 and 390, a column of two 0.95 * 408 = 387.6.
        ([(171, 166), (171, 166)], [[0, 1]]),
        ([(173, 166), (173, 166)], [[0], [1]]),
    ],
)  # fmt: skip
def test_pictures_fill_rows_so_that_the_page_shrinks_least(
    sizes: list[Size], rows: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = [Picture(f"p{index}", "T", (), (), False, 0.3) for index in range(len(sizes))]
    dot = lay_out(empty, sizes, monkeypatch)
    frames = [frame(dot, picture.name) for picture in empty]
    bottom, page_width = 0.0, max(right for _, _, right, _ in frames)
    for row in reversed(rows):
        height = 34 + max(sizes[index][1] for index in row)
        share = (page_width + 8 - sum(sizes[index][0] + 26 for index in row)) / len(row)
        left = 0.0
        for index in row:
            right = left + sizes[index][0] + 18 + share
            assert frames[index] == pytest.approx((left, bottom, right, bottom + height), abs=0.05)
            left = right + 8
        bottom += height + 8
