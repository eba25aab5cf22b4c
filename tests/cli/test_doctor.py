"""``genotools doctor``: what it finds in a whole installation and in broken ones."""

import importlib.metadata
import json
import sys
import tempfile
import types
import zlib
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from typer.testing import CliRunner

from genotools.cli import _doctor_checks as checks
from genotools.cli.main import app


def test_a_whole_installation_has_nothing_to_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "not" / "there"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no" / "cache"))
    monkeypatch.delenv("GENOTOOLS_ZOO", raising=False)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    found = {finding["subject"]: finding for finding in document["findings"]}
    assert document["faults"] == 0
    assert found["genotools"]["text"] == importlib.metadata.version("genotools")
    assert "torch 2." in found["packages"]["text"]
    assert len(found) <= 20
    assert found["own zoo"]["text"].startswith(str(tmp_path / "not" / "there"))
    assert "trained, exported, predicted" in found["whole way"]["text"]
    assert h5py.version.hdf5_version in found["libraries"]["text"]
    assert zlib.ZLIB_RUNTIME_VERSION in found["libraries"]["text"]
    assert found["cache"]["text"].startswith(str(tmp_path / "no" / "cache"))
    assert list(tmp_path.iterdir()) == []


def test_the_report_fits_on_one_screen_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ok = checks.Finding(subject="a", status="ok", text="fine")
    missing = checks.Finding(subject="b", status="note", text="without x", advice="pip install x")
    broken = checks.Finding(subject="c", status="fault", text="no", advice="mend it")
    monkeypatch.setattr(checks, "CHECKS", (lambda: iter([ok, missing, broken]),))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert [line[:2] for line in lines] == ["ok", "--", "  ", "!!", "  "]
    assert lines[2].strip() == "-> pip install x"
    assert "1 to mend." in done.stderr


def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    faults = [finding for finding in checks.packages() if finding.status == "fault"]
    (found,) = faults
    assert found.subject == "onnx"
    assert "force-reinstall onnx" in found.advice


def test_an_extra_that_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    requires = ["torch>=2.6", 'one>=1 ; extra == "mine"', "two ; extra == 'mine'", 'ruff ; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requires)
    versions = {"one": "1.2"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setitem(sys.modules, "one", types.ModuleType("one"))
    found = {finding.subject: finding for finding in checks.extras()}
    assert set(found) == {"extra mine", "Graphviz"}
    assert (found["extra mine"].status, found["extra mine"].text) == ("note", "without two")
    assert found["extra mine"].advice == "pip install 'genotools[mine]'"
    versions["two"] = "3"
    monkeypatch.setitem(sys.modules, "two", types.ModuleType("two"))
    (mine,) = [finding for finding in checks.extras() if finding.subject == "extra mine"]
    assert (mine.status, mine.text) == ("ok", "one 1.2, two 3")


def test_a_folder_that_cannot_be_written_to_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    found = checks._folder("this folder", tmp_path, "go away")
    assert (found.status, found.text) == ("fault", f"{tmp_path}: Permission denied")


def test_a_full_disk_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 10**30)
    assert checks._folder("this folder", tmp_path, "").status == "note"


def test_whatever_breaks_the_whole_way_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: str) -> float:
        raise ValueError(f"no such op on {device}")

    monkeypatch.setattr(checks, "_go_the_whole_way", broken)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (found,) = checks.whole_way()
    assert (found.status, found.text) == ("fault", "ValueError: no such op on cpu")


def test_a_cuda_device_goes_the_whole_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = {"cpu": 1e-7, "cuda": 0.5}
    monkeypatch.setattr(checks, "_go_the_whole_way", differences.__getitem__)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    cpu, cuda = checks.whole_way()
    assert (cpu.subject, cpu.status) == ("whole way", "ok")
    assert (cuda.subject, cuda.status) == ("on cuda", "fault")
    assert "differ by 5e-01" in cuda.text
    assert "--device cpu" in cuda.advice


@pytest.mark.gpu
def test_the_whole_way_is_gone_on_a_cuda_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert [finding.status for finding in checks.whole_way()] == ["ok", "ok"]


def test_an_extra_that_cannot_be_imported_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['pytest ; extra == "mine"'])
    assert [finding.status for finding in checks.extras() if finding.subject == "extra mine"] == ["ok"]
    monkeypatch.setitem(sys.modules, "pytest", None)
    faults = [finding for finding in checks.extras() if finding.status == "fault"]
    assert [finding.subject for finding in faults] == ["pytest"]


@pytest.mark.parametrize(
    ("zoo", "status", "text"),
    [
        ("{folder}", "ok", "GB free"),
        ("{folder}/none", "note", "no such folder"),
        ("https://zoo.example/all", "ok", "fetched from"),
        ("ftp://zoo.example", "fault", "ftp"),
    ],
)
def test_the_zoo_that_a_variable_names_is_looked_at(
    zoo: str, status: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENOTOOLS_ZOO", zoo.format(folder=tmp_path))
    (found,) = [finding for finding in checks.folders() if finding.subject == "given zoo"]
    assert found.status == status
    assert text in found.text
    assert list(tmp_path.iterdir()) == []


def test_long_lines_are_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    long = checks.Finding(subject="a", status="note", text="word " * 60, advice="do " * 80)
    monkeypatch.setattr(checks, "CHECKS", (lambda: iter([long]),))
    lines = CliRunner().invoke(app, ["doctor"]).stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert " ".join(lines).split().count("word") == 60
