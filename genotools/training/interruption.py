"""Stopping a training between two steps, so that what is saved is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from genotools.errors import GenotoolsError

__all__ = ["StopRequest", "TrainingInterrupted", "stop_on_signals"]


class TrainingInterrupted(GenotoolsError):
    """Training was asked to stop and did so between two steps.

    Attributes
    ----------
    epoch, step
        Epoch it stopped in (from 1), and steps of it that are done.
    is_saved
        Whether a checkpoint was written from which the same training can go on.
    """

    def __init__(self, *, epoch: int, step: int, is_saved: bool) -> None:
        where = "a checkpoint was saved" if is_saved else "nothing was saved"
        super().__init__(f"Training stopped in epoch {epoch} after step {step}; {where}.")
        self.epoch = epoch
        self.step = step
        self.is_saved = is_saved


class StopRequest:
    """Whether somebody asked to stop. Called, it answers; ``signal_number`` says who asked, 0 for nobody."""

    def __init__(self) -> None:
        self.signal_number = 0

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.signal_number != 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C or SIGTERM inside the block into a request; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python handles no signals, the request just never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        request.signal_number = number
        signal.signal(number, before[number])

    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
