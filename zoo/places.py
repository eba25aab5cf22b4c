"""Where entries are: the places that are searched for a name, and in which order.

1. The zoo that ``GENOTOOLS_ZOO`` names: a folder, ``https://HOST/PATH``, or ``hf:OWNER/NAME``.
2. A person's own zoo, a folder among the user's data.
3. The entries that come with the package.
4. What was fetched before from any other zoo.

So what one asks for comes first, and fetching something never changes what a name meant before: a fetched entry does
not hide a shipped one. A zoo named outright (``zoo=`` in Python) is searched alone.
"""

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol

from genotools.errors import DataError
from genotools.zoo.card import CARD, file_sha256
from genotools.zoo.index import entry_folders
from genotools.zoo.names import is_name
from genotools.zoo.remote import LOCATION, RemoteZoo, cache_folder

__all__ = [
    "FolderZoo",
    "Kind",
    "Place",
    "Where",
    "open_zoo",
    "places",
    "shipped_zoo",
    "user_zoo",
    "writable_zoo",
]

VARIABLE = "GENOTOOLS_ZOO"
Kind = Literal["given", "yours", "shipped", "fetched"]
Where = Path | str
"""A folder, ``https://HOST/PATH``, ``http://HOST/PATH``, or ``hf:OWNER/NAME[@REVISION]``."""


class Place(Protocol):
    """Somewhere that has entries."""

    @property
    def location(self) -> str:
        """The name of the place, as a person writes it."""
        ...

    def names(self) -> list[str]:
        """Return the names of its entries."""
        ...

    def find(self, name: str) -> Path | None:
        """Return the folder of an entry on this machine; None if there is none of the name."""
        ...


class FolderZoo:
    """A folder of entries; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def location(self) -> str:
        """Its path."""
        return str(self.folder)

    def names(self) -> list[str]:
        """Return the names of its entries."""
        return list(entry_folders(self.folder))

    def find(self, name: str) -> Path | None:
        """Return the folder of an entry; None if there is none of the name."""
        folder = self.folder / name
        return folder if is_name(name) and (folder / CARD).is_file() else None


class FetchedEntries:
    """What was fetched before, from any zoo."""

    location = "cache"

    def _zoos(self) -> Iterator[FolderZoo]:
        cache = cache_folder()
        for folder in sorted(cache.iterdir()) if cache.is_dir() else ():
            if (folder / LOCATION).is_file():
                yield FolderZoo(folder)

    def names(self) -> list[str]:
        """Return the names of its entries."""
        return sorted({name for zoo in self._zoos() for name in zoo.names()})

    def find(self, name: str) -> Path | None:
        """Return the folder of an entry; raises DataError if two zoos gave different ones of one name."""
        found = {zoo: folder for zoo in self._zoos() if (folder := zoo.find(name))}
        if len({file_sha256(folder / CARD) for folder in found.values()}) > 1:
            zoos = [(zoo.folder / LOCATION).read_text(encoding="utf-8").strip() for zoo in found]
            raise DataError(
                f"{name!r} was fetched from several zoos and is not the same: {', '.join(zoos)}. "
                f"Say which with {VARIABLE}."
            )
        return next(iter(found.values()), None)


def user_zoo() -> Path:
    """Return the folder of a person's own entries; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_data_dir("genotools", appauthor=False)) / "zoo"


def shipped_zoo() -> Path:
    """Return the folder of the entries that come with the package."""
    return Path(str(resources.files("genotools.zoo"))) / "entries"


def open_zoo(where: Where) -> FolderZoo | RemoteZoo:
    """Return the zoo at ``where``.

    Raises
    ------
    DataError
        If it is no place that a zoo can be at.
    MissingExtraError
        If it is on the Hugging Face Hub and the extra ``hub`` is not installed.
    """
    text = str(where)
    if isinstance(where, str) and text.startswith("hf:"):
        from genotools.zoo.hub import HubSource

        return RemoteZoo(HubSource(text))
    if isinstance(where, str) and "://" in text:
        from genotools.zoo.web import HttpSource

        return RemoteZoo(HttpSource(text))
    if not text or "\0" in text:
        raise DataError(f"{text!r} is no place of a zoo. It is a folder, https://HOST/PATH or hf:OWNER/NAME.")
    return FolderZoo(Path(where).expanduser())


def places(zoo: Where | None = None) -> list[tuple[Kind, Place]]:
    """Return the places that are searched, first to last; ``zoo`` alone where it is given.

    Raises
    ------
    DataError
        If ``zoo`` is a folder that does not exist, or names no place.
    """
    if zoo is not None:
        given = open_zoo(zoo)
        if isinstance(given, FolderZoo) and not given.folder.is_dir():
            raise DataError(f"{given.folder}: no such folder. `genotools zoo add --zoo` makes one.")
        return [("given", given)]
    found: list[tuple[Kind, Place]] = [
        ("yours", FolderZoo(user_zoo())),
        ("shipped", FolderZoo(shipped_zoo())),
        ("fetched", FetchedEntries()),
    ]
    if named := os.environ.get(VARIABLE):
        found.insert(0, ("given", open_zoo(named)))
    return found


def writable_zoo(zoo: Where | None = None) -> Path:
    """Return the folder that new entries go to: ``zoo``, that of ``GENOTOOLS_ZOO``, or the person's own.

    Raises
    ------
    DataError
        If ``zoo`` is no folder: a zoo elsewhere is only read.
    """
    if zoo is not None:
        given = open_zoo(zoo)
        if isinstance(given, FolderZoo):
            return given.folder
        raise DataError(
            f"{zoo}: only folders are written to. Add to a folder, then publish that: its index is kept."
        )
    named = open_zoo(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
    return named.folder if isinstance(named, FolderZoo) else user_zoo()
