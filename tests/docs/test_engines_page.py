"""The example of the page on engines runs as it stands, and its engine keeps the contract."""

import re
import subprocess
import sys
from pathlib import Path

from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.registry import ENGINES

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"

CHECK = """
from genotools.testing.conformance import check_engine

check_engine(HillClimber, Landscape(GENOME_NAS, seed=0))
"""


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return str(code)


def test_the_example_runs_and_its_engine_keeps_the_contract(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example() + CHECK], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"best of 100 trials: ([01]\.\d+), [0-9a-f]{12}\n", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) > 0.5


def test_the_example_is_short() -> None:
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= 35


def test_every_engine_is_described() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*ENGINES, *ONE_SHOT_ENGINES) if f"`{name}`" not in text] == []
