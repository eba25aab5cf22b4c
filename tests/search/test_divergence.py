"""What is no longer finite in a search: a trial fails and the search goes on, or it stops and says where."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.genotype import GENOME_NAS, Macro, SearchSpace
from genotools.search import Job, Objective, perturbation, search, supernet_training
from genotools.search.evaluator import TrainingEvaluator
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.one_shot_run import OneShotResult, search_one_shot
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.registry import ENGINES
from genotools.search.shared_weights import SharedWeightsEvaluator
from genotools.search.trial import Status
from genotools.testing.faults import FaultyEvaluator
from genotools.training import step
from genotools.training.divergence import DivergedError
from genotools.training.loss import prediction_loss
from genotools.training.settings import TrainingSettings

Run = Callable[..., OneShotResult]


class EveryThirdDiverges(FaultyEvaluator):
    """Lets trials 0, 3, 6, ... diverge."""

    def __call__(self, job: Job) -> dict[str, float]:
        if job.number % 3 == 0:
            raise DivergedError("the training loss is not a finite number", place={"epoch": 1, "step": 2})
        return super().__call__(job)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_third_trial_diverges_and_every_engine_goes_on(
    engine: str, small_engines: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    result = search(
        engine,
        GENOME_NAS,
        EveryThirdDiverges(),
        tmp_path,
        seed=1,
        n_trials=12,
        objectives=[Objective("valid_auprc")],
        settings=small_engines[engine],
    )
    failed = {trial.number for trial in result.trials if trial.status is Status.FAILED}
    assert failed == {number for number in range(len(result.trials)) if number % 3 == 0}
    assert len(failed) >= 3
    assert result.best.number % 3
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    errors = {event["trial"]: event["error"] for event in events if event["status"] == "failed"}
    assert set(errors) == failed
    last_lines = {error.strip().splitlines()[-1] for error in errors.values()}
    (line,) = last_lines
    assert line.endswith("DivergedError: the training loss is not a finite number: epoch 1, step 2.")


class NanAtCall:
    """A loss that is NaN at one call."""

    def __init__(self, call: int) -> None:
        self.left = call
        self.targets = torch.zeros(0)

    def __call__(self, logits: Tensor, targets: Tensor, kind: Any) -> Tensor:
        self.left -= 1
        loss = prediction_loss(logits, targets, kind)
        if self.left == 0:
            self.targets = targets
            return loss * torch.nan
        return loss


def test_a_training_that_diverges_is_a_failed_trial_with_step_and_rows(
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = TrainingSettings(epochs=2, steps_per_epoch=3, batch_size=8, reverse_complement_rate=0.0)
    loss = NanAtCall(6 + 3 + 2)
    monkeypatch.setattr(step, "prediction_loss", loss)
    evaluator = TrainingEvaluator(store, macro, settings)
    result = search("random", small_space, evaluator, tmp_path, seed=0, n_trials=3)
    assert [str(trial.status) for trial in result.trials] == ["finished", "failed", "finished"]
    error = result.trials[1].error or ""
    assert "the training loss is not a finite number: epoch 2, step 2." in error
    shown = [int(row) for row in error.split("computed on rows ")[1].split(" of ")[0].split(", ")]
    assert torch.equal(torch.from_numpy(store.labels(shown)).float(), loss.targets)
    assert json.loads((tmp_path / "result.json").read_text())["n_failed"] == 1


def test_shared_weights_that_diverge_stop_the_search_with_its_last_state(
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = TrainingSettings(epochs=3, batch_size=8, reverse_complement_rate=0.0)

    def run(**options: Any) -> int:
        evaluator = SharedWeightsEvaluator(
            store, small_space, macro, weights, keep="search", recalibration_batches=2
        )
        settings = {"n_rounds": 2, "n_paths": 3, "round_size": 2, "n_updates": 2, "n_final": 2, "hidden": 8}
        return len(
            search("enas", small_space, evaluator, tmp_path, seed=0, settings=settings, **options).trials
        )

    monkeypatch.setattr("genotools.search.path_training.prediction_loss", NanAtCall(3 + 2))
    with pytest.raises(
        DivergedError, match="shared weights is not a finite number: round 2, epoch 1, step 2"
    ) as caught:
        run()
    state = tmp_path / "checkpoint" / "shared.safetensors"
    assert f"The last state before it is kept in {state}." in str(caught.value)
    assert json.loads((tmp_path / "diverged.json").read_text())["rows"] == list(caught.value.rows)
    monkeypatch.undo()
    assert run(resume=True) == 6  # the state is whole: what spoiled it has gone
    assert not (tmp_path / "diverged.json").exists()


@pytest.fixture
def run(
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    settings: OneShotSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    monkeypatch.setattr("genotools.search.one_shot_run.draw_alphas", lambda *_, **__: None)

    def run(folder: Path, engine: str = "pdarts", **options: Any) -> OneShotResult:
        given = {"macro": macro, "settings": settings, "seed": 4, **options}
        return search_one_shot(engine, small_space, store, folder, **given)

    return run


def assert_told(error: DivergedError, folder: Path, *texts: str) -> None:
    """Check what a stopped one-shot search says and leaves."""
    state = folder / "checkpoint" / "supernet.safetensors"
    assert state.is_file()
    for text in (*texts, f"kept in {state}", f"all of them in {folder / 'diverged.json'}", "--alpha-lr"):
        assert text in str(error)
    record = json.loads((folder / "diverged.json").read_text())
    assert record["rows"] == list(error.rows)
    assert record["state"] == str(state)
    assert not (folder / "result.json").exists()


def test_alphas_that_are_not_finite_stop_the_search_although_their_loss_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adam, steps = torch.optim.Adam.step, list[None]()

    def spoiled(self: torch.optim.Adam) -> None:
        adam(self)
        steps.append(None)
        if len(steps) == 3 + 3:  # epochs of 3 steps, the first without alphas
            self.param_groups[0]["params"][1].data[0, 0] = torch.inf

    monkeypatch.setattr(torch.optim.Adam, "step", spoiled)
    with pytest.raises(DivergedError, match="the alphas are not finite") as caught:
        run(tmp_path / "run")
    assert_told(caught.value, tmp_path / "run", "the alphas are not finite: stage 2, epoch 1, step 3. ")
    monkeypatch.undo()


@pytest.mark.parametrize("part", ["alpha", "weight"])
def test_a_loss_is_told_with_the_rows_of_its_own_half(
    run: Run,
    store: SequenceStore,
    settings: OneShotSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    # Epoch 1 has 3 weight steps, then each step is one of the alphas and one of the weights.
    loss = NanAtCall(3 + 2 * 2 + (1 if part == "alpha" else 2))
    monkeypatch.setattr(supernet_training, "prediction_loss", loss)
    plain = replace(settings, weights=settings.weights.changed(reverse_complement_rate=0.0))
    with pytest.raises(DivergedError, match=f"the loss of the {part} step") as caught:
        run(tmp_path / "run", settings=plain)
    assert_told(caught.value, tmp_path / "run", "stage 1, epoch 2, step 3. ")
    assert torch.equal(torch.from_numpy(store.labels(caught.value.rows)).float(), loss.targets)


def test_a_choice_by_losses_that_are_not_finite_is_not_made(
    run: Run, settings: OneShotSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chooses = replace(settings, select="perturbation")
    monkeypatch.setattr(perturbation, "prediction_loss", NanAtCall(2))
    with pytest.raises(DivergedError, match="the held-out loss that ops are judged by") as caught:
        run(tmp_path / "run", settings=chooses)
    assert_told(caught.value, tmp_path / "run", "not a finite number: stage 2, epoch 2. ")
    monkeypatch.setattr(perturbation, "prediction_loss", prediction_loss)

    monkeypatch.setattr(supernet_training, "prediction_loss", NanAtCall(1))  # all epochs are done: it tunes
    with pytest.raises(DivergedError, match="the loss of the weight step") as caught:
        run(tmp_path / "run", settings=chooses, resume=True)
    assert_told(caught.value, tmp_path / "run", "stage 2, epoch 2, decision 1, step 1. ")


def test_removals_are_not_judged_by_losses_that_are_not_finite(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = get_one_shot_settings("osp-nas", "quick").changed(epochs=1, steps_per_epoch=2, batch_size=4)
    monkeypatch.setattr(perturbation, "prediction_loss", NanAtCall(1))
    with pytest.raises(DivergedError, match="the held-out loss that ops are judged by") as caught:
        run(tmp_path / "run", "osp-nas", settings=settings)
    assert_told(caught.value, tmp_path / "run", "not a finite number: round 1. ")
