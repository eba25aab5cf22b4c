"""Run folders that are made up, and report pages taken apart: for tests of what reads searches and shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from genotools.files import write_json
from genotools.formats import SEARCH
from genotools.genotype import GENOME_NAS, Genotype, Macro
from genotools.genotype.documents import genotype_to_document, space_to_document
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps
from genotools.search.alpha_course import ALPHAS_FILE, AlphaRecord, write_alphas
from genotools.search.journal import Journal
from genotools.search.objectives import Objective
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.presets import SEARCH_PRESETS
from genotools.search.trial import Status, Trial
from genotools.search.trial_events import event_of

__all__ = [
    "DATA",
    "TRACEBACK",
    "Page",
    "make_config",
    "make_genotypes",
    "make_one_shot_run",
    "make_run",
    "make_trials",
]

DATA = "sha256:" + "8f" * 32
"""Digest of the data of all runs."""

TRACEBACK = (
    "Traceback (most recent call last):\n  File 'evaluator.py', line 103\nRuntimeError: no memory <left>\n"
)
"""Why trials fail."""


def make_config(engine: str, seed: int, **changes: object) -> dict[str, Any]:
    """Return the configuration of a search by trials, with ``changes`` at its top level."""
    config = {
        **SEARCH.header,
        "engine": engine,
        "space": space_to_document(GENOME_NAS),
        "seed": seed,
        "objectives": ["valid_auprc:max"],
        "settings": {},
        "warm_start": [],
        "constraints": [],
        "evaluator": {
            "store_digest": DATA,
            "macro": Macro.small(1000).to_document(),
            "training": SEARCH_PRESETS["quick"].training.to_document(),
        },
    }
    return config | changes


def make_genotypes(n: int, *, seed: int = 0) -> list[Genotype]:
    """Return ``n`` genotypes of the published space."""
    rng = np.random.default_rng(seed)
    return [GENOME_NAS.sample(rng=rng) for _ in range(n)]


def make_trials(
    values: Sequence[float | None], *, seed: int = 0, objectives: Sequence[str] = ("valid_auprc:max",)
) -> list[Trial]:
    """Return trials with these AUPRCs, of 10 s each; None is a failure, after 2 s. Each is larger than the last."""
    parsed = [Objective.parse(text) for text in objectives]
    trials = []
    for number, (value, genotype) in enumerate(
        zip(values, make_genotypes(len(values), seed=seed), strict=True)
    ):
        trial = Trial(number=number, genotype=genotype, seed=number, seconds=10.0)
        if value is None:
            trials.append(replace(trial, status=Status.FAILED, error=TRACEBACK, seconds=2.0))
            continue
        metrics = {"valid_auprc": value, "params": 1000.0 + 10 * number, "epochs": 2.0}
        scores = tuple(objective.score(metrics) for objective in parsed)
        trials.append(replace(trial, status=Status.FINISHED, metrics=metrics, scores=scores))
    return trials


def make_run(
    folder: Path,
    values: Sequence[float | None] = (),
    *,
    engine: str = "evolution",
    seed: int = 0,
    is_finished: bool = True,
    trials: Iterable[Trial] | None = None,
    **changes: Any,
) -> Path:
    """Write the folder of a search with ``trials``, or with some that have these AUPRCs; the last ended first."""
    folder.mkdir(parents=True)
    config = make_config(engine, seed, **changes)
    write_json(folder / "config.json", config)
    made = list(trials or make_trials(values, seed=seed, objectives=config["objectives"]))
    for trial in reversed(made):
        Journal(folder / "journal.jsonl").append("ended", {**event_of(trial), "elapsed": 7.0})
    if is_finished:
        best = max((trial for trial in made if trial.scores), key=lambda trial: trial.score or 0.0)
        named = {"trial": best.number, "digest": best.genotype.digest, "file": "best.genotype.json"}
        write_json(folder / "result.json", {**SEARCH.header, "best": named})
    return folder


def make_one_shot_run(
    folder: Path,
    genotypes: Sequence[Genotype],
    *,
    engine: str = "darts",
    seed: int = 0,
    stages: Sequence[int] | None = None,
    alarms: Mapping[int, Sequence[str]] | None = None,
    is_finished: bool = True,
    **changes: Any,
) -> Path:
    """Write the folder of a search with a supernet that stood for these genotypes, epoch by epoch.

    Parameters
    ----------
    genotypes
        One an epoch; the last is the choice, too.
    stages
        Of every epoch; all are of the first where it is left out.
    alarms
        By the number of the epoch from 1, over all stages.
    is_finished
        Whether there is a choice and a result.
    changes
        At the top level of the configuration.
    """
    folder.mkdir(parents=True)
    settings = get_one_shot_settings(engine, "quick").to_document()
    frame = {"space": "genome-nas", "seed": seed, "macro": Macro.small(1000).to_document()}
    config = {**SEARCH.header, "engine": engine, **frame, "settings": settings, "data": {"digest": DATA}}
    write_json(folder / "config.json", config | changes)
    of_epochs = list(stages or [1] * len(genotypes))
    for place, (stage, genotype) in enumerate(zip(of_epochs, genotypes, strict=True), start=1):
        epoch = of_epochs[:place].count(stage)
        event = _epoch_event(place, genotype, (alarms or {}).get(place, ()))
        where = {"stage": stage, "epoch": epoch, "selection": "argmax", "max_skips": None, "is_choice": False}
        Journal(folder / "journal.jsonl").append("epoch", {**where, **event})
        write_alphas(folder / ALPHAS_FILE, _alphas(stage, epoch, place))
    if is_finished:
        where = {"stage": of_epochs[-1], "epoch": of_epochs.count(of_epochs[-1]), "selection": "argmax"}
        chosen = {**where, "max_skips": 1, "is_choice": True, "genotype": genotype_to_document(genotypes[-1])}
        Journal(folder / "journal.jsonl").append("candidate", chosen)
        write_json(folder / "result.json", {**SEARCH.header, "engine": engine})
    return folder


def _epoch_event(place: int, genotype: Genotype, alarms: Sequence[str]) -> dict[str, Any]:
    losses = {"train_loss": 1 / place, "alpha_loss": None if place == 1 else 2 / place, "seconds": 3.0}
    collapse = {"skip_share": 0.25, "none_share": 0.5, "entropy": 1 - place / 100}
    steps = {"n_steps": 6, "n_alpha_steps": 3}
    return {
        "losses": losses,
        "collapse": collapse,
        "alarms": list(alarms),
        **steps,
        "genotype": genotype_to_document(genotype),
    }


def _alphas(stage: int, epoch: int, place: int) -> AlphaRecord:
    """Return alphas that grow with the place of an op on its edge; from the second stage on, one op fewer is live."""
    live = LiveOps.full(GENOME_NAS)
    values = {
        role: {
            LiveOp(edge.source, edge.target, op): 0.1 * place * index
            for edge in live.edges(role)
            for index, op in enumerate(edge.ops if stage == 1 else edge.ops[1:])
        }
        for role in ROLES
    }
    return AlphaRecord(stage=stage, epoch=epoch, values=values)


class Page(HTMLParser):
    """An HTML page taken apart.

    Attributes
    ----------
    html
        As it is written.
    elements
        Tag and attributes of every element.
    tables
        Texts by table, row and column.
    text
        All text.
    commands
        What stands in the elements ``pre`` of class ``command``.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.commands: list[str] = []
        self._cell: list[str] | None = None
        self._is_in_command = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element that begins."""
        self.elements.append((tag, dict(attrs)))
        match tag:
            case "table":
                self.tables.append([])
            case "tr":
                self.tables[-1].append([])
            case "td" | "th":
                self._cell = []
            case "pre" if dict(attrs).get("class") == "command":
                self.commands.append("")
                self._is_in_command = True

    def handle_endtag(self, tag: str) -> None:
        """Take note of an element that ends."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append("".join(self._cell).strip())
            self._cell = None
        if tag == "pre":
            self._is_in_command = False

    def handle_data(self, data: str) -> None:
        """Take note of text."""
        self.text += data
        if self._cell is not None:
            self._cell.append(data)
        if self._is_in_command:
            self.commands[-1] += data

    @property
    def words(self) -> str:
        """All text with single spaces."""
        return " ".join(self.text.split())

    def count(self, tag: str, **attributes: str) -> int:
        """Return the number of elements with these attributes; ``class_`` and ``aria_label`` stand for theirs."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return sum(name == tag and wanted.items() <= found.items() for name, found in self.elements)

    def rows_of(self, *heads: str) -> list[list[str]]:
        """Return the rows of the first table whose first columns are called ``heads``."""
        return next(rows[1:] for rows in self.tables if rows[0][: len(heads)] == list(heads))
