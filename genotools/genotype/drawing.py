"""Drawing genotypes: the cells and the network around them, as SVG, PNG, PDF, DOT or Mermaid.

DOT and Mermaid are text and need nothing installed; the others are rendered by Graphviz, which the extra ``draw``
brings. The same genotype always gives the same text. A node of a cell is drawn as a card that holds one coloured chip
for each op leading into it, since a node is the sum of these ops.
"""

from collections.abc import Sequence
from pathlib import Path

from genotools.errors import DataError
from genotools.files import check_output, replacing
from genotools.genotype._dot import pictures_to_dot
from genotools.genotype._mermaid import pictures_to_mermaid
from genotools.genotype._page import page_to_dot
from genotools.genotype._pictures import TITLES, CellName, Picture, cell_picture, macro_picture
from genotools.genotype._rendering import Format, dot_version, render
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro

__all__ = ["ALL_CELLS", "CellName", "dot_version", "draw", "to_dot", "to_mermaid"]

ALL_CELLS: tuple[CellName, ...] = ("normal", "reduce", "recurrent")

RENDERED: dict[str, Format] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}
WRITTEN = (".dot", ".md")


def draw(
    genotype: Genotype,
    path: Path | str,
    *,
    cells: Sequence[CellName] = ALL_CELLS,
    macro: Macro | None = None,
    force: bool = False,
) -> None:
    """Draw ``genotype`` into the file ``path``; the suffix (svg, png, pdf, dot, md) says how.

    Parameters
    ----------
    cells
        The cells to draw, in this order; may be empty where ``macro`` is given.
    macro
        Draw the network that this macro-architecture makes of the cells, too.
    force
        Overwrite an existing file.

    Raises
    ------
    DataError
        If the suffix or a cell's name is unknown, or nothing is to be drawn.
    OutputExistsError
        If ``path`` exists and ``force`` is not given.
    MissingExtraError
        If SVG, PNG or PDF is asked for and Graphviz is not there; names the extra ``draw``.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*RENDERED, *WRITTEN):
        known = ", ".join([*RENDERED, *WRITTEN])
        raise DataError(f"{path}: drawings end in one of {known}, not in {suffix or 'nothing'}.")
    path = check_output(path, force=force)
    pictures = _pictures(genotype, cells, macro)
    if suffix == ".md":
        content = to_mermaid(genotype, cells=cells, macro=macro).encode()
    elif suffix == ".dot":
        content = to_dot(genotype, cells=cells, macro=macro).encode()
    elif len(pictures) == 1:
        content = render(to_dot(genotype, cells=cells, macro=macro), RENDERED[suffix])
    else:
        page = page_to_dot(pictures, comment=_caption(genotype))
        content = render(page, RENDERED[suffix], engine="placed")
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def to_dot(genotype: Genotype, *, cells: Sequence[CellName] = ALL_CELLS, macro: Macro | None = None) -> str:
    """Return DOT text of the cells and, with ``macro``, the network; several pictures are clusters."""
    return pictures_to_dot(_pictures(genotype, cells, macro), comment=_caption(genotype))


def to_mermaid(
    genotype: Genotype, *, cells: Sequence[CellName] = ALL_CELLS, macro: Macro | None = None
) -> str:
    """Return a Markdown document whose Mermaid flowchart shows the cells and, with ``macro``, the network."""
    return pictures_to_mermaid(_pictures(genotype, cells, macro), title=_caption(genotype))


def _caption(genotype: Genotype) -> str:
    return f"Genotype {genotype.digest[:12]}"


def _pictures(genotype: Genotype, cells: Sequence[CellName], macro: Macro | None) -> list[Picture]:
    unknown = [name for name in cells if name not in TITLES]
    if unknown:
        raise DataError(f"unknown cell {str(unknown[0])[:60]!r}. Known: {', '.join(TITLES)}.")
    pictures = [cell_picture(genotype, name) for name in dict.fromkeys(cells)]
    if macro is not None:
        pictures.append(macro_picture(genotype, macro))
    if not pictures:
        raise DataError("nothing to draw: name at least one cell or give a macro.")
    return pictures
