"""The tests of significance against scipy, and what must hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from genotools.search.study.significance import holm, label_bootstrap, welch


@pytest.mark.parametrize("seed", range(5))
def test_welch_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1, 4).tolist(), rng.normal(0.5, 3, 3 + seed).tolist()
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert welch(first, second) == pytest.approx(expected, rel=1e-10)
    assert welch(second, first) == welch(first, second)


def test_a_single_value_is_a_number_without_error() -> None:
    sample = [0.31, 0.34, 0.30, 0.36]
    assert welch(sample, [0.3]) == pytest.approx(stats.ttest_1samp(sample, 0.3).pvalue, rel=1e-10)
    assert welch([0.1], [0.2]) is None
    assert welch([0.2, 0.2], [0.2, 0.2]) is None


P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=8)


@given(P_VALUES)
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(values: list[float | None]) -> None:
    corrected = holm(values)
    n = sum(value is not None for value in values)
    known = [(p, q) for p, q in zip(values, corrected, strict=True) if p is not None and q is not None]
    assert len(known) == n == sum(value is not None for value in corrected)
    for p, q in known:
        assert p <= q <= max(p, min(1.0, n * p))
    assert [q for _, q in sorted(known)] == sorted(q for _, q in known)


def test_holm_of_a_known_case() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, and never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_bootstrap_is_scipys_and_leaves_undefined_labels_out() -> None:
    rng = np.random.default_rng(0)
    second = rng.random(40)
    first = second + rng.normal(0.02, 0.05, 40)
    interval = label_bootstrap(np.append(first, np.nan), np.append(second, 0.5), rng=np.random.default_rng(1))
    assert interval is not None
    expected = stats.bootstrap(
        (first - second,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval.difference == pytest.approx((first - second).mean())
    assert interval.low == pytest.approx(expected.low, abs=5e-4)
    assert interval.high == pytest.approx(expected.high, abs=5e-4)


def test_a_few_labels_are_not_resampled() -> None:
    assert label_bootstrap(np.ones(4), np.zeros(4), rng=np.random.default_rng(0)) is None
