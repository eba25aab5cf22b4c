"""Finding, reading and adding zoo entries.

Entries lie in folders: those that ship with the package, and a person's own zoo (``GENOTOOLS_ZOO``, or the user's
data folder). A person's entry hides a shipped one of the same name.
"""

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from genotools.errors import DataError, OutputExistsError
from genotools.files import write_json
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.genotype.genotype import Genotype
from genotools.zoo.card import Licences, file_sha256, make_card, read_card
from genotools.zoo.entry import KEPT_FILES, Entry
from genotools.zoo.verify import verify_entry

__all__ = ["add_entry", "entry_names", "entry_path", "list_entries", "load_entry", "user_zoo"]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def user_zoo() -> Path:
    """Return the folder of a person's own entries; it need not exist."""
    if folder := os.environ.get("GENOTOOLS_ZOO"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_data_dir("genotools", appauthor=False)) / "zoo"


def shipped_zoo() -> Path:
    """Return the folder of the entries that come with the package."""
    return Path(str(resources.files("genotools.zoo"))) / "entries"


def _folders() -> Iterator[tuple[Path, bool]]:
    """Yield every entry's folder by name, a person's before a shipped one of the same name."""
    found: dict[str, tuple[Path, bool]] = {}
    for zoo, is_shipped in ((user_zoo(), False), (shipped_zoo(), True)):
        if zoo.is_dir():
            for folder in sorted(zoo.iterdir()):
                if NAME.fullmatch(folder.name) and (folder / "card.json").is_file():
                    found.setdefault(folder.name, (folder, is_shipped))
    for name in sorted(found):
        yield found[name]


def entry_names() -> list[str]:
    """Return the names of all entries, readable or not."""
    return [folder.name for folder, _ in _folders()]


def list_entries() -> list[Entry]:
    """Return all entries by name; raises DataError if one of them cannot be read."""
    return [load_entry(name) for name in entry_names()]


def entry_path(name: str) -> Path:
    """Return the folder of the entry called ``name``.

    Raises
    ------
    DataError
        If there is none; names the nearest.
    """
    folders = {folder.name: folder for folder, _ in _folders()}
    if name not in folders:
        near = difflib.get_close_matches(name, folders, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " See `genotools zoo list`."
        raise DataError(f"{name[:80]!r} is neither a file nor the name of a zoo entry.{hint}")
    return folders[name]


def load_entry(name: str) -> Entry:
    """Return the entry called ``name``; raises DataError if there is none or it cannot be read."""
    folder = entry_path(name)
    return _read(folder, is_shipped=folder.parent == shipped_zoo())


def _read(folder: Path, *, is_shipped: bool) -> Entry:
    card = read_card(folder / "card.json")
    genotype = Genotype.load(folder / "genotype.json")
    if card.name != folder.name:
        raise DataError(f"{folder / 'card.json'}: name: {card.name!r} is not the name of its folder.")
    if card.digest != genotype.digest:
        raise DataError(f"{folder / 'card.json'}: digest: not that of the genotype beside it.")
    return Entry(path=folder, card=card, genotype=genotype, is_shipped=is_shipped)


def add_entry(
    name: str,
    source: Path,
    *,
    summary: str,
    origin: str,
    zoo: Path | None = None,
    licences: Licences | None = None,
    facts: Mapping[str, dict[str, Any]] | None = None,
    force: bool = False,
) -> Entry:
    """Copy a genotype, or a folder that holds one with its weights, into a zoo.

    Parameters
    ----------
    name
        Lower-case letters, digits, dashes and underscores.
    source
        A genotype file, or a folder with ``genotype.json`` and perhaps ``weights.safetensors`` and ``model.onnx``.
    summary, origin, licences, facts
        What the card says; ``facts`` may hold ``task``, ``data``, ``macro`` and ``metrics``.
    zoo
        The zoo's folder, by default the person's own.
    force
        Replace an entry of the same name.

    Raises
    ------
    DataError, OutputExistsError
        If the name, the card's text or the source is wrong, model files belong to another genotype or to each
        other's weights, or the name is taken.
    """
    if not NAME.fullmatch(name):
        raise DataError(
            f"{name[:80]!r} cannot be a name: lower-case letters, digits, dash, underscore, up to 64."
        )
    if name in BASELINE_NAMES:
        raise DataError(f"{name!r} is the name of a hand-designed network. Choose another.")
    files = _source_files(source)
    genotype = Genotype.load(files["genotype.json"])
    if zoo is None:
        zoo = user_zoo()
        if (shipped_zoo() / name).exists() and not force:
            raise DataError(
                f"{name!r} is the name of a shipped entry. Choose another, or hide that one with --force."
            )
    target = zoo / name
    if target.exists() and not force:
        raise OutputExistsError(target)
    zoo.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=zoo) as work:
        folder = Path(work) / name
        folder.mkdir()
        for file, path in files.items():
            shutil.copyfile(path, folder / file)
        card = make_card(
            where=name,
            name=name,
            summary=summary,
            origin=origin,
            digest=genotype.digest,
            licences=licences or Licences(),
            files={file: file_sha256(folder / file) for file in files},
            **(facts or {}),
        )
        write_json(folder / "card.json", card.model_dump(exclude_none=True))
        verify_entry(Entry(path=folder, card=card, genotype=genotype, is_shipped=False))
        _swap(folder, target, aside=Path(work) / "replaced")
    return Entry(path=target, card=card, genotype=genotype, is_shipped=False)


def _swap(folder: Path, target: Path, *, aside: Path) -> None:
    """Put ``folder`` in the place of ``target``; should that fail, what was there comes back."""
    if target.exists():
        target.rename(aside)
    try:
        folder.rename(target)
    except BaseException:
        if aside.exists():
            aside.rename(target)
        raise


def _source_files(source: Path) -> dict[str, Path]:
    if source.is_file():
        return {"genotype.json": source}
    files = {name: source / name for name in KEPT_FILES if (source / name).is_file()}
    if "genotype.json" not in files:
        best = source / "best.genotype.json"
        if not best.is_file():
            raise DataError(f"{source}: no genotype.json in it; a genotype file or such a folder is needed.")
        files = {"genotype.json": best}
    return files
