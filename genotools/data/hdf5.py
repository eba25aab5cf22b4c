"""What an HDF5 file from a stranger may not do: reach into other files, or claim more numbers than it holds.

HDF5 follows external links, external storage and virtual datasets to any file the reader may open, and gives zeros
for what was never written. Neither is needed in a file that is one whole.
"""

from pathlib import Path
from typing import Literal

import h5py

__all__ = ["MAX_CHUNK_BYTES", "foreign_parts", "open_hdf5"]

MAX_CHUNK_BYTES = 1 << 30
"""Largest chunk that is decompressed at once."""


def open_hdf5(path: Path | str, mode: Literal["r", "r+", "w"] = "r") -> h5py.File:
    """Open a file without HDF5's lock.

    What is read here was renamed into its place whole, and what is written has no name that others know: nobody needs
    the lock, and on file systems that refuse it (NFS, Lustre) no file would open.
    """
    return h5py.File(path, mode, locking=False)


def foreign_parts(file: h5py.File, *, may_be_sparse: bool = False) -> list[str]:
    """Return a fault for every dataset at the top of ``file`` that does not lie in the file itself.

    Parameters
    ----------
    file
        Open for reading.
    may_be_sparse
        Whether parts of a dataset may be missing, as chunks of a file of MATLAB that are zero.
    """
    faults = []
    for name in file:
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            faults.append(
                f"{name!r} is a link to the file {link.filename!r}; copy what it needs into this one"
            )
            continue
        item = file.get(name)
        if not isinstance(item, h5py.Dataset):
            continue
        if item.external or item.is_virtual:
            faults.append(f"{name!r} lies in other files; copy what it needs into this one")
        elif item.chunks is not None:
            n_bytes = item.dtype.itemsize
            for extent in item.chunks:
                n_bytes *= extent
            if n_bytes > MAX_CHUNK_BYTES:
                faults.append(
                    f"{name!r} has chunks of {n_bytes:,} bytes, at most {MAX_CHUNK_BYTES:,} are read"
                )
        elif not may_be_sparse and item.size and not _is_written(item):
            faults.append(f"{name!r} has shape {item.shape}, but its numbers are not in the file")
    return faults


def _is_written(dataset: h5py.Dataset) -> bool:
    """Return whether a contiguous or compact dataset has all its bytes; scalars may lie in the header."""
    return bool(dataset.shape == () or dataset.id.get_storage_size() >= dataset.nbytes)
