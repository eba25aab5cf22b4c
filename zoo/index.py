"""The index of a zoo: ``index.json`` in its folder says what there is, so that the folder can be served as files."""

import logging
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from genotools.errors import DataError
from genotools.files import read_json, write_json
from genotools.formats import ZOO_INDEX
from genotools.zoo.card import (
    CARD,
    FileName,
    Sha256,
    Summary,
    faults_of,
    file_sha256,
    read_card,
)
from genotools.zoo.names import check_name, is_name

__all__ = [
    "INDEX",
    "FileFacts",
    "Index",
    "IndexEntry",
    "check_index",
    "entry_folders",
    "make_index",
    "read_index",
    "write_index",
]

INDEX = "index.json"

logger = logging.getLogger(__name__)


class FileFacts(BaseModel):
    """Sum and size of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    size_bytes: Annotated[StrictInt, Field(ge=0)]


class IndexEntry(BaseModel):
    """What the index says of an entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: Summary
    digest: Sha256
    card: FileFacts
    files: dict[FileName, FileFacts]


class Index(BaseModel):
    """The entries of a zoo by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["genotools/zoo-index"] = "genotools/zoo-index"
    version: Literal[1] = 1
    entries: dict[Annotated[StrictStr, AfterValidator(check_name)], IndexEntry]


def read_index(path: Path, *, where: str) -> Index:
    """Read an index that may be hostile; raises DataError listing every fault, ``where`` naming the zoo."""
    document = ZOO_INDEX.check_object(read_json(path), where=f"{where}: {INDEX}")
    try:
        return Index.model_validate(document)
    except ValidationError as error:
        raise DataError.from_faults(f"{where}: {INDEX}", faults_of(error)) from error


def entry_folders(zoo: Path) -> dict[str, Path]:
    """Return the folders of the entries in ``zoo`` by name, in their order; none where there is no such folder."""
    found = zoo.iterdir() if zoo.is_dir() else ()
    folders = {path.name: path for path in found if is_name(path.name) and (path / CARD).is_file()}
    return dict(sorted(folders.items()))


def make_index(zoo: Path) -> Index:
    """Return the index of the folder ``zoo``; entries that cannot be read are left out with a warning."""
    entries = {}
    for name, folder in entry_folders(zoo).items():
        try:
            card = read_card(folder / CARD)
            entries[name] = IndexEntry(
                summary=card.summary,
                digest=card.digest,
                card=_facts(folder / CARD, file_sha256(folder / CARD)),
                files={file: _facts(folder / file, sha256) for file, sha256 in card.files.items()},
            )
        except (DataError, OSError) as error:
            logger.warning("%s is left out of the index: %s", name, error)
    return Index(entries=entries)


def write_index(zoo: Path) -> None:
    """Write ``index.json`` into the folder ``zoo``, as its entries are now."""
    write_json(zoo / INDEX, make_index(zoo).model_dump())


def check_index(zoo: Path) -> None:
    """Raise DataError if ``index.json`` of the folder ``zoo`` is missing or not as its entries are."""
    if not (zoo / INDEX).is_file():
        raise DataError(f"{zoo}: no {INDEX}; `genotools zoo add` writes it.")
    written, actual = read_index(zoo / INDEX, where=str(zoo)).entries, make_index(zoo).entries
    names = sorted(written.keys() | actual.keys())
    faults = [f"{name}: not as the entry is." for name in names if written.get(name) != actual.get(name)]
    if faults:
        raise DataError.from_faults(zoo / INDEX, [*faults, "`genotools zoo add` writes it anew."])


def _facts(path: Path, sha256: str) -> FileFacts:
    return FileFacts(sha256=sha256, size_bytes=path.stat().st_size)
