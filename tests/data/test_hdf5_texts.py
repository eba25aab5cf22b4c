"""Texts of any length in HDF5 files: HDF5 takes as much memory as they say they need, so it is given little."""

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from genotools.data import hdf5
from genotools.data.hdf5 import HDF5_ERRORS, open_hdf5, texts_of
from genotools.data.inspect import inspect_file
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError

TEXT = "a text of forty-one bytes, none like it."
N_BYTES = 0xFFFFFFF0
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")


def reference(data: bytes | bytearray, n_bytes: int) -> bytes:
    """Return how a text of so many bytes begins to be named, from the first heap on: its length, and the heap."""
    return n_bytes.to_bytes(4, "little") + data.find(b"GCOL").to_bytes(8, "little")


def lie_about(path: Path, *, at_most: int | None = None) -> int:
    """Let every reference to a text as long as ``TEXT`` say that it has 4 GB; return how many there were."""
    data, n_found = bytearray(path.read_bytes()), 0
    place = data.find(named := reference(data, len(TEXT)))
    while place >= 0 and n_found != at_most:
        data[place : place + 4] = N_BYTES.to_bytes(4, "little")
        n_found, place = n_found + 1, data.find(named, place + 1)
    path.write_bytes(data)
    return n_found


@only_linux
@pytest.mark.parametrize("value", [TEXT, [TEXT] * 20], ids=["one text", "texts"])
def test_an_attribute_that_says_it_takes_four_gigabytes_is_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["note"], file.attrs["number"] = value, 3
    with open_hdf5(path) as file:
        assert np.array_equal(file.attrs["note"], value)
    assert lie_about(path, at_most=3) > 0
    with pytest.raises(
        DataError, match=r"x\.h5: the HDF5 file is damaged or cut off \(.*memory allocation failed"
    ):
        inspect_file(path)


@only_linux
def test_attributes_that_share_their_bytes_are_counted_each(tmp_path: Path) -> None:
    path, big = tmp_path / "x.h5", 1 << 24
    with h5py.File(path, "w") as file:
        for number in range(100):
            file.attrs[f"note {number}"] = TEXT
        file.attrs["big"] = "x" * big
    with open_hdf5(path) as file:
        assert len(file.attrs["big"]) == big
    data = path.read_bytes()
    at = data.find(big.to_bytes(4, "little") + data.rfind(b"GCOL").to_bytes(8, "little"))
    assert at > 0
    small, name = reference(data, len(TEXT)), data[at : at + 16]
    assert data.count(small) > 60
    place = data.find(small)
    while place >= 0:
        data = data[:place] + name + data[place + 16 :]
        place = data.find(small, place + 16)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.h5: the HDF5 file is damaged or cut off \("):
        open_hdf5(path)


def test_honest_attributes_are_read_whatever_stands_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
        file.attrs["scale"], file["x"].attrs["scale"] = "log", 0.1
        file.attrs["units"], file["x"].attrs["units"] = "bp", np.int64(-1)
        file.attrs["empty"], file.attrs["long"] = h5py.Empty(h5py.string_dtype()), np.bytes_(b"x" * 9000)
        file.attrs["größe"] = "µ"
    with open_hdf5(path) as file:
        assert {**file.attrs}["größe"] == "µ"
    assert inspect_file(path).kind


@only_linux
@pytest.mark.parametrize("options", [{}, {"chunks": (8,)}, {"chunks": (8,), "compression": "gzip"}], ids=str)
def test_texts_of_a_dataset_that_say_they_are_longer_are_refused(tmp_path: Path, options: Any) -> None:
    path, texts = tmp_path / "x.h5", [TEXT, "", *[TEXT] * 20]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=texts, dtype=h5py.string_dtype(), **options)
    with open_hdf5(path) as file:
        assert texts_of(file["x"]) == tuple(texts)
    if "compression" in options:
        return  # what stands for the texts is packed
    assert lie_about(path, at_most=17) == 17
    with open_hdf5(path) as file, pytest.raises(HDF5_ERRORS, match="memory allocation failed"):
        texts_of(file["x"])


def test_texts_that_share_their_bytes_are_counted_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", data=["a" * 1000] * 50, dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=["a" * 1000] * 50, dtype=h5py.string_dtype(length=1000))
    with open_hdf5(tmp_path / "c.h5") as file:
        assert texts_of(file["x"]) == texts_of(file["fixed"]) == ("a" * 1000,) * 50
        monkeypatch.setattr(hdf5, "MAX_TEXT_BYTES", 49_999)
        for name in ("x", "fixed"):
            with pytest.raises(DataError, match=rf"c\.h5: {name} hold more than 49,999 bytes"):
                texts_of(file[name])


def with_provenance(path: Path, text: str, dtype: Any) -> None:
    """Write a store with another provenance."""
    codes, splits = np.zeros((3, 8), dtype=np.uint8), np.zeros(3, dtype=np.int64)
    write_store(path, codes=codes, labels=codes, names="abcdefgh", splits=splits, provenance={})
    with h5py.File(path, "r+") as file:
        del file["provenance"]
        file.create_dataset("provenance", data=text, dtype=dtype)


@pytest.mark.parametrize("length", [None, (1 << 24) + 1])
def test_a_provenance_of_great_length_is_refused(tmp_path: Path, length: int | None) -> None:
    path = tmp_path / "s.h5"
    with_provenance(path, "x" * ((1 << 24) + 1), h5py.string_dtype(length=length))
    with pytest.raises(DataError, match=r"s\.h5: provenance has more than 16,777,216 bytes"):
        SequenceStore.open(path)


@only_linux
def test_a_provenance_that_says_it_takes_four_gigabytes_is_refused(tmp_path: Path) -> None:
    path, text = tmp_path / "s.h5", "{" + " " * 500 + "}"
    with_provenance(path, text, h5py.string_dtype())
    with SequenceStore.open(path) as store:
        assert store.provenance == {}
    data = path.read_bytes()
    at = data.find(len(text).to_bytes(4, "little") + data.rfind(b"GCOL").to_bytes(8, "little"))
    assert at > 0
    path.write_bytes(data[:at] + N_BYTES.to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(
        DataError, match=r"s\.h5: the HDF5 file is damaged or cut off \(.*memory allocation failed"
    ):
        SequenceStore.open(path)
