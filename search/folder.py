"""The folder of a search: who may use it, and with which settings it is taken up again."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from genotools.errors import DataError, OutputExistsError
from genotools.files import check_can_continue, claimed, read_json, write_json
from genotools.formats import SEARCH

__all__ = ["BEST_FILE", "opened"]

BEST_FILE = "best.genotype.json"
LOCK = ".lock"
FOLDERS = ("checkpoint", "networks")


@contextmanager
def opened(folder: Path, config: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """Hold the folder's lock inside the block, with ``config.json`` and ``checkpoint/`` in place.

    Raises
    ------
    OutputExistsError
        If ``folder`` holds something and ``resume`` was not asked for, or it holds something else than a search.
    DataError
        If the search in it was started with other settings, each of which is named, or another process runs it.
    """
    check_free = partial(_check_free, folder, resume=resume)
    with claimed(folder, LOCK, check_free, busy="another process is running this search."):
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        config = json.loads(json.dumps(config))  # as it reads back, tuples as lists
        path = folder / "config.json"
        if resume and path.exists():
            _check_same(path, config)
        write_json(path, config)
        yield


def _check_free(folder: Path, *, resume: bool) -> None:
    if resume:
        check_can_continue(folder, "search", config="config.json", before_it=FOLDERS)
    elif folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise OutputExistsError(folder, "Continue its search with --resume, or choose another folder.")


def _check_same(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse to resume under other settings; names each that differs. A later genotools may go on."""
    found = SEARCH.check_object(read_json(path), where=path)
    before, now = (_flat({**values, "genotools": None}) for values in (found, config))
    faults = [
        f"{key}: was {before.get(key, 'not set')}, now {now.get(key, 'not set')}."
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if faults:
        raise DataError.from_faults(
            f"{path} (a run is resumed with the settings it was started with)", faults
        )


def _flat(value: object, key: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {key: value}
    inner = (_flat(item, f"{key}.{name}" if key else name) for name, item in value.items())
    return {name: item for part in inner for name, item in part.items()}
