"""HDF5 on a disk without room: it reads what it wrote, whatever became of it, and the fault is told in the end."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from genotools.data.hdf5_writing import KEPT_BYTES, _Disk, writing_hdf5
from genotools.testing.full_disk import room_for


def test_what_was_dropped_is_read_as_it_was_written(tmp_path: Path) -> None:
    with room_for(10), _Disk(tmp_path / "x", "w+") as disk:
        faults = []
        for block in (b"abcdefgh", b"ijklmnop"):
            assert disk.write(block) == 8
            faults.append(disk.fault is not None)
        assert faults == [False, True]
        disk.seek(14)
        assert disk.write(b"OPQ") == 3
        assert disk.write(bytes(KEPT_BYTES + 1)) == KEPT_BYTES + 1
        assert disk.tell() == 17 + KEPT_BYTES + 1
        disk.seek(4)
        found = bytearray(20)
        assert disk.readinto(found) == 20
        assert found == b"efghijklmnOPQ" + bytes(7)
    assert (tmp_path / "x").stat().st_size == 10


@pytest.mark.parametrize("share", np.linspace(0, 0.999, 12).tolist())
def test_a_file_without_room_tells_of_it_at_its_end(tmp_path: Path, share: float) -> None:
    def fill(file: h5py.File) -> None:
        for number in range(20):
            file.create_dataset(f"group {number}/packed", data=numbers, compression="gzip", shuffle=True)
            file.create_dataset(f"group {number}/texts", data=["text"] * 30, dtype=h5py.string_dtype())
            file.attrs[f"note {number}"] = "n" * number

    numbers = np.random.default_rng(0).random((30, 40))
    with writing_hdf5(tmp_path / "whole.h5") as file:
        fill(file)
    n_bytes = int(share * (tmp_path / "whole.h5").stat().st_size)
    with (
        room_for(n_bytes),
        pytest.raises(OSError, match="File too large"),
        writing_hdf5(tmp_path / "x.h5") as file,
    ):
        fill(file)
    with h5py.File(tmp_path / "whole.h5") as file:
        assert np.array_equal(file["group 19/packed"], numbers)
