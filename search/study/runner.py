"""A study from beginning to end, and its folder.

======================== ====================================================================================
``study.json``           protocol, digest of the data; a study is resumed with the ones it was started with
``macro.json``, ...      what the protocol names: macro-architecture, space, genotypes
``journal.jsonl``        one line a task that has ended, and how
``search/``              ``ENGINE/seed-N``: run folders of searches
``selection/``           ``ENGINE/seed-N``: trainings of the best genotype of each search
``evaluation/``          ``ENTRANT/seed-N``: trainings from scratch, tested
``results.json``         everything that was measured, and the tests; ``table.tsv``, ``table.md`` and the figures
                         (``selection.svg``, ``evaluation.svg``, and as PNG) show it
``commands.sh``          the command lines that repeat every task by hand
======================== ====================================================================================

Whether a task is done is told by its own folder alone, so a study that was killed at any moment goes on from there.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Self

from genotools.data.store import SequenceStore
from genotools.errors import DataError, OutputExistsError
from genotools.files import claimed, read_json, write_json
from genotools.formats import STUDY_FOLDER
from genotools.genotype.documents import space_to_document
from genotools.search.executors import Executor, LocalExecutor
from genotools.search.journal import Journal
from genotools.search.study.commands import write_commands
from genotools.search.study.results import StudyResults, write_results
from genotools.search.study.setup import StudyInputs, check_inputs
from genotools.search.study.steps import TaskJob, TaskRunner, is_current
from genotools.search.study.tasks import Phase, Task, plan_tasks

__all__ = ["Ending", "TaskEnd", "check_free", "check_same_study", "run_study"]

LOCK = ".lock"
BUSY = "another process is running this study."


class Ending(StrEnum):
    """How a task ended."""

    KEPT = "kept"
    """It had been done before."""
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    """What it waited for has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnd:
    """A task that has ended; ``error`` is the last line of its traceback."""

    task: Task
    ending: Ending
    seconds: float = 0.0
    error: str | None = None


def run_study(
    inputs: StudyInputs,
    *,
    resume: bool = False,
    n_workers: int = 1,
    n_gpus: int = 0,
    on_end: Callable[[TaskEnd], None] = lambda end: None,
    on_start: Callable[[Task], None] = lambda task: None,
) -> StudyResults:
    """Run a study, or what is left of it, and write tables, figures and commands into its folder.

    Parameters
    ----------
    inputs
        What to do, on what, where.
    resume
        Continue the study in the folder; what failed is tried again.
    n_workers
        Tasks that run at once, each in a process of its own; 1 runs them in this one. It changes no result.
    n_gpus
        CUDA devices that workers take in turn.
    on_end, on_start
        Called when a task has ended, and when it is handed out.

    Raises
    ------
    OutputExistsError
        If the folder holds something and ``resume`` was not asked for.
    DataError
        If the protocol does not fit the data, or the study in the folder is another one, or is in use.
    """
    with SequenceStore.open(inputs.store_path) as store:
        check_inputs(inputs, store)
        digest = store.digest
    with _claimed(inputs, digest, resume=resume):
        schedule = _Schedule(inputs, on_end=on_end, on_start=on_start)
        journal = Journal(inputs.folder / "journal.jsonl")
        with _executor(n_workers, inputs.protocol.threads, n_gpus) as executor:
            for outcome in executor.run(TaskRunner(inputs), schedule):  # type: ignore[arg-type]  # jobs are tasks here
                lines = (outcome.error or "").strip().splitlines()
                ending = Ending.FAILED if lines else Ending.DONE
                end = TaskEnd(
                    task=schedule.tasks[outcome.number],
                    ending=ending,
                    seconds=outcome.seconds,
                    error=lines[-1] if lines else None,
                )
                event = {"task": end.task.name, "ending": ending, "seconds": end.seconds}
                journal.append("ended", {**event, **({"error": outcome.error} if lines else {})})
                schedule.end(end)
        results = write_results(inputs, failures=schedule.failures)
        write_commands(inputs)
        return results


def _executor(n_workers: int, threads: int, n_gpus: int) -> Executor:
    if n_workers == 1:
        return LocalExecutor()
    from genotools.search.process_pool import ProcessExecutor

    return ProcessExecutor(n_workers, threads=threads, n_gpus=n_gpus)


class _Schedule:
    """The tasks that can start: iterating ends where there is none for now, and may go on after another ended.

    Attributes
    ----------
    failures
        Reason by name of the task, in order of the plan.
    """

    def __init__(
        self, inputs: StudyInputs, *, on_end: Callable[[TaskEnd], None], on_start: Callable[[Task], None]
    ) -> None:
        self.tasks = plan_tasks(inputs.protocol)
        self._inputs, self._on_end, self._on_start = inputs, on_end, on_start
        self._waiting = list(enumerate(self.tasks))
        self._ended: dict[str, TaskEnd] = {}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TaskJob:
        """Return the next task that is to run; what is done or cannot run is passed over."""
        position = 0
        while position < len(self._waiting):
            number, task = self._waiting[position]
            if any(name not in self._ended for name in task.waits_for):
                position += 1
                continue
            del self._waiting[position]
            lost = [
                name for name in task.waits_for if self._ended[name].ending in (Ending.FAILED, Ending.BLOCKED)
            ]
            if task.waits_for and len(lost) == len(task.waits_for):
                self.end(TaskEnd(task=task, ending=Ending.BLOCKED, error=f"{', '.join(lost)} failed"))
                position = 0
            elif self._is_current(task):
                self.end(TaskEnd(task=task, ending=Ending.KEPT))
                position = 0
            else:
                self._on_start(task)
                return TaskJob(number=number, task=task)
        raise StopIteration

    def _is_current(self, task: Task) -> bool:
        try:
            return is_current(self._inputs, task)
        except DataError:  # it will say so when it runs, as a failure of its own
            return False

    def end(self, end: TaskEnd) -> None:
        """Take note of a task that has ended."""
        self._ended[end.task.name] = end
        self._on_end(end)

    @property
    def failures(self) -> dict[str, str]:
        return {
            task.name: self._ended[task.name].error or ""
            for task in self.tasks
            if self._ended[task.name].ending in (Ending.FAILED, Ending.BLOCKED)
        }


@contextmanager
def _claimed(inputs: StudyInputs, digest: str, *, resume: bool) -> Iterator[None]:
    """Hold the folder for this process, with the study's description in place."""
    unused = partial(_check_unused, inputs.folder, resume=resume)
    with claimed(inputs.folder, LOCK, unused, busy=BUSY):
        _describe(inputs, digest)
        yield


def check_free(folder: Path, *, resume: bool) -> None:
    """Raise OutputExistsError where a study must not start, DataError where none can or another process runs one."""
    with claimed(folder, LOCK, partial(_check_unused, folder, resume=resume), busy=BUSY):
        pass


def _check_unused(folder: Path, *, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, a folder was expected.")
    if not resume and folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise OutputExistsError(folder, "Continue the study in it with --resume, or choose another folder.")


def _describe(inputs: StudyInputs, digest: str) -> None:
    """Write what the study is, or refuse to go on with another one."""
    document = {
        **STUDY_FOLDER.signed_header,
        "protocol": inputs.protocol.model_dump(mode="json", exclude={"seconds"}),
        "data": {"digest": digest},
        "macro": inputs.macro.to_document(),
        "space": space_to_document(inputs.space),
        "genotypes": {name: genotype.digest for name, genotype in inputs.genotypes.items()},
    }
    document = json.loads(json.dumps(document))
    path = inputs.folder / "study.json"
    if path.exists():
        check_same_study(path, document)
    for phase in Phase:
        (inputs.folder / phase).mkdir(exist_ok=True)
    write_json(inputs.folder / "macro.json", inputs.macro.to_document())
    write_json(inputs.folder / "space.json", space_to_document(inputs.space))
    if inputs.genotypes:
        (inputs.folder / "genotypes").mkdir(exist_ok=True)
    for name, genotype in inputs.genotypes.items():
        genotype.save(inputs.folder / "genotypes" / f"{name}.json", force=True)
    write_json(path, document)


def check_same_study(path: Path, document: Mapping[str, object]) -> None:
    """Raise DataError, naming what differs, where ``study.json`` is damaged or not of the study in ``document``."""
    before = STUDY_FOLDER.check_object(read_json(path), where=path)
    signed = {**before, "genotools": document.get("genotools")}  # a later one may go on
    if faults := _differences(signed, document, ""):
        raise DataError.from_faults(f"{path} (a study is resumed as it was started)", faults)


def _differences(before: object, now: object, key: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            fault
            for name in sorted(before.keys() | now.keys())
            for fault in _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
        ]
    return [] if before == now else [f"{key}: was {before!r:.80}, now {now!r:.80}."]
