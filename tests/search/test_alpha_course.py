"""The course of the alphas: its file and its picture."""

import math
from pathlib import Path

import pytest

from genotools.errors import DataError
from genotools.nn.live_ops import LiveOp
from genotools.search.alpha_course import AlphaRecord, draw_alphas, read_alphas, write_alphas

RECORD = AlphaRecord(
    stage=1,
    epoch=2,
    values={
        "normal": {LiveOp(0, 2, "none"): math.log(1), LiveOp(0, 2, "conv_15"): math.log(3)},
        "reduce": {LiveOp(0, 2, "conv_15"): 0.1},
        "recurrent": {LiveOp(0, 1, "tanh"): -0.25},
    },
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "alphas.jsonl"
    write_alphas(path, RECORD)
    write_alphas(path, RECORD)
    assert read_alphas(path) == [RECORD, RECORD]


def test_probabilities_are_a_softmax_an_edge() -> None:
    assert RECORD.probs("normal") == pytest.approx(
        {LiveOp(0, 2, "none"): 0.25, LiveOp(0, 2, "conv_15"): 0.75}
    )
    assert RECORD.probs("reduce") == {LiveOp(0, 2, "conv_15"): 1.0}


@pytest.mark.parametrize("size", [1e4, -1e4, 1e30])
def test_alphas_of_any_size_have_probabilities(size: float) -> None:
    entries = [LiveOp(0, 2, op) for op in ("none", "conv_15", "skip_connect")]
    values = dict(zip(entries, (size, size, size - abs(size)), strict=True))
    record = AlphaRecord(stage=1, epoch=1, values={"normal": values})
    assert list(record.probs("normal").values()) == [0.5, 0.5, 0.0]


def test_a_line_that_is_no_epoch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "alphas.jsonl"
    write_alphas(path, RECORD)
    path.write_text(path.read_text() + '{"event": "alphas", "stage": 1}\n')
    with pytest.raises(DataError, match=r"alphas\.jsonl, line 2: not the alphas of an epoch"):
        read_alphas(path)


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(DataError, match="no finished epoch"):
        draw_alphas([], tmp_path / "alphas.png")


def test_a_single_epoch_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_alphas([RECORD], tmp_path / "alphas.png")
    assert (tmp_path / "alphas.png").stat().st_size > 10_000
