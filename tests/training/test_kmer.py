"""Word counts against a plain count, and the regression against scikit-learn."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from genotools.errors import DataError
from genotools.training import kmer
from genotools.training.kmer import Strands, fit_kmer_regression, kmer_counts
from genotools.training.metrics import auroc

windows = hnp.arrays(np.uint8, st.tuples(st.integers(0, 6), st.integers(3, 40)), elements=st.integers(0, 4))


def counted(codes: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    counts = np.zeros((len(codes), 4**k), dtype=np.int64)
    for row, window in enumerate(codes.tolist()):
        for start in range(len(window) - k + 1):
            word = window[start : start + k]
            if 4 not in word:
                counts[row, int("".join(map(str, word)), base=4)] += 1
    return counts


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(codes < 4, 3 - codes, codes)[:, ::-1].astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(windows, st.integers(1, 3), st.integers(1, 4))
def test_counts_equal_a_plain_count(codes: NDArray[np.uint8], k: int, rows_per_block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmer, "ROWS_PER_BLOCK", rows_per_block)
        np.testing.assert_array_equal(kmer_counts(codes, k), counted(codes, k))


@settings(deadline=None, max_examples=60)
@given(windows, st.integers(1, 3))
def test_merged_counts_do_not_see_the_strand(codes: NDArray[np.uint8], k: int) -> None:
    merged = kmer_counts(codes, k, strands="merged")
    np.testing.assert_array_equal(merged, kmer_counts(reverse_complement(codes), k, strands="merged"))
    np.testing.assert_array_equal(merged.sum(axis=1), kmer_counts(codes, k).sum(axis=1))


def test_merged_words_are_one_of_each_pair() -> None:
    codes = np.array([[0, 0, 3, 3]], dtype=np.uint8)  # AA, AT, TT
    merged = kmer_counts(codes, 2, strands="merged")
    # AA AC AG AT CA CC CG GA GC TA
    assert merged.tolist() == [[2, 0, 0, 1, 0, 0, 0, 0, 0, 0]]
    assert kmer_counts(np.zeros((1, 9), dtype=np.uint8), strands="merged").shape == (1, 2080)


def planted(n_windows: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return windows of 60 bp and three labels: has ACGGTA, more A than usual, chance."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n_windows, 60), dtype=np.uint8)
    has_motif = rng.random(n_windows) < 0.3
    codes[has_motif, 20:26] = [0, 1, 2, 2, 3, 0]
    rich = (codes == 0).sum(axis=1) > 16
    return codes, np.stack([has_motif, rich, rng.random(n_windows) < 0.1], axis=1).astype(np.uint8)


@pytest.mark.parametrize("strands", ["separate", "merged"])
def test_regression_equals_scikit_learn(strands: Strands) -> None:
    codes, labels = planted(400, seed=0)
    model = fit_kmer_regression(codes, labels, k=3, l2=0.01, strands=strands)
    assert model.converged
    counts = kmer_counts(codes, 3, strands=strands).astype(np.float64)
    features = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    probs = model.predict(codes)
    for label in range(3):
        reference = LogisticRegression(C=1 / (0.01 * 400), tol=1e-8, max_iter=1000)
        reference.fit(features, labels[:, label])
        np.testing.assert_allclose(probs[:, label], reference.predict_proba(features)[:, 1], atol=1e-3)


def test_regression_finds_a_planted_motif() -> None:
    codes, labels = planted(2000, seed=1)
    model = fit_kmer_regression(codes, labels)
    word = int("012230", base=4)
    assert model.weights[:, 0].argmax() == word
    held_out_codes, held_out_labels = planted(200, seed=2)
    probs = model.predict(held_out_codes)
    assert probs.dtype == np.float32
    assert auroc(held_out_labels, probs)[0] > 0.95


def test_labels_of_one_kind_get_their_smoothed_rate() -> None:
    codes, labels = planted(99, seed=3)
    labels[:, 1], labels[:, 2] = 0, 1
    probs = fit_kmer_regression(codes, labels, k=2).predict(codes)
    np.testing.assert_allclose(probs[:, 1], 0.005, rtol=1e-4)
    np.testing.assert_allclose(probs[:, 2], 0.995, rtol=1e-4)
    assert np.ptp(probs[:, 0]) > 0.01


def test_row_of_a_batch_equals_batch_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, labels = planted(50, seed=4)
    model = fit_kmer_regression(codes, labels, k=2)
    whole = model.predict(codes)
    monkeypatch.setattr(kmer, "ROWS_PER_BLOCK", 7)
    np.testing.assert_allclose(model.predict(codes), whole, atol=1e-6)
    np.testing.assert_allclose(model.predict(codes[9:10]), whole[9:10], atol=1e-6)


def test_an_unfinished_fit_says_so() -> None:
    codes, labels = planted(200, seed=5)
    assert not fit_kmer_regression(codes, labels, l2=1e-4, max_iterations=2).converged


def test_bad_windows_are_refused() -> None:
    with pytest.raises(DataError, match=r"0 to 4 .* found 7"):
        kmer_counts(np.full((1, 9), 7, dtype=np.uint8))
    with pytest.raises(DataError, match="Windows must be 6 to 65,535 bp long to count 6-mers, got 5"):
        kmer_counts(np.zeros((1, 5), dtype=np.uint8))
    with pytest.raises(DataError, match=r"uint8 of shape \(N, L\), got uint8 \(5,\)"):
        kmer_counts(np.zeros(5, dtype=np.uint8))
    with pytest.raises(ValueError, match="k must be 1 to 8, got 9"):
        kmer_counts(np.zeros((1, 20), dtype=np.uint8), 9)


def test_bad_fits_and_predictions_are_refused() -> None:
    codes, labels = planted(20, seed=6)
    with pytest.raises(DataError, match=r"labels must be \(N, K\)"):
        fit_kmer_regression(codes, labels[:5])
    with pytest.raises(ValueError, match="l2 must be above 0"):
        fit_kmer_regression(codes, labels, l2=0)
    model = fit_kmer_regression(codes, labels, k=2)
    with pytest.raises(DataError, match="fitted on windows of 60 bp"):
        model.predict(codes[:, :50])
