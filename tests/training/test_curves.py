"""The picture of a training: what is drawn, from which file, and what is refused."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genotools.errors import DataError, MissingExtraError
from genotools.training.curves import _draw, save_curves
from genotools.training.history import EpochRecord, write_history

pytest.importorskip("matplotlib", reason="the extra 'plots' is not installed")


def records(n_epochs: int, best: int = 2) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=epoch,
            n_steps=5,
            lr=0.1,
            recurrent_lr=1.0,
            train_loss=1 / epoch,
            train_slowness=0.1,
            valid_loss=1.5 / epoch,
            valid={"auroc": 0.5 + 0.01 * epoch, "auprc": 0.01 * epoch, "weighted_f1": 0.02 * epoch},
            is_best=epoch <= best,
            seconds=1.0,
        )
        for epoch in range(1, n_epochs + 1)
    ]


def test_both_panels_hold_the_values_of_the_history() -> None:
    losses, metrics = _draw(records(4)).axes
    curves = {line.get_label(): np.asarray(line.get_ydata()) for line in [*losses.lines, *metrics.lines]}
    np.testing.assert_allclose(curves["training"], [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(curves["validation"], [1.5, 1.5 / 2, 0.5, 1.5 / 4])
    np.testing.assert_allclose(curves["mean AUROC 0.520"], [0.51, 0.52, 0.53, 0.54])
    np.testing.assert_allclose(curves["mean AUPRC 0.020"], [0.01, 0.02, 0.03, 0.04])
    np.testing.assert_allclose(curves["weighted F1 0.040"], [0.02, 0.04, 0.06, 0.08])


def test_best_epoch_is_the_last_one_marked_best() -> None:
    figure = _draw(records(5, best=3))
    assert figure.axes[1].get_title(loc="left") == "Validation, best epoch 3"
    for axes in figure.axes:
        assert list(np.asarray(axes.lines[-1].get_xdata())) == [3, 3]


def test_history_without_a_best_epoch_or_scores_is_drawn() -> None:
    blank = [
        replace(record, valid={**record.valid, "auroc": math.nan}, is_best=False) for record in records(3)
    ]
    metrics = _draw(blank).axes[1]
    assert metrics.get_title(loc="left") == "Validation"
    assert [line.get_label() for line in metrics.lines] == ["mean AUROC", "mean AUPRC", "weighted F1"]


@pytest.mark.parametrize("n_epochs", [1, 50])
def test_file_is_a_png_and_replaces_the_old_one(tmp_path: Path, n_epochs: int) -> None:
    history, picture = tmp_path / "history.jsonl", tmp_path / "curves.png"
    write_history(history, records(n_epochs))
    picture.write_text("old")
    save_curves(history, picture)
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(content[16:20]) == 1350  # width in pixels
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "history.jsonl"]


def test_empty_history_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").touch()
    with pytest.raises(DataError, match="no finished epoch"):
        save_curves(tmp_path / "history.jsonl", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"genotools\[plots\]"):
        save_curves(tmp_path / "history.jsonl", tmp_path / "curves.png")


def test_pyplot_is_never_loaded(tmp_path: Path) -> None:
    write_history(tmp_path / "history.jsonl", records(2))
    code = (
        "import sys; from genotools.training.curves import save_curves; "
        "save_curves('history.jsonl', 'curves.png'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "curves.png").is_file()
