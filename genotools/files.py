"""Writing files so that nothing is half-written and nothing is lost, and reading them with limits."""

import errno
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import AnyStr

from genotools.errors import DataError, OutputExistsError
from genotools.temporaries import temporary_file

__all__ = [
    "check_can_continue",
    "check_ordinary",
    "check_output",
    "claimed",
    "claimed_output",
    "flush_to_disk",
    "limited_lines",
    "make_folder",
    "no_room_named",
    "read_bytes",
    "read_json",
    "replacing",
    "resolved",
    "swap_folder",
    "to_json",
    "write_json",
    "write_text",
]

MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_JSON_DEPTH = 64
MAX_DIGITS = 300
"""Of a whole number: any shorter one is a finite float, too."""

MAX_LINE_BYTES = 1 << 28
"""Longest line of a text file: a VCF of half a million samples has lines of tens of megabytes."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# A string (possibly without its end), or anything else that is not a bracket.
NOT_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.DOTALL)


def check_output(path: Path | str, *, force: bool = False) -> Path:
    """Return ``path`` once it is clear that it may be written: free, or ``force``; its folder exists."""
    path = Path(path)
    mode = _type_of(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise DataError(f"{path} is a folder, a file was expected.")
    if mode is not None and not stat.S_ISREG(mode):  # replacing a device such as /dev/null would destroy it
        raise DataError(f"{path} is not an ordinary file.")
    if mode is not None and not force:
        raise OutputExistsError(path)
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise DataError(f"{path}: the folder {path.parent} cannot be written to.")
    return path


def check_ordinary(path: Path | str) -> Path:
    """Return ``path`` unless it is a folder, pipe or device: for formats that are read by place, not to the end.

    Opening a pipe waits for whoever writes into it, maybe for ever. One that is missing is for the reader to tell.

    Raises
    ------
    DataError
        If it is none, or its links lead nowhere.
    """
    path = Path(path)
    mode = _type_of(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise DataError(f"{path} is a folder, a file was expected.")
    if mode is not None and not stat.S_ISREG(mode):
        raise DataError(
            f"{path} is a pipe or a device, and this is read from a file only. Write it to a file first."
        )
    return path


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there; raises DataError where something else is."""
    mode = _type_of(path)
    if mode is not None and not stat.S_ISDIR(mode):
        raise DataError(f"{path} is no folder. Choose another name, or remove it.")
    path.mkdir(parents=True, exist_ok=True)


def resolved(path: Path | str) -> Path:
    """Return where a path leads, absolute and without links; raises DataError for links that lead in a circle."""
    _type_of(Path(path))
    return Path(path).resolve()


def _type_of(path: Path) -> int | None:
    """Return the mode of what is at ``path``, None where nothing is; raises DataError if it cannot be told."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _path_error(path, error) from error


def _path_error(path: Path, error: OSError) -> DataError:
    """Return what is wrong with a path itself, e.g. that a name is too long, in one sentence."""
    if error.errno == errno.ELOOP:
        return DataError(
            f"{path}: a symbolic link in it leads back to itself. Remove the link, or take another path."
        )
    return DataError(f"{path}: {error.strerror or error}.")


@contextmanager
def no_room_named(path: Path) -> Iterator[None]:
    """Name the file that there is no room for, which the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed and renamed to ``path``.

    On any error, Ctrl-C included, the temporary file is removed and what was at ``path`` stays. That of a killed
    process goes when ``path`` is written next.

    Raises
    ------
    OSError
        With the name of ``path``, if there is no room for it.
    """
    path = resolved(path)  # a link stays a link; what it points to is replaced
    with no_room_named(path), temporary_file(path) as temporary:
        yield temporary
        temporary.chmod(_mode_of(path))
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)


def check_can_continue(folder: Path, what: str, *, config: str, before_it: Collection[str]) -> None:
    """Refuse to go on in a folder of files that no run has written.

    Parameters
    ----------
    what
        A noun: a search, a training.
    config
        Name of the file that says that the folder is a run's.
    before_it
        Names of what a run writes before that, besides hidden files; a kill may leave them alone.

    Raises
    ------
    OutputExistsError
        If ``config`` is not there, and something else is.
    """
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if config not in found and any(name[0] != "." for name in found.difference(before_it)):
        raise OutputExistsError(folder, f"It holds no {what} that could be continued; choose another folder.")


@contextmanager
def claimed(folder: Path, lock_name: str, check_free: Callable[[], None], *, busy: str) -> Iterator[None]:
    """Hold a run's folder for this process alone, once ``check_free`` has raised nothing; it is made if missing.

    Raises
    ------
    DataError
        With ``busy``, where another process holds it. A lock that a dead process held is free.
    """
    check_free()
    make_folder(folder)
    with _locked(folder / lock_name, f"{folder}: {busy}"):
        check_free()  # somebody may have come and gone meanwhile
        yield


@contextmanager
def claimed_output(path: Path, check_free: Callable[[], object], *, busy: str) -> Iterator[None]:
    """Hold what grows beside the file ``path`` for this process alone, once ``check_free`` has raised nothing.

    The lock is ``NAME.partial.lock``; it goes when the block ends.

    Raises
    ------
    DataError
        With ``busy``, where another process holds it. A lock that a dead process held is free.
    """
    check_free()
    lock_path = path.with_name(f"{path.name}.partial.lock")
    with _locked(lock_path, f"{path}: {busy}"):
        try:
            check_free()  # somebody may have come and gone meanwhile
            yield
        finally:
            # While it is held: whoever waits for this file finds that it has no name any more, and tries again.
            lock_path.unlink(missing_ok=True)


@contextmanager
def _locked(lock_path: Path, busy: str) -> Iterator[None]:
    """Hold a lock, or raise DataError with ``busy`` at once."""
    from filelock import FileLock, Timeout

    lock = FileLock(lock_path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(busy) from error
    try:
        yield
    finally:
        lock.release()


def swap_folder(made: Path, target: Path, *, aside: Path) -> None:
    """Put the folder ``made`` in the place of ``target``; should that fail, what was there stays or comes back.

    What was there lies at ``made`` or ``aside`` afterwards; all three are on one disk. On Linux the two are exchanged
    in one step, so that a kill leaves one of them at ``target``; elsewhere one is renamed after the other.
    """
    if not target.exists():
        made.rename(target)
    elif not _exchange(made, target):
        target.rename(aside)
        try:
            made.rename(target)
        except BaseException:
            aside.rename(target)
            raise


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; returns False where system or disk cannot."""
    import ctypes

    at_cwd, rename_exchange = -100, 2  # of linux/fcntl.h and linux/fs.h
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    return bool(
        renameat2(at_cwd, os.fsencode(first), at_cwd, os.fsencode(second), ctypes.c_uint(rename_exchange))
        == 0
    )


def _mode_of(path: Path) -> int:
    """Return the permissions that ``path`` has, or that an ordinary open() would give it; mkstemp's are private."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def flush_to_disk(path: Path) -> None:
    """Wait until what was written to a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 in one step: readers see the old file or the new one."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def to_json(value: object) -> str:
    """Return ``value`` as indented JSON with a final newline; NaN and infinity are refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path | str, value: object) -> None:
    """Write ``value`` as JSON in one step."""
    write_text(path, to_json(value))


def read_bytes(path: Path | str, *, max_bytes: int) -> bytes:
    """Return what a file holds; raises DataError if it cannot be read or has more than ``max_bytes``."""
    path = Path(path)
    try:
        size_bytes = path.stat().st_size
        if size_bytes > max_bytes:
            raise DataError(f"{path}: {size_bytes:,} bytes, at most {max_bytes:,} are read.")
        data = bytearray()
        with path.open("rb") as file:
            while len(data) <= max_bytes and (block := file.read(1 << 20)):
                data += block
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error
    if len(data) > max_bytes:  # a device or a growing file has more than its size says
        raise DataError(f"{path}: more than {max_bytes:,} bytes, at most {max_bytes:,} are read.")
    return bytes(data)


def limited_lines(readline: Callable[[int], AnyStr], *, where: Path | str) -> Iterator[AnyStr]:
    """Yield the lines that an open file's ``readline`` gives; raises DataError for one that is too long."""
    number = 0
    while line := readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{where}, line {number}: longer than {MAX_LINE_BYTES:,} characters, which is no text."
            )
        yield line


def read_json(path: Path | str, *, max_bytes: int = MAX_JSON_BYTES) -> object:
    """Read a JSON file that may be hostile.

    Raises
    ------
    DataError
        If the file is missing, larger than ``max_bytes``, not UTF-8, not JSON (with line and column), nested
        deeper than 64 levels, or holds a key twice, a number beyond floats, or half a surrogate pair.
    """
    try:
        text = read_bytes(path, max_bytes=max_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}).") from error
    return parse_json(text, where=path)


def parse_json(text: str, *, where: Path | str, max_depth: int = MAX_JSON_DEPTH) -> object:
    """Parse JSON text with the checks of :func:`read_json`; ``where`` names it in errors."""
    depth = _nesting_depth(text)
    if depth > max_depth:
        raise DataError(f"{where}: nested {depth:,} levels deep, at most {max_depth} are read.")

    def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated = [repr(key[:60]) for key, count in counts.items() if count > 1]
            raise DataError(f"{where}: key {', '.join(repeated[:5])} appears twice in one object.")
        return result

    def refuse_constant(name: str) -> object:
        raise DataError(f"{where}: {name} is not JSON.")

    def finite(number: str) -> float:
        value = float(number)
        if math.isinf(value):
            raise DataError(f"{where}: the number {number[:60]} is too large.")
        return value

    def whole(number: str) -> int:
        if len(number) > MAX_DIGITS:
            raise DataError(f"{where}: the number {number[:60]} is too large.")
        return int(number)

    try:
        value: object = json.loads(
            text,
            object_pairs_hook=without_repeats,
            parse_constant=refuse_constant,
            parse_float=finite,
            parse_int=whole,
        )
        if "\\ud" in text.lower():  # the only way that half a surrogate pair, which is no text, gets in
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: not valid JSON, line {error.lineno} column {error.colno}: {error.msg}."
        ) from error
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: holds half a surrogate pair, which is not text.") from error


def _nesting_depth(text: str) -> int:
    """Return the deepest nesting of brackets outside strings; the parser itself would exhaust the stack."""
    brackets = NOT_BRACKETS.sub("", text)
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)
