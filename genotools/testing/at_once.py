"""Commands in processes of their own that meet, wait in the middle of their work, and are killed there.

Processes are forked from one that has loaded PyTorch, so that a test can afford many of them. A command is stopped
where it flushes a file to the disk, which every command does whenever something must not be lost: in the middle of
its work, with its lock held.
"""

import os
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

__all__ = ["Command", "Ended", "run_together"]

TIMEOUT_S = 120.0
"""After which something has gone wrong that no other check found."""

PRELOADED = [
    "genotools.cli.main",
    "genotools.search.one_shot_run",
    "genotools.training.run",
    "genotools.export",
]


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit status of a command, and what it wrote."""

    status: int
    output: str
    errors: str


class Command:
    """A command line of ``genotools`` that runs in a process of its own.

    Parameters
    ----------
    arguments
        Behind ``genotools``.
    folder
        For what it prints; two files that are new.
    pause_at
        Number of the flush, from 1, at which it waits until :meth:`go_on`; 0 is its start, None is nowhere.
    barrier
        Where it waits for others instead.
    """

    _n_started = 0

    def __init__(
        self,
        arguments: Sequence[object],
        folder: Path,
        *,
        pause_at: int | None = None,
        barrier: Barrier | None = None,
    ) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        Command._n_started += 1
        self._paths = [folder / f"{Command._n_started}.{name}" for name in ("output", "errors")]
        self._is_there, self._may_go = context.Event(), context.Event()
        pause = _Pause(pause_at, self._is_there, self._may_go, barrier)
        self._process = context.Process(
            target=_run, args=([str(one) for one in arguments], self._paths, pause)
        )
        self._process.start()

    def wait_until_paused(self) -> None:
        """Wait until the command is where it was to wait; raises RuntimeError where it ended before."""
        while not self._is_there.wait(0.05):
            if not self._process.is_alive():
                raise RuntimeError(f"it ended before it got there: {self.ended()}")

    def go_on(self) -> None:
        """Let it run on."""
        self._may_go.set()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        self._process.kill()
        self._process.join()

    def ended(self) -> Ended:
        """Wait for its end and return what came of it; one that hangs is killed."""
        self._process.join(TIMEOUT_S)
        if self._process.is_alive():
            self.kill()
        status = self._process.exitcode
        assert status is not None
        output, errors = (path.read_text() if path.exists() else "" for path in self._paths)
        return Ended(status, output, errors)


def run_together(commands: Sequence[Sequence[object]], folder: Path, *, meet_at: int = 0) -> list[Ended]:
    """Run commands at the same time: each waits at the given flush, or at its start, until all are there.

    What each prints is kept in ``folder``.
    """
    barrier = get_context("forkserver").Barrier(len(commands), timeout=TIMEOUT_S)
    running = [Command(one, folder, pause_at=meet_at, barrier=barrier) for one in commands]
    return [one.ended() for one in running]


@dataclass(frozen=True, slots=True)
class _Pause:
    """Where a command waits, and for what."""

    at: int | None
    is_there: Event
    may_go: Event
    barrier: Barrier | None

    def wait(self) -> None:
        if self.barrier is not None:
            self.barrier.wait()
            return
        self.is_there.set()
        self.may_go.wait(TIMEOUT_S)  # nobody waits for ever where a test has gone


def _run(arguments: list[str], paths: Sequence[Path], pause: _Pause) -> None:
    """Be the command."""
    for number, path in enumerate(paths, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["genotools", *arguments]
    if pause.at == 0:
        pause.wait()
    elif pause.at is not None:
        os.fsync = _pausing(os.fsync, pause)  # type: ignore[assignment]  # handles are all that is flushed here
    runpy.run_module("genotools", run_name="__main__")


def _pausing(fsync: Callable[[int], None], pause: _Pause) -> Callable[[int], None]:
    """Return what flushes, and waits at one of its calls."""
    n_calls = 0

    def flush(handle: int) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == pause.at:
            pause.wait()
        fsync(handle)

    return flush
