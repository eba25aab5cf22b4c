"""Every reader of files that may come from strangers, with a valid file to damage: what fuzzers and tests drive.

The promise: whatever the bytes, a reader returns or raises one of :data:`OURS`, in bounded time and memory, and
nothing it reads is run. ``tools/fuzz.py`` searches with coverage, tests with a few hundred damaged files each.
"""

from collections.abc import Sequence
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

__all__ = ["OURS", "READERS", "SUFFIXES", "Damage", "Reader", "damaged", "with_another_value"]

OURS: tuple[type[Exception], ...] = (GenotoolsError, OSError)
"""What a reader may raise: our errors, or the operating system's about the file itself."""

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
