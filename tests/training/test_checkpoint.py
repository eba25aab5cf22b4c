import errno
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from genotools.errors import DataError
from genotools.training import tensor_files
from genotools.training.checkpoint import (
    Checkpoint,
    check_identity,
    load_checkpoint,
    save_checkpoint,
)
from genotools.training.state_files import previous_of

CHECKPOINT = Checkpoint(
    identity={"seed": 1, "settings": {"lr": 0.1}},
    epoch=0,
    step=3,
    history=(),
    tensors={"network/a.b": torch.arange(3.0), "best/a.b": torch.ones(3), "rng/cpu": torch.get_rng_state()},
)


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint" / "state.safetensors"
    save_checkpoint(path, CHECKPOINT)
    found = load_checkpoint(path)
    assert (found.identity, found.epoch, found.step, found.history) == (CHECKPOINT.identity, 0, 3, ())
    assert found.tensors.keys() == CHECKPOINT.tensors.keys()
    assert all(torch.equal(found.tensors[name], CHECKPOINT.tensors[name]) for name in found.tensors)
    assert list(found.part("network")) == ["a.b"]
    assert torch.equal(found.part("network")["a.b"], torch.arange(3.0))


def test_a_failed_save_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, CHECKPOINT)
    shared = torch.ones(4)
    broken = replace(CHECKPOINT, step=4, tensors={"a": shared, "b": shared[:2]})
    with pytest.raises(RuntimeError, match="share memory"):
        save_checkpoint(path, broken)
    assert load_checkpoint(path).step == 3
    assert {found.name for found in tmp_path.iterdir()} == {path.name, previous_of(path).name}


def test_a_cut_off_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, CHECKPOINT)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        load_checkpoint(path)


def test_a_history_that_does_not_match_the_epoch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, replace(CHECKPOINT, epoch=2))
    with pytest.raises(DataError, match="0 epochs in the history of 2"):
        load_checkpoint(path)


def test_equal_identities_pass_and_all_differences_are_named() -> None:
    found = {"seed": 1, "settings": {"lr": 0.1, "names": ["a"]}, "old": True}
    check_identity(found, found, where="run")
    wanted = {"seed": 2, "settings": {"lr": 0.1, "names": ["b"]}, "new": None}
    with pytest.raises(DataError, match="run cannot be resumed: 5 faults") as caught:
        check_identity(found, wanted, where="run")
    for part in (
        "seed: started with 1, now 2",
        'settings.names: started with ["a"], now ["b"]',
        'old: started with true, now "nothing"',
        'new: started with "nothing", now null',
    ):
        assert part in str(caught.value)
    assert "settings.lr" not in str(caught.value)


def test_weights_that_cannot_be_written_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    (tmp_path / "w.safetensors").write_text("old")
    monkeypatch.setattr(tensor_files, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        tensor_files.write_safetensors(tmp_path / "w.safetensors", {"x": torch.zeros(2)}, {"format": "x"})
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "w.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    assert (tmp_path / "w.safetensors").read_text() == "old"
