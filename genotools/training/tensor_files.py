"""Safetensors files with a header of JSON values, written in one step; equal content gives equal bytes."""

import errno
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genotools.errors import DataError
from genotools.files import check_ordinary, replacing
from genotools.formats import Format

__all__ = ["as_texts", "read_safetensors", "write_safetensors"]


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, object]) -> None:
    """Write ``tensors`` in one step; equal content gives equal bytes.

    The file's metadata has the keys of ``header``, whose values are written as JSON unless they are text.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk. What was there stays.
    """
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    metadata = as_texts(header)
    with replacing(path) as temporary:
        try:
            save_file(whole, temporary, metadata=metadata)
        except SafetensorError as error:
            raise _machine_error(error, path) from error
        _sort_metadata(temporary)


def as_texts(header: Mapping[str, object]) -> dict[str, str]:
    """Return a header as metadata, whose values are all text: as JSON unless they are."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        for key, value in header.items()
    }


def _machine_error(error: SafetensorError, path: Path) -> OSError:
    """Return the library's error as what it is: a failure of the machine, which is no fault of a trial."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number), str(path))


def _sort_metadata(path: Path) -> None:
    """Put the metadata in order, which the library writes in another one every time.

    The file begins with the length of its header, 8 bytes little-endian, and the header as JSON, padded by spaces.
    """
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size  # the same values, as compact
        file.seek(8)
        file.write(text.ljust(size))


def read_safetensors(path: Path | str, kind: Format) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata, and tensors on the CPU, of a file of :func:`write_safetensors`.

    Raises
    ------
    DataError
        If it is missing, damaged, of another format or a newer version.
    """
    path = check_ordinary(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            kind.check_texts(metadata, where=path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file: {error}.") from error
    return metadata, tensors
