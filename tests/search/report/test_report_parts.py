"""What a report is made of: courses, fronts, axes, figures in words, and the commands it tells."""

import json
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.files import write_json
from genotools.genotype import Macro
from genotools.search.fronts import fronts
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.presets import SEARCH_PRESETS
from genotools.search.report.commands import search_command
from genotools.search.report.courses import over_seconds, over_trials, spread
from genotools.search.report.data import SamplingRun, read_run
from genotools.search.report.sampling_charts import first_front
from genotools.search.report.scales import Axis, Scale
from genotools.search.report.subjects import read_subjects
from genotools.search.report.text import compact, duration
from genotools.testing.reports import make_config, make_genotypes, make_one_shot_run, make_run


def test_the_course_rises_with_each_new_best_and_ends_where_the_search_did(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", [None, 0.2, 0.1, 0.4, 0.3]))
    assert isinstance(run, SamplingRun)
    assert over_trials(run) == [(1.0, 0.2), (3.0, 0.4), (4.0, 0.4)]
    assert over_seconds(run) == [(12.0, 0.2), (32.0, 0.4), (42.0, 0.4)]


def test_the_mean_begins_where_all_seeds_have_a_score_and_an_ended_one_keeps_its_last() -> None:
    found = spread([[(0.0, 1.0), (2.0, 3.0)], [(1.0, 2.0), (5.0, 2.0)], []])
    assert found.mean == [(1.0, 1.5), (2.0, 2.5), (5.0, 2.5)]
    assert found.band == [(1.0, 1.0, 2.0), (2.0, 2.0, 3.0), (5.0, 2.0, 3.0)]
    assert spread([]) == ([], [])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=20))
def test_the_front_is_the_first_front(scores: list[tuple[int, int, int]]) -> None:
    assert first_front(scores) == set(fronts(scores)[0])


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, max_size=6), st.booleans(), st.booleans())
def test_axes_label_a_few_places_within_their_ends(
    values: list[float], is_whole: bool, may_be_log: bool
) -> None:
    axis = Axis(label="", is_whole=is_whole, may_be_log=may_be_log)
    scale = Scale.of(axis, values, 10.0, 110.0, n_ticks=5)
    ticks = [value for value, _ in scale.ticks]
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 12
    assert all(10.0 <= scale(value) <= 110.0 for value in [*ticks, *values])


def test_ticks_are_round_and_share_unit_and_decimals() -> None:
    scale = Scale.of(Axis(label=""), [0.31, 0.48], 0, 1, n_ticks=4)
    assert [text for _, text in scale.ticks] == ["0.35", "0.40", "0.45"]
    scale = Scale.of(Axis(label=""), [200_000, 520_000], 0, 1, n_ticks=4)
    assert [text for _, text in scale.ticks] == ["200 k", "300 k", "400 k", "500 k"]
    scale = Scale.of(Axis(label="", is_whole=True), [1, 3], 0, 1, n_ticks=5)
    assert [text for _, text in scale.ticks] == ["1", "2", "3"]
    scale = Scale.of(Axis(label="", may_be_log=True), [1e3, 1e6], 0, 1, n_ticks=5)
    assert scale(1e4) - scale(1e3) == pytest.approx(scale(1e5) - scale(1e4))


def test_numbers_and_times_are_short() -> None:
    values = (0, 0.43219, 12.5, 1234, 56_789, 3.2e6, -0.5, 1e-5, 1e300)
    assert [compact(value) for value in values] == [
        *("0", "0.4322", "12.5", "1,234", "56.8 k", "3.20 M", "-0.5000", "1e-05", "1.00e+300")
    ]
    assert [duration(seconds) for seconds in (0.44, 59.9, 61, 86_399)] == [
        *("0.4 s", "59 s", "1 min 01 s", "23 h 59 min")
    ]


# Commands


def test_a_sampling_search_is_led_back_to_its_command(tmp_path: Path) -> None:
    evaluator = make_config("random", 3)["evaluator"]
    training = SEARCH_PRESETS["quick"].training.changed(epochs=3, batch_size=4).to_document()
    run = make_run(
        tmp_path / "run",
        [0.1, 0.2],
        engine="random",
        seed=3,
        settings={"round_size": 2},
        evaluator=evaluator | {"training": training, "n_repeats": 2},
        objectives=["valid_auprc:max", "params:min"],
        prefers={"proxy": "naswot", "draws": 5},
    )
    command = search_command(read_subjects([run])[0])
    assert command.caveats == ()
    assert command.text == (
        f"genotools search random --data STORE.h5 -o {run}-again --preset quick --epochs 3 --batch-size 4 "
        "--set round_size=2 --seed 3 --trials 2 --objective valid_auprc:max --objective params:min --repeats 2 "
        "--prefer naswot --draws 5"
    )


@pytest.mark.parametrize(
    ("engine", "keep", "expected"),
    [("enas", "search", []), ("enas", None, ["own"]), ("random", None, []), ("random", "round", ["round"])],
)
def test_whose_weights_scored_the_trials_is_told_where_it_is_not_the_engines_way(
    tmp_path: Path, engine: str, keep: str | None, expected: list[str]
) -> None:
    evaluator = make_config(engine, 0)["evaluator"]
    evaluator |= {"shared_weights": {"keep": keep}} if keep else {}
    run = make_run(tmp_path / "run", [0.1], engine=engine, evaluator=evaluator)
    words = shlex.split(search_command(read_subjects([run])[0]).text)
    assert [after for word, after in pairwise(words) if word == "--evaluation"] == expected


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_a_one_shot_search_is_led_back_to_its_preset(tmp_path: Path, preset: str) -> None:
    settings = get_one_shot_settings("darts", preset).changed(order="second", steps_per_epoch=7)
    run = make_one_shot_run(
        tmp_path / "run",
        make_genotypes(1),
        settings=settings.to_document(),
        macro=Macro.paper(1000).to_document(),
    )
    command = search_command(read_subjects([run])[0])
    macro = " --macro paper" if preset == "quick" else ""
    assert command.text == (
        f"genotools search darts --data STORE.h5 -o {run}-again --preset {preset} --order second --steps 7{macro} "
        "--seed 0"
    )
    assert command.caveats == ()


def test_settings_that_no_option_sets_are_named(tmp_path: Path) -> None:
    settings = get_one_shot_settings("darts", "quick").to_document() | {"alpha_weight_decay": 0.123}
    run = make_one_shot_run(
        tmp_path / "run",
        make_genotypes(1),
        settings=settings,
        macro=replace(Macro.small(1000), head_hidden=3).to_document(),
    )
    command = search_command(read_subjects([run])[0])
    assert command.caveats[0].startswith("No option of the command sets alpha_weight_decay;")
    assert "--macro MACRO.json" in command.text
    assert any("under 'macro'" in caveat for caveat in command.caveats)


def test_rounds_of_removals_are_led_back_to_their_preset(tmp_path: Path) -> None:
    settings = get_one_shot_settings("osp-nas", "quick").changed(epochs=2, batch_size=4).to_document()
    run = make_one_shot_run(tmp_path / "run", make_genotypes(1), engine="osp-nas", settings=settings)
    command = search_command(read_subjects([run])[0])
    assert "--preset quick --batch-size 4 --epochs 2 --seed 0" in command.text
    assert command.caveats == ()


@pytest.mark.slow
def test_the_command_in_the_page_repeats_the_search(tmp_path: Path, store_path: Path, macro: Macro) -> None:
    write_json(tmp_path / "macro.json", macro.to_document())
    arguments = ["search", "evolution", "--data", str(store_path), "--macro", str(tmp_path / "macro.json")]
    arguments += ["--trials", "3", "--steps", "2", "--batch-size", "4", "--seed", "5", "--device", "cpu"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "run"), "--constraint", "params<=1e6"])
    assert done.exit_code == 0, done.output
    words = shlex.split(search_command(read_subjects([tmp_path / "run"])[0]).text)[1:]
    words = [
        {"STORE.h5": str(store_path), "MACRO.json": str(tmp_path / "macro.json")}.get(w, w) for w in words
    ]
    done = CliRunner().invoke(app, [*words, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    first, second = (
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("run", "run-again")
    )
    assert first == second
    best = [(tmp_path / name / "best.genotype.json").read_bytes() for name in ("run", "run-again")]
    assert best[0] == best[1]
