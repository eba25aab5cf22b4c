"""The tasks of a study and what they wait for. Which there are follows from the protocol alone; no PyTorch.

Every task is a run in a folder of its own and over when ``result.json`` lies there. Its seed is a place in the tree
below the study's, by phase, entrant and number: an entrant more or less changes no other's.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from genotools.search.study.protocol import KMER, Protocol, genotype_name
from genotools.training.seeds import child_seed

__all__ = ["Phase", "Task", "plan_tasks"]


class Phase(StrEnum):
    """What a task is for; they come in this order."""

    SEARCH = "search"
    SELECTION = "selection"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run of a study.

    Parameters
    ----------
    phase, entrant, number
        What for, for whom, and the how manieth, from 0.
    seed
        Of everything random in it.
    waits_for
        Folders of the tasks that must have ended before, finished or failed.
    """

    phase: Phase
    entrant: str
    number: int
    seed: int
    waits_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its folder below that of the study."""
        return f"{self.phase}/{self.entrant}/seed-{self.number}"

    def is_done(self, folder: Path) -> bool:
        """Return whether its result lies in the study's ``folder``."""
        return (folder / self.name / "result.json").is_file()


def plan_tasks(protocol: Protocol) -> list[Task]:
    """Return all tasks, each after those that it waits for.

    Phases go one after another, and seeds before entrants: what is cut short has seen every entrant. Fixed networks
    are evaluated before those that were found: large hand-designed ones take longest, and workers end together when
    the short tasks come last.
    """
    searches = [
        _task(protocol, Phase.SEARCH, engine, number)
        for number in range(protocol.searches)
        for engine in protocol.engines
    ]
    selections = [
        _task(protocol, Phase.SELECTION, task.entrant, task.number, waits_for=(task.name,))
        for task in searches
    ]
    evaluations = []
    fixed = [*map(genotype_name, protocol.genotypes), *protocol.baselines]
    for number in range(protocol.evaluations):
        evaluations += [_task(protocol, Phase.EVALUATION, name, number) for name in fixed]
        for engine in protocol.engines:
            before = tuple(task.name for task in selections if task.entrant == engine)
            evaluations.append(_task(protocol, Phase.EVALUATION, engine, number, waits_for=before))
    if protocol.kmer:
        evaluations.append(_task(protocol, Phase.EVALUATION, KMER, 0))
    return [*searches, *selections, *evaluations]


def _task(
    protocol: Protocol, phase: Phase, entrant: str, number: int, *, waits_for: tuple[str, ...] = ()
) -> Task:
    place = int.from_bytes(hashlib.sha256(entrant.encode()).digest()[:4], "big")
    branch = list(Phase).index(phase)
    seed = child_seed(protocol.seed, branch, place, number) % 2**32
    return Task(phase=phase, entrant=entrant, number=number, seed=seed, waits_for=waits_for)
