"""What an HDF5 file from a stranger may not do: reach into other files, or claim more numbers than it holds.

HDF5 follows soft and external links, external storage and virtual datasets to any file the reader may open, and gives
zeros for what was never written. Neither is needed in a file that is one whole.
"""

import math
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from genotools.data.memory_limit import bounded_memory
from genotools.errors import DataError

__all__ = [
    "HDF5_ERRORS",
    "MAX_CHUNK_BYTES",
    "MAX_RATIO",
    "foreign_parts",
    "odd_attributes",
    "open_hdf5",
    "plain_attributes",
    "text_of",
    "texts_of",
]

HDF5_ERRORS: tuple[type[Exception], ...] = (
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What h5py raises of damaged files; our DataError is a ValueError and has to be let through first."""

MAX_CHUNK_BYTES = 1 << 30
"""Largest chunk that is decompressed at once."""

MAX_RATIO = 500
"""How often the size of its file a compressed dataset may have: one-hot windows of doubles come to some twenty."""

FREE_BYTES = 1 << 26
"""So much may any dataset have."""

MAX_TEXT_BYTES = 1 << 28
"""What all texts of a dataset, or all attributes, may have together; several may share their bytes in the file."""


PLAIN_KINDS = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM)
"""Of attributes: numbers, texts, and truth values, which are an enumeration."""

HEAP_MAGIC = b"GCOL\x01"
MIN_HEAP_BYTES = 4096
SCANNED_BYTES = 1 << 26
"""Of a file, from its beginning, in which heaps are looked at."""
MAX_HEAP_OBJECTS = SCANNED_BYTES // 16


def open_hdf5(path: Path | str) -> h5py.File:
    """Open a file to read, without HDF5's lock, where HDF5 comes to the end of its heaps.

    What is read here was renamed into its place whole, and what is written has no name that others know: nobody needs
    the lock, and on file systems that refuse it (NFS, Lustre) no file would open.

    Texts of any length lie in heaps, object after object. HDF5 2.0 steps from one to the next by their sizes, and
    stays for ever at a free one of no size: the commonest thing that a damaged byte does to a store.

    For an attribute it takes as much memory as that says it needs, before it looks whether the file has so much.

    Raises
    ------
    DataError
        If there is such a heap within the first 64 MB, numbers of the file's own are not of 8 bytes, or texts that
        are attributes are longer than 256 MB or damaged.
    OSError
        If the file cannot be read or is not HDF5.
    """
    _check_heaps(Path(path))
    file = h5py.File(path, "r", locking=False)
    if file.id.get_create_plist().get_sizes() != (8, 8):  # in such heaps, sizes lie elsewhere
        file.close()
        raise DataError(f"{path}: offsets or lengths of other than 8 bytes, which are not read.")
    try:
        _check_attributes(file)
    except HDF5_ERRORS as error:
        file.close()
        raise DataError(f"{path}: the HDF5 file is damaged or cut off ({_cause(error)}).") from error
    return file


def _check_heaps(path: Path) -> None:
    with path.open("rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes:
            with mmap.mmap(file.fileno(), min(n_bytes, SCANNED_BYTES), access=mmap.ACCESS_READ) as data:
                if not _heaps_end(data, n_bytes):
                    raise DataError(f"{path}: the HDF5 file is damaged (a heap of texts without end).")


def _heaps_end(data: mmap.mmap, n_file_bytes: int) -> bool:
    """Return whether every heap in ``data`` ends; reference: HDF5 File Format Specification, III.E.

    The magic bytes may be bases or labels, too. What follows them is hardly ever a size that a heap can have, and
    HDF5 itself refuses other sizes.
    """
    n_left, place = MAX_HEAP_OBJECTS, data.find(HEAP_MAGIC)
    while place >= 0:
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        is_heap = MIN_HEAP_BYTES <= size <= n_file_bytes - place
        here, end = place + 16, min(place + size, len(data)) if is_heap else 0
        while here + 16 <= end:
            index = int.from_bytes(data[here : here + 2], "little")
            n_bytes = int.from_bytes(data[here + 8 : here + 16], "little")
            # A free one counts its own head; HDF5 counts in 64 bits, so that a great size may be a small step.
            step = n_bytes if index == 0 else (16 + -(-n_bytes // 8) * 8) % (1 << 64)
            n_left -= 1
            if n_left < 0 or step == 0 or (index == 0 and n_bytes < 16):
                return False
            here += step
        place = data.find(HEAP_MAGIC, place + 1)
    return True


def _check_attributes(file: h5py.File) -> None:
    """Read all texts that are attributes once, in little memory; any error of h5py's says that one is damaged."""
    with bounded_memory(2 * MAX_TEXT_BYTES):
        texts = [file.attrs[name] for name in file.attrs if _is_text_of_any_length(file.attrs.get_id(name))]
    del texts  # held together until here, so that the bound is for all


def _is_text_of_any_length(attribute: h5py.h5a.AttrID) -> bool:
    kind = attribute.get_type()
    return isinstance(kind, h5py.h5t.TypeStringID) and bool(kind.is_variable_str())


def _cause(error: Exception) -> str:
    return str(error) or "it says that it holds more than there is memory for"


def odd_attributes(file: h5py.File) -> list[str]:
    """Return the names of attributes that are no numbers or texts; a damaged one may end the program when read."""
    kinds = {name: file.attrs.get_id(name).get_type().get_class() for name in file.attrs}
    return [_text_of(name) for name, kind in kinds.items() if kind not in PLAIN_KINDS]


def plain_attributes(file: h5py.File) -> dict[str, Any]:
    """Return the attributes that are numbers or texts."""
    odd = set(odd_attributes(file))
    return {_text_of(name): file.attrs[name] for name in file.attrs if _text_of(name) not in odd}


def _text_of(name: str | bytes) -> str:
    """Return the name of an attribute, which is bytes where it is no text."""
    return name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name


def foreign_parts(file: h5py.File, *, may_be_sparse: bool = False) -> list[str]:
    """Return a fault for every dataset at the top of ``file`` that does not lie in the file itself.

    Parameters
    ----------
    file
        Open for reading.
    may_be_sparse
        Whether parts of a dataset may be missing, as chunks of a file of MATLAB that are zero.
    """
    most = max(FREE_BYTES, MAX_RATIO * _size_of(file))
    faults = []
    for name in file:
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            faults.append(
                f"{name!r} is a link to the file {link.filename!r}; copy what it needs into this one"
            )
        elif not isinstance(link, h5py.HardLink):  # a soft link may lead to one that leaves the file
            faults.append(f"{name!r} is a link to another place; copy what it needs there")
        elif isinstance(item := file.get(name), h5py.Dataset):
            faults += [f"{name!r} {fault}" for fault in _faults_of(item, most, may_be_sparse)]
    return faults


def _faults_of(item: h5py.Dataset, most: int, may_be_sparse: bool) -> Iterator[str]:
    n_bytes = 0 if item.shape is None else math.prod(map(int, item.shape)) * item.dtype.itemsize
    if item.external or item.is_virtual:
        yield "lies in other files; copy what it needs into this one"
        return
    if item.chunks is not None:
        chunk_bytes = math.prod(map(int, item.chunks)) * item.dtype.itemsize
        if chunk_bytes > MAX_CHUNK_BYTES:
            yield f"has chunks of {chunk_bytes:,} bytes, at most {MAX_CHUNK_BYTES:,} are read"
    if item.chunks is not None or may_be_sparse:
        if n_bytes > most:
            yield f"has {n_bytes:,} bytes, more than {MAX_RATIO} times what the file has"
    elif item.shape != () and item.id.get_storage_size() < n_bytes:  # scalars may lie in the header
        yield f"has shape {item.shape}, but its numbers are not in the file"


def _size_of(file: h5py.File) -> int:
    return Path(file.filename).stat().st_size


def text_of(dataset: h5py.Dataset, most: int) -> str:
    """Return a single text; raises DataError where it has more than ``most`` bytes."""
    text = ""
    if dataset.nbytes <= most:
        with bounded_memory(2 * MAX_TEXT_BYTES):
            text = str(dataset.asstr()[()])
    if max(dataset.nbytes, len(text)) > most:
        raise DataError(f"{dataset.file.filename}: {dataset.name[1:]} has more than {most:,} bytes.")
    return text


def texts_of(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return a row of texts; raises DataError where they have more than 256 MB together."""
    if dataset.ndim != 1:
        raise DataError(
            f"{dataset.file.filename}: {dataset.name[1:]} have shape {dataset.shape}, a row was expected."
        )
    too_much = DataError(
        f"{dataset.file.filename}: {dataset.name[1:]} hold more than {MAX_TEXT_BYTES:,} bytes."
    )
    if h5py.check_string_dtype(dataset.dtype).length is not None:
        if dataset.nbytes > MAX_TEXT_BYTES:
            raise too_much
        return tuple(map(str, dataset.asstr()[()]))
    n_bytes, found = 0, list[str]()
    # Texts of any length lie elsewhere in the file, and the same bytes may be meant any number of times.
    step = max(1, FREE_BYTES // max(1, _size_of(dataset.file)))
    for first in range(0, len(dataset), step):
        with bounded_memory(2 * MAX_TEXT_BYTES):
            texts = [str(text) for text in dataset.asstr()[first : first + step]]
        n_bytes += sum(map(len, texts))
        if n_bytes > MAX_TEXT_BYTES:
            raise too_much
        found += texts
    return tuple(found)
