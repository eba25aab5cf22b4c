"""Run folders with values that no search writes: each is named, and none is met later as something else."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS
from genotools.search import search
from genotools.search.alpha_course import AlphaRecord, read_alphas
from genotools.search.journal import Journal
from genotools.search.one_shot_run import read_candidates
from genotools.search.report.commands import search_command
from genotools.search.report.data import read_run
from genotools.search.report.subjects import read_subjects
from genotools.search.study.outcomes import read_training
from genotools.search.study.runner import check_same_study
from genotools.search.warm_start import genotypes_of_run
from genotools.testing.landscape import Landscape, LandscapeEvaluator
from genotools.testing.reports import make_genotypes, make_one_shot_run, make_run
from genotools.training.history import read_history

SETTINGS: dict[str, dict[str, Any]] = {
    "evolution": {"population": 4, "tournament": 2, "children": 2},
    "pareto": {"population": 2},
    "hyperband": {"max_epochs": 2, "eta": 2},
    "local-search": {"n_starts": 2, "round_size": 2},
}

Edit = Callable[[Any], None]


def run(folder: Path, engine: str, *, n_trials: int = 6, resume: bool = False) -> None:
    evaluator = LandscapeEvaluator(Landscape(GENOME_NAS, seed=0))
    search(
        engine,
        GENOME_NAS,
        evaluator,
        folder,
        seed=0,
        n_trials=n_trials,
        settings=SETTINGS[engine],
        resume=resume,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what makes a search of six trials by an engine, once."""
    folder = tmp_path_factory.mktemp("runs")

    def make(engine: str) -> Path:
        if not (folder / engine).exists():
            run(folder / engine, engine)
        return folder / engine

    return make


def edited(source: Path, target: Path, name: str, edit: Edit) -> Path:
    """Return a copy of a run in which the first document of a file is another."""
    shutil.copytree(source, target)
    first, *rest = (target / name).read_text().splitlines(keepends=True)
    whole = first + "".join(rest) if name.endswith(".json") else first
    document = json.loads(whole)
    edit(document)
    text = json.dumps(document)
    (target / name).write_text(text if name.endswith(".json") else "".join([f"{text}\n", *rest]))
    return target


def edited_state(source: Path, target: Path, edit: Edit) -> Path:
    """Return a copy of a run with another state of its engine, none before it and no SHA-256 that would tell."""

    def unsummed(state: Any) -> None:
        for key in state.keys() - {"n_told", "n_rounds", "engine"}:
            del state[key]
        edit(state)

    folder = edited(source, target, "checkpoint/engine.json", unsummed)
    (folder / "checkpoint" / "engine.json.before").unlink()
    return folder


def set_(*path: Any, value: Any) -> Edit:
    def edit(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return edit


JOURNAL = [
    (set_("scores", value=[]), "scores: at least one is expected"),
    (set_("scores", value=["nan"]), "scores is 'nan', a number is expected"),
    (set_("scores", value=[0.5, 0.5]), r"has 2 scores, the search has 1 objectives"),
    (set_("elapsed", value="x"), "elapsed is 'x', a number is expected"),
    (set_("seconds", value=-1e30), r"seconds is -1e\+30, 0 to 1e\+12 is possible"),
    (set_("budget_epochs", value=0), "budget_epochs is '0', a whole number from 1 to"),
    (set_("budget_epochs", value="x"), "budget_epochs is 'x', a whole number"),
    (set_("continues", value=[1]), r"continues is '\[1\]', a whole number"),
    (set_("trial", value=10**13), "trial is '10000000000000', a whole number from 0 to"),
    (set_("metrics", value=[1]), "a JSON object is expected, not list"),
    (set_("metrics", "params", value=True), "params is 'True', a number is expected"),
    (set_("origin", value=None), "origin: a JSON object is expected"),
]


@pytest.mark.parametrize(("edit", "message"), JOURNAL)
def test_a_trial_with_values_that_no_search_writes_is_refused(
    edit: Edit, message: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = edited(made("evolution"), tmp_path / "run", "journal.jsonl", edit)
    with pytest.raises(DataError, match=message):
        run(folder, "evolution", n_trials=8, resume=True)


STATES = [
    ("evolution", set_("n_told", value=-1), "not the state of an engine"),
    ("evolution", set_("n_told", value=10**12), "trial 6 is missing, the engine was told of 1000000000000"),
    ("evolution", set_("engine", value={}), r"not the state of this engine \(KeyError\('source'\)\)"),
    ("evolution", set_("engine", "source", "rng", value=7), "not the state of this engine .TypeError"),
    ("evolution", set_("engine", "source", "rng", "state", "inc", value=-1), "not the state of this engine"),
    ("evolution", set_("engine", "source", "seen", value=7), "not the state of this engine .TypeError"),
    ("evolution", set_("engine", "n_drawn", value="x"), "not the state of this engine .ValueError"),
    ("evolution", set_("engine", "living", 0, value=[1]), "not the state of this engine .ValueError"),
    ("evolution", set_("engine", "living", 0, 1, value="nan"), "engine 'evolution': score is 'nan'"),
    ("local-search", set_("engine", "score", value="nan"), "engine 'local-search': score is 'nan'"),
    ("pareto", set_("engine", "members", 0, "scores", 0, value="x"), "engine 'pareto': score is 'x'"),
    ("pareto", set_("engine", "members", 0, "scores", value=[]), "engine 'pareto': its members have another"),
    ("pareto", set_("engine", "members", 0, "distance", value=[]), r"engine 'pareto': distance is '\[\]'"),
    ("hyperband", set_("engine", "ladders", 0, "next", value=9), "state of a ladder: rung 9, there are"),
    ("hyperband", set_("engine", "ladders", 0, "next", value=-1), "state of a ladder: rung -1, there are"),
    ("hyperband", set_("engine", "ladders", value=[]), "not the state of this engine .ValueError"),
]


@pytest.mark.parametrize(("engine", "edit", "message"), STATES)
def test_a_state_that_no_engine_writes_is_refused(
    engine: str, edit: Edit, message: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = edited_state(made(engine), tmp_path / "run", edit)
    with pytest.raises(DataError, match=message):
        run(folder, engine, n_trials=8, resume=True)


def test_an_undamaged_run_goes_on(made: Callable[[str], Path], tmp_path: Path) -> None:
    for engine in SETTINGS:
        folder = edited(made(engine), tmp_path / engine, "journal.jsonl", lambda document: None)
        run(folder, engine, n_trials=8, resume=True)


def test_members_of_other_numbers_of_scores_do_not_meet(made: Callable[[str], Path], tmp_path: Path) -> None:
    def two_scores(state: Any) -> None:
        for member in state["engine"]["members"]:
            member["scores"] *= 2

    folder = edited_state(made("pareto"), tmp_path / "run", two_scores)
    with pytest.raises(DataError, match="engine 'pareto': its members have another number of scores"):
        run(folder, "pareto", n_trials=8, resume=True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_("stage", value="nan"), "stage is 'nan', a whole number"),
        (set_("max_skips", value="\0"), "max_skips is .* a whole number"),
        (set_("held_out_loss", value=[]), r"held_out_loss is '\[\]', a number"),
        (set_("place", value=-1), "place is '-1', a whole number"),
    ],
)
def test_a_candidate_with_values_that_no_search_writes_is_refused(
    edit: Edit, message: str, tmp_path: Path
) -> None:
    source = make_one_shot_run(tmp_path / "made", make_genotypes(2))
    folder = edited(source, tmp_path / "run", "journal.jsonl", edit)
    with pytest.raises(DataError, match=message):
        read_candidates(folder)
    with pytest.raises(DataError, match=message):
        genotypes_of_run(folder, 1, GENOME_NAS)


def test_a_trial_of_an_earlier_search_is_checked_too(tmp_path: Path) -> None:
    source = make_run(tmp_path / "made", [0.2, 0.4])
    folder = edited(source, tmp_path / "run", "journal.jsonl", set_("budget_epochs", value="x"))
    with pytest.raises(DataError, match="budget_epochs is 'x', a whole number"):
        genotypes_of_run(folder, 1, GENOME_NAS)


def test_a_journal_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"journal\.jsonl: not an ordinary file"):
        Journal(tmp_path / "journal.jsonl").read()
    with pytest.raises(DataError, match=r"journal\.jsonl: not an ordinary file"):
        read_history(tmp_path / "journal.jsonl")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_("constraints", value=True), "constraints is 'True', a list is expected"),
        (set_("warm_start", value=2.5), "warm_start is '2.5', a list is expected"),
    ],
)
def test_settings_that_no_search_writes_are_named_in_a_report(
    edit: Edit, message: str, tmp_path: Path
) -> None:
    folder = edited(make_run(tmp_path / "made", [0.2]), tmp_path / "run", "config.json", edit)
    with pytest.raises(DataError, match=message):
        read_run(folder)


def test_settings_of_stages_that_cannot_be_told_apart_are_left_unsaid(tmp_path: Path) -> None:
    """Values were put into a set, which lists cannot be."""
    edit = set_("settings", "stages", "1", "epochs", value=[1])
    source = make_one_shot_run(tmp_path / "made", make_genotypes(1), engine="pdarts")
    folder = edited(source, tmp_path / "run", "config.json", edit)
    (subject,) = read_subjects([folder])
    assert any("stages.1.epochs" in caveat for caveat in search_command(subject).caveats)


def test_alphas_of_any_size_have_probabilities(tmp_path: Path) -> None:
    folder = make_one_shot_run(tmp_path / "run", make_genotypes(1))
    (record,) = read_alphas(folder / "alphas.jsonl")
    values = {role: dict(found) for role, found in record.values.items()}
    first, second, *_ = [op for op in values["normal"] if op[:2] == (0, 2)]
    values["normal"] |= {first: 1e308, second: 1e308}
    probs = AlphaRecord(stage=1, epoch=1, values=values).probs("normal")
    assert (probs[first], probs[second]) == (0.5, 0.5)
    assert math.isclose(sum(value for op, value in probs.items() if op[:2] == (0, 2)), 1)
    damaged = edited(folder, tmp_path / "damaged", "alphas.jsonl", set_("normal", 0, 3, value="inf"))
    with pytest.raises(DataError, match="alpha is 'inf', a number is expected"):
        read_alphas(damaged / "alphas.jsonl")


def test_the_result_of_a_training_may_be_damaged(tmp_path: Path) -> None:
    found = {
        "format": "genotools/training-result",
        "version": 1,
        "validation": {},
        "test": {"labels": [[1]]},
        "n_params": 1,
        "seconds": 1.0,
    }
    (tmp_path / "result.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match="not the result of a training"):
        read_training(tmp_path)


def test_a_study_is_compared_whatever_its_description_is(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text("[1]")
    with pytest.raises(DataError, match=r"study\.json: a JSON object is expected, not list"):
        check_same_study(path, {"format": "genotools/study-folder", "version": 1})
    path.write_text('{"format": "genotools/study-folder", "version": 1}')
    check_same_study(path, {"format": "genotools/study-folder", "version": 1})
