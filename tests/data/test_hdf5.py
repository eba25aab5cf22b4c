"""HDF5 files that reach into others, or claim what they do not hold, are refused by every reader."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from genotools.data.from_deepsea import from_deepsea
from genotools.data.hdf5 import foreign_parts, open_hdf5, texts_of
from genotools.data.inspect import inspect_file
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.variants.background import read_background

SECRET = np.arange(12, dtype=np.uint8)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = SECRET
    return path


def link(file: h5py.File, name: str, secret: Path) -> None:
    file[name] = h5py.ExternalLink(str(secret), "/numbers")


def store_outside(file: h5py.File, name: str, secret: Path) -> None:
    file.create_dataset(name, shape=(12,), dtype=np.uint8, external=[(str(secret), 0, 12)])


def virtual(file: h5py.File, name: str, secret: Path) -> None:
    layout = h5py.VirtualLayout(shape=(12,), dtype=np.uint8)
    layout[:] = h5py.VirtualSource(str(secret), "numbers", shape=(12,))
    file.create_virtual_dataset(name, layout)


def unwritten(file: h5py.File, name: str, secret: Path) -> None:
    del secret
    file.create_dataset(name, shape=(10**12,), dtype=np.uint8)


WAYS = [
    (link, r"is a link to the file .*secret\.h5"),
    (store_outside, "lies in other files"),
    (virtual, "lies in other files"),
]


@pytest.mark.parametrize(
    ("way", "message"), [*WAYS, (unwritten, r"\(1000000000000,\), but its numbers are not")]
)
@pytest.mark.parametrize("name", ["bases", "labels", "unknown", "extra"])
def test_a_store_lies_in_its_own_file(
    way: Callable[[h5py.File, str, Path], None], message: str, name: str, secret: Path, tmp_path: Path
) -> None:
    path = tmp_path / "s.h5"
    codes, labels = np.zeros((3, 8), dtype=np.uint8), np.ones((3, 2), dtype=np.uint8)
    splits = np.zeros(3, dtype=np.int64)
    write_store(path, codes=codes, labels=labels, names=("a", "b"), splits=splits, provenance={})
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        way(file, name, secret)
    with pytest.raises(DataError, match=rf"s\.h5.*'{name}' (has shape )?{message}"):
        SequenceStore.open(path)


@pytest.mark.parametrize(("way", "message"), WAYS)
def test_matlab_files_and_backgrounds_too(
    way: Callable[[h5py.File, str, Path], None], message: str, secret: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.mat"
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["version"] = "genotools/background", 1
        way(file, "trainxdata", secret)
    with pytest.raises(DataError, match=message):
        from_deepsea({"train": path}, tmp_path / "out.h5")
    with pytest.raises(DataError, match=message):
        read_background(path)
    assert not (tmp_path / "out.h5").exists()


def test_chunks_that_unpack_to_more_than_memory_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", shape=(2**31,), dtype=np.uint8, chunks=(2**31,), compression="gzip")
        assert foreign_parts(file, may_be_sparse=True) == [
            "'x' has chunks of 2,147,483,648 bytes, at most 1,073,741,824 are read",
            "'x' has 2,147,483,648 bytes, more than 500 times what the file has",
        ]


@pytest.mark.parametrize("may_be_sparse", [False, True])
def test_what_swells_to_more_than_its_file_is_refused(tmp_path: Path, may_be_sparse: bool) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("sparse", shape=(2**20, 2**10), dtype=np.uint8, chunks=(2**10, 2**10))
        file.create_dataset("overflowing", shape=(2**33, 2**33), dtype=np.uint8, chunks=(2**10, 2**10))
        assert [
            fault.partition(" bytes")[0] for fault in foreign_parts(file, may_be_sparse=may_be_sparse)
        ] == [
            f"'overflowing' has {2**66:,}",
            f"'sparse' has {2**30:,}",
        ]


def test_an_unwritten_dataset_whose_size_overflows_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", shape=(2**32, 2**32), dtype=np.uint8)
        assert foreign_parts(file) == [
            "'x' has shape (4294967296, 4294967296), but its numbers are not in the file"
        ]


def test_a_soft_link_is_refused_since_it_may_lead_to_one_that_leaves_the_file(
    tmp_path: Path, secret: Path
) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        link(file, "group/outside", secret)
        file["x"] = h5py.SoftLink("/group/outside")
        assert np.array_equal(file["x"][()], SECRET)
        assert foreign_parts(file) == ["'x' is a link to another place; copy what it needs there"]


def test_a_heap_in_which_hdf5_goes_on_for_ever_is_refused(tmp_path: Path) -> None:
    """Its free object has no size: h5py never came back from reading an attribute."""
    path = tmp_path / "s.h5"
    codes, splits = np.zeros((3, 8), dtype=np.uint8), np.zeros(3, dtype=np.int64)
    write_store(path, codes=codes, labels=codes, names="abcdefgh", splits=splits, provenance={})
    whole = path.read_bytes()
    place = whole.find(b"GCOL\x01")
    with open_hdf5(path) as file:
        assert file.attrs["format"] == "genotools/store"
    endless = b"\xff\xff" + b"\0" * 6 + b"\xff" * 8 + b"\0" * 16  # a step of 16 in 64 bits, to one of none
    for damage in (b"\0" * 16, b"\0" * 8 + b"\x0f" + b"\0" * 7, endless):
        path.write_bytes(whole[: place + 16] + damage + whole[place + 16 + len(damage) :])
        readers: list[Callable[[Path], object]] = [SequenceStore.open, read_background, inspect_file]
        for read in readers:
            with pytest.raises(
                DataError, match=r"s\.h5: the HDF5 file is damaged \(a heap of texts without end\)"
            ):
                read(path)


def test_bases_that_look_like_a_heap_are_bases(tmp_path: Path) -> None:
    """A store whose packed bases are the magic bytes of a heap, and what would be one without end."""
    path = tmp_path / "s.h5"
    packed = np.frombuffer(b"GCOL\x01" + b"\x11" * 11 + bytes(48), dtype=np.uint8)
    codes = (packed[:, None] >> np.array([0, 2, 4, 6]) & 3).reshape(1, -1).astype(np.uint8)
    labels, splits = np.zeros((1, 1), dtype=np.uint8), np.zeros(1, dtype=np.int64)
    write_store(path, codes=codes, labels=labels, names="a", splits=splits, provenance={})
    places = [place for place in range(path.stat().st_size) if path.read_bytes()[place:].startswith(b"GCOL")]
    assert len(places) == 2, "the heap of the attributes, and the bases"
    with SequenceStore.open(path) as store:
        np.testing.assert_array_equal(store.codes(np.array([0])), codes)


def test_a_file_whose_own_numbers_are_of_another_size_is_refused(tmp_path: Path) -> None:
    """Sizes lie elsewhere in its heaps, and HDF5 would go on for ever in one that does not end."""
    plan = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plan.set_sizes(8, 4)
    path = tmp_path / "x.h5"
    h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, fcpl=plan).close()
    with pytest.raises(DataError, match=r"x\.h5: offsets or lengths of other than 8 bytes"):
        open_hdf5(path)


@pytest.mark.parametrize("names", [b"ab", [["a", "b"], ["c", "d"]]])
def test_texts_that_are_no_row_are_refused(tmp_path: Path, names: Any) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["names"] = np.array(names, dtype="S2")
        with pytest.raises(DataError, match=r"names have shape .*, a row was expected"):
            texts_of(file["names"])


def test_heaps_in_heaps_are_not_walked_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genotools.data.hdf5.MAX_HEAP_OBJECTS", 100)
    path = tmp_path / "x.h5"
    path.write_bytes((b"GCOL\x01\0\0\0" + (4096).to_bytes(8, "little") + b"\x01" + b"\0" * 15) * 200)
    with pytest.raises(DataError, match="a heap of texts without end"):
        open_hdf5(path)


def test_a_whole_file_has_no_fault(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["x"], file["empty"], file["text"], file["one"] = SECRET, np.zeros(0), ["a", "b"], 3
        file.create_group("group")
        assert foreign_parts(file) == []
