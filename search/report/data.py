"""Run folders as plain values for the report: what a search was asked for, and everything it wrote down.

Reading changes nothing, so the folder of a search that still runs can be reported, and one that may not be written
to. A last line that is cut short, or is being written at this moment, is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import read_json
from genotools.formats import SEARCH
from genotools.genotype.documents import genotype_from_document, space_from_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.search.alpha_course import ALPHAS_FILE, AlphaRecord, read_alphas
from genotools.search.event_values import as_list, as_number, as_numbers, as_object, as_seconds, as_whole
from genotools.search.journal import Journal
from genotools.search.objectives import Objective
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.trial import Trial
from genotools.search.trial_events import trial_from_event

__all__ = ["Epoch", "Found", "OneShotRun", "Round", "Run", "SamplingRun", "is_run_folder", "read_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRun:
    """A search by trials; ``elapsed`` is its wall time in seconds, ``result`` None while it is unfinished."""

    path: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...] = ()
    elapsed: float = 0.0

    @property
    def engine(self) -> str:
        """Its name."""
        return str(self.config["engine"])

    @property
    def seed(self) -> int:
        """The seed of the whole search."""
        return int(self.config["seed"])

    @property
    def finished(self) -> list[Trial]:
        """The trials that have scores, by number."""
        return [trial for trial in self.trials if trial.scores is not None]

    @property
    def best(self) -> Trial | None:
        """The trial that the search calls its best; while it is unfinished, by the rule that it will use.

        Of the trials with the largest budget the one of the highest first score, the earliest among equals.
        """
        named = (self.result or {}).get("best")
        number = named.get("trial") if isinstance(named, dict) else None
        for trial in self.finished:
            if trial.number == number:
                return trial
        return max(
            self.finished,
            key=lambda trial: (trial.budget_epochs or 0, trial.score, -trial.number),
            default=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The end of an epoch of a supernet; stage and epoch count from 1."""

    stage: int
    epoch: int
    genotype: Genotype
    losses: Mapping[str, float]
    collapse: Mapping[str, float]
    alarms: tuple[str, ...]
    n_steps: int
    n_alpha_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The end of a round of removals; live ops of each cell, and the loss without each proposal."""

    stage: int
    n_live: Mapping[str, float]
    losses: Mapping[str, float]
    n_steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A candidate and where it comes from."""

    genotype: Genotype
    stage: int
    epoch: int
    selection: str
    max_skips: int | None
    is_choice: bool
    held_out_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneShotRun:
    """A search with a supernet; the candidates in the order they were found."""

    path: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None
    epochs: tuple[Epoch, ...] = ()
    rounds: tuple[Round, ...] = ()
    candidates: tuple[Found, ...] = ()
    alphas: tuple[AlphaRecord, ...] = ()

    @property
    def engine(self) -> str:
        """Its name."""
        return str(self.config["engine"])

    @property
    def seed(self) -> int:
        """The seed of the whole search."""
        return int(self.config["seed"])

    @property
    def choice(self) -> Found | None:
        """The engine's answer; None while it has none."""
        return next((found for found in self.candidates if found.is_choice), None)

    @property
    def seconds(self) -> float:
        """Time spent in epochs and rounds."""
        in_rounds = sum(end.seconds for end in self.rounds)
        return sum(epoch.losses.get("seconds", 0.0) for epoch in self.epochs) + in_rounds

    @property
    def n_steps(self) -> int:
        """Steps of the weights."""
        return sum(end.n_steps for end in self.epochs) + sum(end.n_steps for end in self.rounds)


Run = SamplingRun | OneShotRun


def is_run_folder(folder: Path) -> bool:
    """Return whether a search was started in ``folder``."""
    return (folder / "config.json").is_file()


def read_run(folder: Path) -> Run:
    """Read the folder of one search, finished or not.

    Raises
    ------
    DataError
        If it is the folder of something else, or a file in it is damaged; names the file and the line.
    """
    config = _config(folder / "config.json")
    path = folder / "result.json"
    result = SEARCH.check_object(read_json(path), where=path) if path.is_file() else None
    if config["engine"] in ONE_SHOT_ENGINES:
        return _one_shot_run(folder, config, result)
    return _sampling_run(folder, config, result)


def _config(path: Path) -> dict[str, Any]:
    config = SEARCH.check_object(read_json(path), where=path)
    if not isinstance(config.get("engine"), str) or not isinstance(config.get("seed"), int):
        raise DataError(f"{path}: engine and seed of the search are expected.")
    for name in ("constraints", "warm_start"):
        as_list(config.get(name), name, str(path))
    return config


def _sampling_run(folder: Path, config: Mapping[str, Any], result: Mapping[str, Any] | None) -> SamplingRun:
    where = str(folder / "config.json")
    space = space_from_document(config.get("space"), where=f"{where}: space")
    objectives = tuple(_objective(str(name), where) for name in _objective_names(config, where))
    trials: dict[int, Trial] = {}
    elapsed = 0.0
    for place, event in Journal(folder / "journal.jsonl").with_places():
        if event["event"] == "ended":
            trial = _trial(event, space, len(objectives), place)
            trials[trial.number] = trial
            elapsed = max(elapsed, as_seconds(event.get("elapsed", 0.0), "elapsed", place))
    return SamplingRun(
        path=folder,
        config=config,
        result=result,
        objectives=objectives,
        trials=tuple(trials[number] for number in sorted(trials)),
        elapsed=elapsed,
    )


def _objective_names(config: Mapping[str, Any], where: str) -> list[Any]:
    names = config.get("objectives")
    if names is None and config["version"] == 1:  # it had one, and higher was better
        return [f"{as_object(config.get('evaluator'), f'{where}: evaluator').get('objective')}:max"]
    if not isinstance(names, list) or not names:
        raise DataError(f"{where}: objectives: a list of metrics is expected.")
    return names


def _objective(text: str, where: str) -> Objective:
    """Return an objective of any metric: an evaluator of one's own may measure what genotools does not know."""
    name, _, direction = text.partition(":")
    match direction:
        case "max" | "min":
            return Objective(name, direction)
    raise DataError(f"{where}: objective {text[:60]!r}: NAME:max or NAME:min is expected.")


def _trial(event: Mapping[str, Any], space: SearchSpace, n_objectives: int, place: str) -> Trial:
    trial = trial_from_event(event, space, where=place)
    if trial.scores is not None and len(trial.scores) != n_objectives:
        raise DataError(f"{place}: {len(trial.scores)} scores, the search has {n_objectives} objectives.")
    return trial


def _one_shot_run(folder: Path, config: Mapping[str, Any], result: Mapping[str, Any] | None) -> OneShotRun:
    document, where = config.get("space"), str(folder / "config.json")
    space = space_from_document(document, where=f"{where}: space") if isinstance(document, dict) else None
    epochs, candidates, rounds = [], [], []
    for place, event in Journal(folder / "journal.jsonl").with_places():
        if event["event"] in ("epoch", "candidate"):
            candidates.append(_found(event, space, place))
        if event["event"] == "epoch":
            epochs.append(_epoch(event, candidates[-1], place))
        if event["event"] == "round":
            rounds.append(_round(event, place))
    return OneShotRun(
        path=folder,
        config=config,
        result=result,
        epochs=tuple(epochs),
        rounds=tuple(rounds),
        candidates=tuple(candidates),
        alphas=tuple(read_alphas(folder / ALPHAS_FILE)),
    )


def _found(event: Mapping[str, Any], space: SearchSpace | None, place: str) -> Found:
    loss = event.get("held_out_loss")
    try:
        return Found(
            genotype=genotype_from_document(event["genotype"], where=place, space=space),
            stage=as_whole(event["stage"], "stage", place),
            epoch=as_whole(event["epoch"], "epoch", place),
            selection=str(event["selection"]),
            max_skips=None if (skips := event["max_skips"]) is None else as_whole(skips, "max_skips", place),
            is_choice=bool(event["is_choice"]),
            held_out_loss=None if loss is None else as_number(loss, "held_out_loss", place),
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{place}: a candidate is incomplete: {error!r}.") from error


def _epoch(event: Mapping[str, Any], found: Found, place: str) -> Epoch:
    losses = as_object(event.get("losses"), f"{place}: losses")
    as_seconds(losses.get("seconds") or 0.0, "losses.seconds", place)
    return Epoch(
        stage=found.stage,
        epoch=found.epoch,
        genotype=found.genotype,
        losses=as_numbers(
            {key: value for key, value in losses.items() if value is not None}, "losses", place
        ),
        collapse=as_numbers(event.get("collapse"), "collapse", place),
        alarms=tuple(str(alarm) for alarm in as_list(event.get("alarms"), "alarms", place)),
        n_steps=as_whole(event.get("n_steps"), "n_steps", place),
        n_alpha_steps=as_whole(event.get("n_alpha_steps"), "n_alpha_steps", place),
    )


def _round(event: Mapping[str, Any], place: str) -> Round:
    return Round(
        stage=as_whole(event.get("stage"), "stage", place),
        n_live=as_numbers(event.get("n_live"), "n_live", place),
        losses=as_numbers(event.get("losses"), "losses", place),
        n_steps=as_whole(event.get("n_steps"), "n_steps", place),
        seconds=as_seconds(event.get("seconds"), "seconds", place),
    )
