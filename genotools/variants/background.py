"""What variants do on the whole: the distribution that E-values and z-scores are read off.

One HDF5 file: ``effects`` float32 ``(K, n)``, the effects of n variants on each output, ascending; ``rms`` float64
``(K,)``, the root mean square of their ``diff``; ``names``; and as attributes what they belong to: the model's
digest, how strands were averaged, the formula of the odds. Scores of another model, or made otherwise, are refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

import genotools
from genotools.data.hdf5 import HDF5_ERRORS, foreign_parts, open_hdf5, plain_attributes, texts_of
from genotools.data.hdf5_writing import writing_hdf5
from genotools.data.strands import Strands
from genotools.errors import DataError
from genotools.files import check_ordinary, check_output, replacing
from genotools.formats import BACKGROUND
from genotools.predictor import Predictor

__all__ = ["Background", "BackgroundBuilder", "read_background", "write_background"]

MAX_BYTES = 8_000_000_000
"""Largest array that is read: a million variants of 919 outputs are half of it."""

TEXTS = ("model_digest", "strands", "average", "odds")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """Effects of n variants on K outputs, ascending by output ``(K, n)``, and the RMS of their ``diff`` ``(K,)``.

    ``how`` tells what they belong to: ``model_digest``, ``strands``, ``average`` and ``odds``.
    """

    names: tuple[str, ...]
    effects: NDArray[np.float32]
    rms: NDArray[np.float64]
    how: dict[str, str]

    @property
    def n(self) -> int:
        """Number of variants."""
        return int(self.effects.shape[1])

    def select(self, indices: Sequence[int]) -> "Background":
        """Return the background of some outputs."""
        chosen = list(indices)
        names = tuple(self.names[index] for index in chosen)
        return Background(names=names, effects=self.effects[chosen], rms=self.rms[chosen], how=self.how)

    def evalues(self, effects: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the background with a larger effect, for effects ``(N, K)``; at least 1 / (n + 1)."""
        found = np.empty(effects.shape)
        rounded = effects.astype(np.float32)  # as the background was: equal effects must compare equal
        for column, ascending in enumerate(self.effects):
            found[:, column] = self.n - np.searchsorted(ascending, rounded[:, column], side="right")
        return np.maximum(found / self.n, 1 / (self.n + 1))

    def zscores(self, diffs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``diff`` over the background's root mean square; 0 over 0 is 0."""
        return np.divide(diffs, self.rms, out=np.zeros_like(diffs), where=self.rms > 0)

    def check(self, how: dict[str, str], *, where: Path | str) -> None:
        """Raise DataError where scores of another model, or made otherwise, are to be compared with it."""
        faults = [
            f"it was made with {key} {self.how[key][:20]!r}, these scores have {value[:20]!r}."
            for key, value in how.items()
            if self.how[key] != value
        ]
        if faults:
            raise DataError.from_faults(where, faults)


class BackgroundBuilder:
    """Collects effects and diffs as they come."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._effects: list[NDArray[np.float32]] = []
        self._squares = np.zeros(len(self._names))

    def add(self, effects: NDArray[np.float32], diffs: NDArray[np.float32]) -> None:
        """Take in some variants, both ``(n, K)``."""
        self._effects.append(effects)
        self._squares += (diffs.astype(np.float64) ** 2).sum(axis=0)

    def background(self, model: Predictor, *, strands: Strands, average: str, odds: str) -> Background:
        """Return the background; raises DataError if there are no variants."""
        n = sum(map(len, self._effects))
        if not n:
            raise DataError("no variant could be scored, so there is no background.")
        effects = np.empty((len(self._names), n), dtype=np.float32)
        first = 0
        for part in self._effects:
            effects[:, first : first + len(part)] = part.T
            first += len(part)
        effects.sort(axis=1)
        return Background(
            names=self._names,
            effects=effects,
            rms=np.sqrt(self._squares / n),
            how={"model_digest": model.digest, "strands": strands, "average": average, "odds": odds},
        )


def write_background(path: Path | str, background: Background, *, source: str, force: bool = False) -> None:
    """Write a background in one step; ``source`` names the variants. Raises OutputExistsError unless ``force``."""
    path = check_output(path, force=force)
    with replacing(path) as temporary, writing_hdf5(temporary) as file:
        file.attrs.update(BACKGROUND.header)
        file.attrs["genotools_version"], file.attrs["source"] = genotools.__version__, source
        file.attrs.update(background.how)
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        file.create_dataset("effects", data=background.effects, track_times=False, **options)
        file.create_dataset("rms", data=background.rms, track_times=False)
        file.create_dataset(
            "names", data=list(background.names), dtype=h5py.string_dtype(), track_times=False
        )


def _too_large(file: h5py.File) -> list[str]:
    """Return a fault for every array that would not fit in memory."""
    return [
        f"{name!r} has {file[name].nbytes:,} bytes, at most {MAX_BYTES:,} are read"
        for name in ("names", "effects", "rms")
        if file[name].nbytes > MAX_BYTES
    ]


def read_background(path: Path | str) -> Background:
    """Read and check a background.

    Raises
    ------
    DataError
        If the file is missing, damaged, or no background.
    """
    path = check_ordinary(path)
    try:
        with open_hdf5(path) as file:
            attributes = plain_attributes(file)
            BACKGROUND.check_attributes(attributes, where=path)
            if faults := foreign_parts(file) or _too_large(file):
                raise DataError.from_faults(path, faults)
            names = texts_of(file["names"])
            effects, rms = np.asarray(file["effects"][()]), np.asarray(file["rms"][()])
            how = {key: str(attributes[key]) for key in TEXTS}
    except DataError:
        raise
    except HDF5_ERRORS as error:
        if isinstance(error, OSError) and not path.is_file():
            raise DataError(f"{path}: no such file.") from error
        raise DataError(f"{path}: not a readable background ({error}).") from error
    n_outputs = len(names)
    if (
        np.ndim(effects) != 2
        or len(effects) != n_outputs
        or np.shape(rms) != (n_outputs,)
        or not effects.size
        or not {effects.dtype.kind, rms.dtype.kind} <= set("fiu")
    ):
        found = " and ".join(f"{array.shape} {array.dtype}" for array in (effects, rms))
        raise DataError(f"{path}: arrays of {found} for {n_outputs} outputs; the file is damaged.")
    effects = effects.astype(np.float32)
    if not (np.isfinite(effects).all() and (np.diff(effects, axis=1) >= 0).all() and np.isfinite(rms).all()):
        raise DataError(f"{path}: effects that are not finite and ascending; the file is damaged.")
    return Background(names=names, effects=effects, rms=rms.astype(np.float64), how=how)
