"""A gallery of a zoo: a folder of static files that is a web site and, since the entries lie in it, a zoo itself.

The page forbids itself every request, and every style and script but its own, whose digests it names: should text of
a card ever get past the escaping, it could neither run nor load anything.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from genotools.errors import DataError, OutputExistsError
from genotools.files import swap_folder
from genotools.genotype.svg import Drawings
from genotools.templates import source_digest, templates_of
from genotools.temporaries import temporary_folder
from genotools.zoo._page_views import make_view, sort_choices
from genotools.zoo.card import CARD
from genotools.zoo.entries import list_entries
from genotools.zoo.entry import Entry
from genotools.zoo.index import INDEX, write_index
from genotools.zoo.names import is_name
from genotools.zoo.places import Where
from genotools.zoo.verify import verify_entry

__all__ = ["write_page"]

PAGE = "index.html"
MARK = '<meta name="generator" content="genotools zoo page">'
"""What a page of ours can be told by, near its start."""


def write_page(folder: Path | str, *, zoo: Where | None = None, force: bool = False) -> Path:
    """Write a gallery of all entries into ``folder``, and return its page. The same entries give the same bytes.

    Parameters
    ----------
    folder
        Becomes the site, in one step: ``index.html``, ``index.json``, and a folder an entry with all its files.
    zoo
        Whose entries; all that can be found by name by default.
    force
        Replace an existing gallery; nothing else is ever replaced.

    Raises
    ------
    DataError
        If there are no entries, one is not in order, or ``folder`` is there and no gallery.
    OutputExistsError
        If ``folder`` is there and ``force`` is not given.
    """
    target = Path(folder)
    _check_target(target, force=force)
    entries = list_entries(zoo)
    if not entries:
        raise DataError(f"{zoo}: no entries in this zoo, so there is nothing to show.")
    with temporary_folder(target) as work:
        site = work / "site"
        site.mkdir()
        for entry in entries:
            verify_entry(entry)
            _copy(entry, site / entry.name)
        write_index(site)
        (site / PAGE).write_text(_html(entries), encoding="utf-8")
        _check_target(target, force=force)  # somebody may have come meanwhile
        swap_folder(site, target, aside=work / "replaced")
    return target / PAGE


def _check_target(target: Path, *, force: bool) -> None:
    """Refuse a target that is anything but free, empty, or with ``force`` a gallery and nothing besides."""
    if not target.parent.is_dir():
        raise DataError(f"{target}: the folder {target.parent} does not exist.")
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise DataError(f"{target} is no folder. A gallery is a folder.")
    foreign = sorted(path.name for path in target.iterdir() if not _is_ours(path))
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise DataError(
            f"{target}: holds {', '.join(foreign[:3])}{more}, which is not of a gallery, so nothing is replaced. "
            "Choose another folder."
        )
    if any(target.iterdir()) and not force:
        raise OutputExistsError(target)


def _is_ours(path: Path) -> bool:
    if path.name == PAGE:
        return MARK in path.read_text(encoding="utf-8", errors="replace")[:2000]
    is_site = (path.parent / PAGE).is_file()
    return is_site and (path.name == INDEX or (is_name(path.name) and (path / CARD).is_file()))


def _copy(entry: Entry, folder: Path) -> None:
    folder.mkdir()
    for file in (CARD, *entry.card.files):
        shutil.copyfile(entry.path / file, folder / file)


def _html(entries: Sequence[Entry]) -> str:
    drawings = Drawings(entry.genotype for entry in entries)
    views = [make_view(entry, drawings) for entry in entries]
    views.sort(key=lambda view: (not view.has_model, view.name))
    widths = sorted({round(drawing.width_px) for view in views for drawing in view.drawings})
    templates = templates_of("genotools.zoo")
    style = templates.get_template("_page_style.css.j2").render(widths=widths)
    script = templates.get_template("_page_script.js.j2").render()
    html = templates.get_template("page.html.j2").render(
        views=views,
        choices=sort_choices(views),
        n_models=sum(view.has_model for view in views),
        lack=drawings.lack,
        mark=MARK,
        style=style,
        style_digest=source_digest(style),
        script=script,
        script_digest=source_digest(script),
    )
    return html.encode("utf-8", "replace").decode("utf-8")
