"""Zero-cost scores against what their formulas say, and as the preference of a search."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, Edge, Genotype, Macro, SearchSpace, Task
from genotools.genotype.macro import Layer
from genotools.nn import build
from genotools.nn.cost import cost
from genotools.search import Source, SourceOptions
from genotools.search.proxies import PROXIES, WORST, preference, score, score_all
from genotools.search.proxy_networks import EPSILON, jacov, naswot, random_codes, synflow

MACRO = Macro(
    length=40, channels=2, layers=(Layer("normal"), Layer("reduce", 4)), stem_kernel=5, head_hidden=6
)
TASK = Task(3)


@pytest.fixture(scope="module")
def genotypes() -> list[Genotype]:
    rng = np.random.default_rng(0)
    return [GENOME_NAS.sample(rng=rng) for _ in range(4)]


def renumbered(genotype: Genotype) -> Genotype:
    """Return the same genotype with its edges written in another order."""
    return replace_normal(genotype, ConvCell(reversed(genotype.normal.edges)))


def replace_normal(genotype: Genotype, normal: ConvCell) -> Genotype:
    return Genotype(normal, genotype.reduce, genotype.recurrent, space=genotype.space)


def test_equal_genotypes_have_equal_scores_and_others_have_others(genotypes: list[Genotype]) -> None:
    scores = [score_all(genotype, MACRO, TASK) for genotype in genotypes]
    assert all(set(one) == set(PROXIES) for one in scores)
    assert all(math.isfinite(value) for one in scores for value in one.values())
    assert score_all(renumbered(genotypes[0]), MACRO, TASK) == scores[0]
    for name in ("synflow", "naswot", "jacov"):
        assert len({one[name] for one in scores}) == len(genotypes)


def test_params_and_macs_are_those_of_the_arithmetic(genotypes: list[Genotype]) -> None:
    expected = cost(genotypes[0], MACRO, TASK)
    assert score("params", genotypes[0], MACRO, TASK) == expected.params
    assert score("macs", genotypes[0], MACRO, TASK) == expected.macs


def test_synflow_is_the_sum_over_weights_of_weight_times_slope(genotypes: list[Genotype]) -> None:
    # Without the recurrent cell no slope is negative, so that absolute values change nothing.
    network = build(genotypes[0].canonical(), replace(MACRO, recurrent=False), TASK, seed=4).eval().double()
    ones = torch.ones(1, 4, 40, dtype=torch.float64)
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
        before = network.forward_one_hot(ones).sum()
    total = 0.0
    step = 1e-6
    for weight in network.parameters():  # w dR/dw over one tensor is the slope of R along w itself
        with torch.no_grad():
            weight.mul_(1 + step)
            total += float(network.forward_one_hot(ones).sum() - before) / step
            weight.div_(1 + step)
    assert synflow(genotypes[0], MACRO, TASK, seed=4) == pytest.approx(math.log10(total), abs=1e-4)


def test_naswot_is_the_log_determinant_of_the_hamming_kernel(genotypes: list[Genotype]) -> None:
    network = build(genotypes[0].canonical(), MACRO, TASK, seed=3).train()
    patterns: list[torch.Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _m, _i, output: patterns.append((output > 0).flatten(1)))
    codes = random_codes(6, 40, seed=9)
    with torch.no_grad():
        network(codes)
    bits = torch.cat(patterns, dim=1).numpy()
    kernel = np.array([[(a == b).sum() for b in bits] for a in bits], dtype=float)
    expected = np.linalg.slogdet(kernel)[1]
    assert naswot(genotypes[0], MACRO, TASK, codes, seed=3) == pytest.approx(expected, rel=1e-9)


def test_jacov_is_the_published_function_of_each_sequences_own_jacobian(genotypes: list[Genotype]) -> None:
    network = build(genotypes[1].canonical(), MACRO, TASK, seed=2).eval()
    codes = random_codes(5, 40, seed=8)
    rows = []
    for one_hot in network.one_hot(codes):  # one sequence and one output at a time
        x = one_hot[None].requires_grad_()
        outputs = network.forward_one_hot(x)[0]
        slopes = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
        rows.append(torch.stack(slopes).sum(dim=0).flatten().double().numpy())
    values = np.linalg.eigvalsh(np.corrcoef(np.array(rows)))
    expected = -np.sum(np.log(values + EPSILON) + 1 / (values + EPSILON))
    assert jacov(genotypes[1], MACRO, TASK, codes, seed=2) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["synflow", "naswot", "jacov"])
def test_the_cells_count_more_than_the_seed(name: str) -> None:
    # On the published frame with its gates: a score whose order of genotypes the seed decides says nothing of them.
    rng = np.random.default_rng(1)
    recurrent = GENOME_NAS.sample(rng=rng).recurrent
    drawn = [GENOME_NAS.sample(rng=rng) for _ in range(12)]
    fixed = [Genotype(one.normal, one.reduce, recurrent, space=one.space) for one in drawn]
    macro = Macro.small(100)
    first, second = ([score(name, one, macro, TASK, seed=seed) for one in fixed] for seed in (0, 1))
    assert spearmanr(first, second).statistic > 0.5


@pytest.mark.parametrize("name", ["synflow", "naswot"])
def test_what_is_blind_to_the_recurrent_cell_gives_one_score_whatever_it_is(
    name: str, genotypes: list[Genotype]
) -> None:
    first, second = genotypes[:2]
    other = Genotype(first.normal, first.reduce, second.recurrent, space=first.space)
    assert score(name, other, MACRO, TASK) == score(name, first, MACRO, TASK)
    assert score("jacov", other, MACRO, TASK) != score("jacov", first, MACRO, TASK)


def test_cells_without_an_op_that_has_a_relu_have_scores_too(small_space: SearchSpace) -> None:
    pools = ConvCell(
        Edge(edge.source, edge.target, "max_pool_5")
        for edge in small_space.normal.sample(rng=np.random.default_rng(0)).edges
    )
    recurrent = small_space.recurrent.sample(rng=np.random.default_rng(0))
    scores = score_all(Genotype(pools, pools, recurrent, space="small"), MACRO, TASK)
    assert all(math.isfinite(value) and value > WORST for value in scores.values())


def test_sequences_through_which_no_signal_comes_are_the_worst(genotypes: list[Genotype]) -> None:
    unknown = torch.full((4, 40), 4, dtype=torch.uint8)  # a one-hot of zeros opens no ReLU
    assert score("naswot", genotypes[0], MACRO, TASK, codes=unknown) == WORST
    assert score("jacov", genotypes[0], MACRO, TASK, codes=unknown) == WORST


def test_jacov_of_equal_sequences_is_that_of_correlations_of_one(genotypes: list[Genotype]) -> None:
    equal = random_codes(1, 40, seed=0).expand(4, 40)
    eigenvalues = (4 + EPSILON, EPSILON, EPSILON, EPSILON)
    expected = -sum(math.log(value) + 1 / value for value in eigenvalues)
    assert score("jacov", genotypes[0], MACRO, TASK, codes=equal) == pytest.approx(expected, rel=1e-3)


def test_given_sequences_take_the_place_of_random_ones(genotypes: list[Genotype]) -> None:
    own = random_codes(16, 40, seed=0)
    others = random_codes(16, 40, seed=1)
    for name in ("naswot", "jacov"):
        by_default = score(name, genotypes[0], MACRO, TASK, seed=0)
        assert score(name, genotypes[0], MACRO, TASK, seed=0, codes=own) == by_default
        assert score(name, genotypes[0], MACRO, TASK, seed=0, codes=others) != by_default


def test_nothing_global_is_drawn_from(genotypes: list[Genotype]) -> None:
    before = torch.get_rng_state()
    score_all(genotypes[0], MACRO, TASK)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_preference_takes_the_best_of_the_draws() -> None:
    prefers = preference("params", MACRO, TASK, seed=0)
    options = SourceOptions(prefers=prefers, n_draws=5)
    choosy = Source(GENOME_NAS, rng=np.random.default_rng(0), options=options)
    plain = Source(GENOME_NAS, rng=np.random.default_rng(0))
    draws = plain.samples(15)
    expected = [max(draws[start : start + 5], key=prefers) for start in (0, 5, 10)]
    assert choosy.samples(3) == expected


def test_an_unknown_score_is_named_with_the_known_ones(genotypes: list[Genotype]) -> None:
    with pytest.raises(DataError, match=r"'synflw'. Known: params, macs, .* Did you mean 'synflow'\?"):
        score("synflw", genotypes[0], MACRO, TASK)
    with pytest.raises(DataError, match="unknown zero-cost score 'x'"):
        preference("x", MACRO, TASK, seed=0)


def test_a_preference_scores_each_genotype_once(
    genotypes: list[Genotype], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str, genotype: Genotype, *arguments: object, seed: int) -> float:
        asked.append(genotype.digest)
        return 2.0

    monkeypatch.setattr("genotools.search.proxies.score", counted)
    prefers = preference("synflow", MACRO, TASK, seed=0)
    twins = [genotypes[0], renumbered(genotypes[0]), genotypes[1]]
    assert [prefers(one) for one in twins] == [2.0, 2.0, 2.0]
    assert asked == [genotypes[0].digest, genotypes[1].digest]
