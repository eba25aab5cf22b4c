import numpy as np

from genotools.data.strands import n_strand_pairs, opposite_labels


def test_pairs_change_places_and_all_others_stay() -> None:
    names = ["ARS", "start_plus", "end_minus", "start_minus", "lonely_plus", "end_plus"]
    assert opposite_labels(names).tolist() == [0, 3, 5, 1, 4, 2]
    assert n_strand_pairs(names) == 2


def test_exchanging_twice_changes_nothing() -> None:
    names = ["a_plus", "b", "a_minus", "_plus", "_minus", "b"]
    opposite = opposite_labels(names)
    np.testing.assert_array_equal(opposite[opposite], np.arange(len(names)))


def test_names_that_appear_twice_are_left_alone() -> None:
    assert opposite_labels(["a_plus", "a_plus", "a_minus"]).tolist() == [0, 1, 2]
