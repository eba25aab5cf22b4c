import pytest

from genotools.data.labels import column_names
from genotools.errors import DataError
from genotools.variants import select_features

NAMES = ["K562|CTCF|None", "HepG2|CTCF|None", "K562|CTCF|None", "7", "H1 (a+b)", "Reb1"]


@pytest.mark.parametrize(
    ("chosen", "indices"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        ("5,1-2,5", [5, 1, 2]),
        ("CTCF", [0, 1, 2]),
        ("^Hep.*CTCF", [1]),
        ("K562|CTCF|None", [0, 2]),
        ("7", [3]),
        ("H1 (a+b)", [4]),
        ([2, "Reb1"], [2, 5]),
    ],
)
def test_features_are_chosen_by_index_range_name_and_pattern(
    chosen: str | list[int | str] | None, indices: list[int]
) -> None:
    assert select_features(NAMES, chosen) == indices


def test_every_part_that_chooses_nothing_is_named() -> None:
    with pytest.raises(
        DataError, match=r"(?s)3 faults.*'Rab1' matches no output.*Reb1.*9: the model.*0 to 5.*'\('"
    ):
        select_features(NAMES, "Rab1,9,(")


def test_labels_are_unique_and_fit_into_a_table() -> None:
    labels = column_names(["a", "b\tc", "a", ""], [0, 1, 2, 3])
    assert labels == ["0|a", "b c", "2|a", "3|"]
