"""Bayesian sigmoid regression against closed forms, known truths and quadrature."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from genotools.search.sigmoid_regression import (
    fit_regression,
    inner_scores,
    published_moments,
    ranks,
    sigmoid_moments,
)

Moments = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def synthetic(
    n: int, n_features: int, *, weight_sd: float, noise_sd: float, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return features, weights, and noisy targets."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(n, n_features, generator=rng, dtype=torch.float64)
    weights = weight_sd * torch.randn(n_features, generator=rng, dtype=torch.float64)
    noise = noise_sd * torch.randn(n, generator=rng, dtype=torch.float64)
    return features, weights, features @ weights + noise


@pytest.mark.parametrize(("n", "n_features"), [(30, 5), (5, 30)])
def test_the_posterior_at_given_precisions_is_that_of_the_normal_equations(n: int, n_features: int) -> None:
    features, _, targets = synthetic(n, n_features, weight_sd=1, noise_sd=0.5)
    alpha, beta = 0.7, 3.0
    precision = alpha * np.eye(n_features) + beta * (features.T @ features).numpy()
    mean = beta * np.linalg.solve(precision, (features.T @ targets).numpy())
    new = synthetic(7, n_features, weight_sd=1, noise_sd=0, seed=1)[0]
    variance = 1 / beta + np.einsum("md,de,me->m", new.numpy(), np.linalg.inv(precision), new.numpy())

    regression = fit_regression(features, targets, precisions=(alpha, beta))
    predicted, sd = regression.predict(new)
    np.testing.assert_allclose(regression.weights, mean, rtol=1e-9)
    np.testing.assert_allclose(predicted, new.numpy() @ mean, rtol=1e-9)
    np.testing.assert_allclose(sd, np.sqrt(variance), rtol=1e-9)


def test_evidence_recovers_weights_and_noise() -> None:
    features, weights, targets = synthetic(2000, 40, weight_sd=2.0, noise_sd=0.3)
    regression = fit_regression(features, targets)
    assert 1 / math.sqrt(regression.beta) == pytest.approx(0.3, rel=0.05)
    assert 1 / math.sqrt(regression.alpha) == pytest.approx(float(weights.std()), rel=0.05)
    np.testing.assert_allclose(regression.weights, weights, atol=5 * 0.3 / math.sqrt(2000))


def log_evidence(features: Tensor, targets: Tensor, alpha: float, beta: float) -> float:
    """Return the log density of the targets, up to a constant, from their covariance."""
    covariance = torch.eye(len(targets)) / beta + features @ features.T / alpha
    return float(-0.5 * (torch.logdet(covariance) + targets @ torch.linalg.solve(covariance, targets)))


def test_the_precisions_are_where_the_evidence_is_largest() -> None:
    features, _, targets = synthetic(40, 10, weight_sd=1, noise_sd=1)
    found = fit_regression(features, targets)
    best = log_evidence(features, targets, found.alpha, found.beta)
    for factor in (0.9, 1.1):
        assert log_evidence(features, targets, factor * found.alpha, found.beta) < best
        assert log_evidence(features, targets, found.alpha, factor * found.beta) < best


def test_uncertainty_grows_away_from_what_was_seen() -> None:
    features, _, targets = synthetic(30, 5, weight_sd=1, noise_sd=0.5)
    features[:, 0] = 0
    _, sd = fit_regression(features, targets).predict(torch.eye(5))
    assert (sd[0] > 1.2 * sd[1:]).all()


@pytest.mark.parametrize(
    ("features", "targets"),
    [
        (torch.eye(4), torch.zeros(4)),  # nothing to explain
        (torch.eye(4), torch.tensor([1.0, -2.0, 3.0, 0.5])),  # everything can be explained
        (torch.ones(4, 6), torch.ones(4)),  # all alike
        (torch.zeros(4, 3), torch.tensor([1.0, -2.0, 3.0, 0.5])),  # nothing can be explained
    ],
)
def test_degenerate_observations_leave_everything_finite(features: Tensor, targets: Tensor) -> None:
    regression = fit_regression(features, targets)
    mean, sd = regression.predict(features)
    assert torch.isfinite(mean).all()
    assert torch.isfinite(sd).all()
    assert (sd > 0).all()
    assert (mean.abs() <= targets.abs().max() + 1e-9).all()


def quadrature(mean: float, sd: float) -> tuple[float, float]:
    """Return expectation and standard deviation of the sigmoid of a Gaussian variable."""
    z = np.linspace(-9, 9, 4001)
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    values = 1 / (1 + np.exp(-(mean + sd * z)))
    expectation = float(values @ density)
    return expectation, math.sqrt(max(float(values**2 @ density) - expectation**2, 0.0))


def moments_of(function: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard deviations of the Gaussian variables, and both moments with their true values."""
    means, sds = (part.ravel() for part in np.meshgrid(np.linspace(-6, 6, 25), np.linspace(0, 3, 13)))
    found = np.stack([moment.numpy() for moment in function(torch.tensor(means), torch.tensor(sds))], axis=1)
    truth = np.array([quadrature(*pair) for pair in zip(means, sds, strict=True)])
    return sds, found, truth


def test_moments_of_the_sigmoid_are_those_of_a_fine_quadrature() -> None:
    _, found, truth = moments_of(sigmoid_moments)
    np.testing.assert_allclose(found, truth, atol=1e-4)


def test_published_moments_are_as_near_as_is_said() -> None:
    sds, found, truth = moments_of(published_moments)
    error = np.abs(found - truth)
    assert error[:, 0].max() < 0.016
    assert np.abs((found**2).sum(1) - (truth**2).sum(1)).max() < 0.028  # of the mean square
    assert error[:, 1].max() < 0.17
    assert error[sds >= 2, 1].max() < 0.08


def test_upper_bounds_grow_with_the_mean_and_with_the_spread() -> None:
    mean = torch.linspace(-6, 6, 121, dtype=torch.float64)
    for sd in (0.0, 0.3, 1.0):
        expected, spread = sigmoid_moments(mean, torch.full_like(mean, sd))
        assert ((expected + 0.5 * spread).diff() > 0).all()
    for level in (-3.0, 0.0, 3.0):
        sds = torch.linspace(0, 3, 31, dtype=torch.float64)
        _, spread = sigmoid_moments(torch.full_like(sds, level), sds)
        assert (spread.diff() > 0).all()


def test_ranks_of_equals_are_shared() -> None:
    assert ranks([3.0, -1.0, -1.0, 2.0]).tolist() == [0.875, 0.25, 0.25, 0.625]
    assert ranks([7.0, 7.0]).tolist() == [0.5, 0.5]


def test_scores_of_0_and_1_move_inwards_and_no_other() -> None:
    moved = inner_scores([0.0, 0.02, 0.5, 1.0]).tolist()
    assert moved == pytest.approx([0.01, 0.02, 0.5, 0.875])  # half the lowest one; 1 / 2N below 1


def test_no_score_has_an_infinite_logit() -> None:
    for scores in ([0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1e-320, 0.5, 1 - 1e-16]):
        logits = torch.logit(inner_scores(scores))
        assert logits.abs().max() < 14
