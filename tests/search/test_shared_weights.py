"""Scores by shared weights: what is trained, how a path is judged, and what a killed round ends with."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import Genotype, Macro, SearchSpace
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import build_supernet
from genotools.search.evaluation import Job, Outcome, RoundJob
from genotools.search.path_training import PathTraining
from genotools.search.shared_weights import SharedWeightsEvaluator
from genotools.training.divergence import DivergedError
from genotools.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=2, steps_per_epoch=4, batch_size=8, lr=0.1, recurrent_lr=1.0, reverse_complement_rate=0.5
)
Keep = Literal["round", "search"]


class Killed(Exception):
    """Stands for kill -9."""


@pytest.fixture
def genotypes(small_space: SearchSpace) -> list[Genotype]:
    rng = np.random.default_rng(0)
    return [small_space.sample(rng=rng) for _ in range(4)]


@pytest.fixture
def make(
    store: SequenceStore, small_space: SearchSpace, macro: Macro
) -> Callable[..., SharedWeightsEvaluator]:
    def evaluator(keep: Keep, *, kill_after: int | None = None, **changes: Any) -> SharedWeightsEvaluator:
        steps = 0

        def before_step() -> None:
            nonlocal steps
            if steps == kill_after:
                raise Killed
            steps += 1

        settings = replace(SETTINGS, **changes)
        return SharedWeightsEvaluator(
            store, small_space, macro, settings, keep=keep, recalibration_batches=3, before_step=before_step
        )

    return evaluator


def round_job(
    folder: Path, genotypes: list[Genotype], number: int = 0, done: tuple[int, ...] = ()
) -> RoundJob:
    jobs = tuple(Job(number=10 + index, genotype=one, seed=index) for index, one in enumerate(genotypes))
    return RoundJob(
        number=number,
        jobs=jobs,
        is_done=tuple(index in done for index in range(len(jobs))),
        paths=(*genotypes, *genotypes[:2]),
        seed=100 + number,
        folder=folder,
    )


@pytest.mark.parametrize("keep", ["round", "search"])
def test_the_time_of_the_shared_training_is_that_of_the_trials(
    make: Callable[..., SharedWeightsEvaluator],
    genotypes: list[Genotype],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keep: Keep,
) -> None:
    """What a search cost is the sum over its trials, whatever the engine."""
    training_started_and_ended = iter([100.0, 4100.0])
    clock = SimpleNamespace(monotonic=lambda: next(training_started_and_ended))
    monkeypatch.setattr("genotools.search.shared_weights.time", clock)
    outcomes = list(make(keep).evaluate_round(round_job(tmp_path, genotypes)))
    assert all(1000 <= outcome.seconds < 1500 for outcome in outcomes)


def scores(outcomes: list[Outcome]) -> dict[int, dict[str, float]]:
    assert all(outcome.error is None for outcome in outcomes)
    return {outcome.number: outcome.metrics or {} for outcome in outcomes}


@pytest.mark.parametrize("keep", ["round", "search"])
@pytest.mark.parametrize("kill_after", [0, 1, 3, 4, 5, 7])
def test_a_killed_round_ends_with_the_scores_of_an_undisturbed_one(
    make: Callable[..., SharedWeightsEvaluator],
    genotypes: list[Genotype],
    tmp_path: Path,
    keep: Keep,
    kill_after: int,
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = scores(list(make(keep).evaluate_round(round_job(tmp_path / "whole", genotypes))))
    assert sorted(whole) == [10, 11, 12, 13]
    cut = round_job(tmp_path / "cut", genotypes)
    if kill_after < (8 if keep == "round" else 6):
        with pytest.raises(Killed):
            list(make(keep, kill_after=kill_after).evaluate_round(cut))
    assert scores(list(make(keep).evaluate_round(cut))) == whole


@pytest.mark.parametrize("keep", ["round", "search"])
def test_what_was_scored_before_is_not_scored_again_and_changes_nothing(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path, keep: Keep
) -> None:
    evaluator = make(keep)
    whole = scores(list(evaluator.evaluate_round(round_job(tmp_path, genotypes))))
    rest = scores(list(make(keep).evaluate_round(round_job(tmp_path, genotypes, done=(0, 2)))))
    assert rest == {number: whole[number] for number in (11, 13)}


def test_a_kept_supernet_goes_on_with_its_weights_also_in_a_later_session(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    evaluator = make("search")
    first, second = (
        scores(list(evaluator.evaluate_round(round_job(tmp_path / "one", genotypes, number))))
        for number in (0, 1)
    )
    assert first != second  # trained on in between
    for number in (0, 1):
        last = scores(list(make("search").evaluate_round(round_job(tmp_path / "two", genotypes, number))))
    assert last == second


def test_a_round_without_paths_scores_with_the_weights_as_they_are(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path
) -> None:
    evaluator = make("search")
    first = scores(list(evaluator.evaluate_round(round_job(tmp_path, genotypes))))
    last = replace(round_job(tmp_path, genotypes, 1), paths=(), seed=100)
    assert scores(list(evaluator.evaluate_round(last))) == first


def test_kept_weights_of_another_round_are_refused(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path
) -> None:
    list(make("search").evaluate_round(round_job(tmp_path, genotypes)))
    with pytest.raises(DataError, match="those of round 1, the search is in round 3"):
        list(make("search").evaluate_round(round_job(tmp_path, genotypes, 2)))


def test_a_new_round_has_a_new_supernet(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path
) -> None:
    evaluator = make("round")
    list(evaluator.evaluate_round(round_job(tmp_path, genotypes[:2])))
    after = scores(list(evaluator.evaluate_round(round_job(tmp_path, genotypes[2:], 1))))
    (tmp_path / "alone").mkdir()
    alone = scores(list(make("round").evaluate_round(round_job(tmp_path / "alone", genotypes[2:], 1))))
    assert after == alone


def test_a_step_moves_the_weights_of_its_path_only(
    store: SequenceStore, macro: Macro, genotypes: list[Genotype]
) -> None:
    supernet = build_supernet(LiveOps.of(*genotypes), macro, store_task(store), seed=0)
    settings = replace(SETTINGS, weight_decay=0.0)
    training = PathTraining(
        supernet, store, store.rows("train"), settings, device=torch.device("cpu"), path=None
    )
    before = {name: weight.detach().clone() for name, weight in supernet.named_parameters()}
    training.run_epoch([LiveOps.of(genotypes[0])], seed=1, schedule_epoch=0)
    moved = {name for name, weight in supernet.named_parameters() if not torch.equal(weight, before[name])}
    path = build_supernet(LiveOps.of(genotypes[0]), macro, store_task(store), seed=0)
    used = {name for name, _ in path.named_parameters()}
    assert moved <= used
    assert any(".edges." in name for name in moved)
    assert any(".edges." in name for name in before.keys() - used)


def store_task(store: SequenceStore) -> Any:
    from genotools.genotype import Task

    return Task(len(store.names), names=store.names)


def test_batch_norms_are_estimated_again_over_training_batches_of_the_path(
    make: Callable[..., SharedWeightsEvaluator], store: SequenceStore, genotypes: list[Genotype], macro: Macro
) -> None:
    from genotools.search.halves import EpochBatches
    from genotools.search.shared_weights import RECALIBRATION, _Path

    supernet = build_supernet(LiveOps.of(*genotypes), macro, store_task(store), seed=0)
    stem = supernet.stem[1]
    assert isinstance(stem, nn.BatchNorm1d)
    assert stem.running_mean is not None
    before = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    make("round")._recalibrate(_Path(supernet, genotypes[0]), seed=5)
    batches = EpochBatches(
        store,
        store.rows("train"),
        n_steps=3,
        batch_size=8,
        reverse_complement_rate=0.0,
        seed=5,
        path=(RECALIBRATION,),
    )
    outputs = [
        supernet.stem[0](supernet.one_hot(torch.from_numpy(batches[step][0]))).detach() for step in range(3)
    ]
    expected = torch.stack([output.mean((0, 2)) for output in outputs]).mean(0)
    torch.testing.assert_close(stem.running_mean, expected)
    # The evaluator puts everything back once it has scored.
    supernet.load_state_dict(before, strict=False)
    make("round")._score(supernet, genotypes[0], seed=5)
    assert all(torch.equal(buffer, before[name]) for name, buffer in supernet.named_buffers())


@pytest.mark.parametrize("keep", ["round", "search"])
def test_weights_that_diverge_fail_their_round_or_stop_the_search_they_are_kept_for(
    make: Callable[..., SharedWeightsEvaluator], genotypes: list[Genotype], tmp_path: Path, keep: Keep
) -> None:
    evaluator = make(keep, lr=1e30, clip_norm=1e30)
    job = round_job(tmp_path, genotypes, done=(1,))
    place = r"is not a finite number: round 1, epoch 1, step \d\. It was computed on rows \d"
    if keep == "search":
        with pytest.raises(DivergedError, match=place):
            list(evaluator.evaluate_round(job))
        return
    outcomes = list(evaluator.evaluate_round(job))
    assert [outcome.number for outcome in outcomes] == [10, 12, 13]
    assert all(outcome.metrics is None and re.search(place, outcome.error or "") for outcome in outcomes)


def test_a_path_that_fails_leaves_the_batch_norms_as_they_were(
    make: Callable[..., SharedWeightsEvaluator],
    store: SequenceStore,
    genotypes: list[Genotype],
    macro: Macro,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supernet = build_supernet(LiveOps.of(*genotypes), macro, store_task(store), seed=0)
    norms = [norm for norm in supernet.modules() if isinstance(norm, nn.BatchNorm1d)]
    before = [norm.momentum for norm in norms]

    def fail(codes: torch.Tensor, genotype: Genotype) -> torch.Tensor:
        raise RuntimeError("the path blew up")

    monkeypatch.setattr(supernet, "forward_path", fail)
    with pytest.raises(RuntimeError, match="the path blew up"):
        make("round")._score(supernet, genotypes[0], seed=5)
    assert [norm.momentum for norm in norms] == before
