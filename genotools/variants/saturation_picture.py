"""In-silico mutagenesis and attributions as pictures: a sequence logo, and a heat map of every substitution.

Needs matplotlib (the extra ``plots``). Letters are its font's outlines, scaled: no package for logos is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import BASES, UNKNOWN
from genotools.errors import DataError
from genotools.extras import require
from genotools.files import check_output, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PICTURE_SUFFIXES", "draw_importance", "importance_of"]

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
# Okabe and Ito's palette, as the field colours bases: A green, C blue, G orange, T red.
COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
GREY = "#666666"
MAX_BASES = 400
"""Letters of a longer region would be narrower than a pixel or two."""


def importance_of(codes: NDArray[np.uint8], diffs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what each base adds to a prediction, ``(n,)``: minus the mean change over its three substitutions.

    ``diffs`` is ``(n, 4)``, 0 for the base that is there; an unknown base adds 0.
    """
    known = codes != UNKNOWN
    added = np.zeros(len(codes))
    added[known] = -diffs[known].astype(np.float64).sum(axis=1) / (len(BASES) - 1)
    return added


def draw_importance(
    path: Path | str,
    codes: NDArray[np.uint8],
    importance: NDArray[np.float64],
    *,
    title: str,
    first: int,
    diffs: NDArray[np.float32] | None = None,
    unit: str = "importance",
    force: bool = False,
) -> None:
    """Draw a logo, each base as high as its importance, and below it the change by every substitution.

    Parameters
    ----------
    path
        ``.png``, ``.svg`` or ``.pdf``.
    codes, importance
        Bases and their importance, both ``(n,)``, at most 400.
    title
        What is shown.
    first
        Position of the first base, 1-based, for the axis.
    diffs
        Changes ``(n, 4)``; without them there is the logo alone.
    unit
        What the height of the letters is.
    force
        Replace what lies at ``path``.

    Raises
    ------
    OutputExistsError
        If ``path`` is taken and ``force`` is off.
    DataError
        If the suffix is another, or the region is too long to be seen.
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", extra="plots")
    path = check_output(path, force=force)
    if path.suffix not in PICTURE_SUFFIXES:
        raise DataError(f"{path}: pictures are written as {', '.join(PICTURE_SUFFIXES)}.")
    if len(codes) > MAX_BASES:
        raise DataError(
            f"a picture shows at most {MAX_BASES} bases, the region has {len(codes):,}. Write a table."
        )
    figure = _figure(codes, importance, title, first, diffs, unit)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])


def _figure(
    codes: NDArray[np.uint8],
    importance: NDArray[np.float64],
    title: str,
    first: int,
    diffs: NDArray[np.float32] | None,
    unit: str,
) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = float(np.clip(0.16 * len(codes) + 1.5, 6, 40))
    figure = Figure(figsize=(width, 3.6 if diffs is not None else 2.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    if diffs is None:
        logo = figure.subplots()
    else:
        logo, heat = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        _draw_heat(heat, codes, diffs, first)
    _draw_logo(logo, codes, importance, first)
    logo.set_ylabel(unit)
    logo.set_title(title, loc="left", fontsize=10, fontweight="bold")
    bottom = logo if diffs is None else heat
    bottom.set_xlabel("position (1-based)")
    return figure


def _draw_logo(axes: "Axes", codes: NDArray[np.uint8], importance: NDArray[np.float64], first: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import Affine2D

    letters = {base: _outline(base) for base in BASES}
    for place, (code, height) in enumerate(zip(codes.tolist(), importance.tolist(), strict=True)):
        if code == UNKNOWN or not height:
            continue
        base = BASES[code]
        # Negative heights hang upside down from the line, as is the custom.
        move = Affine2D().scale(0.92, height).translate(first + place - 0.46, 0)
        axes.add_patch(PathPatch(move.transform_path(letters[base]), facecolor=COLOURS[base], linewidth=0))
    low, high = min(0.0, float(importance.min())), max(0.0, float(importance.max()))
    margin = 0.05 * (high - low) or 1.0
    axes.set_xlim(first - 0.6, first + len(codes) - 0.4)
    axes.set_ylim(low - margin, high + margin)
    axes.axhline(0, color=GREY, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def _outline(base: str) -> Any:
    """Return the outline of a letter, filling the unit square."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), base, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    return Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height).transform_path(path)


def _draw_heat(axes: "Axes", codes: NDArray[np.uint8], diffs: NDArray[np.float32], first: int) -> None:
    from matplotlib.ticker import MaxNLocator

    reach = float(np.nanmax(np.abs(diffs), initial=0)) or 1.0
    image = axes.imshow(
        diffs.T,
        cmap="RdBu",
        vmin=-reach,
        vmax=reach,
        aspect="auto",
        interpolation="nearest",
        extent=(first - 0.5, first + len(codes) - 0.5, len(BASES) - 0.5, -0.5),
    )
    known = np.flatnonzero(codes != UNKNOWN)
    axes.plot(first + known, codes[known], linestyle="", marker=".", markersize=2.5, color=GREY)
    axes.set_yticks(range(len(BASES)), list(BASES))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_ylabel("becomes")
    axes.figure.colorbar(image, ax=axes, label="change", pad=0.01)
