import numpy as np
import pytest
import torch

from genotools.genotype import TaskKind
from genotools.training.loss import prediction_loss, slowness

LOGITS = torch.tensor([[0.5, -2.0, 3.0], [0.0, 1.0, -1.0]])


def test_slowness_is_the_mean_squared_change_between_positions() -> None:
    states = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    expected = np.mean([(states[t + 1] - states[t]) ** 2 for t in range(4)])
    assert slowness(torch.from_numpy(states), LOGITS).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("states", [None, torch.ones(1, 2, 3)])
def test_slowness_of_a_single_position_is_zero(states: torch.Tensor | None) -> None:
    assert slowness(states, LOGITS).item() == 0


def test_multilabel_loss_is_the_mean_cross_entropy_of_windows_and_labels() -> None:
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    probs = 1 / (1 + np.exp(-LOGITS.numpy().astype(np.float64)))
    expected = -np.mean(np.where(targets.numpy() == 1, np.log(probs), np.log(1 - probs)))
    assert prediction_loss(LOGITS, targets, TaskKind.MULTILABEL).item() == pytest.approx(expected, rel=1e-6)


def test_multiclass_loss_is_the_log_probability_of_the_class() -> None:
    targets = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    logits = LOGITS.numpy().astype(np.float64)
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[[0, 1], [2, 1]])
    assert prediction_loss(LOGITS, targets, TaskKind.MULTICLASS).item() == pytest.approx(expected, rel=1e-6)
    per_position = prediction_loss(LOGITS[None], targets[None], TaskKind.MULTICLASS)
    assert per_position.item() == pytest.approx(expected, rel=1e-6)


def test_regression_and_count_losses_follow_their_formulas() -> None:
    targets = torch.tensor([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]])
    logits, counts = LOGITS.numpy().astype(np.float64), targets.numpy()
    squared, poisson = np.mean((logits - counts) ** 2), np.mean(np.exp(logits) - counts * logits)
    assert prediction_loss(LOGITS, targets, TaskKind.REGRESSION).item() == pytest.approx(squared, rel=1e-6)
    assert prediction_loss(LOGITS, targets, TaskKind.COUNTS).item() == pytest.approx(poisson, rel=1e-6)


@pytest.mark.parametrize("kind", TaskKind)
def test_shapes_that_would_broadcast_are_refused(kind: TaskKind) -> None:
    with pytest.raises(ValueError, match="must be alike"):
        prediction_loss(LOGITS, torch.zeros(3), kind)


def test_loss_is_float32_for_bfloat16_logits() -> None:
    loss = prediction_loss(LOGITS.bfloat16(), torch.zeros(2, 3), TaskKind.MULTILABEL)
    assert loss.dtype == torch.float32
