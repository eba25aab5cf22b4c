"""A few seconds of the fuzzer on the readers where most can go wrong; longer runs are made by hand."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from genotools.testing.hostile import READERS

BINARY = ("2bit", "bigwig", "mat 5, plain", "fasta index", "answer of a server")
"""Formats that are taken apart in our own code by offsets and lengths from the file, and what a server sends."""

NAMED = ("genotype", "card", "protocol", "vcf", "bed", "fasta", "weights header")
"""Formats of every day, in which libraries do the taking apart; damaged at random by other tests, too."""

SECONDS = {**dict.fromkeys(BINARY, 4), **dict.fromkeys(NAMED, 2)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SECONDS)
def test_a_short_search_guided_by_coverage_finds_nothing(name: str, root: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed; there are wheels for Linux on x86-64")
    tool, corpus = root / "tools" / "fuzz.py", tmp_path / "corpus"
    done = subprocess.run(
        [sys.executable, tool, name, "--seconds", str(SECONDS[name]), "--corpus", corpus],
        cwd=root,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert executed is not None
    assert int(executed[1]) > 20
    assert not [path.name for path in corpus.iterdir() if path.name.startswith(("crash", "timeout", "oom"))]


def test_every_reader_has_a_name_of_its_own_and_modules_that_there_are() -> None:
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names)
    assert {*SECONDS} <= {*names}
    modules = {f"genotools.{module}" for reader in READERS for module in reader.modules}
    assert sorted(module for module in modules if importlib.util.find_spec(module) is None) == []
