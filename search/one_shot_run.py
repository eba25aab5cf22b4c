"""A one-shot search as a folder.

======================= =====================================================================================
``config.json``         engine, settings, space, macro, seed, digest of the data
``journal.jsonl``       one line for every epoch, round and candidate, with its genotype and where it comes from
``alphas.jsonl``        the alphas at the end of every epoch
``alphas.png``          their course as a picture, where matplotlib is installed
``checkpoint/``         the state of the search, replaced after every epoch
``best.genotype.json``  the engine's choice
``result.json``         choice, all candidates by digest, alarms, steps and time; written last
``diverged.json``       instead of it, where numbers were no longer finite: the place, and the rows of the batch
======================= =====================================================================================

A search that was killed at any moment and resumed ends, on a CPU with one thread, with the same alphas bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genotools.data.store import SequenceStore
from genotools.errors import DataError, MissingExtraError
from genotools.files import write_json
from genotools.formats import SEARCH
from genotools.genotype.documents import genotype_from_document, genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.space import SearchSpace
from genotools.nn.supernet_memory import explained_out_of_memory
from genotools.search.alpha_course import ALPHAS_FILE, AlphaRecord, draw_alphas, read_alphas, write_alphas
from genotools.search.event_values import as_number, as_whole
from genotools.search.folder import BEST_FILE, opened
from genotools.search.journal import Journal
from genotools.search.one_shot import Candidate, EpochEnd, OneShotEngine, RoundEnd
from genotools.search.one_shot_engines import engine_name
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_nas import OspNas
from genotools.search.osp_settings import OspSettings
from genotools.search.supernet_training import StepPlace
from genotools.training.divergence import recorded
from genotools.training.ranks import Ranks

__all__ = ["OneShotReporter", "OneShotResult", "read_candidates", "search_one_shot"]

CHECKPOINT = "checkpoint/supernet.safetensors"
PICTURE = "alphas.png"


class OneShotReporter:
    """What is told about a search while it runs; this one keeps silent."""

    def on_step(self, place: StepPlace) -> None:
        """Take note of a step, about twice a second."""

    def on_epoch(self, candidate: Candidate, end: EpochEnd) -> None:
        """Take note of an epoch; it is in the journal."""

    def on_round(self, end: RoundEnd) -> None:
        """Take note of a round of removals; it is in the journal."""

    def on_decision(self, n_done: int, n_decisions: int) -> None:
        """Take note of a decision of the perturbation, or of a loss that a removal is judged by."""

    def on_message(self, message: str) -> None:
        """Take note of a sentence."""


class OneShotResult:
    """What a one-shot search found.

    Attributes
    ----------
    folder
        The run folder.
    choice
        The engine's answer.
    candidates
        Everything that was yielded, in order, the choice last.
    alarms
        What looks like a collapse in the last epoch; none where there are no alphas.
    """

    def __init__(self, folder: Path, candidates: list[Candidate], alarms: list[str]) -> None:
        self.folder, self.candidates, self.alarms = folder, candidates, alarms
        self.choice = candidates[-1]

    @property
    def best_path(self) -> Path:
        """File of the chosen genotype."""
        return self.folder / BEST_FILE


def search_one_shot(
    engine: str,
    space: SearchSpace,
    store: SequenceStore,
    folder: Path,
    *,
    macro: Macro,
    settings: OneShotSettings | OspSettings,
    seed: int,
    device: str = "cpu",
    checkpoint_cells: bool = False,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    reporter: OneShotReporter | None = None,
) -> OneShotResult:
    """Run a one-shot search, or what is left of it, and write the outcome into ``folder``.

    Parameters
    ----------
    engine
        Its name, for the records; the settings make it what it is.
    space, store, macro, settings, seed, device, checkpoint_cells, should_stop
        As :class:`~genotools.search.one_shot.OneShotEngine` takes them.
    folder
        The run folder; it must be new unless ``resume``.
    resume
        Continue the search in ``folder``.
    reporter
        Is told what happens, the memory that a step needs to begin with.

    Raises
    ------
    OutputExistsError
        If ``folder`` holds something and ``resume`` was not asked for.
    DataError
        If data and macro do not fit, or a resumed search was started with other settings, or is in use.
    DivergedError
        If losses, gradients, weights or alphas are no longer finite; names stage, epoch, step, rows, and the last
        state before.
    SearchInterrupted
        If ``should_stop`` said so; the state is saved.
    GenotoolsError
        If memory runs out; names what helps.
    """
    config = {
        **SEARCH.signed_header,
        "engine": engine_name(engine),
        "space": space.name,
        "seed": seed,
        "macro": macro.to_document(),
        "settings": settings.to_document(),
        "data": {"digest": store.digest},
    }
    told = reporter or OneShotReporter()
    options: dict[str, Any] = {
        "seed": seed,
        "device": device,
        "checkpoint_path": folder / CHECKPOINT,
        "checkpoint_cells": checkpoint_cells,
        "should_stop": should_stop,
        "on_step": told.on_step,
        "on_decision": told.on_decision,
    }
    one_shot: OneShotEngine | OspNas
    ranks = Ranks.current()
    if isinstance(settings, OspSettings):
        if ranks.world_size > 1:
            raise DataError("osp-nas trains one path a step and runs in one process, not in several ranks.")
        one_shot = OspNas(settings, space, store, macro, **options)
    else:
        one_shot = OneShotEngine(settings, space, store, macro, **options)
    with opened(folder, config, resume=resume):
        keeper = _Keeper(folder, told)
        if not keeper.is_finished:
            memory = None
            if reporter is not None:
                memory = one_shot.memory()
                reporter.on_message(f"A training step needs about {memory}.")
            with explained_out_of_memory(memory), recorded(folder, state=folder / CHECKPOINT):
                for found in one_shot.candidates(resume=resume):
                    if isinstance(found, Candidate):
                        ranks.check_equal(found.genotype.digest, "the candidates")
                    keeper.keep(found)
        return _finish(folder, config, space, told)


class _Keeper:
    """Writes down what an engine yields, each thing once however often the search was killed."""

    def __init__(self, folder: Path, reporter: OneShotReporter) -> None:
        self._reporter = reporter
        self._journal = Journal(folder / "journal.jsonl")
        self._alphas_path = folder / ALPHAS_FILE
        self._kept = {_key(event) for event in self._journal.read()}
        self._drawn = {(record.stage, record.epoch) for record in read_alphas(self._alphas_path)}

    @property
    def is_finished(self) -> bool:
        """Whether the choice is written down."""
        return any(key[-1] is True for key in self._kept)

    def keep(self, found: Candidate | RoundEnd) -> None:
        if isinstance(found, RoundEnd):
            self._keep_round(found)
        else:
            self._keep_candidate(found)

    def _keep_round(self, end: RoundEnd) -> None:
        event = asdict(end)
        if ("round", end.stage) not in self._kept:
            self._journal.append("round", event)
        self._reporter.on_round(end)

    def _keep_candidate(self, candidate: Candidate) -> None:
        event = _event_of(candidate)
        end = candidate.epoch_end
        if end is not None and (candidate.stage, candidate.epoch) not in self._drawn:
            write_alphas(
                self._alphas_path,
                AlphaRecord(stage=candidate.stage, epoch=candidate.epoch, values=end.alphas),
            )
        if _key(event) not in self._kept:
            self._journal.append("epoch" if end is not None else "candidate", event)
        if end is not None:
            self._reporter.on_epoch(candidate, end)


def _key(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells an event from all others; its last part is whether it is the choice."""
    if event.get("event") == "round":
        return "round", event["stage"]
    names = ("stage", "epoch", "selection", "max_skips", "place", "is_choice")
    return "losses" in event, *(event.get(name) for name in names)


def _event_of(candidate: Candidate) -> dict[str, Any]:
    event: dict[str, Any] = {
        "stage": candidate.stage,
        "epoch": candidate.epoch,
        "selection": candidate.selection,
        "max_skips": candidate.max_skips,
        "is_choice": candidate.is_choice,
    }
    if candidate.held_out_loss is not None:
        event |= {"held_out_loss": candidate.held_out_loss, "place": candidate.place}
    if candidate.epoch_end is not None:
        end = candidate.epoch_end
        event |= {
            "losses": asdict(end.losses),
            "collapse": end.collapse.to_document(),
            "alarms": end.collapse.alarms() if end.n_alpha_steps else [],
            "n_steps": end.n_steps,
            "n_alpha_steps": end.n_alpha_steps,
        }
    return event | {"genotype": genotype_to_document(candidate.genotype)}


def read_candidates(folder: Path, *, space: SearchSpace | None = None) -> list[Candidate]:
    """Return the candidates of a run folder in the order they were yielded, without what is known of epochs.

    ``space`` is the one they come from; it may be left out where it is registered.

    Raises
    ------
    DataError
        If the journal is damaged.
    """
    path = folder / "journal.jsonl"
    events = [event for event in Journal(path).read() if event["event"] != "round"]
    return [_candidate(event, space, where=str(path)) for event in events]


def _candidate(event: Mapping[str, Any], space: SearchSpace | None, *, where: str) -> Candidate:
    try:
        return Candidate(
            genotype=genotype_from_document(event["genotype"], where=where, space=space),
            stage=as_whole(event["stage"], "stage", where),
            epoch=as_whole(event["epoch"], "epoch", where),
            selection=event["selection"],
            max_skips=None if (skips := event["max_skips"]) is None else as_whole(skips, "max_skips", where),
            is_choice=bool(event["is_choice"]),
            held_out_loss=None
            if (loss := event.get("held_out_loss")) is None
            else as_number(loss, "held_out_loss", where),
            place=None if (place := event.get("place")) is None else as_whole(place, "place", where),
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{where}: a candidate is incomplete: {error!r}.") from error


def _finish(
    folder: Path, config: Mapping[str, Any], space: SearchSpace, reporter: OneShotReporter
) -> OneShotResult:
    """Write the choice, the picture and the result."""
    events = Journal(folder / "journal.jsonl").read()
    trained = [event for event in events if event["event"] in ("epoch", "round")]
    candidates = read_candidates(folder, space=space)
    choice, last = candidates[-1], trained[-1]
    alarms: list[str] = last.get("alarms", [])
    origin = {"engine": config["engine"], "seed": config["seed"], **_provenance(choice)}
    choice.genotype.with_meta(search=origin).save(folder / BEST_FILE, force=True)
    _draw(folder, choice.genotype, reporter)
    write_json(
        folder / "result.json",
        {
            **SEARCH.signed_header,
            "engine": config["engine"],
            "best": {"digest": choice.genotype.digest, "file": BEST_FILE, **_provenance(choice)},
            "alarms": alarms,
            "collapse": last.get("collapse"),
            "candidates": _by_digest(candidates),
            "n_steps": sum(event["n_steps"] for event in trained),
            "n_alpha_steps": sum(event.get("n_alpha_steps", 0) for event in trained),
            "seconds": round(sum(_seconds_of(event) for event in trained), 3),
        },
    )
    return OneShotResult(folder, candidates, alarms)


def _seconds_of(event: Mapping[str, Any]) -> float:
    return float(event["seconds"] if event["event"] == "round" else event["losses"]["seconds"])


def _provenance(candidate: Candidate) -> dict[str, Any]:
    found = {
        "stage": candidate.stage,
        "epoch": candidate.epoch,
        "selection": candidate.selection,
        "max_skips": candidate.max_skips,
    }
    return found if candidate.held_out_loss is None else found | {"held_out_loss": candidate.held_out_loss}


def _by_digest(candidates: list[Candidate]) -> list[dict[str, Any]]:
    """Return every genotype once, with all the places it was found at."""
    found: dict[str, list[dict[str, Any]]] = {}
    for candidate in candidates:
        found.setdefault(candidate.genotype.digest, []).append(_provenance(candidate))
    return [{"digest": digest, "found": places} for digest, places in found.items()]


def _draw(folder: Path, chosen: Genotype, reporter: OneShotReporter) -> None:
    if not (folder / ALPHAS_FILE).exists():
        return
    try:
        draw_alphas(read_alphas(folder / ALPHAS_FILE), folder / PICTURE, chosen=chosen)
    except MissingExtraError as error:
        reporter.on_message(f"No picture of the alphas: {error}")
