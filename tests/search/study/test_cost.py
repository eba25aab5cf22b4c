"""The estimate counts the steps that runs take."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.search.study import probe
from genotools.search.study.cost import StepTime, batch_sizes, task_costs
from genotools.search.study.probe import step_times
from genotools.search.study.setup import StudyInputs, check_inputs
from genotools.search.study.tasks import Phase
from genotools.training.precision import Precision, autocast

Make = Callable[..., StudyInputs]


def costs(inputs: StudyInputs, phase: Phase = Phase.SEARCH) -> dict[str, float]:
    return {cost.task.entrant: cost.steps for cost in task_costs(inputs) if cost.task.phase is phase}


def test_steps_of_searches_are_counted(make_inputs: Make) -> None:
    # 80 training windows: 10 batches of 8, 5 in the half that weights of a supernet learn from.
    engines: dict[str, Any] = {
        "random": {"trials": 3, "epochs": 2, "steps": 4},
        "budgeted": {"engine": "random", "budget": "9epochs", "epochs": 2, "steps": 4},
        "successive-halving": {"epochs": 3, "set": {"n_genotypes": 4, "n_rungs": 3, "rung_epochs": 1}},
        "hyperband": {"epochs": 4, "set": {"max_epochs": 4, "eta": 2}},
        "darts": {"epochs": 4, "steps": 99, "weight_only_epochs": 1},
        "enas": {"set": {"n_rounds": 2, "n_paths": 5}},
        "bonas": {"trials": 7, "epochs": 3, "set": {"n_initial": 3, "round_size": 2}},
    }
    found = costs(make_inputs(engines=engines))
    assert found == {
        "random": 3 * 2 * 4,
        "budgeted": 9 * 4,
        "successive-halving": 2 * (4 + 2 + 1),  # 2 steps an epoch, from the table of all engines
        "hyperband": 2 * ((4 + 2 + 2) + (3 * 2 + 1 * 2) + 3 * 4),
        "darts": 5 * (4 + 3),
        "enas": 10,
        "bonas": 3 * 3 * 2,
    }


def test_training_is_counted_with_validation_and_test(make_inputs: Make) -> None:
    (cost, *_) = [cost for cost in task_costs(make_inputs()) if cost.task.phase is Phase.EVALUATION]
    assert (cost.kind, cost.steps, cost.batch_size) == ("network", 4, 8)
    assert cost.forward == 2 * 4 + 2 * 40 / 8
    assert cost.seconds({("network", 8): StepTime(1.0, 0.5)}) == 4 + 0.5 * cost.forward


def test_a_step_is_as_given_or_measured(make_inputs: Make) -> None:
    inputs = make_inputs(seconds={"supernet": 3.0})
    kinds = batch_sizes(task_costs(inputs))
    assert kinds == [("network", 8), ("supernet", 8)]
    times = step_times(inputs, [*kinds, ("path", 8)])
    assert times["supernet", 8] == StepTime(3.0, 1.0)
    assert 0 < times["network", 8].step < 10
    assert 0 < times["path", 8].step < 10


def test_a_step_is_measured_in_the_entrants_own_precision(
    make_inputs: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def noted(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
        used.append(precision)
        return autocast(device, precision)

    monkeypatch.setattr(probe, "autocast", noted)
    inputs = make_inputs(baselines=["danq"], own_training={"danq": {"precision": "bf16"}})
    step_times(inputs, [("danq", 8)])
    assert set(used) == {"bf16"}
    used.clear()
    step_times(make_inputs(baselines=["danq"]), [("danq", 8)])
    assert set(used) == {"fp32"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engines": {"randon": {}}}, r"engines.randon: unknown engine 'randon'.*Did you mean 'random'"),
        (
            {"engines": {"random": {"order": "first"}}},
            "trains no supernet of alphas and has no use for order",
        ),
        ({"engines": {"darts": {"trials": 3}}}, "engine 'darts' has no trials and has no use for trials"),
        ({"engines": {"random": {"set": {"sice": 1}}}}, "no setting 'sice'. Known: round_size"),
        ({"engines": {"random": {"budget": "soon"}}}, "'200epochs'"),
        ({"engines": {"random": {"preset": "fast"}}}, "engine 'random' has no preset 'fast'"),
        ({"metric": "accuracy"}, "metric: a task of kind multilabel has auroc, auprc, weighted_f1"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    make_inputs: Make, changes: dict[str, Any], message: str
) -> None:
    inputs = make_inputs(**changes)
    with SequenceStore.open(inputs.store_path) as store, pytest.raises(DataError, match=message):
        check_inputs(inputs, store)
