"""Files with the state of a run: a sum over all tensors, and the state before it kept beside.

What a disk damages is found before it is used, and costs the work since the state before, not the run: both lead to
the same end, since a resumed run repeats what an undisturbed one does.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from genotools.errors import DataError, NewerVersionError
from genotools.files import replacing
from genotools.formats import Format
from genotools.training.tensor_files import read_safetensors, write_safetensors

__all__ = ["previous_of", "read_state", "write_state"]

SUM = "sha256"


def previous_of(path: Path) -> Path:
    """Return where the state before that at ``path`` is kept."""
    return path.with_name(f"{path.name}.before")


def write_state(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, object]) -> None:
    """Write a state in one step; the one that was there is kept as the one before.

    Raises
    ------
    OSError
        If it cannot be written. What was there stays.
    """
    if path.exists():
        with replacing(previous_of(path)) as temporary:
            _link(path, temporary)
    write_safetensors(path, tensors, {**header, SUM: _sum_of(tensors)})


def read_state(path: Path, kind: Format) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a state, or those of the one before with a warning where it is damaged.

    Raises
    ------
    DataError
        If both are damaged, there is none, or it is of another format or a newer version.
    """
    try:
        return _read_checked(path, kind)
    except NewerVersionError:
        raise
    except DataError as error:
        previous = previous_of(path)
        if not previous.is_file():
            raise
        try:
            found = _read_checked(previous, kind)
        except DataError:
            raise error from None
        logging.getLogger(__name__).warning("%s It goes on from the state before, %s.", error, previous)
        return found


def _read_checked(path: Path, kind: Format) -> tuple[dict[str, str], dict[str, Tensor]]:
    metadata, tensors = read_safetensors(path, kind)
    if SUM in metadata and metadata[SUM] != _sum_of(tensors):
        raise DataError(f"{path}: damaged since it was written (its SHA-256 does not agree).")
    return metadata, tensors


def _sum_of(tensors: Mapping[str, Tensor]) -> str:
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
