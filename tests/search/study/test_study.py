"""Whole studies, tiny ones: what they leave, killed and resumed, with failures, repeated by hand."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError, OutputExistsError
from genotools.genotype import Genotype
from genotools.nn.baselines import baseline
from genotools.search.study.commands import command_of
from genotools.search.study.runner import Ending, TaskEnd, run_study
from genotools.search.study.setup import StudyInputs
from genotools.search.study.steps import TaskJob, TaskRunner
from genotools.search.study.tasks import plan_tasks
from genotools.training.weights import load_network

Make = Callable[..., StudyInputs]
TASKS = 2 * 2 + 2 * 2 + 3 * 2 + 1  # of the tiny protocol
N_BEFORE_KILL = 6


def start(protocol: Path, store: Path, folder: Path, *options: str) -> "subprocess.Popen[str]":
    arguments = [
        sys.executable,
        "-m",
        "genotools",
        "study",
        str(protocol),
        "--data",
        str(store),
        "-o",
        str(folder),
    ]
    return subprocess.Popen(
        [*arguments, "--device", "cpu", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def whole(protocol_path: Path, study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a study that ran undisturbed."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    process = start(protocol_path, study_store, folder)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"{TASKS} tasks, about" in errors
    assert output == (folder / "table.md").read_text()
    return folder


def table(folder: Path) -> list[list[str]]:
    """Return the rows of the table without times."""
    rows = [line.split("\t") for line in (folder / "table.tsv").read_text().splitlines()]
    timed = [index for index, name in enumerate(rows[0]) if "seconds" in name]
    return [[cell for index, cell in enumerate(row) if index not in timed] for row in rows]


def results(folder: Path) -> str:
    def without_times(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_times(inner) for key, inner in value.items() if "seconds" not in key}
        return [without_times(inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(without_times(json.loads((folder / "results.json").read_text())))


@pytest.mark.slow
def test_everything_is_there(whole: Path) -> None:
    header, *rows = table(whole)
    assert sorted(row[0] for row in rows) == ["darts", "kmer-6", "pooling-only", "random"]
    values = [float(row[header.index("auprc_mean")]) for row in rows]
    assert values == sorted(values, reverse=True)
    document = json.loads((whole / "results.json").read_text())
    by_name = {entrant["name"]: entrant for entrant in document["entrants"]}
    for name in ("random", "darts"):
        entrant = by_name[name]
        selection = {one["search"]: one["valid"] for one in entrant["selection"]}
        assert len(selection) == len(entrant["runs"]) == 2
        assert selection[entrant["chosen"]] == max(selection.values())
        best = Genotype.load(whole / f"search/{name}/seed-{entrant['chosen']}/best.genotype.json")
        assert entrant["digest"] == best.digest
        means = [run["test"]["auprc"] for run in entrant["runs"]]
        assert entrant["test"]["auprc"]["mean"] == pytest.approx(np.mean(means))
        assert entrant["test"]["auprc"]["sd"] == pytest.approx(np.std(means, ddof=1))
    assert {one["first"] for one in document["comparisons"]} == {"darts", "kmer-6", "pooling-only"}
    assert len(document["pairs"]) == 6
    assert document["failures"] == {}
    assert len((whole / "journal.jsonl").read_text().splitlines()) == TASKS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["selection", "evaluation"])
def test_figures_are_not_blank(whole: Path, name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib.image")
    pixels = matplotlib.imread(whole / f"{name}.png")[..., :3]
    assert (pixels.min(axis=2) < 0.5).mean() > 0.005
    blue = np.abs(pixels - np.array([0, 0x72, 0xB2]) / 255).max(axis=2) < 0.25
    assert blue.sum() > 100
    assert ElementTree.parse(whole / f"{name}.svg").getroot().tag.endswith("svg")


@pytest.mark.slow
def test_killed_and_resumed_on_two_workers_ends_the_same(
    whole: Path, protocol_path: Path, study_store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    process = start(protocol_path, study_store, folder, "--workers", "2")
    journal = folder / "journal.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= N_BEFORE_KILL:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    assert process.returncode == -signal.SIGKILL
    process.communicate()
    assert not (folder / "results.json").exists()
    refused = start(protocol_path, study_store, folder)
    assert "Continue the study in it with --resume" in refused.communicate()[1]
    assert refused.returncode == 1
    resumed = start(protocol_path, study_store, folder, "--workers", "2", "--resume")
    _, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert errors.count(" kept\n") >= N_BEFORE_KILL
    assert table(folder) == table(whole)
    assert results(folder) == results(whole)
    for weights in sorted(whole.glob("*/*/*/weights.safetensors")):
        assert (folder / weights.relative_to(whole)).read_bytes() == weights.read_bytes()
    if (whole / "evaluation.svg").exists():
        assert (folder / "evaluation.svg").read_bytes() == (whole / "evaluation.svg").read_bytes()


REPEATED = (
    "search/random/seed-0",
    "search/darts/seed-1",
    "selection/random/seed-0",
    "selection/darts/seed-1",
    "evaluation/pooling-only/seed-1",
)


@pytest.mark.slow
def test_commands_repeat_tasks_to_the_byte(whole: Path, tmp_path: Path) -> None:
    script = whole / "commands.sh"
    subprocess.run(["sh", "-n", str(script)], check=True)
    lines = [line for line in script.read_text().splitlines() if '"$OUT"' in line and " -o " in line]
    assert len(lines) == TASKS - 1
    commands = {line.rpartition('"$OUT"/')[2]: line.replace('"$OUT"', str(tmp_path)) for line in lines}
    for name in REPEATED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        program, *arguments = shlex.split(commands[name])
        assert program == "genotools"
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        file = "best.genotype.json" if name.startswith("search") else "weights.safetensors"
        assert (tmp_path / name / file).read_bytes() == (whole / name / file).read_bytes()
    (regression,) = (line for line in script.read_text().splitlines() if line.startswith("python"))
    own = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", f"OUT={shlex.quote(str(tmp_path))}; {regression}"], check=True, env=own)
    ours, theirs = (
        json.loads((one / "evaluation/kmer-6/seed-0/result.json").read_text()) for one in (whole, tmp_path)
    )
    assert ours["test"] == theirs["test"]


@pytest.mark.slow
def test_a_failed_task_is_told_and_the_study_goes_on(
    make_inputs: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = make_inputs(engines={"random": {"trials": 1}, "darts": {}})
    run = TaskRunner.__call__
    broken = {"search/darts/seed-0", "search/random/seed-0", "search/random/seed-1"}

    def fail(self: TaskRunner, job: TaskJob) -> dict[str, float]:
        if job.task.name in broken:
            raise DataError("the supernet has caught fire")
        return run(self, job)

    monkeypatch.setattr(TaskRunner, "__call__", fail)
    ends: list[TaskEnd] = []
    found = run_study(inputs, on_end=ends.append)
    assert {end.task.name for end in ends if end.ending is Ending.FAILED} == broken
    lost = {f"selection/random/seed-{n}" for n in (0, 1)} | {f"evaluation/random/seed-{n}" for n in (0, 1)}
    assert found.failures.keys() == broken | lost | {"selection/darts/seed-0"}
    assert [one.name for one in found.ranked if one.runs] == ["darts"]
    page = (inputs.folder / "table.md").read_text()
    assert "**Incomplete: 8 tasks failed**" in page
    assert "the supernet has caught fire" in page
    assert "# evaluation/random/seed-0: " in (inputs.folder / "commands.sh").read_text()
    with pytest.raises(OutputExistsError, match="Continue the study in it with --resume"):
        run_study(inputs)

    broken.clear()  # what had failed is tried again, and a choice that has changed is trained anew
    run_study(inputs, resume=True)
    resumed = table(inputs.folder), results(inputs.folder)
    monkeypatch.undo()
    fresh = make_inputs(engines={"random": {"trials": 1}, "darts": {}})
    fresh = StudyInputs(
        **{name: getattr(fresh, name) for name in fresh.__slots__} | {"folder": inputs.folder / "x"}
    )
    run_study(fresh)
    assert resumed == (table(fresh.folder), results(fresh.folder))


def test_settings_of_engines_survive_the_command_line(make_inputs: Make) -> None:
    settings = {"candidates": "sampling", "exploration": 0.25, "n_initial": 4}
    inputs = make_inputs(engines={"bonas": {"set": settings, "constraints": ["params<=3e6"]}})
    words = shlex.split(command_of(inputs, plan_tasks(inputs.protocol)[0], "OUT"))
    given = dict(words[index + 1].split("=") for index, word in enumerate(words) if word == "--set")
    assert {name: json.loads(value) for name, value in given.items()} == settings
    assert words[words.index("--constraint") + 1] == "params<=3e6"


def test_another_protocol_is_not_resumed(make_inputs: Make) -> None:
    run_study(make_inputs(engines={"random": {"trials": 1}}, searches=1, evaluations=1))
    with pytest.raises(DataError, match=r"protocol.engines.random.trials: was 1, now 2"):
        run_study(make_inputs(engines={"random": {"trials": 2}}, searches=1, evaluations=1), resume=True)


def test_a_hand_designed_network_is_an_entrant(make_inputs: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "HIDDEN", 8)
    inputs = make_inputs(engines={}, baselines=["danq"], evaluations=2, training={"epochs": 1, "steps": 1})
    found = run_study(inputs)
    (danq,) = found.entrants
    assert (danq.kind, len(danq.runs), found.failures) == ("baseline", 2, {})
    assert found.reference is None
    network = load_network(inputs.folder / "evaluation/danq/seed-0/weights.safetensors")
    assert sum(parameter.numel() for parameter in network.parameters()) == danq.runs[0].n_params
    assert "genotools train danq --data" in (inputs.folder / "commands.sh").read_text()


def test_ctrl_c_names_the_command_that_goes_on(
    protocol_path: Path, study_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: TaskRunner, job: TaskJob) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(TaskRunner, "__call__", interrupt)
    arguments = ["study", str(protocol_path), "--data", str(study_store), "-o", str(tmp_path / "s")]
    monkeypatch.setattr(sys, "argv", ["genotools", *arguments])
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 130
    assert f"Go on with: {shlex.join(['genotools', *arguments])} --resume" in done.stderr


def test_a_dry_run_prices_every_task_and_starts_nothing(
    protocol_path: Path, study_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["study", str(protocol_path), "--data", str(study_store), "--dry-run"]
    text = CliRunner().invoke(app, [*arguments, "--workers", "2"]).stdout
    assert f"{TASKS} tasks, " in text
    assert "with 2 at once" in text
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert len(document["tasks"]) == TASKS
    assert document["seconds"] == pytest.approx(sum(task["seconds"] for task in document["tasks"]))
    assert list(tmp_path.iterdir()) == []


def test_a_study_in_use_is_refused_before_anything_is_measured(
    protocol_path: Path, study_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("genotools.cli._study.step_times")
    arguments = ["study", str(protocol_path), "--data", str(study_store), "-o", str(tmp_path), "--resume"]
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(DataError, match=f"{tmp_path}: another process is running this study"),
    ):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
