"""Metrics of classes, values and counts against scikit-learn, and what they say beside chance."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, d2_tweedie_score, log_loss, r2_score, recall_score

from genotools.errors import DataError
from genotools.genotype import Task
from genotools.genotype.task import TaskKind
from genotools.training.multiclass_metrics import evaluate_multiclass
from genotools.training.regression_metrics import evaluate_counts, evaluate_regression
from genotools.training.task_metrics import HEADLINE, METRIC_NAMES, evaluate_task

BASES = ("A", "C", "G", "T")


def one_hot(classes: NDArray[np.int64], n_classes: int) -> NDArray[np.uint8]:
    return np.eye(n_classes, dtype=np.uint8)[classes]


def test_classes_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), size=50).astype(np.float32)
    classes = rng.integers(0, 4, size=50)
    result = evaluate_multiclass(one_hot(classes, 4), probs, BASES)
    chosen = probs.argmax(axis=1)
    assert result.accuracy == accuracy_score(classes, chosen)
    np.testing.assert_allclose(result.recall, recall_score(classes, chosen, average=None))
    wide = probs.astype(np.float64)
    expected = log_loss(classes, wide / wide.sum(axis=1, keepdims=True), labels=range(4))
    assert result.cross_entropy == pytest.approx(expected, abs=1e-6)
    assert result.perplexity == pytest.approx(math.exp(expected), abs=1e-5)


def test_chance_of_classes_is_what_their_frequencies_alone_give() -> None:
    classes = np.array([0, 0, 0, 1, 2, 2, 0, 0])
    shares = np.bincount(classes, minlength=4) / 8
    constant = np.tile(shares.astype(np.float32), (8, 1))
    result = evaluate_multiclass(one_hot(classes, 4), constant, BASES)
    assert result.accuracy == result.chance_accuracy == 5 / 8
    assert result.cross_entropy == pytest.approx(result.chance_cross_entropy, abs=1e-6)
    assert math.isnan(result.recall[3])
    document = result.to_json()
    assert document["chance_accuracy"] == 5 / 8
    assert document["classes"] == [
        {"name": "A", "recall": 1.0, "n": 5},
        {"name": "C", "recall": 0.0, "n": 1},
        {"name": "G", "recall": 0.0, "n": 2},
        {"name": "T", "recall": None, "n": 0},
    ]


def test_a_class_probability_of_zero_stays_finite() -> None:
    result = evaluate_multiclass(np.array([[1, 0]]), np.array([[0.0, 1.0]], dtype=np.float32), ("a", "b"))
    assert result.cross_entropy == pytest.approx(-math.log(np.finfo(np.float32).eps))
    assert result.to_json()["accuracy"] == 0


@pytest.mark.parametrize("row", [[0, 0], [1, 1]])
def test_a_row_of_no_class_or_of_two_is_refused(row: list[int]) -> None:
    with pytest.raises(DataError, match="every window must be of one class"):
        evaluate_multiclass(np.array([row]), np.full((1, 2), 0.5), ("a", "b"))


def test_values_equal_scikit_learn_and_constants_are_skipped() -> None:
    rng = np.random.default_rng(1)
    targets = rng.normal(size=(60, 3)).astype(np.float32)
    predictions = (targets + rng.normal(size=(60, 3))).astype(np.float32)
    predictions[:, 1] = 0.1
    result = evaluate_regression(targets, predictions, ["a", "flat", "c"])
    for k in (0, 2):
        r = np.corrcoef(targets[:, k], predictions[:, k])[0, 1]
        assert result.pearson[k] == pytest.approx(r, abs=1e-6)
    np.testing.assert_allclose(
        result.explained, r2_score(targets, predictions, multioutput="raw_values"), atol=1e-5
    )
    assert result.skipped == ("flat",)
    document = result.to_json()
    assert document["n_scored"] == 2
    assert document["mean_pearson"] == pytest.approx(result.pearson[[0, 2]].mean())


def test_counts_equal_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    rates = rng.gamma(2.0, 3.0, size=(80, 2)).astype(np.float32)
    counts = rng.poisson(rates).astype(np.float32)
    result = evaluate_counts(counts, rates, ["a", "b"])
    expected = [d2_tweedie_score(counts[:, k], rates[:, k], power=1) for k in range(2)]
    np.testing.assert_allclose(result.explained, expected, atol=1e-5)
    assert "mean_d2" in result.to_json()


def test_predicting_the_mean_explains_nothing() -> None:
    targets = np.array([[1.0], [2.0], [6.0]])
    for evaluate in (evaluate_regression, evaluate_counts):
        assert evaluate(targets, np.full((3, 1), 3.0), ["a"]).explained[0] == pytest.approx(0)


def test_what_was_not_measured_takes_no_part() -> None:
    targets = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [4.0, np.nan]])
    predictions = np.array([[1.5, 0], [99.0, 0], [2.5, 0], [5.0, 0]])
    result = evaluate_regression(targets, predictions, ["some", "never"])
    alone = evaluate_regression(targets[[0, 2, 3], :1], predictions[[0, 2, 3], :1], ["some"])
    assert result.n_measured.tolist() == [3, 0]
    assert result.pearson[0] == alone.pearson[0]
    assert result.skipped == ("never",)
    assert result.mean_explained == alone.explained[0]


def test_nan_predictions_are_refused() -> None:
    with pytest.raises(DataError, match="NaN predictions: a: 1 of 2"):
        evaluate_regression(np.zeros((2, 1)), np.array([[1.0], [np.nan]]), ["a"])


@pytest.mark.parametrize("kind", list(TaskKind))
def test_every_kind_has_the_metrics_it_names(kind: TaskKind) -> None:
    labels = np.eye(3, dtype=np.float32)
    metrics = evaluate_task(Task(3, kind, names=("a", "b", "c")), labels, labels * 0.8 + 0.1)
    assert tuple(metrics.summary()) == METRIC_NAMES[kind]
    assert HEADLINE[kind] in metrics.summary()
    assert metrics.n_windows == 3
