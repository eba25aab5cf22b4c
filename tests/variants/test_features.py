from pathlib import Path

import pytest

from genotools.data.labels import column_names
from genotools.errors import DataError
from genotools.variants import select_features
from genotools.variants.features import read_features

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


@pytest.mark.parametrize("part", ["(" * 5000, "x{99999999999}", "9" * 5000, f"0-{'9' * 5000}"])
def test_what_python_cannot_compile_or_count_chooses_nothing(part: str) -> None:
    with pytest.raises(DataError, match=r"no regular expression|matches no output"):
        select_features(NAMES, [part])


def test_a_list_with_a_line_that_no_pattern_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.txt"
    path.write_text("Reb1\n" + "x" * 1001)
    with pytest.raises(
        DataError, match=r"features\.txt: line 2: 1,001 characters, a name or a pattern has at most"
    ):
        read_features(f"@{path}")


def test_a_pattern_that_may_mean_something_else_one_day_is_no_warning() -> None:
    assert select_features(NAMES, ["[[a]"]) == [4]


def test_labels_are_unique_and_fit_into_a_table() -> None:
    labels = column_names(["a", "b\tc", "a", ""], [0, 1, 2, 3])
    assert labels == ["0|a", "b c", "2|a", "3|"]
