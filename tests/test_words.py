"""Words that do not belong: the project speaks of itself, not of the machine or the people it was written on."""

import re
import subprocess
from pathlib import Path

import pytest

WORDS = {
    "a folder of somebody's machine": r"/(?:home|root|Users|work|opt|mnt)/[A-Za-z]",
    "a temporary folder": r"[\"' ]/(?:tmp|var/tmp)/",
    "a package registry's host": r"\b(?:files\.pythonhosted|pypi|registry\.npmjs|deb\.debian)\.org\b",
    "a note to oneself": r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))",
}
PLAIN = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".cfg", ".in", ""}


@pytest.mark.parametrize("what", WORDS)
def test_no_file_names(what: str, root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is unknown")
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    found = [
        f"{name}, line {number}: {line.strip()[:80]}"
        for name in tracked.stdout.splitlines()
        if name != "tests/test_words.py" and Path(name).suffix in PLAIN and (root / name).is_file()
        for number, line in enumerate((root / name).read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(WORDS[what], line)
    ]
    assert found == []
