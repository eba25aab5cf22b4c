"""Lines that the test suite runs, by room.

    python tools/coverage_by_room.py [--floor 90] [-- PYTEST OPTIONS]

Runs the tests under coverage.py in all their processes, prints a table, and ends with 1 where a room below the
command line has less than ``--floor`` per cent. ``--data FILE`` shows a measurement that was made before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR_OF = {
    "genotype": 1,
    "data": 2,
    "nn": 2,
    "training": 3,
    "search": 4,
    "export": 4,
    "zoo": 4,
    "variants": 4,
    "testing": 4,
    "cli": 5,
}
GROUND = "ground"
"""Modules of the package that lie in no folder."""


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--floor", type=float, default=90.0, help="per cent of lines that a room must have")
    parser.add_argument("--data", type=Path, help="a .coverage file, instead of running the tests")
    parser.add_argument("pytest_options", nargs="*", help="after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or measure(Path(folder), options.pytest_options)
        lines = lines_by_room(data, Path(folder) / "coverage.json")
    low = []
    print(f"{'room':<12} {'floor':>5} {'lines':>7} {'run':>7} {'share':>8}")
    for room, (n_lines, n_run) in sorted(lines.items(), key=lambda item: (FLOOR_OF.get(item[0], 0), item[0])):
        share = 100 * n_run / n_lines
        print(f"{room:<12} {FLOOR_OF.get(room, 0):>5} {n_lines:>7,} {n_run:>7,} {share:>7.1f}%")
        if share < options.floor and FLOOR_OF.get(room, 0) <= 4:
            low.append(room)
    if low:
        print(f"Below {options.floor:g} %: {', '.join(low)}.", file=sys.stderr)
    return int(bool(low))


def measure(folder: Path, pytest_options: list[str]) -> Path:
    """Run the tests and return the file with what all processes have run."""
    data, settings = folder / "coverage", folder / "coveragerc"
    folders = "\n    ".join(str(ROOT / name) for name in ("genotools", "search", "export", "zoo"))
    # Workers are processes of their own; those that end by os._exit or a signal count too.
    settings.write_text(
        f"[run]\nsource =\n    {folders}\nparallel = true\npatch =\n    subprocess\n    _exit\nsigterm = true\n"
        f"data_file = {data}\n"
    )
    run = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        f"--rcfile={settings}",
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
    ]
    done = subprocess.run(
        [*run, *pytest_options], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    if done.returncode:
        raise SystemExit("The tests failed; nothing is said of what they run.")
    combine = [sys.executable, "-m", "coverage", "combine", "-q", f"--rcfile={settings}"]
    subprocess.run(combine, cwd=ROOT, check=True)
    return data


def lines_by_room(data: Path, report: Path) -> dict[str, tuple[int, int]]:
    """Return the number of statements, and of those that were run, by room."""
    command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report), f"--data-file={data}"]
    subprocess.run(command, cwd=ROOT, check=True)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, measured in json.loads(report.read_text())["files"].items():
        parts = (ROOT / name).resolve().relative_to(ROOT).parts
        inside = parts[1:] if parts[0] == "genotools" else parts
        room = inside[0] if len(inside) > 1 else GROUND
        found[room][0] += measured["summary"]["num_statements"]
        found[room][1] += measured["summary"]["covered_lines"]
    return {room: (n_lines, n_run) for room, (n_lines, n_run) in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
