import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.data.bins import merge_intervals, overlap_by_bin, positive_bins

GENOME_BP = 300


@st.composite
def interval_arrays(draw: st.DrawFn) -> np.ndarray:
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, GENOME_BP - 1), st.integers(1, 120)).map(
                lambda pair: (pair[0], min(pair[0] + pair[1], GENOME_BP))
            ),
            max_size=12,
        )
    )
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def oracle(
    intervals: np.ndarray, *, bin_bp: int, min_overlap: float, overlap_op: str, merge: bool
) -> list[int]:
    """Base by base, in plain Python."""
    needed = min_overlap if isinstance(min_overlap, int) else min_overlap * bin_bp
    groups = [intervals.tolist()] if merge else [[pair] for pair in intervals.tolist()]
    positives = set()
    for group in groups:
        covered = {base for start, end in group for base in range(start, end)}
        for bin_ in range(GENOME_BP // bin_bp + 1):
            overlap = len(covered & set(range(bin_ * bin_bp, (bin_ + 1) * bin_bp)))
            if overlap and (overlap > needed if overlap_op == "gt" else overlap >= needed):
                positives.add(bin_)
    return sorted(positives)


@settings(deadline=None, max_examples=150)
@given(
    intervals=interval_arrays(),
    bin_bp=st.sampled_from([1, 7, 20, 50]),
    min_overlap=st.sampled_from([0, 1, 5, 0.0, 0.25, 0.5, 0.9, 1.0]),
    overlap_op=st.sampled_from(["gt", "ge"]),
    merge=st.booleans(),
)
def test_positive_bins_equal_counting_bases(
    intervals: np.ndarray, bin_bp: int, min_overlap: float, overlap_op: str, merge: bool
) -> None:
    rule = {"bin_bp": bin_bp, "min_overlap": min_overlap, "overlap_op": overlap_op, "merge": merge}
    assert positive_bins(intervals, **rule).tolist() == oracle(intervals, **rule)  # type: ignore[arg-type]


@settings(deadline=None)
@given(interval_arrays())
def test_merged_intervals_cover_the_same_bases_and_are_apart(intervals: np.ndarray) -> None:
    merged = merge_intervals(intervals)
    assert (merged[1:, 0] > merged[:-1, 1]).all()
    covered = {base for start, end in intervals.tolist() for base in range(start, end)}
    assert {base for start, end in merged.tolist() for base in range(start, end)} == covered


@pytest.mark.parametrize(("covered_bp", "gt", "ge"), [(99, [], []), (100, [], [3]), (101, [3], [3])])
def test_half_of_a_bin_is_where_gt_and_ge_differ(covered_bp: int, gt: list[int], ge: list[int]) -> None:
    intervals = np.array([[650, 650 + covered_bp]])
    assert positive_bins(intervals, bin_bp=200).tolist() == gt
    assert positive_bins(intervals, bin_bp=200, overlap_op="ge").tolist() == ge


def test_two_peaks_that_together_cover_half_count_only_when_merged() -> None:
    intervals = np.array([[0, 60], [100, 160]])
    assert positive_bins(intervals, bin_bp=200).tolist() == [0]
    assert positive_bins(intervals, bin_bp=200, merge=False).tolist() == []


def test_bases_covered_twice_count_once() -> None:
    assert positive_bins(np.array([[0, 60], [0, 60]]), bin_bp=200).tolist() == []


def test_point_peaks_mark_their_bin() -> None:
    points = np.array([[0, 1], [199, 200], [200, 201], [999, 1000]])
    assert positive_bins(points, bin_bp=200, min_overlap=1, overlap_op="ge").tolist() == [0, 1, 4]


def test_overlaps_of_a_long_interval_add_up_to_its_length() -> None:
    bins, overlap = overlap_by_bin(np.array([[150, 1_000_050]]), bin_bp=200)
    assert bins.tolist() == list(range(5001))
    assert (overlap[0], overlap[1], overlap[-1], overlap.sum()) == (50, 200, 50, 999_900)
