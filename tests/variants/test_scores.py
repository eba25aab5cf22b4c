import math

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.variants import SCORES, compute_scores
from genotools.variants.scores import check_scores

REF = np.array([[[0.2, 0.5]], [[0.4, 0.5]]], dtype=np.float32)  # (2 strands, 1 variant, 2 outputs)
ALT = np.array([[[0.3, 0.9]], [[0.1, 0.9]]], dtype=np.float32)


def log2_odds(p: float) -> float:
    return math.log2(p / (1 - p))


def test_scores_follow_their_formulas_strand_by_strand() -> None:
    got = compute_scores(REF, ALT, check_scores(list(SCORES)))
    diff = ((0.3 - 0.2) + (0.1 - 0.4)) / 2
    logfc = ((log2_odds(0.3) - log2_odds(0.2)) + (log2_odds(0.1) - log2_odds(0.4))) / 2
    expected = {
        "ref": 0.3,
        "alt": 0.2,
        "diff": diff,
        "absdiff": abs(diff),
        "logfc": logfc,
        "effect": abs(logfc) * abs(diff),
    }
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert got[name].shape == (1, 2)
        assert got[name][0, 0] == pytest.approx(value, abs=1e-6), name


def test_averaging_probabilities_first_changes_the_log_odds_only() -> None:
    scores = check_scores(["diff", "logfc"])
    by_score = compute_scores(REF, ALT, scores)
    by_probs = compute_scores(REF, ALT, scores, average="probs")
    assert by_probs["diff"][0, 0] == pytest.approx(by_score["diff"][0, 0], abs=1e-6)
    assert by_probs["logfc"][0, 0] == pytest.approx(log2_odds(0.2) - log2_odds(0.3), abs=1e-5)
    assert abs(by_probs["logfc"][0, 0] - by_score["logfc"][0, 0]) > 0.01


def test_log_odds_are_clipped_to_finite_values() -> None:
    got = compute_scores(
        np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32), check_scores(["logfc"])
    )
    assert got["logfc"][0, 0] == pytest.approx(2 * math.log2((1 - 1e-6) / 1e-6), rel=1e-6)


def test_equal_windows_score_exactly_zero() -> None:
    got = compute_scores(REF, REF, check_scores(["diff", "absdiff", "logfc", "effect"]))
    assert all(np.array_equal(values, np.zeros((1, 2), np.float32)) for values in got.values())


def test_scores_with_odds_refuse_values_that_are_no_probabilities() -> None:
    with pytest.raises(DataError, match=r"score 'logfc' needs probabilities.*values from 5 to 5"):
        compute_scores(REF, np.full_like(ALT, 5), check_scores(["logfc"]))
    assert compute_scores(REF, ALT * 5, check_scores(["diff"]))["diff"].shape == (1, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["dif"], "unknown 'dif'. Known are ref, alt, diff"), ([], "none given"), (["diff", "diff"], "twice")],
)
def test_wrong_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_scores(names)
