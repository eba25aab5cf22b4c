"""Spaces of one's own at the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genotools.cli import _genotypes
from genotools.genotype import GENOME_NAS


@pytest.fixture
def space(tmp_path: Path) -> Path:
    document = json.loads(GENOME_NAS.to_json()) | {"name": "small-cells"}
    document["normal"]["n_nodes"] = 2
    (tmp_path / "small.json").write_text(json.dumps(document))
    return tmp_path / "small.json"


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from genotools.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_genotype_of_an_own_space_is_read_where_the_space_is_named(space: Path, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text(program("sample", "--space", space).stdout)
    assert json.loads(path.read_text())["space"] == "small-cells"
    unknown = program("hash", path)
    assert unknown.returncode == 1
    assert "genotools --space FILE COMMAND" in unknown.stderr
    known = program("--space", space, "hash", path)
    assert known.stdout.endswith(f"  {path}\n")
    assert program("--space", space, "mutate", path).returncode == 0


def test_a_space_that_takes_a_known_name_is_refused(space: Path) -> None:
    space.write_text(space.read_text().replace("small-cells", "genome-nas"))
    done = program("sample", "--space", space)
    assert done.returncode == 1
    assert "already called 'genome-nas'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_to_type_next_names_the_files_of_spaces_again(
    space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_genotypes, "_space_files", [])
    monkeypatch.setattr(_genotypes, "register_space", lambda found: found)  # other tests know no such space
    assert _genotypes.program() == ["genotools"]
    _genotypes.load_space(str(space))
    _genotypes.load_space(str(space))
    _genotypes.load_space("genome-nas")
    assert _genotypes.program() == ["genotools", "--space", str(space)]
