"""What is no longer finite stops a training: the step, the batch and the state before it are told and kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import Genotype, Macro
from genotools.nn import GenomeNet
from genotools.training import fit, progress, step
from genotools.training.divergence import DivergedError, not_finite
from genotools.training.history import read_history
from genotools.training.loss import prediction_loss
from genotools.training.meter import BadStep, Meter
from genotools.training.precision import Precision
from genotools.training.run import train
from genotools.training.settings import TrainingSettings
from genotools.training.validation import Validation, validate
from genotools.training.weights import load_network

Spoil = Callable[[Tensor, Tensor], Tensor]


class SpoiledLoss:
    """The loss of training steps, spoiled at one of them."""

    def __init__(self, call: int, spoil: Spoil) -> None:
        self.call, self.spoil = call, spoil
        self.n_calls = 0
        self.targets = torch.zeros(0)

    def __call__(self, logits: Tensor, targets: Tensor, kind: Any) -> Tensor:
        self.n_calls += 1
        loss = prediction_loss(logits, targets, kind)
        if self.n_calls != self.call:
            return loss
        self.targets = targets
        return self.spoil(loss, logits)


def nan_loss(loss: Tensor, logits: Tensor) -> Tensor:
    del logits
    return loss * torch.nan


def infinite_gradient(loss: Tensor, logits: Tensor) -> Tensor:
    """The root of zero: it adds nothing, its slope is infinite."""
    return loss + (logits * 0).abs().sum().sqrt()


@pytest.fixture
def plain(settings: TrainingSettings) -> TrainingSettings:
    """Windows as they lie in the store; 4 steps an epoch."""
    return settings.changed(reverse_complement_rate=0.0)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(nan_loss, "the training loss"), (infinite_gradient, "the norm of the gradients")],
)
def test_the_run_stops_with_step_batch_state_and_the_best_weights(
    spoil: Spoil,
    what: str,
    genotype: Genotype,
    macro: Macro,
    store: SequenceStore,
    plain: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "run"
    given: dict[str, Any] = {"macro": macro, "settings": plain, "seed": 5, "device": "cpu"}
    loss = SpoiledLoss(4 + 3, spoil)
    monkeypatch.setattr(step, "prediction_loss", loss)
    with pytest.raises(DivergedError, match=f"^{what} is not a finite number: epoch 2, step 3\\.") as caught:
        train(genotype, store.path, folder, **given)
    error = caught.value
    assert loss.n_calls == 8  # the epoch went on to its end, and the first bad step is told all the same
    assert torch.equal(torch.from_numpy(store.labels(error.rows)).float(), loss.targets)
    record = json.loads((folder / "diverged.json").read_text())
    assert (record["epoch"], record["step"], record["rows"]) == (2, 3, list(error.rows))
    shown = ", ".join(map(str, error.rows[:8]))
    checkpoint, weights = folder / "checkpoint" / "state.safetensors", folder / "weights.safetensors"
    for text in (
        f"rows {shown} and 8 more of {store.path} (all of them in {folder / 'diverged.json'})",
        f"The last state before it is kept in {checkpoint}",
        f"The weights of epoch 1, the best so far, are in {weights}",
        "Lower the learning rates (--lr, --recurrent-lr)",
    ):
        assert text in str(error)
    assert [one.epoch for one in read_history(folder / "history.jsonl")] == [1]

    monkeypatch.undo()
    until = load_network(weights)
    fit(until, store, plain, seed=5, checkpoint_path=checkpoint, resume=True, until_epoch=1)
    kept = load_network(weights).state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in until.state_dict().items())

    with pytest.raises(DataError, match=r"settings\.lr: started with 0\.1, now 0\.01.*\n.*start anew"):
        train(genotype, store.path, folder, **{**given, "settings": plain.changed(lr=0.01)}, resume=True)
    result = train(genotype, store.path, folder, **given, resume=True)  # what spoiled it has gone
    assert result.n_epochs == 3
    assert not (folder / "diverged.json").exists()


def test_a_training_that_diverges_at_once_leaves_no_weights_and_says_no_more_than_there_is(
    genotype: Genotype, macro: Macro, store: SequenceStore, plain: TrainingSettings, tmp_path: Path
) -> None:
    settings = plain.changed(lr=1e30, recurrent_lr=1e30, clip_norm=1e30)
    with pytest.raises(DivergedError, match="epoch 1, step 2") as caught:
        train(genotype, store.path, tmp_path, macro=macro, settings=settings, seed=5, device="cpu")
    assert "state before" not in str(caught.value)
    assert "best so far" not in str(caught.value)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".lock", "config.json", "genotype.json", "history.jsonl", "diverged.json"} & names
    train(
        genotype, store.path, tmp_path, macro=macro, settings=plain, seed=5, device="cpu", force=True
    )  # the way out
    assert not (tmp_path / "diverged.json").exists()


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_rate_that_is_far_too_large_is_found_in_every_precision(
    precision: Precision, network: GenomeNet, store: SequenceStore, plain: TrainingSettings
) -> None:
    settings = plain.changed(lr=1e30, recurrent_lr=1e30, clip_norm=1e30, precision=precision)
    with pytest.raises(DivergedError, match=r"not a finite number: epoch 1, step [12]\."):
        fit(network, store, settings, seed=0)


def test_asking_to_stop_does_not_save_what_is_not_finite(
    network: GenomeNet,
    store: SequenceStore,
    plain: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "state.safetensors"
    loss = SpoiledLoss(4 + 2, nan_loss)
    monkeypatch.setattr(step, "prediction_loss", loss)
    with pytest.raises(DivergedError, match="epoch 2, step 2"):
        fit(network, store, plain, seed=0, checkpoint_path=path, should_stop=lambda: loss.n_calls == 6)
    monkeypatch.undo()
    result = fit(network, store, plain, seed=0, checkpoint_path=path, resume=True)
    assert [record.epoch for record in result.history] == [1, 2, 3]


def test_statistics_that_are_not_finite_are_not_kept_although_every_loss_is(
    network: GenomeNet, store: SequenceStore, plain: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(network: GenomeNet, *args: Any, **kwargs: Any) -> Validation:
        network.get_buffer("stem.norm.running_var")[0] = torch.inf  # what is divided by infinity is zero
        return validate(network, *args, **kwargs)

    monkeypatch.setattr(progress, "validate", spoiled)
    with pytest.raises(
        DivergedError, match=r"weights or statistics are not finite, in stem\.norm\.running_var: epoch 1"
    ):
        fit(network, store, plain, seed=0)


def test_validation_names_the_windows_whose_prediction_is_not_finite(
    network: GenomeNet, store: SequenceStore, plain: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = store.rows("valid")[[3, 40]]
    bad = torch.from_numpy(store.codes(rows))
    forward = network.forward

    def spoiled(codes: Tensor) -> Tensor:
        is_bad = (codes[:, None] == bad).all(2).any(1)
        return forward(codes).masked_fill(is_bad[:, None], torch.inf)

    monkeypatch.setattr(network, "forward", spoiled)
    with pytest.raises(DivergedError, match="the validation loss is not a finite number: epoch 1") as caught:
        fit(network, store, plain.changed(precision="bf16"), seed=0)
    assert caught.value.rows == tuple(rows)


def test_the_meter_tells_the_first_bad_step_and_whether_its_loss_is_bad(device: str) -> None:
    good, bad = (torch.tensor(value, device=device) for value in (1.0, torch.inf))
    meter = Meter(torch.device(device))
    meter.add(good, good, good, step=1)
    assert meter.first_bad() is None
    meter.add(good, good, bad, step=2)
    meter.add(bad, good, good, step=3)
    assert meter.first_bad() == BadStep(2, is_loss=False)
    other = Meter(torch.device(device))
    other.add(-bad, good, bad, step=7)
    assert other.first_bad() == BadStep(7, is_loss=True)


def test_tensors_that_are_not_finite_are_named_and_no_others() -> None:
    tensors = {
        "fine": torch.tensor([1.0, -2.0]),
        "nan": torch.tensor([[0.0], [torch.nan]]),
        "inf": torch.tensor([1.0, -torch.inf], dtype=torch.bfloat16),
        "double": torch.tensor([1e300], dtype=torch.float64),
        "count": torch.tensor(3),
        "empty": torch.zeros(0),
    }
    assert not_finite(tensors) == ["nan", "inf"]
    assert not_finite({}) == []
