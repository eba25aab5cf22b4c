"""Ranking metrics against scikit-learn, and what they say about labels they cannot score."""

import json
import math
from random import Random

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    roc_auc_score,
)

from genotools.errors import DataError
from genotools.training import _metric_values
from genotools.training.metrics import (
    auroc,
    average_precision,
    evaluate_multilabel,
    f1,
)

Case = tuple[NDArray[np.uint8], NDArray[np.floating]]

# Few values, neighbours at the limit of float32, both zeros: nearly everything is tied.
TIED = [0.0, -0.0, 0.5, float(np.nextafter(np.float32(0.5), np.float32(1))), 1.0, 1e-45]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 5)))
    labels = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    any_score = st.floats(0, 1, width=32)
    scores = draw(hnp.arrays(dtype, shape, elements=st.sampled_from(TIED) | any_score))
    return labels, scores


def scored(labels: NDArray[np.uint8]) -> list[int]:
    return [column for column, values in enumerate(labels.T) if 0 < values.sum() < len(values)]


@settings(deadline=None, max_examples=300)
@given(cases())
def test_areas_equal_scikit_learn_on_ties(case: Case) -> None:
    labels, scores = case
    area_roc, area_pr = auroc(labels, scores), average_precision(labels, scores)
    is_scored = scored(labels)
    for k in is_scored:
        assert area_roc[k] == pytest.approx(roc_auc_score(labels[:, k], scores[:, k]), abs=1e-9)
        assert area_pr[k] == pytest.approx(average_precision_score(labels[:, k], scores[:, k]), abs=1e-9)
    others = [k for k in range(labels.shape[1]) if k not in is_scored]
    assert np.isnan(area_roc[others]).all()
    assert np.isnan(area_pr[others]).all()


@settings(deadline=None, max_examples=100)
@given(cases())
def test_f1_equals_scikit_learn(case: Case) -> None:
    labels, probs = case
    for value, truth, prob in zip(f1(labels, probs), labels.T, probs.T, strict=True):
        if truth.any():
            assert value == pytest.approx(f1_score(truth, np.round(prob), zero_division=0), abs=1e-12)
        else:
            assert math.isnan(value)


@settings(deadline=None, max_examples=50)
@given(cases(), st.integers(1, 60))
def test_blocks_do_not_change_results(case: Case, block_elements: int) -> None:
    labels, scores = case
    whole = auroc(labels, scores), average_precision(labels, scores), f1(labels, scores)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_metric_values, "BLOCK_ELEMENTS", block_elements)
        blocks = auroc(labels, scores), average_precision(labels, scores), f1(labels, scores)
    np.testing.assert_array_equal(whole, blocks)


@settings(deadline=None, max_examples=50)
@given(cases(), st.randoms(use_true_random=False))
def test_order_of_windows_does_not_matter(case: Case, random: Random) -> None:
    labels, scores = case
    order = list(range(len(labels)))
    random.shuffle(order)
    np.testing.assert_array_equal(auroc(labels, scores), auroc(labels[order], scores[order]))
    np.testing.assert_allclose(
        average_precision(labels, scores), average_precision(labels[order], scores[order]), atol=1e-12
    )


def test_constant_scores_give_chance() -> None:
    labels = np.array([[0, 1], [0, 1], [1, 0], [0, 1]], dtype=bool)
    scores = np.full((4, 2), 0.3, dtype=np.float32)
    np.testing.assert_array_equal(auroc(labels, scores), [0.5, 0.5])
    np.testing.assert_array_equal(average_precision(labels, scores), [0.25, 0.75])


def test_hand_computed_areas() -> None:
    labels = np.array([[1], [0], [1], [0]])
    scores = np.array([[0.9], [0.8], [0.8], [0.1]])
    # Pairs: 0.9 beats both negatives, the tied 0.8 one and a half of the two.
    assert auroc(labels, scores)[0] == 3.5 / 4
    assert average_precision(labels, scores)[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_float32_scores_are_not_widened_or_narrowed() -> None:
    near = np.nextafter(np.float32(0.5), np.float32(1))
    labels = np.array([[0], [1]])
    assert auroc(labels, np.array([[0.5], [near]], dtype=np.float32))[0] == 1
    assert auroc(labels, np.array([[0.5], [0.5 + 1e-12]]))[0] == 1


def test_infinite_logits_rank() -> None:
    assert auroc(np.array([[0], [1], [1]]), np.array([[-np.inf], [np.inf], [np.inf]]))[0] == 1


def test_probability_of_one_half_is_a_negative_call() -> None:
    labels = np.array([[1], [1], [0]])
    probs = np.array([[0.5], [0.51], [0.5]])
    assert f1(labels, probs)[0] == pytest.approx(2 / 3)


def test_threshold_is_used() -> None:
    labels = np.array([[1], [1], [0]])
    probs = np.array([[0.2], [0.3], [0.1]])
    assert f1(labels, probs, threshold=0.15)[0] == 1
    assert f1(labels, probs)[0] == 0


def test_undefined_labels_are_skipped_and_never_filled() -> None:
    labels = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 0]])
    probs = np.array([[0.2, 0.9, 0.1], [0.7, 0.9, 0.8], [0.1, 0.9, 0.3]])
    result = evaluate_multilabel(labels, probs, ["none", "all", "some"])
    assert result.skipped == ("none", "all")
    assert result.n_scored == 1
    assert np.isnan(result.auroc[:2]).all()
    assert np.isnan(result.auprc[:2]).all()
    assert (result.mean_auroc, result.median_auprc) == (1, 1)
    assert result.mean_positive_rate == pytest.approx(1 / 3)
    np.testing.assert_allclose(result.positive_rate, [0, 1, 1 / 3])
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["skipped"] == ["none", "all"]
    assert document["labels"][0] == {
        "name": "none",
        "auroc": None,
        "auprc": None,
        "f1": None,
        "positive_rate": 0,
    }


def test_nothing_to_score_gives_nan_and_null() -> None:
    result = evaluate_multilabel(np.zeros((3, 2), dtype=np.uint8), np.full((3, 2), 0.9), ["a", "b"])
    assert result.n_scored == 0
    assert math.isnan(result.mean_auroc)
    assert math.isnan(result.weighted_f1)
    assert result.to_json()["median_auprc"] is None


@settings(deadline=None, max_examples=50)
@given(cases())
def test_weighted_f1_equals_scikit_learn(case: Case) -> None:
    labels, probs = case
    names = [str(k) for k in range(labels.shape[1])]
    result = evaluate_multilabel(labels, probs, names)
    if not labels.any():
        assert math.isnan(result.weighted_f1)
    elif labels.shape[1] == 1:
        assert result.weighted_f1 == pytest.approx(f1_score(labels, np.round(probs)))
    else:
        expected = f1_score(labels, np.round(probs), average="weighted", zero_division=0)
        assert result.weighted_f1 == pytest.approx(expected, abs=1e-9)


def test_means_and_medians_are_over_scored_labels() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random((200, 7)) < 0.2).astype(np.uint8)
    labels[:, 2] = 0
    probs = rng.random((200, 7), dtype=np.float32)
    result = evaluate_multilabel(labels, probs, list("abcdefg"))
    areas = [roc_auc_score(labels[:, k], probs[:, k]) for k in range(7) if k != 2]
    precisions = [average_precision_score(labels[:, k], probs[:, k]) for k in range(7) if k != 2]
    assert result.mean_auroc == pytest.approx(np.mean(areas), abs=1e-9)
    assert result.median_auroc == pytest.approx(np.median(areas), abs=1e-9)
    assert result.mean_auprc == pytest.approx(np.mean(precisions), abs=1e-9)
    assert result.median_auprc == pytest.approx(np.median(precisions), abs=1e-9)


def test_nan_predictions_name_label_and_count() -> None:
    probs = np.full((4, 3), 0.5)
    probs[1, 0] = probs[:2, 2] = np.nan
    with pytest.raises(DataError, match=r"NaN predictions: 2 faults\n.*CTCF: 1 of 4\n.*H3K4me3: 2 of 4"):
        evaluate_multilabel(np.zeros((4, 3)), probs, ["CTCF", "DNase", "H3K4me3"])
    with pytest.raises(DataError, match="label 0: 1 of 4"):
        auroc(np.zeros((4, 3)), probs)


def test_labels_other_than_zero_and_one_are_refused() -> None:
    labels = np.array([[0, 2], [1, 0], [0, -1]])
    with pytest.raises(DataError, match="labels other than 0 and 1: b: 2 of 3"):
        evaluate_multilabel(labels, np.zeros((3, 2)), ["a", "b"])
    with pytest.raises(DataError, match="label 0: 1 of 2"):
        average_precision(np.array([[np.nan], [1.0]]), np.zeros((2, 1)))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must both be \(N, K\), got \(3,\) and \(3,\)"):
        auroc(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match=r"got \(3, 1\) and \(3, 2\)"):
        f1(np.zeros((3, 1)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="1 names for 2 labels"):
        evaluate_multilabel(np.zeros((3, 2)), np.zeros((3, 2)), ["a"])
    with pytest.raises(DataError, match="no windows"):
        auroc(np.zeros((0, 2)), np.zeros((0, 2)))
