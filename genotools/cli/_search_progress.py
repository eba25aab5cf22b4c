"""Progress of a one-shot search on standard error: a bar over the steps of an epoch, and a line an epoch."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from genotools.search.one_shot_run import OneShotReporter

if TYPE_CHECKING:
    from genotools.search.one_shot import Candidate, EpochEnd, RoundEnd
    from genotools.search.supernet_training import StepPlace

__all__ = ["SearchProgress"]


class SearchProgress(OneShotReporter):
    """A progress bar for the length of a ``with`` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TextColumn("eta of the epoch"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("search", total=None, detail="")
        self._alarms: list[str] = []

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away, for a message that stays."""
        self._bar.stop()

    def on_step(self, place: "StepPlace") -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            description=f"stage {place.stage}/{place.n_stages} epoch {place.epoch}/{place.n_epochs}",
            completed=place.step,
            total=place.n_steps,
            detail=f"step {place.step}/{place.n_steps}  loss {place.loss:.4f}",
        )

    def on_epoch(self, candidate: "Candidate", end: "EpochEnd") -> None:
        """Print the epoch's line, and an alarm when it first sounds."""
        losses, collapse = end.losses, end.collapse
        alpha_loss = "weights only" if losses.alpha_loss is None else f"alpha loss {losses.alpha_loss:.4f}"
        self._say(
            f"stage {candidate.stage}  epoch {candidate.epoch:>3}  train loss {losses.train_loss:.4f}  "
            f"{alpha_loss}  entropy {collapse.entropy:.4f}  skips {collapse.skip_share:.0%}  "
            f"genotype {candidate.genotype.digest[:12]}  {losses.seconds:.0f} s"
        )
        alarms = collapse.alarms() if end.n_alpha_steps else []
        for alarm in alarms:
            if alarm.partition(":")[0] not in {known.partition(":")[0] for known in self._alarms}:
                self._say(alarm)
        self._alarms = alarms

    def on_round(self, end: "RoundEnd") -> None:
        """Print the round's line."""
        live = ", ".join(f"{n} {role}" for role, n in end.n_live.items())
        spread = (
            f"  loss without a proposal {min(end.losses.values()):.4f} to {max(end.losses.values()):.4f}"
            if end.losses
            else ""
        )
        self._say(f"round {end.stage}  live ops: {live}{spread}  {end.seconds:.0f} s")

    def on_decision(self, n_done: int, n_decisions: int) -> None:
        """Move the bar over decisions that losses make."""
        self._bar.update(
            self._task, description="judging", completed=n_done, total=n_decisions, detail="decisions"
        )

    def on_message(self, message: str) -> None:
        """Print a sentence."""
        self._say(message)

    def _say(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)
