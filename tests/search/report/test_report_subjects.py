"""What a report sets a search beside: random search wherever it may lie, other engines, other seeds."""

import shlex
from pathlib import Path

import pytest

from genotools.errors import MissingExtraError
from genotools.search.report import write_report
from genotools.search.report.subjects import read_subjects
from genotools.testing.reports import Page, make_config, make_run


@pytest.fixture(autouse=True)
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawings: Graphviz takes seconds for the cells of a page."""

    def refuse(*_: object, **__: object) -> None:
        raise MissingExtraError("pygraphviz", "draw")

    monkeypatch.setattr("genotools.genotype.svg.draw", refuse)


def make_page(*runs: Path) -> Page:
    path = runs[0].parent / "report.html"
    write_report(path, runs, force=True)
    return Page(path.read_text(encoding="utf-8"))


def test_without_random_search_the_page_says_so_and_how_to_make_it(tmp_path: Path) -> None:
    page = make_page(make_run(tmp_path / "run", [0.2, None, 0.3], seed=4, constraints=["params<=3e+06"]))
    assert "No random search lies beside this one" in page.text
    words = shlex.split(page.commands[0])
    assert words[:3] == ["genotools", "search", "random"]
    assert words[words.index("-o") + 1] == str(tmp_path / "run" / "random")
    assert words[words.index("--trials") + 1] == "3"
    assert words[words.index("--seed") + 1] == "4"
    assert words[words.index("--constraint") + 1] == "params<=3e+06"


@pytest.mark.parametrize("place", ["run/random", "random", "run/random-0", "random-0", "random/seed-5"])
def test_random_search_is_found_wherever_it_may_lie(tmp_path: Path, place: str) -> None:
    run = make_run(tmp_path / "run", [0.2, 0.5], seed=0)
    make_run(tmp_path / place, [0.1, 0.3], engine="random", seed=5)
    (subject,) = read_subjects([run])
    assert [found.path.name for found in subject.random] == [Path(place).name]
    text = make_page(run).words
    assert "Against random search 0.2000 better random search reaches 0.3000 in 2 trials" in text
    assert "No random search lies beside" not in text


def test_a_random_search_that_is_given_comes_last_and_is_the_line_of_the_others(tmp_path: Path) -> None:
    random = make_run(tmp_path / "r" / "r", [0.6], engine="random")
    run = make_run(tmp_path / "run", [0.2, 0.5])
    subjects = read_subjects([random, run])
    assert [subject.engine for subject in subjects] == ["evolution", "random"]
    assert [found.path for found in subjects[0].random] == [random]
    page = make_page(random, run)
    assert "0.1000 worse" in page.text
    assert [row[0] for row in page.rows_of("engine", "objective")] == [
        "Regularised evolution",
        "Random search",
    ]
    assert [row[2] for row in page.rows_of("engine", "objective")] == ["0.5000", "0.6000"]


def test_a_random_search_with_another_objective_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [0.2])
    make_run(tmp_path / "random", [0.3], engine="random", objectives=["params:min"])
    (subject,) = read_subjects([run])
    assert subject.random == ()
    assert "has another objective and is left out" in subject.caveats[0]


def test_a_random_search_on_other_data_is_shown_with_a_warning(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [0.2])
    evaluator = make_config("random", 0)["evaluator"]
    training = evaluator["training"] | {"batch_size": 3}
    other = evaluator | {"store_digest": "sha256:00", "training": training}
    make_run(tmp_path / "random", [0.3], engine="random", evaluator=other)
    (subject,) = read_subjects([run])
    assert len(subject.random) == 1
    assert subject.caveats == (
        f"The random search in {(tmp_path / 'random').resolve()} differs: data, training.batch_size.",
    )


def test_several_seeds_are_one_search_with_mean_and_spread(tmp_path: Path) -> None:
    found: list[list[float | None]] = [[0.2, 0.4], [0.5, None], [0.1, 0.6]]
    for seed, values in enumerate(found):
        make_run(tmp_path / "study" / f"seed-{seed}", values, seed=seed)
        make_run(tmp_path / "study" / f"random-{seed}", [0.3, 0.3], seed=seed, engine="random")
    page = make_page(tmp_path / "study")
    text = page.words
    assert "Best validation AUPRC 0.5000 ± 0.1000 mean and sd of 3 seeds; best 0.6000, seed 2" in text
    assert "random search reaches 0.3000 ± 0 in 6 trials, 3 seeds" in text
    assert "Seeds 0, 1, 2" in text
    assert "--seeds 0,1,2" in page.commands[-1]
    rows = page.rows_of("seed", "trial")
    assert [(row[0], row[1]) for row in rows] == [(str(s), str(t)) for s in range(3) for t in range(2)]
    assert page.count("path", class_="band s1") == 2
    assert page.count("path", class_="band random") == 2


def test_seeds_that_were_run_differently_are_pointed_out(tmp_path: Path) -> None:
    make_run(tmp_path / "study" / "seed-0", [0.2], seed=0)
    evaluator = make_config("evolution", 0)["evaluator"] | {"n_repeats": 3}
    make_run(tmp_path / "study" / "seed-1", [0.2], seed=1, evaluator=evaluator)
    text = make_page(tmp_path / "study").text
    assert "Seed 1 was run with other settings than seed 0: n_repeats." in text
