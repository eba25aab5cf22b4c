"""Readers of run folders: journals, settings, results and states of searches, trainings and studies."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from genotools.errors import MissingExtraError
from genotools.genotype import GENOME_NAS, Macro
from genotools.testing._hostile_documents import NAMES
from genotools.testing._hostile_reader import Reader, as_document, folder_of, scratch_folder

if TYPE_CHECKING:
    from genotools.training.history import EpochRecord

__all__ = ["READERS", "an_epoch"]

N_TRIALS = 6
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "evolution": {"population": 4, "tournament": 2, "children": 2},
    "pareto": {"population": 2},
    "hyperband": {"max_epochs": 2, "eta": 2},
    "local-search": {"n_starts": 2, "round_size": 2},
    "bonas": {"n_initial": 2, "round_size": 2, "n_candidates": 4, "gcn_epochs": 1},
    "rl": {"round_size": 2, "hidden": 4},
}
"""Of engines whose states differ in kind."""

TRAINING = {
    "genotype_digest": "0" * 64,
    "model_digest": "1" * 64,
    "best_epoch": 1,
    "n_epochs": 2,
    "n_params": 100,
    "seconds": 1.5,
    "validation": {"valid_auroc": 0.5},
    "test": {
        "strands": "both",
        "mean_auroc": 0.5,
        "labels": [{"name": name, "n": 3, "auroc": 0.5} for name in NAMES],
    },
    "torch_version": "2",
}


@cache
def _made(kind: str) -> Path:
    """Return a valid run folder; it is copied before anything in it is damaged."""
    from genotools.testing.reports import make_genotypes, make_one_shot_run, make_run

    folder = scratch_folder() / "run"
    if kind == "one-shot":
        return make_one_shot_run(folder, make_genotypes(2), stages=[1, 2])
    if kind == "sampling":
        return make_run(folder, [0.2, None, 0.4])
    _search(folder, kind, n_trials=N_TRIALS, resume=False)
    return folder


def _search(folder: Path, engine: str, *, n_trials: int, resume: bool) -> object:
    from genotools.search import search
    from genotools.testing.landscape import Landscape, LandscapeEvaluator

    evaluator = LandscapeEvaluator(Landscape(GENOME_NAS, seed=0))
    settings = SETTINGS[engine]
    return search(
        engine, GENOME_NAS, evaluator, folder, seed=0, n_trials=n_trials, settings=settings, resume=resume
    )


def _with(path: Path, kind: str, name: str) -> Path:
    """Return a run folder in which ``path`` stands for one file."""
    folder = folder_of(path)
    shutil.rmtree(folder)
    shutil.copytree(_made(kind), folder)
    shutil.copyfile(path, folder / name)
    (folder / f"{name}.before").unlink(missing_ok=True)  # or it would stand in for what is damaged
    return folder


def _copied(kind: str, name: str) -> Callable[[Path], object]:
    return lambda path: shutil.copyfile(_made(kind) / name, path)


def _unsummed_state(engine: str) -> Callable[[Path], object]:
    """Return what writes the state of an engine as it was without a SHA-256, which finds most damage at once."""

    def write(path: Path) -> None:
        state = json.loads((_made(engine) / "checkpoint" / "engine.json").read_text(encoding="utf-8"))
        path.write_text(json.dumps({key: state[key] for key in ("n_told", "n_rounds", "engine")}, indent=2))

    return write


def _resumed(engine: str, name: str, path: Path) -> object:
    n_more = 0 if engine == "rl" else 2  # its rounds take a second
    return _search(_with(path, engine, name), engine, n_trials=N_TRIALS + n_more, resume=True)


def _reported(kind: str, name: str, path: Path) -> object:
    """Make the page of a report; cells are not drawn, which takes seconds."""
    from genotools.search.report.page import page
    from genotools.search.report.subjects import read_subjects

    with mock.patch("genotools.genotype.svg.draw", side_effect=MissingExtraError("pygraphviz", "draw")):
        return page(read_subjects([_with(path, kind, name)]))


def _warm_start(kind: str, name: str, path: Path) -> object:
    from genotools.search.warm_start import genotypes_of_run

    return genotypes_of_run(_with(path, kind, name), 3, GENOME_NAS)


def an_epoch() -> "EpochRecord":
    """Return the record of an epoch."""
    from genotools.training.history import EpochRecord

    return EpochRecord(
        epoch=1,
        n_steps=2,
        lr=0.1,
        recurrent_lr=1.0,
        train_loss=0.7,
        train_slowness=0.0,
        valid_loss=0.6,
        valid={"auroc": 0.5, "auprc": 0.5, "weighted_f1": 0.5},
        is_best=True,
        seconds=1.0,
    )


def _write_history(path: Path) -> None:
    from genotools.training.history import write_history

    write_history(path, [an_epoch()])


def _read_history(path: Path) -> object:
    from genotools.training.history import read_history

    return read_history(path)


def _training_result() -> object:
    return {"format": "genotools/training-result", "version": 1, **TRAINING}


def _read_training_result(path: Path) -> object:
    from genotools.search.study.outcomes import read_training
    from genotools.training.run import TrainingResult
    from genotools.zoo.sources import facts_of

    folder = folder_of(path)
    shutil.copyfile(path, folder / "result.json")
    (folder / "config.json").write_text(json.dumps(_training_config()))
    return facts_of(folder), read_training(folder), TrainingResult.load(folder).to_document()


def _training_config() -> object:
    macro, data = Macro.small(60).to_document(), {"digest": "sha256:0", "path": "/data/store.h5"}
    return {
        "format": "genotools/training",
        "version": 1,
        "task": {"n_outputs": 2},
        "macro": macro,
        "data": data,
    }


def _read_training_config(path: Path) -> object:
    from genotools.zoo.card import make_card
    from genotools.zoo.sources import facts_of

    folder = folder_of(path)
    shutil.copyfile(path, folder / "config.json")
    (folder / "result.json").write_text(json.dumps(_training_result()))
    known = {"name": "x", "summary": "x", "origin": "x", "digest": "0" * 64, "files": {}}
    return make_card(where=path, **known, **facts_of(folder))


def _study() -> dict[str, object]:
    return {"format": "genotools/study-folder", "version": 1, "data": {"digest": "0"}, "genotypes": {}}


def _read_study(path: Path) -> None:
    from genotools.search.study.runner import check_same_study

    check_same_study(path, _study())


_REPORT = ("search.report.page", "search.trial_events", "search.journal")
_RESUME = ("search.driver", "search.run", "search.source")

READERS = (
    Reader("history", ".jsonl", _write_history, _read_history, ("training.history",)),
    Reader(
        "training result",
        ".json",
        as_document(_training_result),
        _read_training_result,
        ("training.run", "zoo.sources", "search.study.outcomes"),
    ),
    Reader(
        "training settings",
        ".json",
        as_document(_training_config),
        _read_training_config,
        ("zoo.sources", "zoo.card"),
    ),
    Reader("study", ".json", as_document(_study), _read_study, ("search.study.runner",)),
    *(
        Reader(
            f"report, {kind} {name}",
            Path(name).suffix,
            _copied(kind, name),
            partial(_reported, kind, name),
            _REPORT,
            is_slow=True,
        )
        for kind, name in (
            ("sampling", "config.json"),
            ("sampling", "journal.jsonl"),
            ("sampling", "result.json"),
            ("one-shot", "config.json"),
            ("one-shot", "journal.jsonl"),
            ("one-shot", "alphas.jsonl"),
        )
    ),
    *(
        Reader(
            f"warm start, {kind}",
            ".jsonl",
            _copied(kind, "journal.jsonl"),
            partial(_warm_start, kind, "journal.jsonl"),
            ("search.warm_start", "search.trial_events"),
        )
        for kind in ("sampling", "one-shot")
    ),
    *(
        Reader(
            what,
            Path(name).suffix,
            _copied("evolution", name),
            partial(_resumed, "evolution", name),
            (*_RESUME, module),
            is_slow=True,
        )
        for what, name, module in (
            ("search journal", "journal.jsonl", "search.evolution"),
            ("summed state of evolution", "checkpoint/engine.json", "search.engine_state"),
        )
    ),
    *(
        Reader(
            f"state of {engine}",
            ".json",
            _unsummed_state(engine),
            partial(_resumed, engine, "checkpoint/engine.json"),
            (*_RESUME, "search.engine_state", f"search.{engine.replace('-', '_')}"),
            is_slow=True,
        )
        for engine in SETTINGS
    ),
)
