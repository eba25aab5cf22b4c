"""Every reader of files that may come from strangers, with a valid file to damage: what fuzzers and tests drive.

The promise: whatever the bytes, a reader returns or raises what :func:`only_ours` lets pass, in bounded time and
memory, and nothing it reads is run. ``tools/fuzz.py`` searches with coverage, tests with a few hundred damaged files
each.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from genotools.errors import GenotoolsError
from genotools.testing import (
    _hostile_arrays,
    _hostile_documents,
    _hostile_genomes,
    _hostile_models,
    _hostile_runs,
    _hostile_zoos,
)
from genotools.testing._hostile_reader import Reader
from genotools.testing._hostile_values import SUFFIXES, with_another_value

__all__ = [
    "MAX_MEMORY_BYTES",
    "MAX_SECONDS",
    "READERS",
    "SUFFIXES",
    "Damage",
    "Reader",
    "damaged",
    "only_ours",
    "peak_bytes",
    "with_another_value",
]

MAX_SECONDS, MAX_MEMORY_BYTES = 20, 1 << 31
"""What one damaged file may take; most take some milliseconds."""

READERS: tuple[Reader, ...] = (
    *_hostile_documents.READERS,
    *_hostile_zoos.READERS,
    *_hostile_genomes.READERS,
    *_hostile_arrays.READERS,
    *_hostile_runs.READERS,
    *_hostile_models.READERS,
)
"""In the order of what they need: documents first, PyTorch and onnxruntime last."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A change of a file: at a share of its length, remove ``cut`` bytes and put others in their place."""

    at: float
    cut: int
    put: bytes


def damaged(data: bytes, damages: Sequence[Damage]) -> bytes:
    """Return ``data`` with all damages done, one after the other.

    >>> damaged(b"genotype", [Damage(0.5, 1, b"TT")])
    b'genoTType'
    """
    for damage in damages:
        start = int(damage.at * len(data))
        data = data[:start] + damage.put + data[start + damage.cut :]
    return data


@contextmanager
def only_ours() -> Iterator[None]:
    """Swallow what a reader may raise: our errors, and the operating system's, which have a number.

    Other libraries raise OSError, too, without number or name of a file: no message for a person.
    """
    try:
        yield
    except GenotoolsError:
        pass
    except OSError as error:
        if error.errno is None:
            raise


def peak_bytes() -> int:
    """Return the most memory that this process has ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
