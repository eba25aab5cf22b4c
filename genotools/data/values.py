"""Real-valued labels on their way into a store: transformed, standardised by the training split, or left alone."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.genotype.task import TaskKind

__all__ = ["TRANSFORMS", "Scaling", "Transform", "far_from_one"]

Transform = Literal["none", "log1p"]
TRANSFORMS = get_args(Transform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What is done to values.

    Parameters
    ----------
    transform
        ``log1p``: the natural logarithm of one more than the value.
    standardise
        Subtract the mean and divide by the standard deviation of the training split; after the transform.
    """

    transform: Transform = "none"
    standardise: bool = False

    def check(self, kind: TaskKind) -> None:
        """Raise DataError where counts would no longer be counts."""
        if self.transform not in TRANSFORMS:
            raise DataError(f"transform {self.transform!r} must be one of {', '.join(TRANSFORMS)}.")
        if kind is TaskKind.COUNTS and (self.transform != "none" or self.standardise):
            raise DataError("counts are kept as they are: log1p and standardise are for regression.")

    def apply(
        self, values: NDArray[np.float64], is_training: NDArray[np.bool_], *, where: str
    ) -> tuple[NDArray[np.float32], dict[str, object]]:
        """Return values ``(N, K)`` as they are to be learnt, and what was done, as JSON values.

        Raises
        ------
        DataError
            If a value is -1 or below and its logarithm is asked for, or values of training do not vary.
        """
        done: dict[str, object] = {"transform": self.transform}
        if self.transform == "log1p":
            if np.nanmin(values, initial=0) <= -1:
                raise DataError(f"{where}: log1p of {np.nanmin(values):g}; values must be above -1.")
            values = np.log1p(values)
        if self.standardise:
            mean, deviation = _moments(values[is_training])
            if not (deviation > 0).all():
                flat = np.flatnonzero(~(deviation > 0)).tolist()
                raise DataError(
                    f"{where}: no spread to standardise by in the training split of columns {flat}."
                )
            values = (values - mean) / deviation
            done |= {"mean": mean.tolist(), "deviation": deviation.tolist()}
        return values.astype(np.float32), done


def far_from_one(values: NDArray[np.float32], is_training: NDArray[np.bool_]) -> float | None:
    """Return the standard deviation furthest from 1 if it is tenfold or more: such values are slow to learn."""
    _, deviation = _moments(values[is_training].astype(np.float64))
    spread = deviation[deviation > 0]
    if not len(spread):
        return None
    furthest = spread[np.abs(np.log10(spread)).argmax()]
    return float(furthest) if abs(np.log10(furthest)) >= 1 else None


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each column, over what is no NaN; NaN and 0 where all are."""
    n = (~np.isnan(values)).sum(axis=0)
    filled = np.nan_to_num(values)
    mean = np.divide(filled.sum(axis=0), n, out=np.full(values.shape[1], np.nan), where=n > 0)
    squares = (np.where(np.isnan(values), 0, values - np.nan_to_num(mean)) ** 2).sum(axis=0)
    return mean, np.sqrt(np.divide(squares, n, out=np.zeros(values.shape[1]), where=n > 0))
