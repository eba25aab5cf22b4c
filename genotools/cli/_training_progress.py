"""Progress of a training on standard error: a bar over all its steps, and a line an epoch."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from genotools.cli._metrics_output import metrics_line
from genotools.training.run import Reporter

if TYPE_CHECKING:
    import torch

    from genotools.data.store import SequenceStore
    from genotools.nn import WindowNetwork
    from genotools.training.history import EpochRecord
    from genotools.training.progress import StepReport

__all__ = ["TrainingProgress"]


class TrainingProgress(Reporter):
    """A progress bar for the length of a ``with`` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        fields = (TextColumn("{task.fields[detail]}"), TextColumn("eta"), TimeRemainingColumn())
        self._bar = Progress(
            *columns, *fields, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("training", total=None, detail="")

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

    def on_start(self, network: "WindowNetwork", store: "SequenceStore", device: "torch.device") -> None:
        """Say what is trained on what."""
        n_params = sum(parameter.numel() for parameter in network.parameters())
        self._say(
            f"{n_params:,} parameters on {device}; {len(store.rows('train')):,} training windows of "
            f"{store.length:,} bp, {len(store.names)} labels"
        )

    def on_step(self, report: "StepReport") -> None:
        """Move the bar."""
        done = (report.epoch - 1) * report.n_steps + report.step
        detail = f"loss {report.loss:.4f}  {report.sequences_per_s:,.0f} sequences/s"
        self._bar.update(
            self._task,
            description=f"epoch {report.epoch}/{report.epochs}",
            completed=done,
            total=report.epochs * report.n_steps,
            detail=detail,
        )

    def on_epoch(self, record: "EpochRecord") -> None:
        """Print the epoch's line."""
        self._say(
            f"epoch {record.epoch:>3}  train loss {record.train_loss:.4f}  valid loss {record.valid_loss:.4f}  "
            f"{metrics_line(record.valid)}  {record.seconds:.0f} s"
            f"{'  best' if record.is_best else ''}"
        )

    def on_message(self, message: str) -> None:
        """Print a sentence."""
        self._say(message)

    def _say(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)
