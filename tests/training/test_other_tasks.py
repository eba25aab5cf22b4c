"""Networks trained, searched for and measured on classes, values and counts, by the same functions and commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.data.encoding import encode
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.genotype import Genotype, Macro, Task
from genotools.genotype.task import TaskKind
from genotools.nn import build
from genotools.training.evaluate import evaluate
from genotools.training.loss import prediction_loss
from genotools.training.predictor import TorchPredictor
from genotools.training.regression_metrics import RegressionMetrics
from genotools.training.resident import ResidentRows
from genotools.training.settings import TrainingSettings
from genotools.training.task_metrics import HEADLINE, METRIC_NAMES
from genotools.training.trainer import fit

OTHERS = [TaskKind.MULTICLASS, TaskKind.REGRESSION, TaskKind.COUNTS]
N, LENGTH_BP, K = 300, 60, 3
MOTIFS = ("TATATATATATA", "GCGCGCGCGCGC", "AACCAACCAACC")
Make = Callable[..., Path]


def planted(kind: TaskKind) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return windows with one motif of three, and which of them in the labels of a kind."""
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 4, size=(N, LENGTH_BP)).astype(np.uint8)
    which = rng.integers(0, K, size=N)
    for row, motif in enumerate(which):
        at = int(rng.integers(5, 40))
        codes[row, at : at + 12] = encode(MOTIFS[motif])
    one_hot = np.eye(K, dtype=np.uint8)[which]
    if kind is TaskKind.MULTICLASS:
        return codes, one_hot
    values = one_hot * np.float32(2) + (np.float32(0.5) if kind is TaskKind.COUNTS else np.float32(-1))
    values[rng.random(values.shape) < 0.1] = np.nan
    return codes, values


@pytest.fixture
def make_store(tmp_path: Path) -> Make:
    def make(kind: TaskKind, **changes: Any) -> Path:
        codes, labels = planted(kind)
        path = tmp_path / f"{kind}.h5"
        splits = np.repeat([0, 1, 2], [180, 60, 60])
        options: dict[str, Any] = {"names": ("x", "y", "z"), "kind": kind, "provenance": {}, **changes}
        write_store(path, codes=codes, labels=labels, splits=splits, **options)
        return path

    return make


@pytest.fixture
def learning() -> TrainingSettings:
    return TrainingSettings(
        epochs=10,
        steps_per_epoch=30,
        batch_size=6,
        lr=0.1,
        recurrent_lr=1.0,
        patience=None,
        dropout_x=0.0,
        dropout_h=0.0,
        drop_path=0.0,
    )


@pytest.mark.parametrize("kind", OTHERS)
def test_a_network_learns_and_is_measured(
    make_store: Make, kind: TaskKind, genotype: Genotype, macro: Macro, learning: TrainingSettings
) -> None:
    with SequenceStore.open(make_store(kind)) as store:
        network = build(genotype, macro, store.task, seed=0)
        result = fit(network, store, learning.for_task(store.task), seed=0)
        assert set(result.best.valid) == set(METRIC_NAMES[kind])
        metrics = evaluate(TorchPredictor(network), store, "test")
        assert result.history[-1].train_loss < result.history[0].train_loss
        summary = metrics.summary()
    assert summary[HEADLINE[kind]] > (0.6 if kind is TaskKind.MULTICLASS else 0.3)
    if isinstance(metrics, RegressionMetrics):
        assert (metrics.n_measured < 60).any()
        assert metrics.mean_explained > 0.05


@pytest.mark.parametrize("kind", [TaskKind.REGRESSION, TaskKind.COUNTS])
def test_what_was_not_measured_gives_no_loss_and_no_gradient(kind: TaskKind) -> None:
    logits = torch.randn(6, 3, requires_grad=True)
    targets = torch.rand(6, 3)
    hidden = targets.clone()
    hidden[::2] = torch.nan
    loss = prediction_loss(logits, hidden, kind)
    assert loss.item() == pytest.approx(prediction_loss(logits[1::2], targets[1::2], kind).item())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()
    assert (gradient[::2] == 0).all()
    assert prediction_loss(logits, torch.full_like(targets, torch.nan), kind).item() == 0


def test_a_network_of_another_kind_is_refused(
    make_store: Make, genotype: Genotype, macro: Macro, learning: TrainingSettings
) -> None:
    with SequenceStore.open(make_store(TaskKind.REGRESSION)) as store:
        network = build(genotype, macro, Task(K, names=store.names), seed=0)
        with pytest.raises(DataError, match="the task must be regression, not per position"):
            fit(network, store, learning, seed=0)
        with pytest.raises(DataError, match="its labels are regression, the model's outputs multilabel"):
            evaluate(TorchPredictor(network), store)


def test_a_metric_of_another_kind_is_not_monitored(
    make_store: Make, genotype: Genotype, macro: Macro, learning: TrainingSettings
) -> None:
    settings = learning.changed(monitor="auprc")
    with SequenceStore.open(make_store(TaskKind.REGRESSION)) as store:
        network = build(genotype, macro, store.task, seed=0)
        with pytest.raises(
            DataError, match="monitor is 'auprc'; a task of kind regression has loss, pearson, r2"
        ):
            fit(network, store, settings, seed=0)
        assert settings.for_task(store.task).monitor == "pearson"
    assert settings.for_task(Task(2)) == settings


def test_windows_whose_labels_hold_for_one_strand_are_not_turned(
    make_store: Make, genotype: Genotype, macro: Macro, learning: TrainingSettings
) -> None:
    turning = learning.changed(reverse_complement_rate=0.5, shift_bp=2, epochs=1)
    with SequenceStore.open(make_store(TaskKind.MULTICLASS, one_strand=True)) as store:
        network = build(genotype, macro, store.task, seed=0)
        with pytest.raises(DataError, match="labels hold for the windows as they are"):
            fit(network, store, turning, seed=0)
        settings = turning.for_task(store.task)
        assert (settings.reverse_complement_rate, settings.shift_bp) == (0, 0)
        fit(network, store, settings, seed=0)
        predictor = TorchPredictor(network)
        with pytest.raises(DataError, match="use --strands forward"):
            evaluate(predictor, store, strands="both")
        assert evaluate(predictor, store).to_json() == evaluate(predictor, store, strands="forward").to_json()


@pytest.mark.parametrize("kind", OTHERS)
def test_rows_on_a_device_are_decoded_as_the_store_does(make_store: Make, kind: TaskKind) -> None:
    with SequenceStore.open(make_store(kind)) as store:
        rows = store.rows("train")
        resident = ResidentRows(store, rows, device=torch.device("cpu"))
        chosen = rows[[7, 3, 3, 100]]
        codes, labels = resident.batch(chosen, np.zeros(4, dtype=bool))
        np.testing.assert_array_equal(codes, store.codes(chosen))
        np.testing.assert_array_equal(labels, store.labels(chosen).astype(np.float32))
        assert labels.dtype == torch.float32


@pytest.mark.parametrize("kind", OTHERS)
def test_the_same_commands_search_train_and_evaluate(
    make_store: Make, tmp_path: Path, kind: TaskKind
) -> None:
    store = make_store(kind)
    small = ["--epochs", "1", "--steps", "2", "--batch-size", "8"]
    runs = [
        ["search", "random", "--data", str(store), "-o", str(tmp_path / "s"), "--trials", "2", *small],
        ["search", "darts", "--data", str(store), "-o", str(tmp_path / "d"), *small],
        ["train", str(tmp_path / "s"), "--data", str(store), "-o", str(tmp_path / "t"), *small],
        ["evaluate", str(tmp_path / "t"), "--data", str(store)],
        ["evaluate", str(tmp_path / "t"), "--data", str(store), "--json"],
    ]
    macro = tmp_path / "macro.json"
    macro.write_text(json.dumps(Macro.small(LENGTH_BP).to_document()))
    outputs = []
    for words in runs:
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        outputs.append(done.stdout)
    assert f"valid_{HEADLINE[kind]}" in outputs[0]
    title = {"accuracy": "accuracy", "pearson": "Pearson's r"}[HEADLINE[kind]]
    assert f"test {title}" in outputs[2]
    assert "by chance" in outputs[3]
    assert json.loads(outputs[4])["n_windows"] == 60


def test_an_objective_of_another_kind_is_refused_before_any_work(make_store: Make, tmp_path: Path) -> None:
    store = make_store(TaskKind.REGRESSION)
    words = [
        "search",
        "random",
        "--data",
        str(store),
        "-o",
        str(tmp_path / "s"),
        "--objective",
        "valid_auprc",
    ]
    done = CliRunner().invoke(app, words)
    assert "a task of kind regression has valid_pearson, valid_r2, valid_loss" in str(done.exception)
    assert not (tmp_path / "s").exists()
