"""The card of a zoo entry: what it is, where it comes from, what it may be used for, and the sums of its files."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from genotools.errors import DataError
from genotools.files import read_json

__all__ = ["Card", "Licences", "file_sha256", "make_card", "read_card"]

VERSION = 1

Sha256 = Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")]


class Licences(BaseModel):
    """Licences of the parts of an entry, as SPDX names or short text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    genotype: StrictStr = "Apache-2.0"
    weights: StrictStr | None = None
    data: StrictStr | None = None


class Card(BaseModel):
    """What a person needs to know before using an entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["genotools/card"] = "genotools/card"
    version: Literal[1] = 1
    name: StrictStr
    summary: Annotated[StrictStr, Field(max_length=300)]
    origin: StrictStr
    """Who made it and how: an engine with its settings, a person's design, a test of the reference."""
    digest: Sha256
    """Digest of the genotype."""
    licences: Licences = Licences()
    task: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    macro: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    files: dict[FileName, Sha256]
    """SHA-256 of every file of the entry but the card."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(path: Path) -> Card:
    """Read a card and check its shape; raises DataError listing every fault with its key."""
    document = read_json(path)
    if (
        isinstance(document, dict)
        and isinstance(document.get("version"), int)
        and document["version"] > VERSION
    ):
        raise DataError(
            f"{path}: version {document['version']} is newer than this genotools reads. Update genotools."
        )
    return make_card(where=path, **{str(key): value for key, value in _object(document, path).items()})


def make_card(*, where: Path | str, **values: Any) -> Card:
    """Return a card of ``values``; raises DataError listing every fault with its key, ``where`` naming the card."""
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}."
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise DataError.from_faults(where, faults) from error


def _object(document: object, path: Path) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise DataError(f"{path}: a JSON object is expected, not {type(document).__name__}.")
    return document
