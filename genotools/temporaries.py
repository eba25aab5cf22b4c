"""Temporary files and folders beside what they will become, and the end of those that killed processes left.

Who makes one holds a lock on it, which the system takes back when the process ends, however it ends. So whoever makes
the next one for the same name removes those that nobody holds.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["temporary_file", "temporary_folder"]

MIN_AGE_S = 60
"""Younger ones are let alone: between making one and holding it is a moment."""


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside ``path``, with its suffix; it is removed unless it was renamed."""
    _remove_abandoned(path)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        _hold(handle)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path``; it is removed with all that is in it."""
    _remove_abandoned(path)
    with tempfile.TemporaryDirectory(prefix=_prefix(path), suffix=path.suffix, dir=path.parent) as name:
        handle = os.open(name, os.O_RDONLY)
        try:
            _hold(handle)
            yield Path(name)
        finally:
            os.close(handle)


def _prefix(path: Path) -> str:
    return f".{path.name[:32]}.genotools-"


def _hold(handle: int) -> bool:
    """Lock an open file or folder; returns whether it could be: it is held elsewhere, or its disk has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(path: Path) -> None:
    """Remove temporaries for ``path`` that nobody holds; one that cannot be removed stays."""
    ours = re.compile(re.escape(_prefix(path)) + "[a-z0-9_]{8}" + re.escape(path.suffix))
    with suppress(OSError), os.scandir(path.parent) as found:
        for item in [item for item in found if ours.fullmatch(item.name)]:
            if time.time() - item.stat(follow_symlinks=False).st_mtime >= MIN_AGE_S:
                _remove_unless_held(Path(item.path))


def _remove_unless_held(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if not _hold(handle):
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(handle)
