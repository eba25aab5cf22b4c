"""Progress of a study on standard error: a line a task, and how much is left."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from genotools.search.study.table import duration

if TYPE_CHECKING:
    from genotools.search.study.runner import TaskEnd
    from genotools.search.study.tasks import Task

__all__ = ["StudyProgress"]


class StudyProgress:
    """A progress bar for the length of a ``with`` block; its methods are the callbacks of a study.

    Parameters
    ----------
    expected
        Seconds that each task was estimated at, by name. What finished tasks took beside it corrects the rest.
    n_workers
        Tasks that run at once.
    """

    def __init__(self, expected: Mapping[str, float], n_workers: int) -> None:
        self._left = dict(expected)
        self._expected, self._taken = 0.0, 0.0
        self._n_workers = n_workers
        self._started: dict[str, float] = {}
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("tasks"), TimeElapsedColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[left]}  {task.description}"), console=Console(stderr=True)
        )
        self._task = self._bar.add_task("", total=len(expected), left="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_start(self, task: "Task") -> None:
        """Show a task that starts."""
        self._started[task.name] = time.monotonic()
        self._bar.update(self._task, description=" ".join(self._started))

    def on_end(self, end: "TaskEnd") -> None:
        """Print the line of a task that has ended."""
        name = end.task.name
        self._started.pop(name, None)
        expected = self._left.pop(name)
        if end.ending == "done":
            self._expected, self._taken = self._expected + expected, self._taken + end.seconds
        what = (
            f": {end.error}" if end.error else f" in {duration(end.seconds)}" if end.ending == "done" else ""
        )
        self._bar.console.print(f"{name} {end.ending}{what}", highlight=False, markup=False, soft_wrap=True)
        self._bar.update(
            self._task,
            advance=1,
            description=" ".join(self._started),
            left=f"about {duration(self.left())} left",
        )

    def left(self) -> float:
        """Return the seconds that are left, by the estimate and what finished tasks took beside theirs."""
        factor = self._taken / self._expected if self._expected > 0 else 1.0
        return factor * sum(self._left.values()) / self._n_workers
