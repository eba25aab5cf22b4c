"""The state of a sampling engine as a file: with a SHA-256 of all of it, and the state before kept beside."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from genotools.errors import DataError
from genotools.files import read_json, write_json
from genotools.formats import ENGINE_STATE
from genotools.training.state_files import SUM, keep_before, whole_or_before

__all__ = ["EngineState", "read_engine_state", "write_engine_state"]

T = TypeVar("T")

MAX_BYTES = 1 << 30

FIELDS = {"n_told", "n_rounds", "engine"}
"""All that there was before it had a format."""

WAY_OUT = (
    "Remove it, and engine.json.before beside it, and resume: the engine is told the journal anew, no trial is run "
    "again."
)


class EngineState(NamedTuple):
    """What an engine gave between two rounds, and how many trials and rounds it had been told of."""

    n_told: int
    n_rounds: int
    engine: dict[str, Any]


def write_engine_state(path: Path, state: EngineState) -> None:
    """Write a state in one step; the one that was there is kept as the one before."""
    keep_before(path, _is_whole)
    document = {**ENGINE_STATE.signed_header, **state._asdict()}
    write_json(path, {**document, SUM: _sum_of(document)})


def read_engine_state(path: Path, load: Callable[[Path, EngineState], T]) -> T:
    """Return what ``load`` makes of the state at ``path``, or with a warning of the one before where it is damaged.

    Raises
    ------
    DataError
        If neither can be read, or ``load`` raises it for both; says what to do.
    NewerVersionError
        If it is of a newer version.
    """
    return whole_or_before(path, lambda found: load(found, _checked(found)), way_out=WAY_OUT)


def _checked(path: Path) -> EngineState:
    found = read_json(path, max_bytes=MAX_BYTES)
    if not (isinstance(found, dict) and found.keys() == FIELDS):
        found = ENGINE_STATE.check_object(found, where=path)
        if found.pop(SUM, None) != _sum_of(found):
            raise DataError(f"{path}: damaged since it was written (its SHA-256 does not agree).")
    match found:
        case {"n_told": int(n_told), "n_rounds": int(n_rounds), "engine": dict(engine)} if (
            n_told >= 0 and n_rounds >= 0
        ):
            return EngineState(n_told, n_rounds, engine)
    raise DataError(f"{path}: not the state of an engine.")


def _is_whole(path: Path) -> bool:
    try:
        _checked(path)
    except DataError:
        return False
    return True


def _sum_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()
