"""The landscape: its optimum is where it says, it does not see numberings, and climbing it pays."""

import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import Job, search
from genotools.testing.landscape import Landscape, LandscapeEvaluator
from genotools.testing.strategies import genotypes, renumberings, search_spaces

LANDSCAPE = Landscape(GENOME_NAS, seed=0)
ROUGH = Landscape(GENOME_NAS, seed=0, noise=0.3)


def drawn(n: int, *, seed: int = 0) -> list[Genotype]:
    rng = np.random.default_rng(seed)
    return [GENOME_NAS.sample(rng=rng) for _ in range(n)]


def job(genotype: Genotype) -> Job:
    return Job(number=0, genotype=genotype, seed=0)


@given(st.data())
def test_a_renumbered_genotype_has_the_same_metrics(data: st.DataObject) -> None:
    genotype = data.draw(genotypes(meta={}))
    normal, recurrent = genotype.normal, genotype.recurrent
    renumbered = Genotype(
        ConvCell(data.draw(st.permutations(normal.edges))).renumbered(data.draw(renumberings(normal.nodes))),
        genotype.reduce.canonical(),
        recurrent.renumbered(data.draw(renumberings(range(1, recurrent.n_states + 1)))),
    )
    assert LANDSCAPE.metrics(renumbered) == LANDSCAPE.metrics(genotype)
    assert ROUGH(renumbered) == ROUGH(genotype)


@given(st.data())
def test_scores_of_any_space_lie_between_0_and_the_optimum(data: st.DataObject) -> None:
    space = data.draw(search_spaces())
    landscape = Landscape(space, seed=data.draw(st.integers(0, 5)), noise=data.draw(st.floats(0, 0.9)))
    assert space.contains(landscape.target)
    assert landscape(landscape.target) == 1.0
    assert 0 < landscape(data.draw(genotypes(space, meta={}))) <= 1


def test_a_difference_in_any_cell_costs_something() -> None:
    target, other = LANDSCAPE.target, next(one for one in drawn(50) if LANDSCAPE.distance(one) > 0.9)
    for changed in (
        Genotype(other.normal, target.reduce, target.recurrent),
        Genotype(target.normal, other.reduce, target.recurrent),
        Genotype(target.normal, target.reduce, other.recurrent),
    ):
        assert 0.05 < LANDSCAPE.distance(changed) < LANDSCAPE.distance(other)


def test_random_genotypes_are_at_distance_1_and_far_below_the_optimum() -> None:
    sample = drawn(500, seed=1)
    assert statistics.mean(map(LANDSCAPE.distance, sample)) == pytest.approx(1, abs=0.03)
    assert statistics.mean(map(LANDSCAPE, sample)) == pytest.approx(0.31, abs=0.03)
    assert max(map(LANDSCAPE, sample)) < 0.75


def test_a_step_changes_the_score_far_less_than_a_draw() -> None:
    sample = drawn(60)
    rng = np.random.default_rng(1)
    steps = [abs(LANDSCAPE(one) - LANDSCAPE(GENOME_NAS.mutate(one, rng=rng))) for one in sample]
    draws = [
        abs(LANDSCAPE(one) - LANDSCAPE(other)) for one, other in zip(sample, drawn(60, seed=2), strict=True)
    ]
    assert statistics.mean(steps) < statistics.mean(draws) / 3


def test_neighbours_of_the_target_score_far_higher_than_random_ones() -> None:
    near = [LANDSCAPE(neighbor) for neighbor in GENOME_NAS.neighbors(LANDSCAPE.target)]
    assert statistics.mean(near) > 0.95
    assert min(near) > max(map(LANDSCAPE, drawn(100)))


def test_what_an_op_is_worth_depends_on_the_others() -> None:
    """Changing two ops is not worth the sum of both changes, or every op could be chosen by itself."""

    def with_op(genotype: Genotype, index: int, op: str) -> Genotype:
        edges = list(genotype.normal.edges)
        edges[index] = edges[index]._replace(op=op)
        return Genotype(ConvCell(edges), genotype.reduce, genotype.recurrent)

    def distance(genotype: Genotype) -> float:
        return LANDSCAPE.distance(genotype)

    surprises = []
    for start in drawn(30):
        one, other = with_op(start, 0, "conv_15"), with_op(start, 5, "skip_connect")
        both = with_op(one, 5, "skip_connect")
        alone = (distance(one) - distance(start)) + (distance(other) - distance(start))
        surprises.append(abs(distance(both) - distance(start) - alone))
    assert max(surprises) > 0.03


def test_noise_lowers_scores_by_at_most_its_share_and_not_the_optimum() -> None:
    kept = [ROUGH(one) / LANDSCAPE(one) for one in drawn(200)]
    assert 0.7 < min(kept) < 0.72
    assert 0.98 < max(kept) <= 1
    assert statistics.mean(kept) == pytest.approx(0.85, abs=0.02)
    assert ROUGH(ROUGH.target) == 1.0
    assert ROUGH(drawn(1)[0]) == Landscape(GENOME_NAS, seed=0, noise=0.3)(drawn(1)[0])


@pytest.mark.parametrize("noise", [-0.1, 1.0, float("nan")])
def test_noise_out_of_range_is_refused(noise: float) -> None:
    with pytest.raises(DataError, match=rf"noise of a landscape is {noise}, it must be in \[0, 1\)"):
        Landscape(GENOME_NAS, seed=0, noise=noise)


def test_the_seed_decides_the_target() -> None:
    assert Landscape(GENOME_NAS, seed=0).target == LANDSCAPE.target
    assert Landscape(GENOME_NAS, seed=1).target != LANDSCAPE.target


def test_a_search_with_the_same_seed_does_not_draw_the_target(tmp_path: Path) -> None:
    """Both draw from the space; with one stream of numbers the first trial would be the optimum."""
    for seed in range(3):
        evaluator = LandscapeEvaluator(Landscape(GENOME_NAS, seed=seed))
        result = search("random", GENOME_NAS, evaluator, tmp_path / str(seed), seed=seed, n_trials=8)
        assert max(trial.score for trial in result.trials if trial.score is not None) < 0.8
        assert Landscape(GENOME_NAS, seed=seed).target != GENOME_NAS.sample(rng=np.random.default_rng(seed))


def test_a_space_of_one_genotype_is_all_optimum() -> None:
    cells = ConvCellSpace(1, 2, ("max_pool_5",))
    space = SearchSpace(name="one", normal=cells, reduce=cells, recurrent=RecurrentCellSpace(1, ("tanh",)))
    landscape = Landscape(space, seed=0)
    assert landscape(space.sample(rng=np.random.default_rng(0))) == 1.0


def test_parameters_are_those_of_the_ops() -> None:
    pools = ConvCell([(0, 2, "max_pool_5"), (1, 2, "avg_pool_5")])
    convolved = ConvCell([(0, 2, "max_pool_5"), (1, 2, "dil_conv_9")])
    recurrent = LANDSCAPE.target.recurrent
    assert LANDSCAPE.metrics(Genotype(pools, pools, recurrent))["params"] == 0
    # Of 16 channels: 9 weights each, 16 x 16 to mix them, scale and shift of the batch norm.
    assert LANDSCAPE.metrics(Genotype(pools, convolved, recurrent))["params"] == 9 * 16 + 16 * 16 + 2 * 16


def test_the_evaluator_gives_the_metrics_also_in_another_process() -> None:
    sample = drawn(20)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(LandscapeEvaluator(ROUGH), map(job, sample)))
    assert found == [ROUGH.metrics(genotype) for genotype in sample]


def test_the_evaluator_describes_what_its_metrics_depend_on() -> None:
    evaluator = LandscapeEvaluator(ROUGH, seconds=1.0, fails={LANDSCAPE.target.digest})
    assert evaluator.describe() == {
        "landscape": "genome-nas",
        "seed": 0,
        "noise": 0.3,
        "fails": [LANDSCAPE.target.digest],
    }


def test_the_evaluator_fails_where_it_is_told_to() -> None:
    target = LANDSCAPE.target
    evaluator = LandscapeEvaluator(LANDSCAPE, fails=[target.digest])
    with pytest.raises(RuntimeError, match=f"genotype {target.digest[:12]} is made to fail"):
        evaluator(job(target))


def test_the_evaluator_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("genotools.testing.landscape.time.sleep", slept.append)
    LandscapeEvaluator(LANDSCAPE, seconds=2.5)(job(LANDSCAPE.target))
    assert slept == [2.5]
