"""Files with the state of a run: a sum over all that is in them, and the state before it kept beside.

What a disk damages is found before it is used, and costs the work since the state before, not the run: both lead to
the same end, since a resumed run repeats what an undisturbed one does. Reading never writes.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from genotools.errors import DataError, NewerVersionError
from genotools.files import replacing
from genotools.formats import Format
from genotools.training.tensor_files import as_texts, read_safetensors, write_safetensors

__all__ = ["SUM", "keep_before", "previous_of", "read_state", "whole_or_before", "write_state"]

T = TypeVar("T")

SUM = "sha256"

SUM_OF_ALL = 2
"""Version since which every state has a sum, over header and tensors; before, over tensors, if there at all."""

START_ANEW = (
    "Remove it, and the same name with .before behind it, and resume: that starts from the beginning."
)


def previous_of(path: Path) -> Path:
    """Return where the state before that at ``path`` is kept."""
    return path.with_name(f"{path.name}.before")


def write_state(
    path: Path, kind: Format, tensors: Mapping[str, Tensor], values: Mapping[str, object]
) -> None:
    """Write a state in one step; the one that was there is kept as the one before.

    Raises
    ------
    OSError
        If it cannot be written. What was there stays.
    """
    keep_before(path, lambda found: _is_whole(found, kind))
    header = as_texts({**kind.signed_header, **values})
    write_safetensors(path, tensors, {**header, SUM: _sum_of_all(header, tensors)})


def read_state(
    path: Path,
    kind: Format,
    parse: Callable[[Path, dict[str, str], dict[str, Tensor]], T],
    *,
    way_out: str = START_ANEW,
) -> T:
    """Return what ``parse`` makes of file, metadata and tensors of a state, or with a warning of the one before.

    ``parse`` raises DataError where a value is none that is written, which is damage, too.

    Raises
    ------
    DataError
        If both are damaged, saying ``way_out``, there is none, or it is of another format or a newer version.
    """
    return whole_or_before(path, lambda found: parse(found, *_read_checked(found, kind)), way_out=way_out)


def keep_before(path: Path, is_whole: Callable[[Path], bool]) -> None:
    """Keep what is at ``path`` as the state before, unless there is one and this one is not known to be whole."""
    previous = previous_of(path)
    if not path.exists() or (previous.exists() and not is_whole(path)):
        return
    with replacing(previous) as temporary:
        _link(path, temporary)


def whole_or_before(path: Path, read: Callable[[Path], T], *, way_out: str) -> T:
    """Return what ``read`` gives of ``path``, or with a warning of the state before where it raises DataError.

    Raises
    ------
    DataError
        If both are damaged, saying ``way_out``; about the newer one.
    NewerVersionError
        If it is of a newer version, which is no damage.
    """
    try:
        return read(path)
    except NewerVersionError:
        raise
    except DataError as error:
        previous = previous_of(path)
        if previous.is_file():
            try:
                found = read(previous)
            except DataError:
                pass
            else:
                logging.getLogger(__name__).warning(
                    "%s It goes on from the state before, %s.", error, previous
                )
                return found
        if not path.is_file():
            raise
        raise DataError(f"{error} {way_out}") from error


def _is_whole(path: Path, kind: Format) -> bool:
    """Return whether the sum of a state shows that nothing in it was damaged."""
    try:
        metadata, _ = _read_checked(path, kind)
    except DataError:
        return False
    return int(metadata["version"]) >= SUM_OF_ALL


def _read_checked(path: Path, kind: Format) -> tuple[dict[str, str], dict[str, Tensor]]:
    metadata, tensors = read_safetensors(path, kind)
    found = metadata.pop(SUM, None)
    if int(metadata["version"]) >= SUM_OF_ALL:
        is_right = found == _sum_of_all(metadata, tensors)
    else:
        is_right = found is None or found == _sum_of_tensors(tensors)
    if not is_right:
        raise DataError(f"{path}: damaged since it was written (its SHA-256 does not agree).")
    return metadata, tensors


def _sum_of_all(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    everything = json.dumps([dict(sorted(header.items())), _sum_of_tensors(tensors)])
    return hashlib.sha256(everything.encode()).hexdigest()


def _sum_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _link(path: Path, target: Path) -> None:
    """Give a file a second name; a copy where the disk has no such thing."""
    target.unlink()
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
