"""The card of a zoo entry: what it is, where it comes from, what it may be used for, and the sums of its files."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from genotools.errors import DataError
from genotools.files import read_json
from genotools.formats import ZOO_CARD
from genotools.genotype.macro import MAX_LENGTH_BP

__all__ = [
    "CARD",
    "MAX_CARD_BYTES",
    "MAX_TOLERANCE",
    "Card",
    "FileName",
    "Inputs",
    "KnownAnswers",
    "Licences",
    "Line",
    "Sha256",
    "Summary",
    "faults_of",
    "file_sha256",
    "make_card",
    "read_card",
    "without_controls",
]

CARD = "card.json"
MAX_CARD_BYTES = 1_000_000
MAX_FILES = 32
MAX_TOLERANCE = 0.5
"""Of known answers: one that is larger says nothing."""

# Control characters could take over a terminal; the others turn the direction of what is written after them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def _visible(text: str) -> str:
    if _UNSEEN.search(text):
        raise ValueError("control characters and line ends are not allowed")
    return text


def without_controls(text: str) -> str:
    """Return text with a mark for every character that could take over a terminal."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _own_file(name: str) -> str:
    if name.lower() == CARD or _RESERVED.fullmatch(name):
        raise ValueError(f"{name} cannot be the name of a file of an entry")
    return name


def _distinct(files: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in files}) < len(files):
        raise ValueError("two names differ in case only")
    return files


Sha256 = Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[
    StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$"), AfterValidator(_own_file)
]
Line = Annotated[StrictStr, AfterValidator(_visible)]
"""Text that can be shown on a terminal as it is."""
Summary = Annotated[StrictStr, Field(max_length=300), AfterValidator(_visible)]


class Licences(BaseModel):
    """Licences of the parts of an entry, as SPDX names or short text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    genotype: Line = "Apache-2.0"
    weights: Line | None = None
    data: Line | None = None


class Inputs(BaseModel):
    """How windows are given to a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bases: Annotated[StrictStr, Field(pattern="^[ACGT]{4}$")]
    """The order of the bases: that of codes 0 to 3, and of the rows of a one-hot matrix."""
    length: Annotated[StrictInt, Field(ge=1, le=MAX_LENGTH_BP)]
    variant_index: Annotated[StrictInt, Field(ge=0)]
    """Where in a window, from 0, the first base of a variant lies."""


class KnownAnswers(BaseModel):
    """What the model says of a few windows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows: Annotated[
        list[Annotated[StrictStr, Field(pattern="^[ACGTN]+$")]], Field(min_length=1, max_length=16)
    ]
    outputs: Annotated[list[list[FiniteFloat]], Field(min_length=1, max_length=16)]
    """All outputs for each window, the first 1000 at most."""
    tolerance: Annotated[FiniteFloat, Field(gt=0, le=MAX_TOLERANCE)]


class Card(BaseModel):
    """What a person needs to know before using an entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["genotools/card"] = "genotools/card"
    version: Literal[1] = 1
    name: Line
    summary: Summary
    origin: Line
    """Who made it and how: an engine with its settings, a person's design, a test of the reference."""
    digest: Sha256
    """Digest of the genotype."""
    licences: Licences = Licences()
    search: dict[str, Any] | None = None
    """Engine, seed, settings and score, where a search has found the genotype."""
    task: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    """Digest of the store, and assembly."""
    macro: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    """Settings, seed, and the version of genotools that trained it."""
    metrics: dict[str, Any] | None = None
    inputs: Inputs | None = None
    known_answers: KnownAnswers | None = None
    files: Annotated[dict[FileName, Sha256], Field(max_length=MAX_FILES), AfterValidator(_distinct)]
    """SHA-256 of every file of the entry but the card."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(path: Path) -> Card:
    """Read a card and check its shape; raises DataError listing every fault with its key."""
    document = ZOO_CARD.check_object(read_json(path, max_bytes=MAX_CARD_BYTES), where=path)
    return make_card(where=path, **document)


def make_card(*, where: Path | str, **values: Any) -> Card:
    """Return a card of ``values``; raises DataError listing every fault with its key, ``where`` naming the card."""
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        raise DataError.from_faults(where, faults_of(error)) from error


def faults_of(error: ValidationError) -> list[str]:
    """Return what is wrong with a document, a sentence a fault, each with its key."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [without_controls(f"{_key(fault['loc'])}: {fault['msg']}.") for fault in faults]


def _key(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:80] for part in place) or "document"
