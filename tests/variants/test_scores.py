import math

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.variants import SCORES, compute_scores
from genotools.variants.background import Background
from genotools.variants.scores import check_scores

REF = np.array([[[0.2, 0.5]], [[0.4, 0.5]]], dtype=np.float32)  # (2 strands, 1 variant, 2 outputs)
ALT = np.array([[[0.3, 0.9]], [[0.1, 0.9]]], dtype=np.float32)


def log2_odds(p: float) -> float:
    return math.log2(p / (1 - p))


def background() -> Background:
    """Return one of four variants and two outputs."""
    effects = np.array([[0.0, 0.01, 0.02, 5.0], [0.0, 0.0, 0.1, 0.2]], dtype=np.float32)
    return Background(names=("a", "b"), effects=effects, rms=np.array([0.2, 0.0]), how={})


def test_scores_follow_their_formulas_strand_by_strand() -> None:
    got = compute_scores(REF, ALT, check_scores(list(SCORES)), background=background())
    diff = ((0.3 - 0.2) + (0.1 - 0.4)) / 2
    logfc = ((log2_odds(0.3) - log2_odds(0.2)) + (log2_odds(0.1) - log2_odds(0.4))) / 2
    expected = {
        "ref": 0.3,
        "alt": 0.2,
        "diff": diff,
        "absdiff": abs(diff),
        "logfc": logfc,
        "effect": abs(logfc) * abs(diff),  # 0.0709
        "evalue": 1 / 4,
        "zscore": diff / 0.2,
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


def test_an_effect_that_no_variant_of_the_background_reaches_has_the_lowest_evalue() -> None:
    found = background().evalues(np.array([[9.0, 0.0], [5.0, 0.2]]))
    np.testing.assert_allclose(found, [[1 / 5, 2 / 4], [1 / 5, 1 / 5]])
    assert background().zscores(np.array([[0.1, 0.0]])).tolist() == [[0.5, 0.0]]


def test_scores_that_compare_need_something_to_compare_with() -> None:
    with pytest.raises(DataError, match="a background is needed"):
        compute_scores(REF, ALT, check_scores(["zscore"]))


def test_deepseas_odds_are_those_of_its_script() -> None:
    ref, alt = (np.array([[[p]]], dtype=np.float32) for p in (0.999999, 1e-7))
    got = compute_scores(ref, alt, check_scores(["logfc"]), odds="deepsea")["logfc"][0, 0]
    wide_ref, wide_alt = float(ref[0, 0, 0]), float(alt[0, 0, 0])
    expected = math.log2(wide_alt / (1 - wide_alt + 1e-12)) - math.log2(wide_ref / (1 - wide_ref + 1e-12))
    assert got == pytest.approx(expected, rel=1e-6)
    clipped = compute_scores(ref, alt, check_scores(["logfc"]))["logfc"][0, 0]
    assert abs(clipped - got) > 1
    certain = compute_scores(np.zeros((1, 1, 1), np.float32), alt, check_scores(["logfc"]), odds="deepsea")
    assert np.isfinite(certain["logfc"]).all()
