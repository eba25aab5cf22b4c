"""How good predicted values and counts are, beside predicting the mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from genotools.training._metric_values import (
    Floats,
    Scores,
    check_no_nan,
    check_shapes,
    mean_of,
    or_null,
    table_rows,
)

__all__ = ["RegressionMetrics", "evaluate_counts", "evaluate_regression"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegressionMetrics:
    """Metrics of K outputs on N windows, each ``(K,)`` and over the windows in which it was measured.

    ``pearson`` is NaN where a side is constant. ``deviance`` is the mean squared error, or for counts the mean
    Poisson deviance, and ``chance_deviance`` that of always predicting the output's mean in these windows: the best
    constant.
    """

    names: tuple[str, ...]
    n_windows: int
    n_measured: NDArray[np.int64]
    pearson: Floats
    deviance: Floats
    chance_deviance: Floats
    kind: Literal["regression", "counts"] = "regression"

    @property
    def explained(self) -> Floats:
        """Share of the mean's deviance that is gone, ``(K,)``: R², or D² of counts; NaN where nothing varies.

        1 is perfect, 0 no better than the mean, below 0 worse.
        """
        some = self.chance_deviance > 0
        left = np.divide(
            self.deviance, self.chance_deviance, out=np.full(len(self.names), np.nan), where=some
        )
        share: Floats = 1 - left
        return share

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the outputs without a Pearson's r."""
        return tuple(name for name, r in zip(self.names, self.pearson, strict=True) if np.isnan(r))

    @property
    def mean_pearson(self) -> float:
        """Mean Pearson's r of the outputs that have one; NaN when none has, as for the other mean."""
        return mean_of(self.pearson[~np.isnan(self.pearson)])

    @property
    def mean_explained(self) -> float:
        """Mean R² or D²."""
        return mean_of(self.explained[~np.isnan(self.explained)])

    @property
    def explained_name(self) -> str:
        """``r2``, or ``d2`` of counts."""
        return "d2" if self.kind == "counts" else "r2"

    def summary(self) -> dict[str, float]:
        """Return the numbers that a training is watched by."""
        return {"pearson": self.mean_pearson, self.explained_name: self.mean_explained}

    def to_json(self) -> dict[str, object]:
        """Return everything as a JSON value, undefined numbers as null."""
        deviance = "mse" if self.kind == "regression" else "poisson_deviance"
        columns = {
            "pearson": self.pearson,
            self.explained_name: self.explained,
            deviance: self.deviance,
            f"chance_{deviance}": self.chance_deviance,
        }
        rows = table_rows(self.names, columns)
        return {
            "n_windows": self.n_windows,
            "n_outputs": len(self.names),
            "n_scored": len(self.names) - len(self.skipped),
            "skipped": list(self.skipped),
            "mean_pearson": or_null(self.mean_pearson),
            f"mean_{self.explained_name}": or_null(self.mean_explained),
            "outputs": [{**row, "n": int(n)} for row, n in zip(rows, self.n_measured, strict=True)],
        }


def evaluate_regression(targets: Scores, predictions: Scores, names: Sequence[str]) -> RegressionMetrics:
    """Return the metrics of ``(N, K)`` predictions against targets, NaN where nothing was measured.

    Raises DataError for NaN predictions (lists each output with its count) and for no windows.
    """
    return _evaluate(targets, predictions, names, "regression")


def evaluate_counts(targets: Scores, predictions: Scores, names: Sequence[str]) -> RegressionMetrics:
    """Return the metrics of ``(N, K)`` predicted rates against counts; otherwise as :func:`evaluate_regression`."""
    return _evaluate(targets, predictions, names, "counts")


def _evaluate(
    targets: Scores, predictions: Scores, names: Sequence[str], kind: Literal["regression", "counts"]
) -> RegressionMetrics:
    check_shapes(targets, predictions, names)
    check_no_nan(predictions, names)
    columns = [_column(targets[:, k], predictions[:, k], kind) for k in range(len(names))]
    n_measured, pearson, deviance, chance = zip(*columns, strict=True)
    return RegressionMetrics(
        names=tuple(names),
        n_windows=len(targets),
        n_measured=np.array(n_measured, dtype=np.int64),
        pearson=np.array(pearson, dtype=np.float64),
        deviance=np.array(deviance, dtype=np.float64),
        chance_deviance=np.array(chance, dtype=np.float64),
        kind=kind,
    )


def _column(
    targets: Scores, predictions: Scores, kind: Literal["regression", "counts"]
) -> tuple[int, float, float, float]:
    """Return windows measured, Pearson's r, and the deviances of prediction and mean, of one output."""
    measured = ~np.isnan(targets)
    wanted, given = (side[measured].astype(np.float64) for side in (targets, predictions))
    if not len(wanted):
        return 0, np.nan, np.nan, np.nan
    deviance = _poisson_deviance if kind == "counts" else _squared_error
    mean = np.full_like(wanted, wanted.mean())
    # By range, not by spread: the mean of equal numbers may differ from them in the last bit.
    varies = np.ptp(wanted) > 0 and np.ptp(given) > 0
    r = float(np.corrcoef(wanted, given)[0, 1]) if varies else np.nan
    return len(wanted), r, deviance(wanted, given), deviance(wanted, mean) if np.ptp(wanted) > 0 else 0.0


def _squared_error(targets: Floats, predictions: Floats) -> float:
    return float(((targets - predictions) ** 2).mean())


def _poisson_deviance(targets: Floats, rates: Floats) -> float:
    rates = np.maximum(rates, np.finfo(np.float32).tiny)
    return float(2 * (xlogy(targets, targets / rates) - targets + rates).mean())
