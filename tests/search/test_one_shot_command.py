"""``genotools search`` with a supernet: from the command line to the next command."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError
from genotools.files import write_json
from genotools.genotype import Genotype, Macro


@pytest.fixture
def arguments(store_path: Path, macro: Macro, tmp_path: Path) -> list[str]:
    write_json(tmp_path / "macro.json", macro.to_document())
    sizes = ["--epochs", "2", "--steps", "2", "--batch-size", "4"]
    return ["--data", str(store_path), "--macro", str(tmp_path / "macro.json"), "--device", "cpu", *sizes]


def test_a_search_names_its_choice_and_the_next_command(tmp_path: Path, arguments: list[str]) -> None:
    folder = tmp_path / "run"
    result = CliRunner().invoke(app, ["search", "dep-darts", *arguments, "-o", str(folder)])
    assert result.exit_code == 0, result.output
    best = Genotype.load(folder / "best.genotype.json")
    assert f"best genotype  {best.digest[:12]}" in result.stdout
    assert f"genotools train {folder} --data" in result.stdout
    assert "A training step needs about" in result.stderr
    assert "stage 3  epoch   2" in result.stderr
    assert json.loads((folder / "config.json").read_text())["engine"] == "edp-darts"


def test_json_is_the_result(tmp_path: Path, arguments: list[str]) -> None:
    command = ["search", "darts", *arguments, "-o", str(tmp_path / "run"), "--max-skips", "0", "--json"]
    result = CliRunner().invoke(app, command)
    assert json.loads(result.stdout)["best"]["max_skips"] == 0


def test_options_of_the_other_kind_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    output = ["-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["search", "darts", *arguments, *output, "--trials", "3"])
    assert isinstance(result.exception, DataError)
    assert str(result.exception) == "engine 'darts' has no use for --trials."
    result = CliRunner().invoke(app, ["search", "random", *arguments, *output, "--order", "second"])
    assert str(result.exception) == "engine 'random' has no use for --order."


@pytest.mark.slow
def test_a_terminated_search_says_how_to_go_on_and_does(tmp_path: Path, arguments: list[str]) -> None:
    program = [sys.executable, "-c", "from genotools.cli.main import main; main()"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    many = [*arguments, "--epochs", "3", "--steps", "10"]
    whole, cut = (["search", "darts", *many, "-o", str(tmp_path / name)] for name in ("whole", "cut"))
    subprocess.run([*program, *whole], env=environment, check=True, capture_output=True)
    process = subprocess.Popen([*program, *cut], env=environment, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "cut" / "journal.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "a checkpoint was saved" in errors
    command = errors.strip().splitlines()[-1].removeprefix("Go on with: genotools ")
    assert command.endswith("--resume")
    subprocess.run([*program, *shlex.split(command)], env=environment, check=True, capture_output=True)
    for name in ("alphas.jsonl", "best.genotype.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
