"""Running one task of a study: a search, a training, or the regression, each by the function that commands call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import read_json
from genotools.genotype.baselines import BASELINE_NAMES, BaselineName
from genotools.genotype.genotype import Genotype
from genotools.search.folder import BEST_FILE
from genotools.search.objectives import cost_check
from genotools.search.source import SourceOptions
from genotools.search.study.outcomes import chosen_selection
from genotools.search.study.protocol import KMER, EnginePlan
from genotools.search.study.setup import (
    StudyInputs,
    is_one_shot,
    one_shot_settings,
    sampling_setup,
    training_settings,
)
from genotools.search.study.tasks import Phase, Task

__all__ = ["TaskJob", "TaskRunner", "is_current"]

LOCK_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskJob:
    """A task as workers are given it."""

    number: int
    task: Task


class TaskRunner:
    """Runs tasks, or what is left of them; can be sent to another process."""

    def __init__(self, inputs: StudyInputs) -> None:
        self._inputs = inputs

    def __call__(self, job: TaskJob) -> dict[str, float]:
        """Run a task to its end; what it found lies in its folder."""
        task = job.task
        folder = self._inputs.folder / task.name
        with _threads(self._inputs.protocol.threads):
            _wait_until_free(folder)
            if task.phase is Phase.SEARCH:
                self._search(task, folder)
            elif task.entrant == KMER:
                from genotools.search.study.kmer import run_kmer

                run_kmer(self._inputs.store_path, folder)
            else:
                self._train(task, folder)
        return {}

    def _search(self, task: Task, folder: Path) -> None:
        plan = self._inputs.protocol.engine_plan(task.entrant)
        with SequenceStore.open(self._inputs.store_path) as store:
            run = self._search_one_shot if is_one_shot(plan) else self._search_trials
            run(plan, task, store, folder)

    def _search_one_shot(self, plan: EnginePlan, task: Task, store: SequenceStore, folder: Path) -> None:
        from genotools.search.one_shot_run import search_one_shot
        from genotools.training.device import choose_device

        search_one_shot(
            plan.engine or "",
            self._inputs.space,
            store,
            folder,
            macro=self._inputs.macro,
            settings=one_shot_settings(plan, store.task),
            seed=task.seed,
            device=str(choose_device(self._inputs.device)),
            resume=folder.exists(),
        )

    def _search_trials(self, plan: EnginePlan, task: Task, store: SequenceStore, folder: Path) -> None:
        from genotools.search.evaluator import TrainingEvaluator
        from genotools.search.run import search
        from genotools.search.shared_weights import SharedWeightsEvaluator
        from genotools.search.warm_start import write_descriptors
        from genotools.training.device import choose_device

        setup = sampling_setup(plan, store.task)
        device, macro, space = str(choose_device(self._inputs.device)), self._inputs.macro, self._inputs.space
        evaluator = (
            TrainingEvaluator(store, macro, setup.training, device=device)
            if setup.evaluation == "own"
            else SharedWeightsEvaluator(
                store, space, macro, setup.training, keep=setup.evaluation, device=device
            )
        )
        texts = [str(constraint) for constraint in setup.constraints]
        search(
            setup.engine,
            space,
            evaluator,
            folder,
            seed=task.seed,
            objectives=setup.objectives,
            n_trials=setup.n_trials,
            budget=setup.budget,
            settings=setup.settings,
            options=SourceOptions(
                accepts=cost_check(setup.constraints, macro, store.task), description={"constraints": texts}
            ),
            resume=folder.exists(),
        )
        write_descriptors(folder / "data.json", store)

    def _train(self, task: Task, folder: Path) -> None:
        from genotools.training.run import train

        inputs = self._inputs
        architecture = _architecture(inputs, task)
        is_other = isinstance(architecture, Genotype) and not _holds(folder, architecture)
        with SequenceStore.open(inputs.store_path) as store:
            settings = training_settings(
                inputs.protocol, task.entrant, store.task, is_selection=task.phase is Phase.SELECTION
            )
        train(
            architecture,
            inputs.store_path,
            folder,
            macro=inputs.macro if isinstance(architecture, Genotype) else None,
            settings=settings,
            seed=task.seed,
            device=inputs.device,
            resume=folder.exists() and not is_other,
            force=is_other,
        )


def _architecture(inputs: StudyInputs, task: Task) -> Genotype | BaselineName:
    """Return what a task trains."""
    if task.entrant in inputs.genotypes:
        return inputs.genotypes[task.entrant]
    if task.entrant in BASELINE_NAMES:
        return BaselineName(task.entrant)
    number = task.number
    if task.phase is Phase.EVALUATION:
        number = chosen_selection(inputs, task.entrant)
    return Genotype.load(inputs.folder / Phase.SEARCH / task.entrant / f"seed-{number}" / BEST_FILE)


def _holds(folder: Path, genotype: Genotype) -> bool:
    """Return whether a folder is free or holds a training of this genotype, not of one that was chosen before."""
    path = folder / "genotype.json"
    return not path.exists() or Genotype.load(path) == genotype


def is_current(inputs: StudyInputs, task: Task) -> bool:
    """Return whether a task is done, and with the genotype that is the engine's choice by now."""
    if not task.is_done(inputs.folder):
        return False
    if task.phase is not Phase.EVALUATION or task.entrant not in inputs.protocol.engines:
        return True
    result = read_json(inputs.folder / task.name / "result.json")
    architecture = _architecture(inputs, task)
    assert isinstance(architecture, Genotype)
    return isinstance(result, dict) and result.get("genotype_digest") == architecture.digest


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let PyTorch have so many threads inside the block: sums of floats depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wait_until_free(folder: Path) -> None:
    """Wait for a worker of a killed study, which notices only after a moment that nobody waits for it."""
    if not (folder / ".lock").exists():
        return
    try:
        with FileLock(folder / ".lock").acquire(timeout=LOCK_TIMEOUT_S):
            pass
    except Timeout as error:
        raise DataError(f"{folder}: another process uses this folder.") from error
