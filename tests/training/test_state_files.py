"""States of a run: damage is found, and the state before takes over."""

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from genotools.errors import DataError, NewerVersionError
from genotools.formats import Format
from genotools.training.state_files import previous_of, read_state, write_state
from genotools.training.tensor_files import write_safetensors

FORMAT = Format("genotools/x", 2)
OLD = Format("genotools/x", 1)


def write(path: Path, value: int) -> None:
    tensors = {
        "b": torch.full((40,), float(value)),
        "a": torch.tensor(True),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    write_state(path, FORMAT, tensors, {"step": value})


def write_old(path: Path, step: object, **more: object) -> None:
    write_safetensors(path, {"b": torch.zeros(3)}, {**OLD.header, "step": step, **more})


def parsed(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> tuple[int, float]:
    if not metadata["step"].isdigit():
        raise DataError(f"{path}: step is {metadata['step']!r}.")
    return int(metadata["step"]), float(tensors["b"][0])


def read(path: Path) -> tuple[int, float]:
    return read_state(path, FORMAT, parsed)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(path: Path, before: bytes, after: bytes) -> None:
    data = path.read_bytes()
    assert len(before) == len(after)
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, after))


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    assert not previous_of(path).exists()
    write(path, 2)
    write(path, 3)
    assert read(path) == (3, 3.0)
    assert read(previous_of(path)) == (2, 2.0)
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
        assert read(path) == (1, 1.0)
    assert "It goes on from the state before" in caplog.text
    assert "s.safetensors" in caplog.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"step":"2"', b'"step":"7"'),
        (b'"step":"2"', b'"step":"x"'),
        (b'"step":"2"', b'"stfp":"2"'),
        (b'"sha256":', b'"sha257":'),
        (b'"version":"2"', b'"version":"1"'),
        (b'"b":{', b'"c":{'),
    ],
)
def test_a_header_that_was_changed_is_damage(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write(path, 2)
    edit(path, before, after)
    assert read(path) == (1, 1.0)


def test_no_byte_is_flipped_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write(path, 2)
    whole = path.read_bytes()
    version = whole.index(b'"version":"2"') + len('"version":"')
    for at in range(len(whole)):
        path.write_bytes(whole)
        flip(path, at)
        if at == version:  # 3, which no damage tells from a file of a later genotools
            with pytest.raises(NewerVersionError):
                read(path)
        else:
            assert read(path) == (1, 1.0), at


def test_damage_of_both_is_an_error_about_the_newer(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    with pytest.raises(DataError, match=r"no such file\.$"):
        read(tmp_path / "none.safetensors")
    flip(path, -1)
    message = r"s\.safetensors: damaged since it was written .* Remove it, and the same name with \.before"
    with pytest.raises(DataError, match=message):
        read(path)
    write(path, 2)
    flip(path, -1)
    with pytest.raises(DataError, match=message):
        read(path)


def test_a_damaged_state_never_takes_the_place_of_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write(path, 2)
    flip(path, -1)
    damaged = path.read_bytes()
    assert read(path) == (1, 1.0)
    assert path.read_bytes() == damaged  # reading does not write

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("genotools.training.state_files.write_safetensors", full)
        with pytest.raises(OSError, match="No space"):
            write(path, 3)
    assert read(path) == (1, 1.0)
    write(path, 3)
    assert (read(path), read(previous_of(path))) == ((3, 3.0), (1, 1.0))
    flip(previous_of(path), -1)
    write(path, 4)
    assert (read(path), read(previous_of(path))) == ((4, 4.0), (3, 3.0))


def test_a_newer_state_does_not_give_way_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, 1)
    write_state(path, Format("genotools/x", 3), {"b": torch.zeros(3)}, {})
    with pytest.raises(NewerVersionError, match=r"s\.safetensors: version: 3 is newer"):
        read(path)


def test_an_old_state_is_read_with_a_sum_of_its_tensors_or_none(tmp_path: Path) -> None:
    """Its header is not summed: a wrong value in it is damage, and it takes the place of no other state."""
    path = tmp_path / "old.safetensors"
    write_old(path, 5)
    assert read(path) == (5, 0.0)
    write_old(path, 5, sha256="0" * 64)
    with pytest.raises(DataError, match="SHA-256 does not agree"):
        read(path)
    write_old(previous_of(path), 4)
    write_old(path, "x")
    assert read(path) == (4, 0.0)
    write(path, 6)
    assert (read(path), read(previous_of(path))) == ((6, 6.0), (4, 0.0))


def test_what_is_read_is_what_was_written_without_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, FORMAT, {"b": torch.arange(3.0)}, {"name": 'a "text"', "list": [1, None, "ü"]})
    metadata, tensors = read_state(path, FORMAT, lambda _, *found: found)
    with safe_open(path, framework="pt") as file:
        assert len(file.metadata()["sha256"]) == 64
    assert metadata.keys() == {*FORMAT.signed_header, "name", "list"}
    assert (metadata["name"], json.loads(metadata["list"])) == ('a "text"', [1, None, "ü"])
    assert tensors["b"].tolist() == [0, 1, 2]


def test_a_disk_without_links_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    write(tmp_path / "s.safetensors", 1)
    write(tmp_path / "s.safetensors", 2)
    assert read(previous_of(tmp_path / "s.safetensors")) == (1, 1.0)
