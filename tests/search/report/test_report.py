"""The report of a search: everything that the folder holds is in the page, and nothing in it acts or asks."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from genotools.cli.report import report
from genotools.errors import DataError, MissingExtraError, OutputExistsError
from genotools.files import write_json
from genotools.search.report import write_report
from genotools.search.report.data import SamplingRun, read_run
from genotools.testing.reports import DATA, Page, make_config, make_run, make_trials


def make_page(*runs: Path) -> Page:
    path = runs[0].parent / "report.html"
    write_report(path, runs, force=True)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Leave the drawing to the tests that look at drawings; Graphviz takes seconds for the cells of a page."""
    if "drawn" not in request.fixturenames:

        def refuse(*_: object, **__: object) -> None:
            raise MissingExtraError("pygraphviz", "draw")

        monkeypatch.setattr("genotools.genotype.svg.draw", refuse)


@pytest.fixture
def drawn() -> None:
    """Let the cells be drawn."""


# What is in the page


def test_every_trial_is_in_the_table_in_the_order_of_its_number(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [0.2, None, 0.4, 0.3])
    rows = make_page(run).rows_of("trial", "genotype")
    trials = make_trials([0.2, None, 0.4, 0.3])
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert [row[1] for row in rows] == [trial.genotype.digest[:12] for trial in trials]
    assert [row[2] for row in rows] == ["0.2000", "", "0.4000", "0.3000"]
    assert [row[3] for row in rows] == ["1,000", "", "1,020", "1,030"]


def test_a_failed_trial_tells_its_last_line_and_unfolds_the_rest(tmp_path: Path) -> None:
    rows = make_page(make_run(tmp_path / "run", [0.2, None])).rows_of("trial", "genotype")
    assert rows[1][-1].startswith("failed: RuntimeError: no memory <left>")
    assert "File 'evaluator.py', line 103" in rows[1][-1]


def test_the_figures_in_the_header_are_those_of_the_run(tmp_path: Path) -> None:
    page = make_page(make_run(tmp_path / "run", [0.2, None, 0.4, 0.3], seed=11))
    text = page.words
    assert "Best validation AUPRC 0.4000 trial 2" in text
    assert "Trials 4 3 finished, 1 failed" in text
    assert "Time in trials 32 s 6 epochs of training, 7.0 s on the clock" in text
    assert "Seed 11" in text


def test_the_best_is_the_one_that_the_search_names(tmp_path: Path) -> None:
    """An engine with a choice of its own, or budgets that differ, may name another than the highest score."""
    run = make_run(tmp_path / "run", [0.2, 0.4, 0.3])
    write_json(run / "result.json", {"format": "genotools/search", "version": 1, "best": {"trial": 2}})
    assert "Best validation AUPRC 0.3000 trial 2" in make_page(run).words


def test_an_unfinished_search_has_its_best_at_the_largest_budget(tmp_path: Path) -> None:
    trials = [
        replace(trial, budget_epochs=epochs)
        for trial, epochs in zip(make_trials([0.9, 0.5, 0.6]), (1, 3, 3), strict=True)
    ]
    run = read_run(make_run(tmp_path / "run", trials=trials, is_finished=False))
    assert isinstance(run, SamplingRun)
    assert run.best is not None
    assert run.best.number == 2


def test_origins_are_told_in_words(tmp_path: Path) -> None:
    first, second, third = make_trials([0.2, 0.3, 0.4])
    parents = {"parent": first.genotype.digest, "other_parent": second.genotype.digest}
    trials = [
        replace(first, origin={"how": "sample"}),
        replace(second, origin={"how": "mutation", "parent": first.genotype.digest}),
        replace(third, origin={"how": "crossover", **parents, "rung": 2}, continues=1),
    ]
    rows = make_page(make_run(tmp_path / "run", trials=trials)).rows_of("trial", "genotype")
    one, two = first.genotype.digest[:12], second.genotype.digest[:12]
    assert [row[-2] for row in rows] == [
        "sampled",
        f"mutant of {one}",
        f"child of {one} and {two}, rung 2, goes on with trial 1",
    ]


def test_the_configuration_is_a_table(tmp_path: Path) -> None:
    page = make_page(make_run(tmp_path / "run", [0.2], settings={"population": 8, "crossover": False}))
    rows = dict(row for row in page.rows_of("setting", "value"))
    assert rows["settings.population"] == "8"
    assert rows["settings.crossover"] == "no"
    assert rows["evaluator.store_digest"] == DATA
    assert rows["objectives"] == "valid_auprc:max"
    assert rows["evaluator.macro.layers.1.cell"] == "reduce"


def test_the_best_genotypes_are_drawn_each_cell_once(tmp_path: Path, drawn: None) -> None:
    page = make_page(make_run(tmp_path / "run", [0.2, 0.3]))
    for cell in ("normal", "reduction", "recurrent"):
        assert page.count("svg", class_="cell", aria_label=f"The {cell} cell") == 2
    assert "sep conv" in page.text


def test_without_a_renderer_the_genotypes_are_told_in_words(tmp_path: Path) -> None:
    page = make_page(make_run(tmp_path / "run", [0.2]))
    assert page.count("svg", class_="cell") == 0
    assert "The normal cell, which keeps the length:" in page.text
    assert "Install it with: pip install 'genotools[draw]'" in page.text


def test_twelve_genotypes_have_a_card_each_once(tmp_path: Path) -> None:
    trials = make_trials([0.01 * number for number in range(1, 16)])
    trials.append(replace(trials[-1], number=15))  # the same genotype once more
    page = make_page(make_run(tmp_path / "run", trials=trials))
    cards = [found["id"] for tag, found in page.elements if found.get("class") == "genotype"]
    best = [trial.genotype.digest[:12] for trial in trials[:15]][:-13:-1]
    assert cards == [f"run-1-{digest}" for digest in best]


def test_two_objectives_have_a_front_and_its_genotypes_come_first(tmp_path: Path) -> None:
    objectives = ["valid_auprc:max", "params:min"]
    run = make_run(tmp_path / "run", [0.3, 0.2, 0.5, 0.4, 0.6], objectives=objectives)
    page = make_page(run)
    assert "Front of the objectives" in page.text
    assert "3 of 5 trials are beaten by no other" in page.html
    facts = re.findall(r"trial (\d)(?:, on the front)?</span>", page.html)
    assert facts == ["4", "2", "0", "3", "1"]
    assert page.html.count("on the front</span>") == 3


# What must not be in the page

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    trials = make_trials([0.2, None, 0.4])
    genotype = trials[0].genotype.with_meta(note=EVIL, **{"</pre><script>": EVIL})
    trials[0] = replace(trials[0], genotype=genotype, origin={"how": EVIL, EVIL: EVIL})
    trials[1] = replace(trials[1], error=f"{EVIL}\n{EVIL}")
    changes: dict[str, Any] = {
        "settings": {EVIL: EVIL},
        "constraints": [EVIL],
        "warm_start": [EVIL],
        "objectives": [f"{EVIL}:max"],
        "genotools": EVIL,
    }
    metrics = {f"{EVIL}": 0.5, "params": 3.0}
    trials = [replace(t, scores=(0.5,), metrics=metrics) if t.scores else t for t in trials]
    return make_run(tmp_path / "<script>alert(3)</script>", trials=trials, engine=EVIL, **changes)


def test_hostile_text_is_text(hostile: Path) -> None:
    page = make_page(hostile)
    assert EVIL in page.text
    assert page.count("script") == 1
    assert page.count("img") == 0
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert "<script>alert" not in page.html


def test_hostile_text_is_text_beside_others(hostile: Path, tmp_path: Path) -> None:
    page = make_page(hostile, make_run(tmp_path / "other", [0.2], engine=EVIL))
    assert page.count("script") == 1
    assert page.count("img") == 0


def test_the_page_asks_for_nothing(tmp_path: Path, drawn: None) -> None:
    run = make_run(tmp_path / "run", [0.2, None, 0.3])
    make_run(tmp_path / "random", [0.1, 0.2], engine="random")
    page = make_page(run)
    assert "http:" not in page.html.replace('http-equiv="', "")
    assert "https:" not in page.html
    assert "url(" not in page.html
    assert "@import" not in page.html
    for tag, found in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "use", "image", "base", "form")
        assert not {"src", "srcset", "xlink:href", "action", "background", "data"} & set(found)
        assert (found.get("href") or "#").startswith("#")


def test_ids_are_unique_and_what_is_referred_to_exists(tmp_path: Path, drawn: None) -> None:
    first = make_run(tmp_path / "a", [0.2, 0.4, 0.3])
    second = make_run(tmp_path / "b", [0.2, 0.4, 0.3], engine="local-search")
    page = make_page(first, second)
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(set(ids)) == len(ids)
    for _, found in page.elements:
        if "href" in found:
            assert (found["href"] or "").removeprefix("#") in ids
        for name in ("aria-labelledby", "data-table", "data-in"):
            assert set((found.get(name) or "").split()) <= set(ids)


def test_the_same_runs_give_the_same_bytes(tmp_path: Path, drawn: None) -> None:
    run = make_run(tmp_path / "run", [0.2, None, 0.3])
    assert make_page(run).html == make_page(run).html


# Unfinished, empty, damaged


def test_an_unfinished_run_is_reported_and_left_as_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [0.2, 0.3], is_finished=False)
    journal = run / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"event": "ended", "trial": 2, "sta')  # as another process writes it at this moment
    before = journal.read_bytes()
    page = make_page(run)
    assert "This search is unfinished" in page.text
    assert f"-o {run} --resume" in page.text
    assert len(page.rows_of("trial", "genotype")) == 2
    assert journal.read_bytes() == before


def test_an_empty_run_is_reported(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", is_finished=False)
    page = make_page(run)
    assert "This search has no trial that has ended yet." in page.text
    assert page.count("svg") == 0
    assert page.commands[0].startswith("genotools search random")
    assert "--trials" not in page.commands[0]


def test_a_run_whose_trials_all_failed_is_reported(tmp_path: Path) -> None:
    page = make_page(make_run(tmp_path / "run", [None, None], is_finished=False))
    assert "no trial that finished. The first failed with: RuntimeError: no memory <left>" in page.text
    assert len(page.rows_of("trial", "genotype")) == 2
    assert page.count("svg") == 0


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{}", "line 3: not an event"),
        ("no json", "line 3: not valid JSON"),
        ('{"event": "ended"}', "line 3: a trial is incomplete"),
    ],
)
def test_a_damaged_journal_is_named_with_its_line(tmp_path: Path, line: str, fault: str) -> None:
    run = make_run(tmp_path / "run", [0.1, 0.2])
    with (run / "journal.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=fault):
        make_page(run)


def test_a_metric_that_is_no_number_is_named(tmp_path: Path) -> None:
    (trial,) = make_trials([0.2])
    run = make_run(tmp_path / "run", trials=[trial])
    event = json.loads((run / "journal.jsonl").read_text())
    event["metrics"]["params"] = "many"
    (run / "journal.jsonl").write_text(json.dumps(event) + "\n")
    with pytest.raises(DataError, match=r"line 1: metrics\.params is 'many', a number is expected"):
        make_page(run)


def test_numbers_without_measure_do_not_break_the_axes(tmp_path: Path) -> None:
    trials = [
        replace(trial, scores=(value,), metrics={"valid_auprc": value, "params": 1e308})
        for trial, value in zip(make_trials([0.1, 0.1]), (-1e308, 1e308), strict=True)
    ]
    assert "nan" not in re.findall(r' d="[^"]*"', make_page(make_run(tmp_path / "run", trials=trials)).html)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        make_page(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no search in it"):
        make_page(tmp_path)
    write_json(tmp_path / "config.json", {"format": "genotools/training", "version": 1})
    with pytest.raises(DataError, match="format: 'genotools/search' is expected, found 'genotools/training'"):
        make_page(tmp_path)
    write_json(tmp_path / "config.json", make_config("evolution", 0, version=99))
    with pytest.raises(DataError, match="version: 99 is newer"):
        make_page(tmp_path)


def test_outputs_are_checked_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [0.2])
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        write_report(path, [run])
    with pytest.raises(DataError, match=r"its name ends in \.html"):
        write_report(tmp_path / "page.pdf", [run])
    with pytest.raises(DataError, match="at least one run"):
        write_report(path, [], force=True)
    with pytest.raises(DataError, match="given twice"):
        write_report(path, [run, run], force=True)
    assert path.read_text() == "mine"


def test_the_command_line_writes_the_page_and_prints_its_path(tmp_path: Path) -> None:
    command = typer.Typer()
    command.command()(report)
    run, path = make_run(tmp_path / "run", [0.2]), tmp_path / "page.html"
    done = CliRunner().invoke(command, [str(run), "-o", str(path)])
    assert done.stdout == f"{path}\n"
    assert "Regularised evolution" in path.read_text(encoding="utf-8")
    done = CliRunner().invoke(command, [str(run), "-o", str(path)])
    assert isinstance(done.exception, OutputExistsError)
    assert CliRunner().invoke(command, [str(run), "-o", str(path), "--force"]).exit_code == 0
