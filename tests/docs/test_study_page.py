"""What the page on studies shows: its protocol is read and fits the demo data, its commands and its code run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.search.study.protocol import EnginePlan, Protocol, TrainingPlan, load_protocol, protocol_names
from genotools.search.study.tasks import plan_tasks

PAGE = Path(__file__).parents[2] / "docs" / "study.md"


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def test_the_code_prints_the_plan() -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    n_tasks = len(plan_tasks(load_protocol("demo")))
    assert done.stdout == f"{n_tasks} search/random/seed-0 evaluation/kmer-6/seed-0\n"


@pytest.mark.slow
def test_the_protocol_and_the_commands_fit_the_demo_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (commands,) = blocks("")
    lines = [shlex.split(line) for line in commands.splitlines()]
    assert [line[:2] for line in lines] == [
        ["genotools", "data"],
        ["genotools", "study"],
        ["genotools", "study"],
    ]
    given = "\n[seconds]\nnetwork = 0.1\nsupernet = 1\ndanq = 0.4\n"
    (tmp_path / "own.toml").write_text(blocks("toml")[0] + given)
    own = ["genotools", "study", "own.toml", "--data", "yeast.h5", "--dry-run"]
    for line in (*lines[:2], own):
        done = CliRunner().invoke(app, line[1:])
        assert done.exit_code == 0, (done.output, done.exception)
    assert "evaluation/pooling-only/seed-2" in done.output


def test_every_protocol_and_key_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in protocol_names() if f"`{name}`" not in text] == []
    tables = [name for name in Protocol.model_fields if name not in ("threads", "space")]
    assert [name for name in tables if name not in text] == []
    assert {*EnginePlan.model_fields} > {"budget", "set"}
    assert {*TrainingPlan.model_fields} > {"lr"}
