"""The report of a search with a supernet."""

import re
from pathlib import Path

import pytest

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import Macro, SearchSpace, register_space
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.prose import diff
from genotools.search.journal import Journal
from genotools.search.one_shot_run import search_one_shot
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.report import write_report
from genotools.testing.reports import DATA, Page, make_genotypes, make_one_shot_run, make_run

ALARM = "collapse: 63% of the normal cell's edges are skips. <b>Take another.</b>"


def make_page(*runs: Path) -> Page:
    path = runs[0].parent / "report.html"
    write_report(path, runs, force=True)
    return Page(path.read_text(encoding="utf-8"))


def test_the_choice_and_its_figures_stand_above(tmp_path: Path) -> None:
    genotypes = make_genotypes(3)
    words = make_page(make_one_shot_run(tmp_path / "run", genotypes, seed=9)).words
    digest = genotypes[-1].digest[:12]
    assert f"The choice {digest} selected by argmax, at most 1 skip" in words
    assert "Entropy of the alphas 0.9700 at the end" in words
    assert "Alarm at the end none nor along the way" in words
    assert "Epochs 3 18 steps of the weights, 9.0 s" in words
    assert "Seed 9" in words
    assert DATA.removeprefix("sha256:")[:12] in words


def test_every_candidate_is_in_the_table_with_its_provenance(tmp_path: Path) -> None:
    first, second = make_genotypes(2)
    run = make_one_shot_run(tmp_path / "run", [first, second, second], engine="pdarts", stages=[1, 1, 2])
    rows = make_page(run).rows_of("no.", "stage")
    skips = [str(sum(edge.op == "skip_connect" for edge in g.normal.edges)) for g in (first, second)]
    one, two = first.digest[:12], second.digest[:12]
    assert rows == [
        ["1", "1", "1", one, "argmax", skips[0], "once", "candidate"],
        ["2", "1", "2", two, "argmax", skips[1], "3 ×", "candidate"],
        ["3", "2", "1", two, "argmax", skips[1], "3 ×", "candidate"],
        ["4", "2", "1", two, "argmax, at most 1 skip", skips[1], "3 ×", "the choice"],
    ]


def test_the_cells_are_drawn_as_they_form_with_what_changed(tmp_path: Path) -> None:
    first, second = make_genotypes(2)
    page = make_page(make_one_shot_run(tmp_path / "run", [first, first, second, second]))
    steps = re.findall(r'<p class="step"><strong>(.*?)</strong> <code>(.*?)</code>', page.html)
    assert steps == [("Epoch 1", first.digest[:12]), ("Epoch 3", second.digest[:12])]
    for change in diff(first, second):
        assert change in page.text
    assert page.count("svg", class_="cell", aria_label="The normal cell") == 3  # two steps and the choice


def test_of_many_genotypes_a_handful_is_drawn_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    page = make_page(make_one_shot_run(tmp_path / "run", make_genotypes(9)))
    assert re.findall(r"<strong>Epoch (\d)</strong>", page.html) == ["1", "3", "5", "7", "9"]


def test_alarms_are_told_and_marked_in_the_chart(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(3), alarms={2: [ALARM], 3: [ALARM]})
    page = make_page(run)
    assert f"Stage 1, epoch 3: {ALARM}" in page.text
    assert "Alarm at the end yes in 2 epochs along the way" in page.words
    assert page.html.count("&lt;b&gt;Take another.&lt;/b&gt;</title></path>") == 2


def test_losses_are_lines_that_stages_break(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(4), engine="pdarts", stages=[1, 1, 2, 2])
    page = make_page(run)
    chart = page.html[page.html.index('aria-labelledby="run-1-losses') :]
    chart = chart[: chart.index("</svg>")]
    assert "At the end: weights 0.2500, alphas 0.5000." in chart
    assert chart.count('class="line s1"') == 2
    assert chart.count("<circle") == 4 + 3  # the alphas do not learn in the first epoch
    assert ">stage 1</text>" in chart
    assert ">stage 2</text>" in chart


def test_the_alphas_have_a_panel_an_edge_and_a_frame_an_op_that_was_chosen(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(3), engine="pdarts", stages=[1, 1, 2])
    page = make_page(run)
    n_chosen = {"Normal cell": 8, "Reduction cell": 8, "Recurrent cell": 8}
    maps = re.findall(r'<svg class="heat".*?</svg>', page.html, re.DOTALL)
    assert len(maps) == 3
    for svg, (title, n_ops), n_edges in zip(maps, n_chosen.items(), (14, 14, 36), strict=True):
        assert f"{title}: course of the alphas over 3 epochs, one panel for each of {n_edges} edges" in svg
        assert svg.count('class="pruned"') == n_edges
        assert svg.count('class="choice"') == n_ops
        assert svg.count('class="stage"') == n_edges
    # The softmax of 0, 0.3, 0.6 and 0.9; `none` is no longer live.
    assert (
        "<title>0 → 1, last epoch: relu 0.371, sigmoid 0.275, identity 0.204, tanh 0.151</title>" in maps[2]
    )


def test_rounds_of_removals_are_charts_and_the_losses_of_the_last_a_column(tmp_path: Path) -> None:
    first, second = make_genotypes(2)
    run = make_one_shot_run(tmp_path / "run", [], engine="osp-nas", is_finished=False)
    journal = Journal(run / "journal.jsonl")
    for stage, n_live in ((1, 108), (2, 9)):
        losses = {"normal:0->2:conv_15": 0.5, "normal:<1>": 0.25} if stage == 1 else {}
        live = {"normal": n_live, "reduce": n_live, "recurrent": n_live - 1}
        costs = {"n_steps": 4, "seconds": 30.0}
        journal.append("round", {"stage": stage, "epoch": 1, "n_live": live, "losses": losses, **costs})
    for genotype, loss, is_choice in ((first, 0.4, False), (second, 0.3, False), (second, 0.3, True)):
        where = {"stage": 2, "epoch": 1, "selection": "removal", "max_skips": None, "is_choice": is_choice}
        found = {**where, "held_out_loss": loss, "genotype": genotype_to_document(genotype)}
        journal.append("candidate", found)
    page = make_page(run)
    assert "Rounds 2 8 steps of the weights, 1 min 00 s" in page.words
    assert "<title>round 1, without normal:0-&gt;2:conv_15: 0.5000</title>" in page.html
    assert "1 proposals were kept and 1 removed." in page.html
    assert "normal, reduce cells" in page.text
    assert "no finished epoch" not in page.text
    assert [row[6] for row in page.rows_of("no.", "stage")] == ["0.4000", "0.3000", "0.3000"]
    assert page.count("ol", class_="steps") == 0


def test_random_search_beside_it_says_what_the_choice_must_beat(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(2))
    page = make_page(run)
    assert "No random search lies beside this one" in page.text
    assert page.commands[0] == (
        f"genotools search random --data STORE.h5 -o {run / 'random'} --preset quick --budget 6s --seed 0"
    )
    make_run(run / "random", [0.2, 0.4], engine="random")
    words = make_page(run).words
    assert "Random search beside it reaches a validation AUPRC of 0.4000 in 2 trials and 20 s." in words
    assert "No random search lies beside" not in words


def test_several_seeds_have_means_and_a_part_each(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_one_shot_run(tmp_path / "study" / f"seed-{seed}", make_genotypes(2, seed=seed), seed=seed)
    page = make_page(tmp_path / "study")
    assert "Choices 2 different of 2 seeds" in page.words
    assert page.count("details", class_="part") == 2
    assert page.count("path", class_="band s1") == 2
    assert page.count("svg", class_="heat") == 6
    assert [len(rows) - 1 for rows in page.tables if rows[0][0] == "no."] == [3, 3]
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(set(ids)) == len(ids)


def test_unfinished_and_empty_searches_are_reported(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(1), is_finished=False)
    with (run / "alphas.jsonl").open("a") as file:
        file.write('{"event": "alphas", "sta')
    page = make_page(run)
    assert "This search is unfinished" in page.text
    assert (run / "alphas.jsonl").read_text().endswith('"sta')
    empty = make_one_shot_run(tmp_path / "empty", [], is_finished=False)
    page = make_page(empty)
    assert "This search has no finished epoch yet." in page.text
    assert page.count("svg") == 0


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    run = make_one_shot_run(tmp_path / "run", make_genotypes(1))
    with (run / "alphas.jsonl").open("a") as file:
        file.write('{"event": "alphas", "stage": 1, "epoch": 2}\n')
    with pytest.raises(DataError, match=r"alphas\.jsonl, line 2: not the alphas of an epoch"):
        make_page(run)


@pytest.mark.slow
def test_a_real_search_is_reported(
    tmp_path: Path, store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings
) -> None:
    register_space(small_space)
    result = search_one_shot(
        "pdarts", small_space, store, tmp_path / "run", macro=macro, settings=settings, seed=1
    )
    page = make_page(tmp_path / "run")
    assert len(page.rows_of("no.", "stage")) == len(result.candidates)
    assert f"The choice {result.choice.genotype.digest[:12]}" in page.words
    assert page.count("svg", class_="heat") == 3
