"""Trials in worker processes of this machine: one trial a worker, threads pinned, devices shared out.

Workers are started once and kept for the whole search, since loading PyTorch takes seconds. Python's own pools are
not used because one killed worker breaks them as a whole; here it costs its own trial one more run.
"""

import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self, TypeAlias

from genotools.search.evaluation import Numbered, Outcome
from genotools.search.executors import MAX_DEATHS, JobT, died, run_job

__all__ = ["ProcessExecutor"]

Work: TypeAlias = Callable[[Any], dict[str, float]]
"""What is done with every job; an evaluator is one."""

PARENT_CHECKED_EVERY_S = 0.5
STOP_TIMEOUT_S = 5.0


class ProcessExecutor:
    """A pool of worker processes.

    Parameters
    ----------
    n_workers
        None is one a GPU, or one a core where there is none.
    threads
        Threads of PyTorch in each worker.
    n_gpus
        CUDA devices; each worker sees one of them, in turn. 0 leaves the choice to the evaluator.
    """

    def __init__(self, n_workers: int | None = None, *, threads: int = 1, n_gpus: int = 0) -> None:
        self.n_workers = n_workers or n_gpus or os.cpu_count() or 1
        self._threads, self._n_gpus = threads, n_gpus
        self._workers: list[_Worker] = []
        self._evaluator: Work | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop(at_once=error is not None)
        self._workers.clear()

    def run(self, evaluator: Callable[[JobT], dict[str, float]], jobs: Iterable[JobT]) -> Iterator[Outcome]:
        """Yield the outcome of every job as it comes.

        ``jobs`` may have nothing for now and more when another job has ended: it is asked again then.
        """
        self._evaluator = evaluator
        upcoming, again, deaths = iter(jobs), deque[Numbered](), Counter[int]()
        while True:
            self._hand_out(upcoming, again)
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                return
            for worker in _ready(busy):
                job = worker.job
                assert job is not None
                answer = worker.answer()
                if isinstance(answer, OSError):
                    raise answer
                if answer is not None:
                    yield answer
                    continue
                deaths[job.number] += 1
                cause = self._replace(worker)
                if deaths[job.number] < MAX_DEATHS:
                    again.append(job)
                else:
                    yield died(job, cause)

    def _hand_out(self, upcoming: Iterator[Numbered], again: deque[Numbered]) -> None:
        """Give every idle worker a job, starting workers while there is work for them."""
        for index in range(self.n_workers):
            if index < len(self._workers) and self._workers[index].job is not None:
                continue
            job = again.popleft() if again else next(upcoming, None)
            if job is None:
                return
            if index == len(self._workers):
                self._workers.append(self._start(index))
            self._workers[index].give(job)

    def _start(self, index: int) -> "_Worker":
        assert self._evaluator is not None
        environment = {"OMP_NUM_THREADS": str(self._threads)}
        if self._n_gpus:
            environment["CUDA_VISIBLE_DEVICES"] = str(index % self._n_gpus)
        return _Worker(self._evaluator, self._threads, environment)

    def _replace(self, worker: "_Worker") -> str:
        """Put a new worker in the place of a dead one and say how it died."""
        worker.stop(at_once=True)
        code = worker.process.exitcode
        index = self._workers.index(worker)
        self._workers[index] = self._start(index)
        if code is not None and code < 0:
            return f"by {signal.Signals(-code).name}"
        return f"with exit code {code}"


class _Worker:
    """One process, and the job it has."""

    def __init__(self, evaluator: Work, threads: int, environment: Mapping[str, str]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, evaluator, threads, os.getpid()), daemon=True
        )
        with _environment(environment):
            self.process.start()
        theirs.close()
        self.job: Numbered | None = None

    def give(self, job: Numbered) -> None:
        self.job = job
        try:
            self.connection.send(job)
        except OSError:  # it has died meanwhile; that is found out when its answer is waited for
            return

    def answer(self) -> Outcome | OSError | None:
        """Return what became of the job, None if the worker has died."""
        try:
            found: Outcome | OSError = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.job = None
        return found

    def stop(self, *, at_once: bool) -> None:
        self.connection.close()  # an idle worker leaves when it reads the end
        if at_once or self.job is not None:
            self.process.kill()
        self.process.join(STOP_TIMEOUT_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _ready(busy: list[_Worker]) -> list[_Worker]:
    """Wait until some workers have answered or died, and return them."""
    handles = {worker.connection: worker for worker in busy} | {
        worker.process.sentinel: worker for worker in busy
    }
    found = {id(handles[handle]): handles[handle] for handle in wait(list(handles))}  # type: ignore[index]
    return list(found.values())


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block: a started process inherits them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection, evaluator: Work, threads: int, parent: int) -> None:
    """Evaluate jobs until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it stops its workers
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    if "torch" in sys.modules:  # the evaluator brought it
        import torch

        torch.set_num_threads(threads)
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Outcome | OSError = run_job(evaluator, job)
        except OSError as error:
            answer = error
        try:
            connection.send(answer)
        except OSError:  # nobody is listening any more
            return


def _leave_with(parent: int) -> None:
    """End this process when its parent has gone: a killed search leaves nobody behind who writes into its folder."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECKED_EVERY_S)
    os._exit(1)
