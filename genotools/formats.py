"""The formats of our own files: their names, their newest versions, and the one check of both.

A file says which it is by ``format`` and ``version``: keys of a JSON or TOML object, attributes of an HDF5 file,
metadata of a safetensors or ONNX file, where every value is text. Versions up to the newest are read, and a file of
every one of them lies in ``tests/formats``. A later one is refused, naming the genotools that wrote it where the file
says so (``genotools``, ``genotools_version``, or among its ``notes``).
"""

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genotools import __version__
from genotools.errors import DataError, NewerVersionError

__all__ = ["FORMATS", "Format"]

MAX_VERSION = 999_999
"""A number above is no version of anything, but a damaged or hostile file."""

MAX_SHOWN = 60
"""Characters that an error quotes of a value from outside."""

WRITER_KEYS = ("genotools", "genotools_version")
_RELEASE = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){0,3}")
_WRITER = re.compile(_RELEASE.pattern + r"[0-9a-z.+-]{0,30}")
_NOTED = re.compile(rf'"genotools": "({_WRITER.pattern})"')


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its name, and the version of it that is written: the newest that is read.

    ``is_read`` tells the files that only people and other programs read.

    Examples
    --------
    >>> Format("genotools/x", 2).header
    {'format': 'genotools/x', 'version': 2}
    """

    name: str
    version: int = 1
    is_read: bool = True

    @property
    def header(self) -> dict[str, Any]:
        """What a file begins with."""
        return {"format": self.name, "version": self.version}

    @property
    def text_header(self) -> dict[str, str]:
        """The same where every value is text."""
        return {"format": self.name, "version": str(self.version)}

    @property
    def signed_header(self) -> dict[str, Any]:
        """What a file begins with that may hold further keys: also the version of genotools that writes it."""
        return {**self.header, "genotools": __version__}

    def check_object(self, found: object, *, where: Path | str) -> dict[str, Any]:
        """Return a JSON or TOML object that is of this format, in a version that is read.

        Raises
        ------
        DataError
            If it is no object, of another format, or its version is no positive whole number; names ``where``.
        NewerVersionError
            If its version is newer; names what reads it.
        """
        if not isinstance(found, dict):
            raise DataError(f"{where}: a JSON object is expected, not {type(found).__name__}.")
        version = found.get("version")
        self._check(found, version if type(version) is int else None, where)
        return found

    def check_attributes(self, found: Mapping[str, Any], *, where: Path | str) -> None:
        """Check the attributes of an HDF5 file, whose numbers are numpy's; raises as :meth:`check_object`."""
        self._check(found, _whole(found.get("version")), where)

    def check_texts(self, found: Mapping[str, str], *, where: Path | str) -> None:
        """Check metadata whose values are all text; raises as :meth:`check_object`."""
        is_whole = re.fullmatch("[1-9][0-9]{0,9}", found.get("version", ""))
        self._check(found, int(found["version"]) if is_whole else None, where)

    def _check(self, found: Mapping[str, Any], version: int | None, where: Path | str) -> None:
        name = found.get("format")
        if not isinstance(name, str) or name != self.name:
            raise DataError(f"{where}: format: {self.name!r} is expected, found {_shown(name)}.")
        if version is None or not 1 <= version <= MAX_VERSION:
            shown = _shown(found.get("version"))
            raise DataError(f"{where}: version: a positive whole number is expected, found {shown}.")
        if version > self.version:
            raise NewerVersionError(
                f"{where}: version: {version} is newer than this genotools reads: {__version__} reads {self.name} up "
                f"to version {self.version}. {_way_out(found)}"
            )


def _whole(value: Any) -> int | None:
    """Return a whole number of numpy's, or of ours, as ours; None for what is none."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _way_out(found: Mapping[str, Any]) -> str:
    """Return what to install for a newer file; names a version only where it is one, and later than ours."""
    notes = found.get("notes")  # in files of weights: JSON as text
    noted = _NOTED.search(notes) if isinstance(notes, str) else None
    for writer in (*map(found.get, WRITER_KEYS), noted and noted[1]):
        if isinstance(writer, str) and _WRITER.fullmatch(writer) and _release(writer) > _release(__version__):
            return f"It was written by genotools {writer}; update genotools to that or a newer one."
    return "Update genotools."


def _release(version: str) -> tuple[int, ...]:
    match = _RELEASE.match(version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _shown(value: object) -> str:
    """Return a value from outside as errors show it, whatever it is and however long."""
    if value is None:
        return "nothing"
    if isinstance(value, str | bytes):
        return repr(value[:MAX_SHOWN])
    if isinstance(value, int) and abs(value) >= 10**MAX_SHOWN:
        return f"a number of more than {MAX_SHOWN} digits"
    if isinstance(value, bool | int | float):
        return repr(value)
    return f"a value of type {type(value).__name__}"


GENOTYPE = Format("genotools/genotype")
BASELINE = Format("genotools/baseline")
SPACE = Format("genotools/space")
MACRO = Format("genotools/macro")
LIVE_OPS = Format("genotools/live-ops")
STORE = Format("genotools/store", 2)
"""Version 1 holds yes-or-no labels; version 2 is the same with labels of another kind, and says which."""
WEIGHTS = Format("genotools/weights")
CHECKPOINT = Format("genotools/checkpoint", 2)
"""Of this and the states of supernets, version 1 has no SHA-256, or one over its tensors; version 2 one over all."""
TRAINING = Format("genotools/training")
TRAINING_RESULT = Format("genotools/training-result")
DIVERGENCE = Format("genotools/divergence", is_read=False)
SEARCH = Format("genotools/search", 2)
"""A search's configuration and result, and the journal. Version 1 had no objectives, settings and rounds."""
ONE_SHOT_CHECKPOINT = Format("genotools/one-shot-checkpoint", 2)
SHARED_WEIGHTS = Format("genotools/shared-weights", 2)
ENGINE_STATE = Format("genotools/engine-state")
"""Of sampling engines; those before had neither format nor SHA-256."""
DATA_DESCRIPTORS = Format("genotools/data-descriptors")
SEARCH_SEEDS = Format("genotools/search-seeds", is_read=False)
STUDY = Format("genotools/study")
STUDY_FOLDER = Format("genotools/study-folder")
STUDY_RESULTS = Format("genotools/study-results", is_read=False)
KMER_RESULT = Format("genotools/kmer-result")
ZOO_CARD = Format("genotools/card")
ZOO_INDEX = Format("genotools/zoo-index")
ONNX = Format("genotools/onnx")
PROGRAM = Format("genotools/program", is_read=False)
PREDICTIONS = Format("genotools/predictions", is_read=False)
VARIANTS = Format("genotools/variants", is_read=False)
VARIANTS_PROGRESS = Format("genotools/variants-progress")
BACKGROUND = Format("genotools/background")

FORMATS = tuple(value for value in tuple(vars().values()) if isinstance(value, Format))
"""All of them; ``tests/formats`` holds a file of every version of each that is read."""
