"""Temporary files and folders beside what they will become, and the end of those that killed processes left.

Each is a folder, on which its maker holds a lock; the system takes that back when the process ends, however it ends.
So whoever makes the next one for the same name removes those that nobody holds. A disk without locks keeps them all.
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
    """Yield an empty file of the name of ``path``, in a temporary folder beside it; it is removed unless renamed.

    In a folder, since some writers put files of their own beside what they write, or another in its place.
    """
    with temporary_folder(path) as folder:
        temporary = folder / path.name
        temporary.touch(mode=0o600)
        yield temporary


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path``; it is removed with all that is in it."""
    _remove_abandoned(path)
    with tempfile.TemporaryDirectory(prefix=_prefix(path), dir=path.parent) as name:
        handle = os.open(name, os.O_RDONLY)
        try:
            _hold(handle)
            yield Path(name)
        finally:
            os.close(handle)


def _prefix(path: Path) -> str:
    return f".{path.name[:32]}.genotools-"


def _hold(handle: int) -> bool:
    """Lock an open folder; returns whether it could be: it is held elsewhere, or its disk has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(path: Path) -> None:
    """Remove temporary folders for ``path`` that nobody holds; one that cannot be removed stays."""
    ours = re.compile(re.escape(_prefix(path)) + "[a-z0-9_]{8}")
    with suppress(OSError), os.scandir(path.parent) as found:
        for item in found:
            if not ours.fullmatch(item.name):
                continue
            with suppress(OSError):
                if time.time() - item.stat(follow_symlinks=False).st_mtime >= MIN_AGE_S:
                    _remove_unless_held(Path(item.path))


def _remove_unless_held(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        if _hold(handle):
            shutil.rmtree(folder)
    finally:
        os.close(handle)
