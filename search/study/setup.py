"""From a protocol to what runs take: settings of trainings and engines, checked before anything starts.

The values are those that ``genotools search`` and ``genotools train`` make of the same options; a test compares
bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.space import SearchSpace
from genotools.genotype.task import Task, TaskKind
from genotools.search.budget import Budget
from genotools.search.engine import Evaluation
from genotools.search.objectives import Constraint, Objective
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, engine_name, get_one_shot_settings
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_settings import OspSettings
from genotools.search.presets import get_search_preset
from genotools.search.registry import engine_class, engine_preset, make_engine
from genotools.search.source import Source
from genotools.search.study.protocol import EnginePlan, Protocol
from genotools.training.settings import TrainingSettings, get_preset
from genotools.training.task_metrics import HEADLINE, METRIC_NAMES

__all__ = [
    "DEFAULT_PRESET",
    "FOR_SUPERNETS",
    "SamplingSetup",
    "StudyInputs",
    "check_inputs",
    "is_one_shot",
    "metric_of",
    "one_shot_settings",
    "sampling_setup",
    "training_settings",
]

DEFAULT_PRESET = "quick"
FOR_TRIALS = ("trials", "budget", "set", "evaluation", "objectives", "constraints")
FOR_SUPERNETS = ("order", "select", "max_skips", "weight_only_epochs", "alpha_data", "alpha_lr")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyInputs:
    """A protocol with everything that it names, and where the study lies.

    Parameters
    ----------
    genotypes
        The fixed genotypes, by their names in the study.
    """

    protocol: Protocol
    folder: Path
    store_path: Path
    macro: Macro
    space: SearchSpace
    genotypes: Mapping[str, Genotype]
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSetup:
    """What a search with proposed trials takes besides space, data and seed."""

    engine: str
    settings: dict[str, Any]
    training: TrainingSettings
    evaluation: Evaluation
    objectives: list[Objective]
    constraints: list[Constraint]
    n_trials: int | None
    budget: Budget | None


def is_one_shot(plan: EnginePlan) -> bool:
    """Return whether the engine trains one supernet."""
    return engine_name(plan.engine or "") in ONE_SHOT_ENGINES


def sampling_setup(plan: EnginePlan, task: Task) -> SamplingSetup:
    """Return how an engine that proposes trials is run; raises DataError for what it does not have."""
    name, preset_name = plan.engine or "", plan.preset or DEFAULT_PRESET
    _refuse(plan, FOR_SUPERNETS, f"engine {name!r} trains no supernet of alphas")
    preset, chosen = engine_preset(name, preset_name), get_search_preset(preset_name)
    training = chosen.training.changed(**preset.training).changed(
        epochs=plan.epochs, steps_per_epoch=plan.steps, batch_size=plan.batch_size
    )
    objectives = [Objective.parse(text) for text in plan.objectives] or [Objective.of_task(task)]
    for objective in objectives:
        objective.check_task(task)
    return SamplingSetup(
        engine=name,
        settings={**preset.settings, **plan.set},
        training=training.for_task(task),
        evaluation=plan.evaluation or engine_class(name).evaluation,
        objectives=objectives,
        constraints=[Constraint.parse(text) for text in plan.constraints],
        n_trials=plan.trials or (None if plan.budget else preset.n_trials),
        budget=None if plan.budget is None else Budget.parse(plan.budget),
    )


def one_shot_settings(plan: EnginePlan, task: Task) -> OneShotSettings | OspSettings:
    """Return how an engine that trains one supernet is run; raises DataError for what it does not have."""
    name = plan.engine or ""
    _refuse(plan, FOR_TRIALS, f"engine {name!r} has no trials")
    settings: OneShotSettings | OspSettings = get_one_shot_settings(name, plan.preset or DEFAULT_PRESET)
    changes = {key: getattr(plan, key) for key in FOR_SUPERNETS}
    settings = settings.changed(
        epochs=plan.epochs, steps_per_epoch=plan.steps, batch_size=plan.batch_size, **changes
    )
    return replace(settings, weights=settings.weights.for_task(task))


def _refuse(plan: EnginePlan, keys: tuple[str, ...], why: str) -> None:
    given = [key for key in keys if getattr(plan, key) not in (None, [], {})]
    if given:
        raise DataError(f"{why} and has no use for {', '.join(given)}.")


def training_settings(
    protocol: Protocol, entrant: str, task: Task, *, is_selection: bool
) -> TrainingSettings:
    """Return the training of an entrant's network in the selection or in the evaluation."""
    plan = protocol.training_plan(entrant, is_selection=is_selection)
    settings = get_preset(plan.preset or DEFAULT_PRESET).for_task(task)
    return settings.changed(
        epochs=plan.epochs,
        steps_per_epoch=plan.steps,
        batch_size=plan.batch_size,
        lr=plan.lr,
        recurrent_lr=plan.recurrent_lr,
        patience=plan.patience,
        precision=plan.precision,
        reverse_complement_rate=plan.reverse_complement,
        shift_bp=plan.shift,
    )


def metric_of(protocol: Protocol, task: Task) -> str:
    """Return the metric that decides; raises DataError if the task does not have it."""
    if protocol.metric == "auto":
        return HEADLINE[task.kind]
    if protocol.metric not in METRIC_NAMES[task.kind]:
        known = ", ".join(METRIC_NAMES[task.kind])
        raise DataError(f"metric: a task of kind {task.kind} has {known}, not {protocol.metric[:60]!r}.")
    return protocol.metric


def check_inputs(inputs: StudyInputs, store: SequenceStore) -> None:
    """Refuse a study that some task of would fail at the start.

    Raises
    ------
    DataError
        Listing every fault with its key.
    """
    protocol, task = inputs.protocol, store.task
    faults = []

    def check(key: str, make: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            make(*arguments, **keywords)
        except DataError as error:
            faults.append(f"{key}: {error}" if key else str(error))

    check("", metric_of, protocol, task)
    for name in protocol.engines:
        check(f"engines.{name}", _check_engine, protocol.engine_plan(name), task, inputs.space)
    for name in protocol.entrants():
        key = f"own_training.{name}" if name in protocol.own_training else "training"
        check(key, training_settings, protocol, name, task, is_selection=False)
    check("selection", training_settings, protocol, "", task, is_selection=True)
    if protocol.kmer and task.kind is not TaskKind.MULTILABEL:
        faults.append(f"kmer: the regression is for yes-or-no labels, the store's task is {task.kind}.")
    if inputs.macro.length != store.length:
        faults.append(
            f"macro: it takes {inputs.macro.length} bp, the store's windows have {store.length} bp."
        )
    for split in ("train", "valid", "test"):
        if not len(store.rows(split)):
            faults.append(f"{store.path}: its split {split!r} is empty; a study needs all three.")
    clashes = [name for name in protocol.engines if name in BASELINE_NAMES]
    faults += [f"engines.{name}: that is the name of a hand-designed network." for name in clashes]
    if faults:
        raise DataError.from_faults("protocol", sorted(set(faults), key=faults.index))


def _check_engine(plan: EnginePlan, task: Task, space: SearchSpace) -> None:
    if is_one_shot(plan):
        one_shot_settings(plan, task)
        return
    setup = sampling_setup(plan, task)
    make_engine(setup.engine, Source(space, rng=np.random.default_rng(0)), setup.settings)
