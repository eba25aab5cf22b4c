"""Several processes add to one zoo at once: nothing is lost, and of one name there is one winner."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genotools.genotype import GENOME_NAS
from genotools.zoo import entry_names, list_entries, verify_entry
from genotools.zoo.index import check_index, read_index

N = 8

ADD = """
import sys, time
from pathlib import Path
from genotools.cli.main import main

start = Path(sys.argv.pop())
Path(f"{start}-{sys.argv[-1]}").touch()
while not start.exists():
    time.sleep(0.001)
sys.argv[-1] = f"from process {sys.argv[-1]}"
main()
"""


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Return a genotype file for every process."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.json" for number in range(N)]
    for path in paths:
        GENOME_NAS.sample(rng=rng).save(path)
    return paths


def add_at_once(names: list[str], sources: list[Path], tmp_path: Path) -> list[tuple[int, str]]:
    """Add every source under its name from a process of its own; return exit status and errors of each."""
    start = tmp_path / "start"
    command = [sys.executable, "-c", ADD, "zoo", "add"]
    processes = [
        subprocess.Popen(
            [*command, name, source, "--zoo", tmp_path / "zoo", "--summary", str(number), start],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, (name, source) in enumerate(zip(names, sources, strict=True))
    ]
    while not all(Path(f"{start}-{number}").exists() for number in range(N)):
        assert all(process.poll() is None for process in processes)
    start.touch()
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def test_different_names_are_all_there_and_in_the_index(sources: list[Path], tmp_path: Path) -> None:
    names = [f"entry-{number}" for number in range(N)]
    assert [done for done in add_at_once(names, sources, tmp_path) if done != (0, "")] == []
    zoo = tmp_path / "zoo"
    assert entry_names(zoo) == names
    for number, entry in enumerate(list_entries(zoo)):
        verify_entry(entry)
        assert entry.card.summary == f"from process {number}"
    assert sorted(read_index(zoo / "index.json", where="zoo").entries) == names
    check_index(zoo)


def test_of_one_name_exactly_one_wins_and_the_others_are_told(sources: list[Path], tmp_path: Path) -> None:
    done = add_at_once(["same"] * N, sources, tmp_path)
    assert sorted(status for status, _ in done) == [0] + [1] * (N - 1)
    winner = next(number for number, (status, _) in enumerate(done) if status == 0)
    for status, error in done:
        assert (error == "") if status == 0 else ("same exists already. Choose another output" in error)
    (entry,) = list_entries(tmp_path / "zoo")
    verify_entry(entry)
    assert entry.card.summary == f"from process {winner}"
    check_index(tmp_path / "zoo")
    assert sorted(path.name for path in (tmp_path / "zoo").iterdir()) == [".lock", "index.json", "same"]
