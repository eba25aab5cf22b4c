"""What a RUN of ``genotools report`` stands for: one search, or one search from several seeds, and what beside it.

``search --seeds`` writes ``RUN/seed-0``, ``RUN/seed-1`` and so on, and random searches ``RUN/random-0`` and so on
beside them. Random search is the line that every engine must beat, so it is looked for wherever it may lie.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import resolved
from genotools.search.report.data import OneShotRun, Run, SamplingRun, is_run_folder, read_run

__all__ = ["Subject", "data_digest", "flat", "read_subjects"]

RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An engine's search from one seed or several, with the random searches it is measured against.

    Parameters
    ----------
    path
        The folder as it was given.
    runs
        One for every seed, by seed; all of one engine.
    random
        Random searches beside it; empty where there are none, and for random search itself.
    caveats
        Sentences on what does not match: between its seeds, and with the random searches.
    """

    path: Path
    runs: tuple[Run, ...]
    random: tuple[SamplingRun, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.runs[0].engine

    @property
    def is_random(self) -> bool:
        """Whether it is random search itself."""
        return self.engine == RANDOM

    @property
    def sampling_runs(self) -> tuple[SamplingRun, ...]:
        """Its runs, where they are searches by trials."""
        return tuple(run for run in self.runs if isinstance(run, SamplingRun))

    @property
    def one_shot_runs(self) -> tuple[OneShotRun, ...]:
        """Its runs, where they are searches with a supernet."""
        return tuple(run for run in self.runs if isinstance(run, OneShotRun))


def read_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Read all runs of a report, random searches last.

    Raises
    ------
    DataError
        If a path holds no search, or something damaged, or is given twice.
    """
    if len({resolved(path) for path in paths}) < len(paths):
        raise DataError(f"{', '.join(map(str, paths))}: a run is given twice.")
    subjects = [_subject(path) for path in paths]
    given = [run for subject in subjects if subject.is_random for run in subject.sampling_runs]
    ordered = sorted(subjects, key=lambda subject: subject.is_random)
    return [subject if subject.is_random else _beside_random(subject, given) for subject in ordered]


def _subject(path: Path) -> Subject:
    if is_run_folder(path):
        return Subject(path=path, runs=(read_run(path),))
    folders = _numbered(path, "seed")
    if not folders:
        what = "no such folder" if not path.exists() else "no search in it"
        raise DataError(
            f"{path}: {what}. A run folder (config.json) or one with seed-0, seed-1 ... is expected."
        )
    runs = tuple(sorted((read_run(folder) for folder in folders), key=lambda run: run.seed))
    engines = sorted({run.engine for run in runs})
    if len(engines) > 1:
        raise DataError(f"{path}: the seeds are of several engines: {', '.join(engines)}.")
    caveats = [
        _differing(f"Seed {run.seed} was run with other settings than seed {runs[0].seed}", runs[0], run)
        for run in runs[1:]
    ]
    return Subject(path=path, runs=runs, caveats=tuple(filter(None, caveats)))


def _numbered(folder: Path, name: str) -> list[Path]:
    """Return the run folders ``NAME-0``, ``NAME-1`` ... in ``folder``."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if re.fullmatch(rf"{name}-\d+", path.name) and is_run_folder(path)
    )


def _beside_random(subject: Subject, given: Sequence[SamplingRun]) -> Subject:
    """Return the subject with the random searches that are nearest to it and have the same objective."""
    places = given or next(filter(None, map(list, _random_beside(subject))), [])
    usable, caveats = [], []
    for run in places:
        wanted = {one.objectives[0] for one in subject.sampling_runs} or {run.objectives[0]}
        if run.objectives[0] not in wanted:
            caveats.append(f"The random search in {run.path} has another objective and is left out.")
        else:
            usable.append(run)
            caveats.append(_differing(f"The random search in {run.path} differs", subject.runs[0], run))
    found = dict.fromkeys([*subject.caveats, *filter(None, caveats)])
    return replace(subject, random=tuple(usable), caveats=tuple(found))


def _random_beside(subject: Subject) -> Iterator[Iterator[SamplingRun]]:
    """Yield the random searches of every place where one may lie, the nearest first."""
    path = resolved(subject.path)
    yield _random_runs(_numbered(path, RANDOM))
    yield _random_runs([path / RANDOM])
    beside = [path.parent / f"{RANDOM}-{run.seed}" for run in subject.runs]
    yield _random_runs(beside)
    yield _random_runs([path.parent / RANDOM])


def _random_runs(folders: Sequence[Path]) -> Iterator[SamplingRun]:
    for folder in folders:
        inner = [folder] if is_run_folder(folder) else _numbered(folder, "seed")
        for one in inner:
            run = read_run(one)
            if isinstance(run, SamplingRun) and run.engine == RANDOM:
                yield run


def _differing(what: str, first: Run, second: Run) -> str:
    """Return a sentence on the settings that make two runs incomparable; empty where there are none."""
    names = []
    if data_digest(first.config) != data_digest(second.config):
        names.append("data")
    if isinstance(first, SamplingRun) and isinstance(second, SamplingRun):
        before, now = flat(first.config.get("evaluator")), flat(second.config.get("evaluator"))
        names += [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    names = [name for name in names if not name.endswith("digest")]
    return f"{what}: {', '.join(names)}." if names else ""


def data_digest(config: Mapping[str, Any]) -> str | None:
    """Return the digest of the data that a search saw; None where none is recorded."""
    evaluator, data = config.get("evaluator"), config.get("data")
    found = evaluator.get("store_digest") if isinstance(evaluator, dict) else None
    if found is None and isinstance(data, dict):
        found = data.get("digest")
    return None if found is None else str(found)


def flat(value: object, key: str = "") -> dict[str, str]:
    """Return nested JSON values as one level of dotted keys and text; lists of plain values stay together."""
    if isinstance(value, dict):
        items: list[tuple[str, object]] = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [(str(number), item) for number, item in enumerate(value, start=1)]
    else:
        return {key: _text(value)}
    found: dict[str, str] = {}
    for name, item in items:
        found |= flat(item, f"{key}.{name}" if key else name)
    return found


def _text(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_text, value)) or "none"
    return str(value)
