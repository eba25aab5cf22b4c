from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genotools.data.encoding import reverse_complement, shifted
from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Genotype, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.training import progress, step, trainer
from genotools.training.divergence import DivergedError
from genotools.training.history import EpochRecord
from genotools.training.interruption import TrainingInterrupted
from genotools.training.loss import prediction_loss
from genotools.training.progress import StepReport
from genotools.training.settings import TrainingSettings
from genotools.training.trainer import FitResult, fit
from genotools.training.validation import Validation, validate

CPU = torch.device("cpu")


def new_network(genotype: Genotype, macro: Macro, store: SequenceStore) -> GenomeNet:
    return build(genotype, macro, Task(len(store.names), names=store.names), seed=1)


def assert_same_weights(found: GenomeNet, expected: GenomeNet) -> None:
    for name, tensor in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def without_times(result: FitResult) -> list[dict[str, object]]:
    return [{**record.to_document(), "seconds": 0} for record in result.history]


class StopAt:
    """Asks to stop when it is called for the n-th time: before a step, or before a validation batch."""

    def __init__(self, call: int) -> None:
        self.left = call

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def test_planted_motifs_are_learned(macro: Macro, store: SequenceStore) -> None:
    network = new_network(GENOME_NAS.sample(rng=np.random.default_rng(1)), macro, store)
    settings = TrainingSettings(
        epochs=8,
        batch_size=16,
        lr=0.3,
        clip_norm=1.0,
        drop_path=0.0,
        dropout_x=0.0,
        dropout_h=0.0,
        patience=None,
    )
    history = fit(network, store, settings, seed=0).history
    assert history[-1].train_loss < 0.7 * history[0].train_loss
    assert max(record.valid["auroc"] for record in history) > 0.7


# An epoch asks 9 times: before each of 4 steps and of 5 validation batches.
@pytest.mark.parametrize("call", [3, 7, 10, 27])
def test_a_stopped_training_resumes_to_the_same_weights(
    call: int,
    genotype: Genotype,
    macro: Macro,
    store: SequenceStore,
    settings: TrainingSettings,
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.safetensors"
    whole = new_network(genotype, macro, store)
    expected = fit(whole, store, settings, seed=5)
    with pytest.raises(TrainingInterrupted, match="a checkpoint was saved"):
        fit(
            new_network(genotype, macro, store),
            store,
            settings,
            seed=5,
            checkpoint_path=path,
            should_stop=StopAt(call),
        )
    torch.rand(3)  # whatever else the process does
    resumed = build(genotype, macro, whole.task, seed=99)  # all weights come from the checkpoint
    found = fit(resumed, store, settings, seed=5, checkpoint_path=path, resume=True)
    assert_same_weights(resumed, whole)
    assert without_times(found) == without_times(expected)


def test_stopping_twice_changes_nothing_either(
    genotype: Genotype, macro: Macro, store: SequenceStore, settings: TrainingSettings, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    whole, resumed = (new_network(genotype, macro, store) for _ in range(2))
    fit(whole, store, settings, seed=5)
    for call in (3, 2, 12):
        with pytest.raises(TrainingInterrupted, match="epoch"):
            fit(
                resumed,
                store,
                settings,
                seed=5,
                checkpoint_path=path,
                resume=True,
                should_stop=StopAt(call),
            )
    fit(resumed, store, settings, seed=5, checkpoint_path=path, resume=True)
    assert_same_weights(resumed, whole)


def test_training_by_portions_of_epochs_equals_training_at_once(
    genotype: Genotype, macro: Macro, store: SequenceStore, settings: TrainingSettings, tmp_path: Path
) -> None:
    whole, portions = (new_network(genotype, macro, store) for _ in range(2))
    fit(whole, store, settings, seed=5)
    finished = []
    for until in (1, 2, 3):
        result = fit(
            portions,
            store,
            settings,
            seed=5,
            checkpoint_path=tmp_path / "state",
            resume=True,
            until_epoch=until,
        )
        finished.append((len(result.history), result.is_finished))
    assert finished == [(1, False), (2, False), (3, True)]
    assert_same_weights(portions, whole)


def test_results_do_not_depend_on_the_global_generator_and_leave_it_alone(
    genotype: Genotype, macro: Macro, store: SequenceStore, settings: TrainingSettings
) -> None:
    networks = [new_network(genotype, macro, store) for _ in range(2)]
    for network in networks:
        torch.rand(7)
        before = torch.get_rng_state()
        fit(network, store, settings.changed(epochs=1), seed=3)
        assert torch.equal(torch.get_rng_state(), before)
    assert_same_weights(*networks)
    other = new_network(genotype, macro, store)
    fit(other, store, settings.changed(epochs=1), seed=4)
    assert not torch.equal(
        other.stem.get_parameter("conv.weight"), networks[0].stem.get_parameter("conv.weight")
    )


def script_losses(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Let validation give these losses instead of its own."""
    left = iter(losses)

    def scripted(*args: Any, **kwargs: Any) -> Validation:
        return Validation(loss=next(left), metrics=validate(*args, **kwargs).metrics)

    monkeypatch.setattr(progress, "validate", scripted)


def test_training_stops_after_patience_and_keeps_the_best_weights(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Better than the epoch before is not enough: 0.5 is worse than the best so far.
    script_losses(monkeypatch, [0.7, 0.4, 0.6, 0.5, 0.3])
    stem_weights = []

    def keep(record: EpochRecord) -> None:
        del record
        stem_weights.append(network.stem.get_parameter("conv.weight").detach().clone())

    result = fit(network, store, settings.changed(epochs=10, patience=2), seed=0, on_epoch=keep)
    assert [record.is_best for record in result.history] == [True, True, False, False]
    assert result.is_finished
    assert result.best.epoch == 2
    assert torch.equal(network.stem.get_parameter("conv.weight"), stem_weights[1])
    assert not torch.equal(stem_weights[1], stem_weights[3])


def test_the_network_ends_with_the_weights_whose_loss_was_recorded_as_best(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings
) -> None:
    result = fit(network, store, settings, seed=0)
    found = validate(network, store, "valid", batch_size=16, device=CPU)
    assert found.loss == pytest.approx(min(record.valid_loss for record in result.history), rel=1e-6)


def test_a_higher_auroc_is_better_where_that_is_monitored(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings
) -> None:
    result = fit(network, store, settings.changed(monitor="auroc", epochs=4), seed=0)
    assert result.best.valid["auroc"] == max(record.valid["auroc"] for record in result.history)


def test_a_loss_that_is_not_finite_stops_with_epoch_and_step(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = network.forward_with_states, list[None]()

    def spoiled(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        calls.append(None)
        logits, states = forward(codes)
        return (logits * torch.nan if len(calls) == 6 and network.training else logits), states

    monkeypatch.setattr(network, "forward_with_states", spoiled)
    # Validation goes through the same method: 4 steps and 5 batches in epoch 1, so call 11 is epoch 2, step 2.
    monkeypatch.setattr(network, "forward", lambda codes: forward(codes)[0])
    with pytest.raises(DivergedError, match=r"loss is not a finite number: epoch 2, step 2.*--lr"):
        fit(network, store, settings, seed=0)


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_put_back(
    training: bool, network: GenomeNet, store: SequenceStore, settings: TrainingSettings
) -> None:
    network.train(training)
    fit(network, store, settings.changed(epochs=1), seed=0)
    assert network.training is training


@pytest.mark.parametrize(
    ("batch_size", "steps", "expected"), [(16, 4, 4), (16, None, 15), (16, 99, 15), (999, None, 1)]
)
def test_an_epoch_visits_a_window_at_most_once(
    batch_size: int,
    steps: int | None,
    expected: int,
    network: GenomeNet,
    store: SequenceStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []
    watch_codes(network, monkeypatch, lambda codes: seen.extend(row.tobytes() for row in codes))
    settings = TrainingSettings(epochs=1, batch_size=batch_size, steps_per_epoch=steps)
    record = fit(network, store, settings, seed=0).history[0]
    assert record.n_steps == expected
    assert len(seen) == len(set(seen)) == expected * min(batch_size, 240)


def watch_codes(
    network: GenomeNet, monkeypatch: pytest.MonkeyPatch, watcher: Callable[[np.ndarray], None]
) -> None:
    forward = network.forward_with_states

    def watched(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        if network.training:
            watcher(codes.numpy())
        return forward(codes)

    monkeypatch.setattr(network, "forward_with_states", watched)


def test_windows_of_the_other_strand_take_the_labels_of_their_pair(
    network: GenomeNet, store: SequenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = store.rows("train")
    labels = {
        reverse_complement(codes).tobytes(): tuple(row[[0, 1, 3, 2]])
        for codes, row in zip(store.codes(rows), store.labels(rows), strict=True)
    }
    seen: list[bytes] = []
    watch_codes(network, monkeypatch, lambda codes: seen.extend(row.tobytes() for row in codes))
    targets: list[tuple[int, ...]] = []

    def watched_loss(logits: torch.Tensor, given: torch.Tensor, kind: Any) -> torch.Tensor:
        targets.extend(tuple(row) for row in given.numpy().astype(int).tolist())
        return prediction_loss(logits, given, kind)

    monkeypatch.setattr(step, "prediction_loss", watched_loss)
    settings = TrainingSettings(epochs=1, batch_size=16, steps_per_epoch=5, reverse_complement_rate=1.0)
    fit(network, store, settings, seed=0)
    assert len(seen) == 80
    assert [labels[codes] for codes in seen] == targets


def test_windows_are_moved_within_reach_and_otherwise_in_every_epoch(
    network: GenomeNet, store: SequenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        shifted(row[None], np.array([shift]))[0].tobytes(): shift
        for row in store.codes(store.rows("train"))
        for shift in (-2, -1, 0, 1, 2)
    }
    seen: list[int] = []
    watch_codes(network, monkeypatch, lambda codes: seen.extend(known[row.tobytes()] for row in codes))
    settings = TrainingSettings(epochs=2, batch_size=16, steps_per_epoch=5, shift_bp=2, patience=None)
    fit(network, store, settings, seed=0)
    assert set(seen) == {-2, -1, 0, 1, 2}
    assert seen[:80] != seen[80:]


def test_progress_counts_steps_and_gives_the_mean_loss(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings
) -> None:
    reports: list[StepReport] = []
    result = fit(network, store, settings, seed=0, on_step=reports.append)
    last = [report for report in reports if report.step == 4]
    assert [(report.epoch, report.n_steps) for report in last] == [(1, 4), (2, 4), (3, 4)]
    assert [report.loss for report in last] == [record.train_loss for record in result.history]
    assert all(report.sequences_per_s > 0 for report in reports)


def test_bfloat16_trains_and_keeps_float32_weights(
    network: GenomeNet, store: SequenceStore, settings: TrainingSettings
) -> None:
    result = fit(network, store, settings.changed(precision="bf16", epochs=1), seed=0)
    assert np.isfinite(result.history[0].valid_loss)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_checkpoint_of_another_training_is_refused_naming_what_differs(
    genotype: Genotype, macro: Macro, store: SequenceStore, settings: TrainingSettings, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    network = new_network(genotype, macro, store)
    fit(network, store, settings, seed=0, checkpoint_path=path, until_epoch=1)
    with pytest.raises(DataError, match="cannot be resumed") as caught:
        fit(network, store, settings.changed(lr=0.3), seed=1, checkpoint_path=path, resume=True)
    assert "settings.lr: started with 0.1, now 0.3" in str(caught.value)
    assert "seed: started with 0, now 1" in str(caught.value)
    other = new_network(GENOME_NAS.sample(rng=np.random.default_rng(8)), macro, store)
    with pytest.raises(DataError, match=r"genotype\.digest: started with"):
        fit(other, store, settings, seed=0, checkpoint_path=path, resume=True)


def test_a_store_that_does_not_fit_is_refused_with_every_reason(
    genotype: Genotype, store: SequenceStore, settings: TrainingSettings
) -> None:
    network = build(genotype, Macro.small(80), Task(3), seed=0)
    with pytest.raises(DataError, match="2 faults") as caught:
        fit(network, store, settings, seed=0)
    assert "windows have 60 bp, the network takes 80 bp" in str(caught.value)
    assert "4 labels are not the network's 3 outputs" in str(caught.value)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # the compiler uses what PyTorch itself has deprecated
@pytest.mark.parametrize(
    ("device", "n_steps", "is_compiled"),
    [("cuda", 30_000, True), ("cuda", 29_999, False), ("cpu", 10**6, False)],
)
def test_cells_are_compiled_where_that_is_made_up_for(
    genotype: Genotype,
    macro: Macro,
    store: SequenceStore,
    device: str,
    n_steps: int,
    is_compiled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = new_network(genotype, macro, store)
    with trainer._compiled_if_it_pays(network, torch.device(device), n_steps=n_steps):
        assert [cell._compiled_call_impl is not None for cell in network.cells] == [is_compiled] * len(
            network.cells
        )
        assert network.is_compiled is is_compiled
    assert not any(cell._compiled_call_impl for cell in network.cells)
    assert not network.is_compiled


def test_a_training_counts_all_its_steps_when_it_asks_whether_to_compile(
    genotype: Genotype, macro: Macro, store: SequenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask(network: GenomeNet, device: torch.device, *, n_steps: int) -> AbstractContextManager[None]:
        asked.append(n_steps)
        return nullcontext()

    monkeypatch.setattr(trainer, "_compiled_if_it_pays", ask)
    settings = TrainingSettings().changed(batch_size=4, epochs=2, steps_per_epoch=3)
    each: list[dict[str, Any]] = [{}, {"until_epoch": 1}, {"capture": False}]
    for options in each:
        fit(new_network(genotype, macro, store), store, settings, seed=0, **options)
    assert asked == [6, 3, 0]
