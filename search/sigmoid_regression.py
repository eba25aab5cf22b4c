"""Bayesian sigmoid regression: scores between 0 and 1 from features, with how sure one is of each.

A score is the sigmoid of a linear function of the features plus Gaussian noise; the precisions of weights (alpha) and
noise (beta) are those of largest evidence. All of it is in double precision and in the eigenbasis of the features,
where an iteration costs next to nothing. What makes the features is left to :mod:`genotools.search.surrogate`.

References: Shi et al., Bridging the Gap between Sample-based and One-shot NAS with BONAS (2020); Bishop, Pattern
Recognition and Machine Learning (2006), section 3.5, on the evidence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Regression", "fit_regression", "inner_scores", "published_moments", "ranks", "sigmoid_moments"]

START = 1e-5
"""Of both precisions, as in the released code."""

MIN_PRECISION, MAX_PRECISION = 1e-10, 1e10
"""Bounds of both, for targets that the features explain exactly, or not at all."""

N_NODES = 32
"""Of the quadrature."""

MIN_GAP = 1e-6
"""Between a score and 0 or 1: its logit is within 14 of 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """What is known of the weights of a linear function after N observations of D features.

    ``basis``, float64 ``(D, D)``, has the eigenvectors of the features' second moments as columns; in it the weights
    are independent, with mean ``means`` and variance ``variances``, both ``(D,)``. ``alpha`` and ``beta`` are the
    precisions of weights and noise.
    """

    basis: Tensor
    means: Tensor
    variances: Tensor
    alpha: float
    beta: float

    @property
    def weights(self) -> Tensor:
        """The mean of the weights, ``(D,)``."""
        return self.basis.mv(self.means)

    def predict(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, noise included, of the targets of ``(M, D)`` features."""
        rotated = features.double() @ self.basis  # (M, D)
        variance = 1 / self.beta + rotated.square() @ self.variances
        return rotated @ self.means, variance.sqrt()


def fit_regression(
    features: Tensor,
    targets: Tensor,
    *,
    precisions: tuple[float, float] | None = None,
    max_iterations: int = 200,
    rtol: float = 1e-5,
) -> Regression:
    """Return the posterior of a linear function without intercept.

    Parameters
    ----------
    features, targets
        ``(N, D)`` and ``(N,)``, finite.
    precisions
        ``(alpha, beta)``; by default those of largest evidence, by MacKay's fixed-point iteration.
    max_iterations, rtol
        When that ends.
    """
    features, targets = features.double(), targets.double()
    values, basis = torch.linalg.eigh(features.T @ features)
    # Rounding leaves some eigenvalues a little below 0.
    data = _Rotated(values.clamp(min=0), features @ basis, targets)
    if precisions is None:
        precisions = START, START
        for _ in range(max_iterations):
            before, precisions = precisions, _updated(data, *precisions)
            if np.allclose(precisions, before, rtol=rtol, atol=0):
                break
    alpha, beta = precisions
    return Regression(basis, data.means(alpha, beta), 1 / (alpha + beta * data.values), alpha, beta)


class _Rotated(NamedTuple):
    """Observations in the eigenbasis of the features: eigenvalues ``(D,)``, features ``(N, D)``, targets ``(N,)``."""

    values: Tensor
    features: Tensor
    targets: Tensor

    def means(self, alpha: float, beta: float) -> Tensor:
        """Return the mean of the weights, ``(D,)``."""
        return torch.mv(self.features.T, self.targets) / (alpha / beta + self.values)


def _updated(data: _Rotated, alpha: float, beta: float) -> tuple[float, float]:
    """Return the next estimate of both precisions.

    With gamma, the number of weights that the data determine: alpha = gamma / |m|² and
    1 / beta = |t - Φm|² / (N - gamma).
    """
    means = data.means(alpha, beta)
    residuals = data.targets - torch.mv(data.features, means)
    n_observations, n_features = data.features.shape
    rank = min(n_observations, n_features)
    values = data.values[-rank:]  # they ascend, the others are 0
    gamma = float((beta * values / (alpha + beta * values)).sum())
    # Not N - gamma, which cancels to 0 where every observation is explained.
    n_free = n_observations - rank + float((alpha / (alpha + beta * values)).sum())
    return _bounded(gamma, float(means.square().sum())), _bounded(n_free, float(residuals.square().sum()))


def _bounded(numerator: float, denominator: float) -> float:
    if numerator >= MAX_PRECISION * denominator:
        return MAX_PRECISION
    return max(numerator / denominator, MIN_PRECISION)


def sigmoid_moments(mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """Return expectation and standard deviation of the sigmoid of Gaussian variables, by Gauss-Hermite quadrature.

    Both are off by less than 1e-4 for standard deviations up to 3.
    """
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(N_NODES))
    weights /= weights.sum()
    values = torch.sigmoid(mean.unsqueeze(1) + sd.unsqueeze(1) * nodes)  # (N, nodes)
    expectation = values @ weights
    return expectation, ((values - expectation.unsqueeze(1)).square() @ weights).sqrt()


def published_moments(mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """Return what :func:`sigmoid_moments` does by the closed formulas of BONAS.

    The sigmoid is taken for a probit function, its square for another sigmoid. The expectation is off by at most
    0.016, the mean square by 0.028; where there is hardly any spread, the standard deviation comes out up to 0.17 too
    large, so that above a mean of about 4 an upper confidence bound falls as the mean rises.
    """
    variance = sd.square()
    expectation = torch.sigmoid(mean / (1 + math.pi / 8 * variance).sqrt())
    a, b = 4 - 2 * math.sqrt(2), -math.log(math.sqrt(2) + 1)
    second = torch.sigmoid(a * (mean + b) / (1 + math.pi / 8 * a**2 * variance).sqrt())
    # The two approximations are independent, so where there is no spread the difference may fall below 0.
    return expectation, (second - expectation.square()).clamp(min=0).sqrt()


def ranks(scores: Sequence[float]) -> Tensor:
    """Return scores as (rank - 1/2) / N, float64 between 0 and 1; equal scores share the mean of their ranks."""
    values = torch.tensor(scores, dtype=torch.float64)
    ordered = values.sort().values
    lower, not_higher = torch.searchsorted(ordered, values), torch.searchsorted(ordered, values, right=True)
    return (lower + not_higher).double() / (2 * len(values))


def inner_scores(scores: Sequence[float]) -> Tensor:
    """Return scores from [0, 1], float64, moved off the ends, whose logits are infinite.

    A score of 0 becomes half the lowest one above 0, or 1 / 2N where that is less; a score of 1 likewise. What lies
    nearer to an end than 1e-6 is moved to there, so that no single logit is far beyond all others.
    """
    values = torch.tensor(scores, dtype=torch.float64)

    def gap(distances: Tensor) -> float:
        nearest = distances[distances > 0].min() if (distances > 0).any() else distances.new_tensor(1.0)
        return max(min(float(nearest) / 2, 1 / (2 * len(values))), MIN_GAP)

    return values.clamp(gap(values), 1 - gap(1 - values))
