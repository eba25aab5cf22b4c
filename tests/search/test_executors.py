"""Where trials run changes nothing but the time they take; what happens to workers costs at most a trial."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genotools.errors import DataError, MissingExtraError
from genotools.genotype import GENOME_NAS
from genotools.search import SearchResult, Status, search
from genotools.search.executors import Executor, LocalExecutor, make_executor
from genotools.search.process_pool import ProcessExecutor
from genotools.testing.faults import FaultyEvaluator


def run(
    folder: Path, executor: Executor, evaluator: FaultyEvaluator | None = None, **options: Any
) -> SearchResult:
    options = {"seed": 3, "n_trials": 8, "settings": {"round_size": 4}, **options}
    return search("random", GENOME_NAS, evaluator or FaultyEvaluator(), folder, executor=executor, **options)


def trials_of(folder: Path) -> list[dict[str, Any]]:
    """Return what the journal says of each trial, by number, times apart."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    times = ("seconds", "elapsed")
    kept = [{key: value for key, value in line.items() if key not in times} for line in lines]
    return sorted(kept, key=lambda line: int(line["trial"]))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("local") / "run"
    run(folder, LocalExecutor())
    return trials_of(folder)


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_processes_find_what_one_process_finds(
    tmp_path: Path, expected: list[dict[str, Any]], n_workers: int
) -> None:
    run(tmp_path / "run", ProcessExecutor(n_workers))
    assert trials_of(tmp_path / "run") == expected


def test_trials_run_side_by_side_in_other_processes(tmp_path: Path) -> None:
    evaluator = FaultyEvaluator(folder=tmp_path, seconds=0.2)
    run(tmp_path / "run", ProcessExecutor(2), evaluator)
    pids = {path.name.split(".")[1] for path in tmp_path.glob("*.*.*")}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_trial_that_raises_fails_and_the_search_goes_on(tmp_path: Path) -> None:
    result = run(tmp_path / "run", ProcessExecutor(2), FaultyEvaluator(fails={2}))
    assert [trial.number for trial in result.trials if trial.status is Status.FAILED] == [2]
    assert "trial 2 blew up" in (result.trials[2].error or "")
    assert len(result.trials) == 8


def test_a_killed_worker_has_its_trial_run_again_once(tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    evaluator = FaultyEvaluator(dies_once={1, 6}, folder=tmp_path)
    run(tmp_path / "run", ProcessExecutor(2), evaluator)
    assert trials_of(tmp_path / "run") == expected
    assert [len(list(tmp_path.glob(f"{number}.*"))) for number in (0, 1, 6)] == [1, 2, 2]


def test_a_trial_that_kills_two_workers_has_failed(tmp_path: Path) -> None:
    result = run(tmp_path / "run", ProcessExecutor(2), FaultyEvaluator(dies={3}))
    assert [trial.number for trial in result.trials if trial.status is Status.FAILED] == [3]
    assert result.trials[3].error == "2 workers died of this trial, the last by SIGKILL."


def test_a_failure_of_the_machine_stops_the_search_and_is_no_failed_trial(
    tmp_path: Path, expected: list[dict[str, Any]]
) -> None:
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "run", ProcessExecutor(2), FaultyEvaluator(breaks={5}))
    run(tmp_path / "run", ProcessExecutor(2), resume=True)
    assert trials_of(tmp_path / "run") == expected


def test_trials_that_ended_before_an_earlier_one_are_not_run_again(
    tmp_path: Path, expected: list[dict[str, Any]]
) -> None:
    run(tmp_path / "run", LocalExecutor())
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    # Trials 4, 6 and 7 had ended when the search was killed; 5 had not.
    journal.write_text("".join([*lines[:4], lines[7], lines[6], lines[4]]))
    (tmp_path / "run" / "checkpoint" / "engine.json").unlink()
    marks = tmp_path / "marks"
    marks.mkdir()
    run(tmp_path / "run", ProcessExecutor(2), FaultyEvaluator(folder=marks), resume=True)
    assert [path.name.split(".")[0] for path in marks.iterdir()] == ["5"]
    assert trials_of(tmp_path / "run") == expected


def _python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc to see which processes live")
def test_workers_of_a_killed_search_leave(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from genotools.genotype import GENOME_NAS\n"
        "from genotools.search import search\n"
        "from genotools.search.process_pool import ProcessExecutor\n"
        "from genotools.testing.faults import FaultyEvaluator\n"
        "if __name__ == '__main__':\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    evaluator = FaultyEvaluator(folder=folder, seconds=0.1)\n"
        "    search('random', GENOME_NAS, evaluator, folder / 'run', executor=ProcessExecutor(2), seed=0,\n"
        "           n_trials=10000)\n"
    )
    process = _python(code)
    deadline = time.monotonic() + 60
    while len({path.name.split(".")[1] for path in tmp_path.glob("*.*.*")}) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    pids = {int(path.name.split(".")[1]) for path in tmp_path.glob("*.*.*")}
    process.send_signal(signal.SIGKILL)
    process.communicate()
    while any(map(_is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def ray() -> Iterator[Any]:
    module = pytest.importorskip("ray", reason="Ray is not installed")
    yield module
    module.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_ray_finds_what_one_process_finds(tmp_path: Path, expected: list[dict[str, Any]], ray: Any) -> None:
    evaluator = FaultyEvaluator(dies_once={1}, folder=tmp_path)
    run(tmp_path / "run", make_executor("ray", n_workers=2), evaluator)
    assert trials_of(tmp_path / "run") == expected
    failing = run(
        tmp_path / "failing", make_executor("ray", n_workers=2), FaultyEvaluator(fails={2}, dies={5})
    )
    assert [trial.number for trial in failing.trials if trial.status is Status.FAILED] == [2, 5]
    assert "2 workers died of this trial" in (failing.trials[5].error or "")
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "broken", make_executor("ray", n_workers=2), FaultyEvaluator(breaks={5}))


def test_ray_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"genotools\[ray\]"):
        make_executor("ray")


def test_wrong_numbers_of_workers_are_refused() -> None:
    with pytest.raises(DataError, match="the number of workers is 0, it must be at least 1"):
        make_executor("processes", n_workers=0)
