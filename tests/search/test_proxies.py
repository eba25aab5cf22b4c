"""Zero-cost scores against what their formulas say, and as the preference of a search."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, Genotype, Macro, Task
from genotools.genotype.macro import Layer
from genotools.nn import build
from genotools.nn.cost import cost
from genotools.search import Source, SourceOptions
from genotools.search.proxies import PROXIES, preference, score, score_all
from genotools.search.proxy_networks import EPSILON, jacov, naswot, synflow

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
    # Without gates no slope is negative, so that absolute values change nothing.
    macro = replace(MACRO, recurrent=False)
    network = build(genotypes[0].canonical(), macro, TASK, seed=4).eval().double()
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
    assert synflow(genotypes[0], macro, TASK, n_sequences=1, seed=4) == pytest.approx(
        math.log10(total), abs=1e-4
    )


def test_naswot_is_the_log_determinant_of_the_hamming_kernel(genotypes: list[Genotype]) -> None:
    network = build(genotypes[0].canonical(), MACRO, TASK, seed=3).train()
    patterns: list[torch.Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _m, _i, output: patterns.append((output > 0).flatten(1)))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        network(torch.randint(4, (6, 40), generator=generator, dtype=torch.uint8))
    bits = torch.cat(patterns, dim=1).numpy()
    kernel = np.array([[(a == b).sum() for b in bits] for a in bits], dtype=float)
    expected = np.linalg.slogdet(kernel)[1]
    assert naswot(genotypes[0], MACRO, TASK, n_sequences=6, seed=3) == pytest.approx(expected, rel=1e-9)


def test_jacov_is_the_published_function_of_the_jacobians_correlations(genotypes: list[Genotype]) -> None:
    network = build(genotypes[1].canonical(), MACRO, TASK, seed=2).train()
    network.set_dropout(head=0.0)
    generator = torch.Generator().manual_seed(2)
    codes = torch.randint(4, (5, 40), generator=generator, dtype=torch.uint8)
    x = network.one_hot(codes).requires_grad_()
    (gradient,) = torch.autograd.grad(network.forward_one_hot(x).sum(), x)
    values = np.linalg.eigvalsh(np.corrcoef(gradient.flatten(1).double().numpy()))
    expected = -np.sum(np.log(values + EPSILON) + 1 / (values + EPSILON))
    found = jacov(genotypes[1], MACRO, TASK, n_sequences=5, seed=2)
    assert found == pytest.approx(expected, rel=1e-4)


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
