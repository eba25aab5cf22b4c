"""The run folder of a search: what is written, and what a resumed search ends with."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genotools.errors import DataError, GenotoolsError, OutputExistsError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import search
from genotools.search.trial import Status, Trial


class CountsPools:
    """Scores a genotype by its pools; fails, or is killed, on wish."""

    objective = "pools"

    def __init__(self, *, fail_on: int | None = None, kill_on: int | None = None, version: int = 1) -> None:
        self.calls: list[tuple[str, int]] = []
        self._fail_on = fail_on
        self._kill_on = kill_on
        self._version = version

    def describe(self) -> dict[str, Any]:
        return {"counts": {"version": self._version}}

    def __call__(self, genotype: Genotype, *, seed: int) -> dict[str, float]:
        self.calls.append((genotype.digest, seed))
        if len(self.calls) - 1 == self._kill_on:
            raise KeyboardInterrupt
        if len(self.calls) - 1 == self._fail_on:
            raise RuntimeError("the trial blew up")
        edges = [*genotype.normal.edges, *genotype.reduce.edges]
        return {"pools": float(sum("pool" in edge.op for edge in edges)), "seed": float(seed)}


def journal_without_times(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "journal.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def run(folder: Path, evaluator: CountsPools, **options: Any) -> Any:
    options = {"n_trials": 6, "seed": 3, **options}
    return search("random", options.pop("space", GENOME_NAS), evaluator, folder, **options)


def test_best_is_the_highest_score_and_lies_in_the_folder(tmp_path: Path) -> None:
    result = run(tmp_path / "run", CountsPools())
    scores = [trial.score for trial in result.trials]
    assert result.best.score == max(scores)
    best = Genotype.load(tmp_path / "run" / "best.genotype.json")
    assert best == result.best.genotype
    assert best.meta["search"]["score"] == max(scores)  # type: ignore[index]
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["best"]["digest"] == best.digest
    assert written["n_trials"] == 6


def test_no_genotype_is_evaluated_twice(tmp_path: Path) -> None:
    tiny = SearchSpace(
        name="tiny",
        normal=ConvCellSpace(1, 2, ("max_pool_5", "skip_connect")),
        reduce=ConvCellSpace(1, 2, ("max_pool_5",)),
        recurrent=RecurrentCellSpace(1, ("tanh",)),
    )
    evaluator = CountsPools()
    result = run(tmp_path / "run", evaluator, space=tiny, n_trials=50)
    assert len(result.trials) == 4  # all there are: the search ends when the space does
    assert len({digest for digest, _ in evaluator.calls}) == 4


@pytest.mark.parametrize("kill_on", [0, 1, 3, 5])
def test_a_killed_search_ends_as_an_undisturbed_one(tmp_path: Path, kill_on: int) -> None:
    run(tmp_path / "whole", CountsPools())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", CountsPools(kill_on=kill_on))
    run(tmp_path / "cut", CountsPools(), resume=True)
    assert journal_without_times(tmp_path / "cut") == journal_without_times(tmp_path / "whole")
    best = "best.genotype.json"
    assert (tmp_path / "cut" / best).read_bytes() == (tmp_path / "whole" / best).read_bytes()


def test_a_trial_told_after_the_last_checkpoint_is_told_again(tmp_path: Path) -> None:
    run(tmp_path / "whole", CountsPools())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", CountsPools(kill_on=3))
    state = tmp_path / "cut" / "checkpoint" / "engine.json"
    older = json.loads(state.read_text())
    run(tmp_path / "two", CountsPools(), n_trials=2)
    # As if the process had died between the journal's line and the checkpoint.
    state.write_bytes((tmp_path / "two" / "checkpoint" / "engine.json").read_bytes())
    assert older["n_told"] == 3
    run(tmp_path / "cut", CountsPools(), resume=True)
    assert journal_without_times(tmp_path / "cut") == journal_without_times(tmp_path / "whole")


def test_a_torn_last_line_of_the_journal_is_run_again(tmp_path: Path) -> None:
    run(tmp_path / "whole", CountsPools())
    run(tmp_path / "torn", CountsPools(), n_trials=3)
    journal = tmp_path / "torn" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"event": "ended", "tri')
    run(tmp_path / "torn", CountsPools(), resume=True)
    assert journal_without_times(tmp_path / "torn") == journal_without_times(tmp_path / "whole")


def test_more_trials_continue_the_same_sequence(tmp_path: Path) -> None:
    run(tmp_path / "whole", CountsPools())
    run(tmp_path / "grown", CountsPools(), n_trials=2)
    run(tmp_path / "grown", CountsPools(), n_trials=6, resume=True)
    assert journal_without_times(tmp_path / "grown") == journal_without_times(tmp_path / "whole")


def test_a_failed_trial_is_kept_with_its_traceback_and_the_search_goes_on(tmp_path: Path) -> None:
    seen: list[Trial] = []
    result = run(tmp_path / "run", CountsPools(fail_on=2), on_trial=seen.append)
    failed = [trial for trial in result.trials if trial.status is Status.FAILED]
    assert [trial.number for trial in failed] == [2]
    assert "the trial blew up" in (failed[0].error or "")
    assert len(result.trials) == 6
    assert [trial.status for trial in seen[:2]] == [Status.RUNNING, Status.FINISHED]


def test_a_search_of_failures_says_why(tmp_path: Path) -> None:
    with pytest.raises(GenotoolsError, match=r"no trial finished.*the trial blew up"):
        run(tmp_path / "run", CountsPools(fail_on=0), n_trials=1)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools())
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    with pytest.raises(OutputExistsError, match="--resume"):
        run(tmp_path / "run", CountsPools())
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before


def test_other_settings_are_refused_on_resume_and_named(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    with pytest.raises(DataError, match=r"evaluator\.counts\.version: was 1, now 2"):
        run(tmp_path / "run", CountsPools(version=2), resume=True)
    with pytest.raises(DataError, match="seed: was 3, now 4"):
        run(tmp_path / "run", CountsPools(), resume=True, seed=4)


def test_a_faulty_journal_line_is_named(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_text("nonsense\n" + journal.read_text())
    with pytest.raises(DataError, match=r"journal\.jsonl, line 1: not a JSON event"):
        run(tmp_path / "run", CountsPools(), resume=True)


def test_an_unknown_engine_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"unknown engine 'randm'. Known: random, .*darts. Did you mean 'random'\?"
    ):
        search("randm", GENOME_NAS, CountsPools(), tmp_path / "run", n_trials=1, seed=0)
    assert not (tmp_path / "run").exists()


def test_another_space_of_the_same_name_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    fewer = replace(GENOME_NAS, recurrent=RecurrentCellSpace(8, ("tanh", "relu")))
    with pytest.raises(DataError, match=r"space\.recurrent\.activations: was"):
        run(tmp_path / "run", CountsPools(), space=fewer, resume=True)


def test_a_removed_journal_is_noticed(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    (tmp_path / "run" / "journal.jsonl").unlink()
    with pytest.raises(DataError, match="0 trials, the checkpoint knows 2"):
        run(tmp_path / "run", CountsPools(), resume=True)


def test_a_failure_of_the_machine_is_no_failed_trial(tmp_path: Path) -> None:
    class FullDisk(CountsPools):
        def __call__(self, genotype: Genotype, *, seed: int) -> dict[str, float]:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "cut", FullDisk())
    run(tmp_path / "whole", CountsPools())
    run(tmp_path / "cut", CountsPools(), resume=True)
    assert journal_without_times(tmp_path / "cut") == journal_without_times(tmp_path / "whole")


def test_a_metric_that_is_not_finite_is_left_out_and_a_score_fails_the_trial(tmp_path: Path) -> None:
    class Odd(CountsPools):
        def __call__(self, genotype: Genotype, *, seed: int) -> dict[str, float]:
            metrics = super().__call__(genotype, seed=seed)
            return metrics | {"loss": math.nan} | ({"pools": math.inf} if len(self.calls) == 2 else {})

    trials = run(tmp_path / "run", Odd(), n_trials=2).trials
    assert "loss" not in (trials[0].metrics or {})
    assert "pools is inf" in (trials[1].error or "")
