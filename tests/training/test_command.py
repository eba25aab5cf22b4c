import json
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from genotools.cli import train as module
from genotools.errors import GenotoolsError
from genotools.genotype import Genotype, Macro
from genotools.training.interruption import TrainingInterrupted

SMALL = ["--epochs", "2", "--steps", "3", "--batch-size", "8", "--device", "cpu"]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(module.train)
    app.command()(module.evaluate)
    return app


@pytest.fixture
def train_arguments(tmp_path: Path, store_path: Path, genotype: Genotype, macro: Macro) -> list[str]:
    genotype.save(tmp_path / "g.json")
    (tmp_path / "macro.json").write_text(json.dumps(macro.to_document()))
    options = ["--data", store_path, "-o", tmp_path / "run", "--macro", tmp_path / "macro.json", *SMALL]
    return ["train", str(tmp_path / "g.json"), *map(str, options)]


def test_training_ends_by_naming_what_lies_where_and_what_comes_next(
    app: typer.Typer, train_arguments: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, train_arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "best epoch" in done.stdout
    assert "test AUROC" in done.stdout
    assert "predictions of both strands averaged" in done.stdout
    assert "epoch   2" in done.stderr
    assert f"genotools export {tmp_path / 'run'}" in done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    found = [config["settings"][key] for key in ("epochs", "steps_per_epoch", "batch_size")]
    assert found == [2, 3, 8]


def test_json_is_the_result_file_and_alone_on_stdout(
    app: typer.Typer, train_arguments: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [*train_arguments, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == json.loads((tmp_path / "run" / "result.json").read_text())


def test_an_interrupted_training_says_how_to_go_on_and_exits_with_130(
    app: typer.Typer, train_arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        import os
        import signal

        del args, kwargs
        os.kill(os.getpid(), signal.SIGINT)
        raise TrainingInterrupted(epoch=2, step=7, is_saved=True)

    monkeypatch.setattr("genotools.training.run.train", interrupt)
    monkeypatch.setattr("sys.argv", ["genotools", *train_arguments, "--force"])
    done = CliRunner().invoke(app, train_arguments, catch_exceptions=False)
    assert done.exit_code == 130
    assert "epoch 2 after step 7; a checkpoint was saved" in done.stderr
    assert shlex.join(["genotools", *train_arguments, "--resume"]) in done.stderr


def test_an_existing_folder_needs_force(app: typer.Typer, train_arguments: list[str]) -> None:
    runner = CliRunner()
    assert runner.invoke(app, train_arguments, catch_exceptions=False).exit_code == 0
    with pytest.raises(GenotoolsError, match="--force"):
        runner.invoke(app, train_arguments, catch_exceptions=False)
    resumed = runner.invoke(app, [*train_arguments, "--resume"], catch_exceptions=False)
    assert resumed.exit_code == 0
    assert "nothing is left to do" in resumed.stderr


def test_evaluate_gives_what_training_measured(
    app: typer.Typer, train_arguments: list[str], tmp_path: Path, store_path: Path
) -> None:
    runner = CliRunner()
    runner.invoke(app, train_arguments, catch_exceptions=False)
    arguments = ["evaluate", str(tmp_path / "run"), "--data", str(store_path), "--device", "cpu"]
    done = runner.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    document = json.loads(done.stdout)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert document["mean_auroc"] == pytest.approx(result["test"]["mean_auroc"])
    assert document["model_digest"] == result["model_digest"]
    assert document["split"] == "test"

    table = runner.invoke(
        app, [*arguments, "--split", "valid", "--strands", "forward"], catch_exceptions=False
    )
    assert "valid, 80 windows; forward strand only" in table.stdout
    assert "motif_minus" in table.stdout
