"""``genotools search`` with engines that propose genotypes: from the command line to the next command."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from genotools.cli.main import app
from genotools.errors import DataError, GenotoolsError, OutputExistsError
from genotools.files import write_json
from genotools.genotype import Genotype, Macro


@pytest.fixture
def arguments(store_path: Path, macro: Macro, tmp_path: Path) -> list[str]:
    write_json(tmp_path / "macro.json", macro.to_document())
    sizes = ["--steps", "2", "--batch-size", "8"]
    return ["--data", str(store_path), "--macro", str(tmp_path / "macro.json"), "--device", "cpu", *sizes]


def run(engine: str, arguments: list[str], folder: Path, *options: str) -> Result:
    result = CliRunner().invoke(app, ["search", engine, *arguments, "-o", str(folder), *options])
    if result.exception is not None and not isinstance(result.exception, GenotoolsError | SystemExit):
        raise result.exception
    return result


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


ENGINES = [
    ("random", ["--trials", "2"], 2),
    ("evolution", ["--trials", "4", "--set", "population=2", "--set", "tournament=1"], 4),
    (
        "pareto",
        ["--trials", "4", "--set", "population=2", "--objective", "valid_auprc", "--objective", "params"],
        4,
    ),
    ("local-search", ["--trials", "3", "--set", "n_starts=1"], 3),
    ("successive-halving", ["--set", "n_genotypes=3"], 5),
    ("hyperband", ["--set", "max_epochs=2"], 5),
    ("rl", ["--trials", "3"], 3),
    ("bonas", ["--trials", "5", "--set", "n_initial=3", "--set", "round_size=2", "--set", "gcn_epochs=2"], 5),
    ("enas", ["--set", "n_rounds=1", "--set", "n_paths=2", "--set", "round_size=2", "--set", "n_final=2"], 4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "options", "n_trials"), ENGINES, ids=[one[0] for one in ENGINES])
def test_every_engine_runs_and_names_its_best_and_the_next_command(
    tmp_path: Path, arguments: list[str], engine: str, options: list[str], n_trials: int
) -> None:
    folder = tmp_path / "run"
    result = run(engine, arguments, folder, *options)
    assert result.exit_code == 0, result.output
    best = Genotype.load(folder / "best.genotype.json")
    assert f"best genotype  {best.digest[:12]}" in result.stdout
    assert f"genotools train {folder} --data" in result.stdout
    assert len(events(folder)) == n_trials
    assert json.loads((folder / "config.json").read_text())["engine"] == engine
    assert json.loads((folder / "data.json").read_text())["length_bp"] == 60


def test_constraints_hold_before_anything_is_trained(tmp_path: Path, arguments: list[str]) -> None:
    run("random", arguments, tmp_path / "free", "--trials", "8", "--steps", "1")
    params = sorted(event["metrics"]["params"] for event in events(tmp_path / "free"))
    bound = f"params<={params[3]:.0f}"
    result = run(
        "random", arguments, tmp_path / "bound", "--trials", "8", "--steps", "1", "--constraint", bound
    )
    assert result.exit_code == 0, result.output
    assert max(event["metrics"]["params"] for event in events(tmp_path / "bound")) <= params[3]
    result = run("random", arguments, tmp_path / "none", "--trials", "2", "--constraint", "params<=10")
    assert "no trial was run" in str(result.exception)


def test_a_search_starts_from_the_best_of_another(tmp_path: Path, arguments: list[str]) -> None:
    run("random", arguments, tmp_path / "runs" / "first", "--trials", "3")
    ranked = sorted(events(tmp_path / "runs" / "first"), key=lambda event: -event["scores"][0])
    for text in (str(tmp_path / "runs" / "first"), f"similar:{tmp_path / 'runs'}"):
        folder = tmp_path / text.partition(":")[0].rpartition("/")[2] / "again"
        folder.parent.mkdir(exist_ok=True)
        result = run("evolution", arguments, folder, "--trials", "4", "--seed", "5", "--warm-start", text)
        assert result.exit_code == 0, result.output
        first = [event["genotype"]["digest"] for event in events(folder)]
        assert first[:3] == [event["genotype"]["digest"] for event in ranked]
    result = run("random", arguments, tmp_path / "zoo", "--trials", "1", "--warm-start", "pooling-only")
    assert events(tmp_path / "zoo")[0]["genotype"]["digest"] in result.stdout + str(events(tmp_path / "zoo"))


def test_seeds_are_searches_of_their_own_with_random_search_beside_them(
    tmp_path: Path, arguments: list[str]
) -> None:
    options = ["--trials", "3", "--set", "population=2", "--set", "tournament=1", "--seeds", "0,1"]
    result = run("evolution", arguments, tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "run" / "seeds.json").read_text())
    assert {name: len(scores) for name, scores in summary["scores"].items()} == {"evolution": 2, "random": 2}
    for name in ("seed-0", "seed-1", "random-0", "random-1"):
        assert len(events(tmp_path / "run" / name)) == 3
    assert "±" in result.stdout
    again = run("evolution", arguments, tmp_path / "run", *options)
    assert isinstance(again.exception, OutputExistsError)
    assert run("evolution", arguments, tmp_path / "run", *options, "--resume").exit_code == 0
    assert run("random", arguments, tmp_path / "alone", "--trials", "1", "--seeds", "0").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [".lock", "seed-0", "seeds.json"]


def test_halving_has_as_many_epochs_beside_it(tmp_path: Path, arguments: list[str]) -> None:
    options = ["--set", "n_genotypes=4", "--set", "n_rungs=2", "--seeds", "0"]
    assert run("successive-halving", arguments, tmp_path / "run", *options).exit_code == 0
    # 4 trials of 1 epoch and 2 that go on for another: as much as 3 of 2 epochs.
    assert [event["metrics"]["epochs"] for event in events(tmp_path / "run" / "random-0")] == [2, 2, 2]


def test_repeats_are_averaged_and_their_spread_kept(tmp_path: Path, arguments: list[str]) -> None:
    run("random", arguments, tmp_path / "run", "--trials", "1", "--repeats", "3")
    (event,) = events(tmp_path / "run")
    assert event["metrics"]["valid_auprc_sd"] > 0
    assert "params_sd" not in event["metrics"]


MEME = """MEME version 4

ALPHABET= ACGT

MOTIF one
letter-probability matrix: alength= 4 w= 4
0.97 0.01 0.01 0.01
0.01 0.97 0.01 0.01
0.01 0.01 0.97 0.01
0.01 0.01 0.01 0.97
"""


def test_knowledge_of_motifs_becomes_part_of_the_reward(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "motifs.meme").write_text(MEME)
    options = ["--trials", "2", "--knowledge", str(tmp_path / "motifs.meme"), "--knowledge-weight", "0.5"]
    assert run("rl", arguments, tmp_path / "run", *options).exit_code == 0
    for event in events(tmp_path / "run"):
        metrics = event["metrics"]
        assert metrics["reward"] == pytest.approx(metrics["valid_auprc"] + 0.5 * metrics["knowledge"])
        assert event["scores"] == [metrics["reward"]]


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("evolution", ["--set", "popluation=3"], r"no setting 'popluation'. Known: population"),
        ("evolution", ["--set", "population"], "NAME=VALUE was expected"),
        (
            "random",
            ["--objective", "auprc"],
            r"unknown objective 'auprc'. Known: .* Did you mean 'valid_auprc'",
        ),
        ("random", ["--constraint", "params<many"], "e.g. 'params<=3e6'"),
        ("random", ["--budget", "soon"], "'200epochs'"),
        ("random", ["--prefer", "synflo"], "unknown zero-cost score 'synflo'"),
        ("random", ["--preset", "fast"], "engine 'random' has no preset 'fast'. Known: paper, quick"),
        ("random", ["--warm-start", "similar:nowhere"], "is no folder of runs"),
        ("random", ["--seeds", "0,0"], "a seed appears twice"),
        ("bonas", ["--repeats", "2"], "has no use for --repeats; --evaluation own trains each by itself"),
        ("nowhere:Engine", [], "engine 'nowhere:Engine' cannot be imported: No module named 'nowhere'"),
        ("evolutoin", [], "Did you mean 'evolution'"),
        ("darts", ["--set", "a=1"], "engine 'darts' has no use for --set"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    tmp_path: Path, arguments: list[str], engine: str, options: list[str], message: str
) -> None:
    result = run(engine, arguments, tmp_path / "run", *options)
    with pytest.raises(DataError, match=message):
        raise result.exception or AssertionError(result.output)
    assert not (tmp_path / "run" / "journal.jsonl").exists()
