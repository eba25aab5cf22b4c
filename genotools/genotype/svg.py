"""Cells as SVG inside a page: drawn by Graphviz, then stripped of all that a page has no use for.

Two pictures of one page may share no ids, and nothing in the page may name another address; Graphviz writes both.
"""

import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from genotools.errors import GenotoolsError
from genotools.genotype.drawing import ALL_CELLS, CellName, draw
from genotools.genotype.genotype import Genotype

__all__ = ["Drawing", "Drawings"]

SVG = "{http://www.w3.org/2000/svg}"
PLACE = ("viewBox", "d", "points", "x", "y", "cx", "cy", "rx", "ry", "transform", "text-anchor")
LOOKS = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight")
KEPT = frozenset({*PLACE, *LOOKS})
PT_TO_PX = 4 / 3
N_THREADS = 2
"""Graphviz runs in processes of its own; two of them do not crowd out what else a machine does."""

NAMES: dict[CellName, str] = {
    "normal": "normal cell",
    "reduce": "reduction cell",
    "recurrent": "recurrent cell",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture of a cell; ``aspect`` is width by height, ``width_px`` its natural width."""

    svg: Markup
    aspect: float
    width_px: float


class Drawings:
    """The drawn cells of some genotypes.

    Attributes
    ----------
    lack
        Why there are none, in a sentence; None where there are.
    """

    def __init__(self, genotypes: Iterable[Genotype]) -> None:
        self.lack: str | None = None
        wanted = {(name, _cell_key(genotype, name)): genotype for genotype in genotypes for name in ALL_CELLS}
        self._drawn: dict[tuple[CellName, str], Drawing] = {}
        jobs = list(wanted.items())
        try:
            # The first one alone: where there is no renderer, it says so once.
            first = [_draw(key, genotype) for key, genotype in jobs[:1]]
            with ThreadPoolExecutor(N_THREADS) as pool:
                rest = list(pool.map(lambda job: _draw(*job), jobs[1:]))
        except GenotoolsError as error:
            self.lack = str(error)
            return
        self._drawn = dict(zip((key for key, _ in jobs), [*first, *rest], strict=True))

    def of(self, genotype: Genotype) -> Sequence[Drawing]:
        """Return the pictures of the three cells, or nothing where nothing can be drawn."""
        keys = [(name, _cell_key(genotype, name)) for name in ALL_CELLS]
        return [self._drawn[key] for key in keys if key in self._drawn]


def _cell_key(genotype: Genotype, name: CellName) -> str:
    """Return a cell as it is numbered: equal cells of other numbering are drawn otherwise."""
    match name:
        case "normal":
            return repr(genotype.normal.edges)
        case "reduce":
            return repr(genotype.reduce.edges)
        case "recurrent":
            return repr(genotype.recurrent.states)


def _draw(key: tuple[CellName, str], genotype: Genotype) -> Drawing:
    with tempfile.TemporaryDirectory(prefix="genotools-cell-") as folder:
        path = Path(folder) / "cell.svg"
        draw(genotype, path, cells=[key[0]])
        return _for_page(path.read_text(encoding="utf-8"), f"The {NAMES[key[0]]}")


def _for_page(text: str, label: str) -> Drawing:
    """Return Graphviz's SVG without ids, links, name spaces, fonts and titles of its own."""
    root = ElementTree.fromstring(text)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{SVG}title":
                parent.remove(child)
    for group in list(root.iter(f"{SVG}g")):
        _tidy(group)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.attrib = {name: _short(value) for name, value in element.attrib.items() if name in KEPT}
        element.text, element.tail = (element.text or "").strip() or None, None
    root.attrib |= {"class": "cell", "role": "img", "aria-label": label}
    svg = ElementTree.tostring(root, encoding="unicode")
    return Drawing(Markup(svg), round(width / height, 3), round(width * PT_TO_PX))


def _tidy(group: ElementTree.Element) -> None:
    """Take away the white ground, and draw a box at once that Graphviz fills first and then outlines."""
    filled: dict[str | None, ElementTree.Element] = {}
    for element in list(group):
        shape, fill = element.get("d"), element.get("fill")
        if element.tag == f"{SVG}polygon" and fill == "white":
            group.remove(element)
        elif shape in filled and fill == "none":
            filled[shape].set("stroke", element.get("stroke", "none"))
            group.remove(element)
        elif shape and fill != "none":
            filled[shape] = element


def _short(value: str) -> str:
    """Return numbers with one decimal: a tenth of a point is not seen."""
    return re.sub(r"-?\d+\.\d\d+", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
