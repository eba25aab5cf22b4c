"""What a study will cost: for every task the steps of training it takes, times the seconds of one.

Steps are counted from the settings, early stopping apart. Of a supernet a step is counted by the share of its ops
that are live; a step of the alphas counts as one of the weights, a second-order one as four.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from genotools.data.store import SequenceStore
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.genotype.task import Task as DataTask
from genotools.search.hyperband import brackets
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_settings import OspSettings
from genotools.search.study.protocol import KMER, EnginePlan
from genotools.search.study.setup import (
    SamplingSetup,
    StudyInputs,
    is_one_shot,
    one_shot_settings,
    sampling_setup,
    training_settings,
)
from genotools.search.study.tasks import Phase, Task, plan_tasks
from genotools.training.settings import TrainingSettings

__all__ = ["FORWARD", "StepTime", "StepTimes", "TaskCost", "batch_sizes", "task_costs"]

FORWARD = 1 / 3
"""Time of a forward pass, in steps of training, where it is not measured."""
N_OPS = 9
SECOND_ORDER = 4
OSP_SHARE = 0.55
"""Of the ops that are live over an OSP-NAS search, on average."""
OSP_KEPT = 9
"""Ops of a cell that are left when its rounds end."""
KMER_SECONDS = 6e-10
"""Of the regression, per window, label, word and evaluation of its loss; measured."""
KMER_EVALUATIONS = 60


class StepTime(NamedTuple):
    """Seconds of a step of training, and of a prediction of as many windows."""

    step: float
    forward: float


StepTimes: TypeAlias = Mapping[tuple[str, int], StepTime]
"""By kind of network and batch size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCost:
    """What a task takes.

    Parameters
    ----------
    kind
        Of network, one of :data:`~genotools.search.study.protocol.NETWORK_KINDS`; ``kmer`` for the regression.
    steps
        Of training.
    forward
        Batches that are only predicted.
    fixed_seconds
        Besides, or instead: a budget of time.
    batch_size
        Windows in a step.
    """

    task: Task
    kind: str
    steps: float = 0.0
    forward: float = 0.0
    fixed_seconds: float = 0.0
    batch_size: int = field(default=1)

    def seconds(self, times: StepTimes) -> float:
        """Return the time it will take."""
        if not self.steps and not self.forward:
            return self.fixed_seconds
        of_one = times[self.kind, self.batch_size]
        return self.fixed_seconds + self.steps * of_one.step + self.forward * of_one.forward


@dataclass(frozen=True, slots=True)
class _Data:
    """Numbers of windows."""

    train: int
    valid: int
    test: int

    def n_steps(self, settings: TrainingSettings, share: float = 1.0) -> int:
        """Return the steps of an epoch over a share of the training split."""
        n_batches = max(1, int(self.train * share) // settings.batch_size)
        return min(settings.steps_per_epoch or n_batches, n_batches)

    def n_valid(self, settings: TrainingSettings) -> int:
        return math.ceil(self.valid / settings.batch_size)


def task_costs(inputs: StudyInputs) -> list[TaskCost]:
    """Return the cost of every task, in order of the plan."""
    with SequenceStore.open(inputs.store_path) as store:
        data = _Data(*(len(store.rows(split)) for split in ("train", "valid", "test")))
        kind, n_labels = store.task, len(store.names)
    costs = []
    for task in plan_tasks(inputs.protocol):
        if task.entrant == KMER:
            seconds = KMER_SECONDS * KMER_EVALUATIONS * data.train * n_labels * 4**6
            costs.append(TaskCost(task=task, kind="kmer", fixed_seconds=seconds))
        elif task.phase is Phase.SEARCH:
            plan = inputs.protocol.engine_plan(task.entrant)
            costs.append(
                _one_shot(task, plan, kind, data) if is_one_shot(plan) else _trials(task, plan, kind, data)
            )
        else:
            costs.append(_training(inputs, task, kind, data))
    return costs


def _training(inputs: StudyInputs, task: Task, kind: DataTask, data: _Data) -> TaskCost:
    is_selection = task.phase is Phase.SELECTION
    settings = training_settings(inputs.protocol, task.entrant, kind, is_selection=is_selection)
    strands = 1 if kind.one_strand else 2
    return TaskCost(
        task=task,
        kind=task.entrant if task.entrant in BASELINE_NAMES else "network",
        steps=settings.epochs * data.n_steps(settings),
        forward=settings.epochs * data.n_valid(settings) + strands * data.test / settings.batch_size,
        batch_size=settings.batch_size,
    )


def _one_shot(task: Task, plan: EnginePlan, kind: DataTask, data: _Data) -> TaskCost:
    settings = one_shot_settings(plan, kind)
    batch = settings.weights.batch_size
    share = 0.5 if settings.alpha_data == "train-half" else 1.0
    n_steps = data.n_steps(settings.weights, share)
    if isinstance(settings, OspSettings):
        steps, forward = _osp(settings, n_steps)
    else:
        steps, forward = _alpha_steps(settings, n_steps), 0.0
    return TaskCost(task=task, kind="supernet", steps=steps, forward=forward, batch_size=batch)


def _alpha_steps(settings: OneShotSettings, n_steps: int) -> float:
    """Return the steps of a search by alphas, in steps of the whole supernet."""
    an_alpha = SECOND_ORDER if settings.order == "second" else 1
    total, live = 0.0, 1.0
    for stage in settings.stages:
        total += n_steps * live * (stage.epochs + an_alpha * (stage.epochs - stage.weight_only_epochs))
        live = min(live, (stage.conv_ops or N_OPS) / N_OPS)
    if settings.select == "perturbation":  # about one decision an edge and an op, each over some batches
        total += live * 36 * (settings.perturbation_batches * N_OPS * FORWARD + settings.perturbation_steps)
    return total


def _osp(settings: OspSettings, n_steps: int) -> tuple[float, float]:
    n_rounds = math.ceil((settings.n_initial - OSP_KEPT) / (settings.n_proposed - 1))
    epochs = settings.pretrain_epochs + n_rounds * settings.round_epochs
    losses = n_rounds * settings.n_proposed * settings.loss_batches
    return OSP_SHARE * epochs * n_steps, OSP_SHARE * losses


def _trials(task: Task, plan: EnginePlan, kind: DataTask, data: _Data) -> TaskCost:
    setup = sampling_setup(plan, kind)
    training = setup.training
    batch, n_steps, n_valid = training.batch_size, data.n_steps(training), data.n_valid(training)
    if setup.budget is not None and setup.budget.unit == "seconds":
        return TaskCost(task=task, kind="network", fixed_seconds=setup.budget.amount)
    if setup.evaluation != "own":
        steps, forward = _shared(setup, n_steps, n_valid)
        return TaskCost(task=task, kind="path", steps=steps, forward=forward, batch_size=batch)
    epochs = float(_trial_epochs(setup))
    if setup.budget is not None:
        amount = setup.budget.amount / (n_steps if setup.budget.unit == "steps" else 1)
        epochs = min(epochs, amount) if setup.n_trials or epochs else amount
    return TaskCost(
        task=task, kind="network", steps=epochs * n_steps, forward=epochs * n_valid, batch_size=batch
    )


def _trial_epochs(setup: SamplingSetup) -> int:
    """Return the epochs of all trials; 0 where only a budget ends the search."""
    settings = setup.settings
    if setup.engine == "successive-halving":
        n, eta = settings.get("n_genotypes", 25), settings.get("eta", 2)
        rungs = [max(1, n // eta**rung) for rung in range(settings.get("n_rungs", 4))]
        return int(settings.get("rung_epochs", 3) * sum(rungs))
    if setup.engine == "hyperband":
        ladders = brackets(settings.get("max_epochs", 81), settings.get("eta", 3))
        return sum(_ladder_epochs(ladder) for ladder in ladders)
    return (setup.n_trials or 0) * setup.training.epochs


def _ladder_epochs(rungs: Sequence[tuple[int, int]]) -> int:
    before = 0
    total = 0
    for n_trials, epochs in rungs:
        total += n_trials * (epochs - before)
        before = epochs
    return total


def _shared(setup: SamplingSetup, n_steps: int, n_valid: int) -> tuple[float, float]:
    """Return the single-path steps and the batches of scores of a search with shared weights."""
    settings, n_recalibration = setup.settings, 10
    if setup.engine == "enas":
        n_rounds, n_paths = settings.get("n_rounds", 150), settings.get("n_paths", 2000)
        n_scores = n_rounds * settings.get("round_size", 100) + settings.get("n_final", 100)
        return n_rounds * n_paths, n_scores * (n_recalibration + n_valid)
    n_trials = setup.n_trials or 0
    n_initial, size = settings.get("n_initial", n_trials), settings.get("round_size", max(1, n_trials))
    n_rounds = 1 + math.ceil(max(0, n_trials - n_initial) / size)
    return n_rounds * setup.training.epochs * n_steps, n_trials * (n_recalibration + n_valid)


def batch_sizes(costs: Sequence[TaskCost]) -> list[tuple[str, int]]:
    """Return the kinds of steps that are in them, each with its batch size, once."""
    return sorted({(cost.kind, cost.batch_size) for cost in costs if cost.steps or cost.forward})
