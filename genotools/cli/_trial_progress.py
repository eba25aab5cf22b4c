"""Progress of a search on standard error: a bar over trials, with what the current one is doing."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from genotools.search.trial import Trial
    from genotools.training.progress import StepReport

__all__ = ["TrialProgress"]


class TrialProgress:
    """A progress bar for the length of a ``with`` block; its methods are the callbacks of a search."""

    def __init__(self, n_trials: int | None) -> None:
        columns = (
            TextColumn("trials"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
        )
        self._bar = Progress(
            *columns, TimeRemainingColumn(), TextColumn("{task.description}"), console=Console(stderr=True)
        )
        self._task = self._bar.add_task("", total=n_trials)
        self._n_ended: int | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_trial(self, trial: "Trial") -> None:
        """Show a trial that starts, or print the line of one that has ended in failure."""
        self._name = trial.genotype.digest[:12]
        if self._n_ended is None:
            self._n_ended = trial.number  # those before it ended in an earlier session
        if trial.seconds is None:
            self._bar.update(self._task, completed=self._n_ended, description=self._name)
            return
        self._n_ended += 1
        self._bar.update(self._task, completed=self._n_ended)
        if trial.score is None:
            reason = (trial.error or "").strip().rpartition("\n")[2]
            self._bar.console.print(f"trial {trial.number} {self._name} failed: {reason}", markup=False)

    def on_step(self, report: "StepReport") -> None:
        """Show where the training of the current trial is."""
        description = (
            f"{self._name} epoch {report.epoch}/{report.epochs} step {report.step}/{report.n_steps} "
            f"loss {report.loss:.4f} {report.sequences_per_s:.0f} seq/s"
        )
        self._bar.update(self._task, description=description)
