"""Texts of any length in HDF5 files: what they say of their length is looked at before HDF5 takes memory for it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from genotools.data import hdf5
from genotools.data.hdf5 import open_hdf5, texts_of
from genotools.data.inspect import inspect_file
from genotools.errors import DataError

TEXT = "a text of forty-one bytes, none like it."
N_BYTES = 0xFFFFFFF0


def lie_about(path: Path, n_bytes: int, *, at_most: int | None = None) -> int:
    """Let every reference to a text as long as ``TEXT`` say that it is longer; return how many there were."""
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL").to_bytes(8, "little")
    reference, n_found = len(TEXT).to_bytes(4, "little") + heap, 0
    place = data.find(reference)
    while place >= 0 and n_found != at_most:
        data[place : place + 4] = n_bytes.to_bytes(4, "little")
        n_found, place = n_found + 1, data.find(reference, place + 1)
    path.write_bytes(data)
    return n_found


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("n_others", [0, 30])
@pytest.mark.parametrize("n_mb", [0, 10])
def test_lengths_of_attributes_are_found_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, n_others: int, n_mb: int
) -> None:
    """In the header, in blocks that continue it, in a heap of their own; amid the data, or behind them."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["before"] = np.zeros(n_mb << 20, np.uint8)
        for number in range(n_others):
            file.attrs[f"other {number}"] = "x" * number
        file.attrs["note"] = TEXT
        file["behind"] = np.zeros(n_mb << 20, np.uint8)
    monkeypatch.setattr(hdf5, "MAX_TEXT_BYTES", len(TEXT))
    with open_hdf5(path) as file:
        assert file.attrs["note"] == TEXT
    monkeypatch.setattr(hdf5, "MAX_TEXT_BYTES", len(TEXT) - 1)
    with pytest.raises(DataError, match="attribute 'note' says that it is longer"):
        open_hdf5(path)


def test_an_attribute_that_says_it_takes_four_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["note"] = TEXT
    assert lie_about(path, N_BYTES) == 1
    with pytest.raises(
        DataError, match=r"x\.h5: attribute 'note' says that it is longer than 268,435,456 bytes"
    ):
        inspect_file(path)


def test_an_attribute_of_many_texts_is_refused_for_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["notes"] = [TEXT] * 20
        file.attrs["number"], file.attrs["empty"] = 3, h5py.Empty(h5py.string_dtype())
    with open_hdf5(path) as file:
        assert list(file.attrs["notes"]) == [TEXT] * 20
    assert lie_about(path, 2**27, at_most=3) == 3
    with pytest.raises(DataError, match="attribute 'notes' says"):
        open_hdf5(path)


@pytest.mark.parametrize("options", [{}, {"chunks": (8,)}], ids=str)
def test_texts_of_a_dataset_that_say_they_are_longer_are_refused(tmp_path: Path, options: Any) -> None:
    path, texts = tmp_path / "x.h5", [TEXT, "", *[TEXT] * 20]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=texts, dtype=h5py.string_dtype(), **options)
    with open_hdf5(path) as file:
        assert texts_of(file["x"]) == tuple(texts)
    assert lie_about(path, N_BYTES, at_most=17) == 17
    with (
        open_hdf5(path) as file,
        pytest.raises(DataError, match=r"x\.h5: x hold more than 268,435,456 bytes"),
    ):
        texts_of(file["x"])


def test_texts_that_share_their_bytes_are_counted_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", data=["a" * 1000] * 50, dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=["a" * 1000] * 50, dtype=h5py.string_dtype(length=1000))
        file.create_dataset("never written", shape=(3,), dtype=h5py.string_dtype())
    with open_hdf5(tmp_path / "c.h5") as file:
        assert texts_of(file["x"]) == texts_of(file["fixed"]) == ("a" * 1000,) * 50
        assert texts_of(file["never written"]) == ("", "", "")
        monkeypatch.setattr(hdf5, "MAX_TEXT_BYTES", 49_999)
        for name in ("x", "fixed"):
            with pytest.raises(DataError, match=rf"c\.h5: {name} hold more than 49,999 bytes"):
                texts_of(file[name])


def test_packed_texts_of_any_length_are_refused_since_nobody_knows_their_lengths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", data=[TEXT] * 50, dtype=h5py.string_dtype(), compression="gzip")
    with (
        open_hdf5(tmp_path / "c.h5") as file,
        pytest.raises(DataError, match="write them with a fixed length"),
    ):
        texts_of(file["x"])
