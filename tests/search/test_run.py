"""The run folder of a search: what is written, and what a resumed search ends with."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from genotools.errors import DataError, GenotoolsError, OutputExistsError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import (
    Budget,
    EnginePreset,
    Job,
    Objective,
    Proposal,
    Round,
    Source,
    SourceOptions,
    search,
)
from genotools.search.budget import TrainingCost
from genotools.search.engine import Evaluation
from genotools.search.registry import ENGINES
from genotools.search.trial import Status, Trial

POOLS = Objective("pools")


class CountsPools:
    """Scores a genotype by its pools; fails, or is killed, on wish."""

    def __init__(self, *, fail_on: int | None = None, kill_on: int | None = None, version: int = 1) -> None:
        self.calls: list[tuple[str, int]] = []
        self._fail_on = fail_on
        self._kill_on = kill_on
        self._version = version

    def describe(self) -> dict[str, Any]:
        return {"counts": {"version": self._version}}

    def training_cost(self, job: Job) -> TrainingCost:
        return TrainingCost(epochs=job.budget_epochs or 2, steps=10)

    def __call__(self, job: Job) -> dict[str, float]:
        self.calls.append((job.genotype.digest, job.seed))
        if len(self.calls) - 1 == self._kill_on:
            raise KeyboardInterrupt
        if len(self.calls) - 1 == self._fail_on:
            raise RuntimeError("the trial blew up")
        edges = [*job.genotype.normal.edges, *job.genotype.reduce.edges]
        return {"pools": float(sum("pool" in edge.op for edge in edges)), "seed": float(job.seed)}


def journal_without_times(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "journal.jsonl").read_text().splitlines()
    times = ("seconds", "elapsed")
    return [{key: value for key, value in json.loads(line).items() if key not in times} for line in lines]


def run(folder: Path, evaluator: CountsPools, **options: Any) -> Any:
    options = {"n_trials": 6, "seed": 3, "objectives": [POOLS], "settings": {"round_size": 2}, **options}
    return search(
        options.pop("engine", "random"), options.pop("space", GENOME_NAS), evaluator, folder, **options
    )


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
    state.unlink()  # as if the process had died between the journal's line and the checkpoint
    assert older["n_told"] == 2
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
        DataError, match=r"unknown engine 'randm'. Known: random, .*osp-nas. Did you mean 'random'\?"
    ):
        run(tmp_path / "run", CountsPools(), engine="randm")
    assert not (tmp_path / "run").exists()


def test_another_space_of_the_same_name_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    fewer = replace(GENOME_NAS, recurrent=RecurrentCellSpace(8, ("tanh", "relu")))
    with pytest.raises(DataError, match=r"space\.recurrent\.activations: was"):
        run(tmp_path / "run", CountsPools(), space=fewer, resume=True)


def test_a_removed_journal_is_noticed(tmp_path: Path) -> None:
    run(tmp_path / "run", CountsPools(), n_trials=2)
    (tmp_path / "run" / "journal.jsonl").unlink()
    with pytest.raises(DataError, match="trial 0 is missing, the engine was told of 2"):
        run(tmp_path / "run", CountsPools(), resume=True)


def test_a_failure_of_the_machine_is_no_failed_trial(tmp_path: Path) -> None:
    class FullDisk(CountsPools):
        def __call__(self, job: Job) -> dict[str, float]:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "cut", FullDisk())
    run(tmp_path / "whole", CountsPools())
    run(tmp_path / "cut", CountsPools(), resume=True)
    assert journal_without_times(tmp_path / "cut") == journal_without_times(tmp_path / "whole")


def test_a_metric_that_is_not_finite_is_left_out_and_a_score_fails_the_trial(tmp_path: Path) -> None:
    class Odd(CountsPools):
        def __call__(self, job: Job) -> dict[str, float]:
            metrics = super().__call__(job)
            return metrics | {"loss": math.nan} | ({"pools": math.inf} if len(self.calls) == 2 else {})

    trials = run(tmp_path / "run", Odd(), n_trials=2).trials
    assert "loss" not in (trials[0].metrics or {})
    assert "pools is inf" in (trials[1].error or "")


class Twice:
    """Asks for one genotype, and then to go on with it."""

    name: ClassVar[str] = "twice"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = {}

    def __init__(self, source: Source) -> None:
        self._genotype = source.sample()
        self._told: list[int] = []

    def ask(self) -> Round:
        if len(self._told) == 2:
            return Round()
        if self._told:
            first = Proposal(genotype=self._genotype, budget_epochs=3, continues=self._told[0])
            return Round(proposals=(first,))
        return Round(proposals=(Proposal(genotype=self._genotype, budget_epochs=1),))

    def tell(self, trials: Sequence[Trial]) -> None:
        self._told += [trial.number for trial in trials]

    def continuable(self) -> set[int]:
        return set(self._told) if len(self._told) == 1 else set()

    def state_dict(self) -> dict[str, Any]:
        return {"told": self._told}

    def load_state_dict(self, state: Any) -> None:
        self._told = state["told"]


class KeepsNetworks(CountsPools):
    """Writes a file where the state of a training would be, and remembers what lay there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []

    def __call__(self, job: Job) -> dict[str, float]:
        assert job.network_path is not None
        before = job.network_path.read_text() if job.network_path.exists() else None
        self.found.append((job.network_path.name, before))
        job.network_path.write_text(f"{job.budget_epochs} epochs")
        return super().__call__(job)


def test_a_continued_trial_has_seed_and_network_of_the_first_and_the_best_is_of_the_largest_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "twice", Twice)
    evaluator = KeepsNetworks()
    result = run(tmp_path / "run", evaluator, engine="twice", settings={})
    assert evaluator.found == [("0.safetensors", None), ("0.safetensors", "1 epochs")]
    assert len({seed for _, seed in evaluator.calls}) == 1
    assert result.best.number == 1  # equal scores, more epochs
    assert list((tmp_path / "run" / "networks").iterdir()) == []  # nothing can be continued any more


@pytest.mark.parametrize("budget", ["1e-9s", "0epochs", "1e400epochs", "1e16steps", "nan h", "inf"])
def test_what_is_no_budget_is_refused(budget: str) -> None:
    with pytest.raises(DataError, match="'200epochs'"):
        Budget.parse(budget)


@pytest.mark.parametrize(
    ("budget", "n_expected"), [("7epochs", 3), ("8 epochs", 4), ("25steps", 2), ("1h", 6)]
)
def test_a_budget_ends_the_search_before_a_trial_it_cannot_pay(
    tmp_path: Path, budget: str, n_expected: int
) -> None:
    evaluator = CountsPools()
    result = run(tmp_path / "run", evaluator, budget=Budget.parse(budget))
    assert len(result.trials) == n_expected


def test_a_larger_budget_continues_the_same_sequence(tmp_path: Path) -> None:
    run(tmp_path / "whole", CountsPools())
    run(tmp_path / "grown", CountsPools(), budget=Budget.parse("3epochs"))
    run(tmp_path / "grown", CountsPools(), budget=Budget.parse("7epochs"), resume=True)
    assert len(journal_without_times(tmp_path / "grown")) == 3
    run(tmp_path / "grown", CountsPools(), budget=Budget.parse("12epochs"), resume=True)
    assert journal_without_times(tmp_path / "grown") == journal_without_times(tmp_path / "whole")


def test_warm_starts_come_first_and_refused_genotypes_never(tmp_path: Path) -> None:
    rng = np.random.default_rng(99)
    starts = [GENOME_NAS.sample(rng=rng) for _ in range(3)]
    refused = starts[1].digest
    options = SourceOptions(accepts=lambda genotype: genotype.digest != refused, initial=starts)
    trials = run(tmp_path / "run", CountsPools(), options=options).trials
    assert [trial.genotype for trial in trials[:2]] == [starts[0], starts[2]]
    assert refused not in {trial.genotype.digest for trial in trials}
    with pytest.raises(DataError, match="warm_start: was"):
        run(tmp_path / "run", CountsPools(), resume=True)


def test_a_minimised_objective_has_its_own_value_in_the_result(tmp_path: Path) -> None:
    result = run(tmp_path / "run", CountsPools(), objectives=[Objective("pools", "min"), Objective("seed")])
    pools = [trial.metrics["pools"] for trial in result.trials]
    assert result.best.metrics["pools"] == min(pools)
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["objectives"]["pools"] == min(pools)
    assert written["score"] == -min(pools)
    assert [len(trial.scores) for trial in result.trials] == [2] * 6


def test_resume_leaves_a_folder_alone_that_holds_no_search(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text("precious")
    with pytest.raises(OutputExistsError, match="holds no search that could be continued"):
        run(folder, CountsPools(), resume=True)
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    (folder / "result.json").unlink()
    (folder / "checkpoint").mkdir()  # what a search leaves that was killed as it began
    (folder / ".lock").touch()
    assert run(folder, CountsPools(), resume=True).trials
