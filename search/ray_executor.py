"""Trials as Ray tasks, on a local cluster or a given one; Ray places them, nothing here does.

Only ``ray.remote``, ``put`` and ``wait`` are used. The store has to lie under the same path on every machine.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from genotools.extras import require
from genotools.search.evaluation import Evaluator, Job, Outcome
from genotools.search.executors import MAX_DEATHS, died, run_job

__all__ = ["RayExecutor"]


class RayExecutor:
    """Runs jobs as Ray tasks.

    Parameters
    ----------
    n_workers
        Tasks that run at once; None is one a GPU, or one a core of this machine where there is none.
    threads
        Cores that a task asks for, and threads of PyTorch in it.
    n_gpus
        Where above 0, every task asks for one GPU.
    address
        Of a running cluster, e.g. ``auto``; None starts one on this machine and stops it at the end.
    """

    def __init__(
        self,
        n_workers: int | None = None,
        *,
        threads: int = 1,
        n_gpus: int = 0,
        address: str | None = None,
    ) -> None:
        self._ray: Any = require("ray", extra="ray")
        self.n_workers = n_workers or n_gpus or os.cpu_count() or 1
        self._threads, self._n_gpus, self._address = threads, n_gpus, address
        self._task: Any = None

    def __enter__(self) -> Self:
        options: dict[str, Any] = {"address": self._address}
        if self._address is None:
            options = {
                "address": "local",
                "num_cpus": self.n_workers * self._threads,
                "include_dashboard": False,
                "log_to_driver": False,
            }
            if self._n_gpus:
                options["num_gpus"] = self._n_gpus
        self._ray.init(logging_level="error", **options)
        self._task = self._ray.remote(
            num_cpus=self._threads, num_gpus=1 if self._n_gpus else 0, max_retries=0
        )(_evaluate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def run(self, evaluator: Evaluator, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield the outcome of every job as it comes."""
        shared = self._ray.put(evaluator)
        upcoming, again, deaths = iter(jobs), deque[Job](), Counter[int]()
        running: dict[Any, Job] = {}
        try:
            while True:
                while len(running) < self.n_workers:
                    job = again.popleft() if again else next(upcoming, None)
                    if job is None:
                        break
                    running[self._task.remote(shared, job, self._threads)] = job
                if not running:
                    return
                (reference, *_), _ = self._ray.wait(list(running), num_returns=1)
                job = running.pop(reference)
                try:
                    yield self._ray.get(reference)
                except (
                    self._ray.exceptions.RayTaskError
                ) as error:  # run_job lets a failure of the machine out
                    raise error.cause from error
                except self._ray.exceptions.RayError as error:
                    deaths[job.number] += 1
                    if deaths[job.number] < MAX_DEATHS:
                        again.append(job)
                    else:
                        yield died(job, f"with {type(error).__name__}")
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)


def _evaluate(evaluator: Evaluator, job: Job, threads: int) -> Outcome:
    import torch

    torch.set_num_threads(threads)
    return run_job(evaluator, job)
