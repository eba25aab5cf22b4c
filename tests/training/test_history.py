import math
from dataclasses import replace
from pathlib import Path

import pytest

from genotools.errors import DataError
from genotools.training.history import EpochRecord, append_history, read_history, write_history

RECORD = EpochRecord(
    epoch=1,
    n_steps=4,
    lr=0.1,
    recurrent_lr=1.0,
    train_loss=0.5,
    train_slowness=0.01,
    valid_loss=0.6,
    valid={"auroc": 0.7, "auprc": 0.3, "weighted_f1": 0.2},
    is_best=True,
    seconds=1.5,
)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    records = [RECORD, replace(RECORD, epoch=2, is_best=False)]
    write_history(path, records[:1])
    append_history(path, records[1])
    assert read_history(path) == records


def test_nan_becomes_null_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_history(path, replace(RECORD, valid={"auroc": math.nan}))
    assert '"valid_auroc": null' in path.read_text()
    assert math.isnan(read_history(path)[0].valid["auroc"])


def test_a_last_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, [RECORD, RECORD])
    path.write_bytes(path.read_bytes()[:-20])
    assert read_history(path) == [RECORD]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, [RECORD])
    with path.open("a") as file:
        file.write('{"epoch": 2}\n')
    with pytest.raises(DataError, match="line 2: an epoch must be an object with the keys epoch,"):
        read_history(path)
