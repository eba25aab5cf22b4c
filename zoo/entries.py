"""Finding and reading zoo entries by name; :mod:`genotools.zoo.places` says where they are looked for."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genotools.errors import DataError, GenotoolsError
from genotools.zoo.card import CARD
from genotools.zoo.entry import Entry, parts_of, read_entry
from genotools.zoo.places import Kind, Place, Where, places, shipped_zoo
from genotools.zoo.remote import MAX_FILE_BYTES, RemoteZoo

__all__ = ["Listing", "entry_names", "entry_path", "fetch_entry", "list_entries", "listings", "load_entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is known of an entry without fetching it.

    Attributes
    ----------
    kind
        Whose it is: of a zoo that was named, a person's own, shipped, or fetched before.
    path
        Its folder; None where it was not fetched yet.
    document
        The card, or what the index of its zoo says.
    """

    name: str
    summary: str
    parts: list[str]
    kind: Kind
    path: Path | None
    document: dict[str, object]


def _owners(zoo: Where | None) -> dict[str, tuple[Kind, Place]]:
    """Return the place of every name, the first that has it; raises GenotoolsError if a zoo cannot be reached."""
    owners: dict[str, tuple[Kind, Place]] = {}
    for kind, place in places(zoo):
        for name in place.names():
            owners.setdefault(name, (kind, place))
    return dict(sorted(owners.items()))


def entry_names(zoo: Where | None = None) -> list[str]:
    """Return the names of all entries, or those of ``zoo``, readable or not."""
    return list(_owners(zoo))


def list_entries(zoo: Where | None = None) -> list[Entry]:
    """Return all entries by name, or those of ``zoo``, fetched where need be; raises DataError if one is damaged."""
    return [load_entry(name, zoo=zoo) for name in entry_names(zoo)]


def listings(zoo: Where | None = None) -> Iterator[Listing | GenotoolsError]:
    """Yield what there is, by name, without fetching entries; an error in the place of what cannot be read."""
    owners: dict[str, tuple[Kind, Place]] = {}
    for kind, place in places(zoo):
        try:
            for name in place.names():
                owners.setdefault(name, (kind, place))
        except GenotoolsError as error:  # the other places can be listed
            yield error
    for name, (kind, place) in sorted(owners.items()):
        try:
            yield _of_index(name, place) if isinstance(place, RemoteZoo) else _of_card(name, kind, place)
        except GenotoolsError as error:
            yield error


def _of_card(name: str, kind: Kind, place: Place) -> Listing:
    path = place.find(name)
    if path is None:
        raise DataError(f"{name}: gone while it was read.")
    card = read_entry(path).card
    return Listing(
        name=name,
        summary=card.summary,
        parts=parts_of(card.files),
        kind=kind,
        path=path,
        document=card.model_dump(),
    )


def _of_index(name: str, zoo: RemoteZoo) -> Listing:
    facts = zoo.index().entries[name]
    kept = zoo.folder / name
    return Listing(
        name=name,
        summary=facts.summary,
        parts=parts_of(facts.files),
        kind="given",
        path=kept if (kept / CARD).is_file() else None,
        document={"name": name, **facts.model_dump()},
    )


def entry_path(name: str, *, zoo: Where | None = None) -> Path:
    """Return the folder of the entry called ``name``; one of a zoo elsewhere is fetched first.

    Parameters
    ----------
    zoo
        The only place to look; all of :mod:`genotools.zoo.places` by default.

    Raises
    ------
    DataError
        If there is none; names the nearest. Or if it is not what its card says.
    UnreachableError
        If the zoo has to be asked and cannot be reached.
    """
    names: set[str] = set()
    for _, place in places(zoo):
        if path := place.find(name):
            return path
        names.update(place.names())
    near = difflib.get_close_matches(name, sorted(names), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " See `genotools zoo list`."
    raise DataError(f"{name[:80]!r} is neither a file nor the name of a zoo entry.{hint}")


def fetch_entry(name: str, *, zoo: Where | None = None, max_file_bytes: int = MAX_FILE_BYTES) -> Path:
    """Return the folder of the entry called ``name``, as its zoo has it now; see :meth:`RemoteZoo.fetch`.

    Parameters
    ----------
    zoo
        The only place to look; all of :mod:`genotools.zoo.places` by default.
    max_file_bytes
        Largest file that is fetched.
    """
    for _, place in places(zoo):
        if isinstance(place, RemoteZoo) and (zoo is not None or name in place.names()):
            return place.fetch(name, max_file_bytes=max_file_bytes)
    return entry_path(name, zoo=zoo)


def load_entry(name: str, *, zoo: Where | None = None) -> Entry:
    """Return the entry called ``name``; raises DataError if there is none or it cannot be read."""
    folder = entry_path(name, zoo=zoo)
    return read_entry(folder, is_shipped=folder.parent == shipped_zoo())
