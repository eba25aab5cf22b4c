"""States of a run: damage is found, and the state before takes over."""

import logging
from pathlib import Path

import pytest
import torch

from genotools.errors import DataError, NewerVersionError
from genotools.formats import Format
from genotools.training.state_files import previous_of, read_state, write_state

FORMAT = Format("genotools/x")


def write(path: Path, value: float) -> None:
    tensors = {
        "b": torch.full((40,), value),
        "a": torch.tensor(True),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    write_state(path, tensors, {**FORMAT.header, "step": value})


def read(path: Path) -> tuple[str, float]:
    metadata, tensors = read_state(path, FORMAT)
    return metadata["step"], float(tensors["b"][0])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    assert not previous_of(path).exists()
    write(path, 2)
    write(path, 3)
    assert read(path) == ("3", 3.0)
    assert read(previous_of(path)) == ("2", 2.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.safetensors", "s.safetensors.before"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_state_gives_way_to_the_one_before(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write(path, 2)
    if damage == "flip":
        flip(path, -1)
    else:
        path.write_bytes(path.read_bytes()[:-4] if damage == "cut" else b"")
    with caplog.at_level(logging.WARNING):
        assert read(path) == ("1", 1.0)
    assert "It goes on from the state before" in caplog.text
    assert "s.safetensors" in caplog.text


def test_damage_of_both_is_an_error_about_the_newer(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.safetensors")
    flip(path, -1)
    with pytest.raises(DataError, match=r"s\.safetensors: damaged since it was written"):
        read(path)
    write(path, 2)
    flip(path, -1)
    with pytest.raises(DataError, match=r"s\.safetensors: damaged since"):
        read(path)


def test_a_newer_state_does_not_give_way_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write_state(path, {"b": torch.zeros(3)}, Format("genotools/x", 2).header)
    with pytest.raises(NewerVersionError, match=r"s\.safetensors: version: 2 is newer"):
        read(path)


def test_a_state_without_a_sum_is_read(tmp_path: Path) -> None:
    from genotools.training.tensor_files import write_safetensors

    path = tmp_path / "old.safetensors"
    write_safetensors(path, {"b": torch.zeros(3)}, {**FORMAT.header, "step": 0})
    assert read(path) == ("0", 0.0)


def test_a_disk_without_links_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    write(tmp_path / "s.safetensors", 1)
    write(tmp_path / "s.safetensors", 2)
    assert read(previous_of(tmp_path / "s.safetensors")) == ("1", 1.0)
