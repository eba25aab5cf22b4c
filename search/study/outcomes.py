"""What finished tasks found, read from their folders: nothing about a study is known but by what lies there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import read_json
from genotools.formats import KMER_RESULT, TRAINING_RESULT
from genotools.search.study.setup import StudyInputs, metric_of
from genotools.search.study.tasks import Phase, Task, plan_tasks
from genotools.training.task_metrics import LOWER_IS_BETTER

__all__ = ["TrainingOutcome", "chosen_selection", "read_training", "selection_values"]

MAX_RESULT_BYTES = 1 << 28
"""Of a run: it may have metrics of a million labels."""
ROWS = {"labels", "classes", "outputs"}
"""Under which of these keys the metrics of every label are; a task has one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """A finished training.

    Attributes
    ----------
    valid, test
        Means over labels by name of metric, without a prefix; undefined ones are left out.
    by_label
        Of the test, values of every label by name of metric, None where undefined; in the order of the labels.
    """

    valid: dict[str, float]
    test: dict[str, float]
    by_label: dict[str, list[float | None]]
    n_params: int
    seconds: float
    digest: str | None


def read_training(folder: Path) -> TrainingOutcome:
    """Return what a training found; raises DataError if its result is none."""
    path = folder / "result.json"
    found = read_json(path, max_bytes=MAX_RESULT_BYTES)
    is_kmer = isinstance(found, dict) and found.get("format") == KMER_RESULT.name
    document = (KMER_RESULT if is_kmer else TRAINING_RESULT).check_object(found, where=path)
    try:
        test: dict[str, Any] = document["test"] or {}
        rows: list[dict[str, Any]] = next((test[key] for key in ROWS & test.keys()), [])
        names = [key for key in (rows[0] if rows else {}) if key not in ("name", "n")]
        return TrainingOutcome(
            valid=_numbers(
                {key.removeprefix("valid_"): value for key, value in document["validation"].items()}
            ),
            test=_numbers({key.removeprefix("mean_"): value for key, value in test.items()}),
            by_label={key: [row[key] for row in rows] for key in names},
            n_params=int(document["n_params"]),
            seconds=float(document["seconds"]),
            digest=document.get("genotype_digest"),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not the result of a training ({error!r}). Remove the folder.") from error


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def selection_values(inputs: StudyInputs, engine: str, metric: str) -> dict[int, float]:
    """Return the validation metric of an engine's finished selection runs, by number."""
    found = {}
    for task in _selections(inputs, engine):
        if task.is_done(inputs.folder):
            value = read_training(inputs.folder / task.name).valid.get(metric)
            if value is not None:
                found[task.number] = value
    return found


def _selections(inputs: StudyInputs, engine: str) -> list[Task]:
    tasks = plan_tasks(inputs.protocol)
    return [task for task in tasks if task.phase is Phase.SELECTION and task.entrant == engine]


def chosen_selection(inputs: StudyInputs, engine: str) -> int:
    """Return the number of an engine's best selection run, the first among equals.

    Raises
    ------
    DataError
        If none has finished with a metric.
    """
    with SequenceStore.open(inputs.store_path) as store:
        metric = metric_of(inputs.protocol, store.task)
    values = selection_values(inputs, engine, metric)
    if not values:
        raise DataError(f"{inputs.folder}: no selection run of {engine} has a validation {metric}.")
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return max(values, key=lambda number: (sign * values[number], -number))
