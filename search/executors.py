"""Where trials run: in this process, in a pool of worker processes, or on Ray.

An executor runs the jobs of a round and yields outcomes as they come; the driver sorts them. A trial that raises is
an outcome with its traceback. A worker that dies takes its trial with it: the trial is queued again once, and has
failed when a second worker dies of it.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

from genotools.errors import DataError
from genotools.search.evaluation import Evaluator, Job, Numbered, Outcome

__all__ = ["EXECUTORS", "Executor", "ExecutorName", "LocalExecutor", "make_executor", "run_job"]

JobT = TypeVar("JobT", bound=Numbered)

ExecutorName = Literal["local", "processes", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = ("local", "processes", "ray")

MAX_DEATHS = 2
"""Workers that may die of one trial before it has failed."""


class Executor(Protocol):
    """Runs jobs; a context manager that lets its workers go at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, evaluator: Evaluator, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield the outcome of every job as it comes; ``jobs`` is drawn from as workers become free.

        Raises
        ------
        OSError
            If the machine fails, not the trial: a full disk, a lost device.
        """
        ...


class LocalExecutor:
    """Runs one job after another in this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def run(self, evaluator: Callable[[JobT], dict[str, float]], jobs: Iterable[JobT]) -> Iterator[Outcome]:
        """Yield the outcomes in the order of the jobs."""
        for job in jobs:
            yield run_job(evaluator, job)


def run_job(evaluate: Callable[[JobT], dict[str, float]], job: JobT) -> Outcome:
    """Evaluate one job; what it raises is in its outcome, a failure of the machine (OSError) is raised."""
    started = time.monotonic()
    metrics, error = None, None
    try:
        metrics = evaluate(job)
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - a trial may fail in any way; the journal keeps its traceback
        error = traceback.format_exc()
    seconds = round(time.monotonic() - started, 3)
    return Outcome(number=job.number, seconds=seconds, metrics=metrics, error=error)


def died(job: Numbered, cause: str) -> Outcome:
    """Return the outcome of a job whose workers died."""
    return Outcome(
        number=job.number, seconds=0.0, error=f"{MAX_DEATHS} workers died of this trial, the last {cause}."
    )


def make_executor(
    name: ExecutorName,
    *,
    n_workers: int | None = None,
    threads: int = 1,
    n_gpus: int = 0,
    ray_address: str | None = None,
) -> Executor:
    """Return an executor.

    Parameters
    ----------
    name
        ``local``, ``processes`` or ``ray``.
    n_workers
        Trials that run at once; None is one a GPU, or one a core where there is none.
    threads
        Threads of PyTorch in each worker.
    n_gpus
        CUDA devices of this machine that trials use; workers take them in turn.
    ray_address
        Of a running cluster; None starts a local one for the search.

    Raises
    ------
    DataError
        If the name is unknown, or a number is not positive.
    MissingExtraError
        If Ray is asked for and not installed.
    """
    faults = [
        f"{what} is {value}, it must be at least 1."
        for what, value in (("the number of workers", n_workers), ("the number of threads", threads))
        if value is not None and value < 1
    ]
    if faults:
        raise DataError.from_faults("executor", faults)
    if name == "local":
        return LocalExecutor()
    if name == "processes":
        from genotools.search.process_pool import ProcessExecutor

        return ProcessExecutor(n_workers, threads=threads, n_gpus=n_gpus)
    if name == "ray":
        from genotools.search.ray_executor import RayExecutor

        return RayExecutor(n_workers, threads=threads, n_gpus=n_gpus, address=ray_address)
    raise DataError(f"unknown executor {name!r}. Known: {', '.join(EXECUTORS)}.")
