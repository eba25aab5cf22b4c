"""An evaluator for tests of searches: cheap, picklable, and its trials fail, die or take their time on wish."""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from genotools.search.evaluation import Job

__all__ = ["FaultyEvaluator"]


class FaultyEvaluator:
    """Scores a genotype by the share of its edges that are pools.

    Parameters
    ----------
    fails, dies, breaks
        Numbers of the trials that raise, that kill their process, and that meet a failure of the machine (OSError).
    dies_once
        Numbers of the trials that kill their process the first time; remembered in ``folder``.
    folder
        Where marks are left; one file for every evaluation where it is given.
    seconds
        How long a trial takes.
    """

    def __init__(
        self,
        *,
        fails: Collection[int] = (),
        dies: Collection[int] = (),
        dies_once: Collection[int] = (),
        breaks: Collection[int] = (),
        folder: Path | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._fails, self._dies, self._dies_once, self._breaks = fails, dies, dies_once, breaks
        self._folder, self._seconds = folder, seconds

    def describe(self) -> dict[str, Any]:
        """Return nothing: no fault changes what a search would find."""
        return {}

    def __call__(self, job: Job) -> dict[str, float]:
        """Return ``valid_auprc``, and the job's seed as ``seed``."""
        time.sleep(self._seconds)
        is_first = self._mark(job.number)
        if job.number in self._dies or (job.number in self._dies_once and is_first):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.number in self._breaks:
            raise OSError(28, "No space left on device")
        if job.number in self._fails:
            raise RuntimeError(f"trial {job.number} blew up")
        edges = [*job.genotype.normal.edges, *job.genotype.reduce.edges]
        share = sum("pool" in edge.op for edge in edges) / len(edges)
        return {"valid_auprc": share, "seed": float(job.seed)}

    def _mark(self, number: int) -> bool:
        """Leave a mark of this evaluation; return whether it is the first of the trial."""
        if self._folder is None:
            return True
        is_first = not list(self._folder.glob(f"{number}.*"))
        (self._folder / f"{number}.{os.getpid()}.{time.monotonic_ns()}").touch()
        return is_first
