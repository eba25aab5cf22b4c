"""Format and version of our own files: what is read, what is refused, and what is said of it."""

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from genotools import __version__
from genotools.errors import DataError, NewerVersionError
from genotools.formats import Format

KIND = Format("genotools/x", 2)
Check = Callable[..., Any]
EVERY_WAY = pytest.mark.parametrize("check", [KIND.check_object, KIND.check_attributes, KIND.check_texts])


BY = "It was written by genotools {}; update genotools to that or a newer one."


def kind_of(value: object) -> str:
    """Return a name for a case: some values cannot be shown."""
    return type(value).__name__


def of(check: Check, version: object, **more: object) -> dict[str, object]:
    """Return what a file says of itself, numbers as text where all values are."""
    is_text = check == KIND.check_texts
    return {"format": KIND.name, "version": str(version) if is_text else version, **more}


@EVERY_WAY
@pytest.mark.parametrize("version", [1, 2])
def test_old_versions_and_the_newest_are_read(check: Check, version: int) -> None:
    found = of(check, version)
    assert check(found, where="here") in (found, None)


@EVERY_WAY
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (None, "nothing"),
        ("", "''"),
        ("genotools/y", "'genotools/y'"),
        ("z" * 10**6, "'" + "z" * 60 + "'"),
        ("z\n\x1b[2J", r"'z\n\x1b[2J'"),
        (b"genotools/x", "b'genotools/x'"),
        ([KIND.name], "a value of type list"),
        (np.array([KIND.name, KIND.name]), "a value of type ndarray"),
        (10**5000, "a number of more than 60 digits"),
    ],
    ids=kind_of,
)
def test_another_format_is_refused_with_both_names(check: Check, name: object, shown: str) -> None:
    with pytest.raises(DataError) as caught:
        check({**of(check, 1), "format": name}, where="here")
    assert str(caught.value) == f"here: format: 'genotools/x' is expected, found {shown}."


@EVERY_WAY
@pytest.mark.parametrize("version", [0, -1, 1.5, "", "1.0", " 1", "٢", 10**7, 10**30, float("nan"), True])
def test_what_is_no_version_is_refused(check: Check, version: object) -> None:
    with pytest.raises(
        DataError, match=r"^here: version: a positive whole number is expected, found .{1,70}\.$"
    ):
        check(of(check, version), where="here")


@pytest.mark.parametrize("check", [KIND.check_object, KIND.check_attributes])
@pytest.mark.parametrize(
    "version",
    [None, "1", [1], {}, 10**5000, -(10**5000), float("inf"), b"1", 1.0, np.array([1, 1]), np.True_],
    ids=kind_of,
)
def test_a_version_of_another_kind_is_refused(check: Check, version: object) -> None:
    with pytest.raises(
        DataError, match=r"^here: version: a positive whole number is expected, found .{1,70}\.$"
    ):
        check(of(check, version), where="here")


def test_a_missing_version_is_refused() -> None:
    for check in (KIND.check_object, KIND.check_attributes, KIND.check_texts):
        with pytest.raises(DataError, match="version: a positive whole number is expected, found nothing"):
            check({"format": KIND.name}, where="here")


@pytest.mark.parametrize("version", [np.int64(2), np.uint8(1), np.array(2)])
def test_numbers_of_numpy_are_versions_of_attributes_only(version: object) -> None:
    KIND.check_attributes(of(KIND.check_attributes, version), where="here")
    with pytest.raises(DataError, match="positive whole number"):
        KIND.check_object(of(KIND.check_object, version), where="here")


def test_attributes_of_a_file_are_checked(tmp_path: Any) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs.update(KIND.header)
        KIND.check_attributes(file.attrs, where="here")
        file.attrs["version"] = h5py.Empty("i8")
        with pytest.raises(DataError, match="found a value of type Empty"):
            KIND.check_attributes(file.attrs, where="here")


@pytest.mark.parametrize("found", [None, [], "text", 1])
def test_what_is_no_object_is_refused(found: object) -> None:
    with pytest.raises(DataError, match=f"a JSON object is expected, not {type(found).__name__}"):
        KIND.check_object(found, where="here")


@EVERY_WAY
@pytest.mark.parametrize(
    ("more", "way_out"),
    [
        ({}, "Update genotools."),
        (
            {"genotools": "9.0.0"},
            BY.format("9.0.0"),
        ),
        (
            {"genotools_version": "9.1rc2"},
            BY.format("9.1rc2"),
        ),
        (
            {"notes": '{"genotools": "9.2.0"}'},
            BY.format("9.2.0"),
        ),
        ({"genotools": __version__}, "Update genotools."),
        ({"genotools": "0.0.9"}, "Update genotools."),
        ({"genotools": "9" * 100}, "Update genotools."),
        ({"genotools": "9.0 from http://x.example"}, "Update genotools."),
        ({"genotools": ["9.0.0"], "notes": ["9"]}, "Update genotools."),
    ],
)
def test_a_newer_version_names_what_reads_it(check: Check, more: dict[str, object], way_out: str) -> None:
    with pytest.raises(NewerVersionError) as caught:
        check(of(check, 3, **more), where="here")
    assert str(caught.value) == (
        f"here: version: 3 is newer than this genotools reads: {__version__} reads genotools/x up to version 2. "
        f"{way_out}"
    )


def test_headers_are_what_is_checked() -> None:
    assert KIND.check_object(KIND.signed_header, where="here") == {**KIND.header, "genotools": __version__}
    KIND.check_texts(KIND.text_header, where="here")
