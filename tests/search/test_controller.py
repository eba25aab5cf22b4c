"""The controller as a probability distribution over genotypes."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search.controller import Controller
from genotools.testing.strategies import genotypes, search_spaces

TINY = SearchSpace(
    name="tiny",
    normal=ConvCellSpace(2, 2, ("max_pool_5", "dil_conv_9")),
    reduce=ConvCellSpace(1, 1, ("avg_pool_5",)),
    recurrent=RecurrentCellSpace(2, ("tanh", "relu", "identity")),
)
"""Of node 2 only the ops are decided; of node 3 two of three sources, too; in the reduction cell only a source."""

OPTIONS = (
    [range(2)] * 2 + [range(3), range(2), range(3), range(2)] + [range(2)] + [range(3), range(2), range(3)]
)
"""Of each decision in TINY; the two sources of node 3, decisions 2 and 4, must differ."""


def heads(controller: Controller) -> list[nn.Linear]:
    return [head for head in controller.heads if isinstance(head, nn.Linear)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def sharp() -> Controller:
    """Return a controller of TINY that is far from uniform."""
    controller = Controller(TINY, seed=3, hidden=8, temperature=0.02)
    with torch.no_grad():
        for head in heads(controller):
            head.weight *= 5
    return controller


@pytest.fixture(scope="module")
def every() -> torch.Tensor:
    """Return all sequences of decisions of TINY."""
    rows = [row for row in itertools.product(*OPTIONS) if row[2] != row[4]]
    return torch.tensor(rows)


def test_probabilities_of_all_sequences_sum_to_one(sharp: Controller, every: torch.Tensor) -> None:
    probs = sharp.log_prob_and_entropy(every)[0].double().exp()
    assert len(every) == 4 * 6 * 4 * 2 * 18
    assert probs.sum().item() == pytest.approx(1, abs=1e-5)
    assert probs.max() > 20 * probs.mean()


def test_entropies_are_those_of_the_whole_distribution(sharp: Controller, every: torch.Tensor) -> None:
    """The chain rule: what is met on the way is, on average, the entropy of the sequences."""
    log_probs, entropies = (values.double() for values in sharp.log_prob_and_entropy(every))
    exact = -(log_probs.exp() * log_probs).sum().item()
    assert (log_probs.exp() * entropies).sum().item() == pytest.approx(exact, rel=1e-5)
    assert exact < 0.9 * math.log(len(every))


def test_a_source_that_is_taken_has_probability_zero(sharp: Controller, every: torch.Tensor) -> None:
    again = every[:1].clone()
    again[0, 4] = again[0, 2]
    assert sharp.log_prob_and_entropy(again)[0].exp().item() == 0


def test_samples_are_as_frequent_as_their_probabilities_say(sharp: Controller, every: torch.Tensor) -> None:
    n = 20_000
    decisions = sharp.sample(n, generator=generator())[1]
    probs = sharp.log_prob_and_entropy(every)[0].exp().tolist()
    index = {tuple(row): number for number, row in enumerate(every.tolist())}
    counts = [0] * len(every)
    for row in decisions.tolist():
        counts[index[tuple(row)]] += 1
    common = [number for number, prob in enumerate(probs) if n * prob >= 20]
    chi_square = sum((counts[i] - n * probs[i]) ** 2 / (n * probs[i]) for i in common)
    assert len(common) > 100
    assert chi_square / len(common) == pytest.approx(1, abs=4 * math.sqrt(2 / len(common)))


def test_every_genotype_of_a_space_is_written(sharp: Controller, every: torch.Tensor) -> None:
    written = {sharp.genotype_of(row) for row in every.tolist()}
    ordered = {sharp.genotype_of(row).to_json() for row in every.tolist()}
    assert all(TINY.contains(genotype) for genotype in written)
    # The two edges into node 3 can be written in either order, so that each genotype is written twice.
    assert len(ordered) == TINY.size() == len(every) // 2


def test_samples_are_what_their_decisions_write() -> None:
    controller = Controller(GENOME_NAS, seed=0, hidden=16)
    found, decisions = controller.sample(20, generator=generator())
    assert decisions.shape == (20, controller.n_decisions) == (20, 2 * (2 + 3 * 4) + 15)
    for genotype, row in zip(found, decisions.tolist(), strict=True):
        assert GENOME_NAS.contains(genotype)
        assert genotype == controller.genotype_of(row)
    assert len(set(found)) == 20


@given(genotypes(GENOME_NAS))
def test_decisions_of_a_genotype_write_it(genotype: Genotype) -> None:
    controller = Controller(GENOME_NAS, seed=0, hidden=1)
    assert controller.genotype_of(controller.decisions_of(genotype).tolist()) == genotype


@given(st.data())
def test_any_space_is_written(data: st.DataObject) -> None:
    space = data.draw(search_spaces())
    controller = Controller(space, seed=0, hidden=2)
    for genotype in controller.sample(3, generator=generator())[0]:
        assert space.contains(genotype)
        decisions = controller.decisions_of(genotype)
        assert controller.genotype_of(decisions.tolist()) == genotype
        log_prob, entropy = controller.log_prob_and_entropy(decisions[None])
        assert log_prob.item() <= 0 <= entropy.item()


def test_a_genotype_of_another_space_has_no_decisions() -> None:
    genotype = Controller(TINY, seed=0, hidden=2).sample(1, generator=generator())[0][0]
    with pytest.raises(DataError, match="in space 'genome-nas'"):
        Controller(GENOME_NAS, seed=0, hidden=2).decisions_of(genotype)


def test_nothing_is_decided_in_a_space_of_one_genotype() -> None:
    cells = ConvCellSpace(1, 2, ("max_pool_5",))
    space = SearchSpace(name="one", normal=cells, reduce=cells, recurrent=RecurrentCellSpace(1, ("tanh",)))
    controller = Controller(space, seed=0, hidden=2)
    found, decisions = controller.sample(3, generator=generator())
    assert decisions.shape == (3, 0)
    assert len(set(found)) == 1
    log_probs, entropies = controller.log_prob_and_entropy(decisions)
    assert log_probs.tolist() == entropies.tolist() == [0.0] * 3


def test_an_untrained_controller_is_nearly_uniform(every: torch.Tensor) -> None:
    log_probs, entropies = Controller(TINY, seed=0).log_prob_and_entropy(every)
    uniform = math.log(len(every))
    assert (log_probs + uniform).abs().max() < 1
    assert entropies.min() > 0.99 * uniform


def test_a_batch_is_written_as_its_rows(sharp: Controller, every: torch.Tensor) -> None:
    rows = every[::200]
    alone = torch.cat([sharp.log_prob_and_entropy(row[None])[0] for row in rows])
    assert torch.allclose(sharp.log_prob_and_entropy(rows)[0], alone, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_weight(sharp: Controller, every: torch.Tensor) -> None:
    log_probs, entropies = sharp.log_prob_and_entropy(every[::50])
    weights = dict(sharp.named_parameters())
    gradients = torch.autograd.grad(
        (log_probs * log_probs + entropies).sum(), list(weights.values()), allow_unused=True
    )
    idle = [name for name, one in zip(weights, gradients, strict=True) if one is None or not one.any()]
    # The reduction cell has one op.
    assert idle == ["heads.1.weight", "heads.1.bias", "embeddings.1.weight"]


@pytest.mark.parametrize(
    ("temperature", "tanh_constant", "reduce", "limit"), [(1.0, 1.1, 2.5, 0.88), (5.0, 2.5, 1.0, 5.0)]
)
def test_logits_of_ops_are_squashed(
    temperature: float, tanh_constant: float, reduce: float, limit: float, every: torch.Tensor
) -> None:
    """Between the likeliest and the unlikeliest of two ops lie twice the constant, whatever the weights."""
    controller = Controller(
        TINY, seed=0, temperature=temperature, tanh_constant=tanh_constant, op_tanh_reduce=reduce
    )
    with torch.no_grad():
        for head in heads(controller):
            head.bias.copy_(torch.linspace(1e3, -1e3, len(head.bias)))
        probs = controller.log_prob_and_entropy(every)[0].double().exp()
    is_likelier = every[:, 0] == 0  # the op of the first edge
    odds = probs[is_likelier].sum() / probs[~is_likelier].sum()
    assert math.log(odds) == pytest.approx(limit, abs=1e-3)


def test_temperature_without_a_limit_divides_the_logits() -> None:
    def odds(temperature: float) -> float:
        controller = Controller(TINY, seed=0, hidden=4, temperature=temperature, tanh_constant=None)
        with torch.no_grad():
            heads(controller)[0].weight.zero_()
            heads(controller)[0].bias.copy_(torch.tensor([3.0, -3.0]))
            # The last op of the normal cell; what follows it is nearly uniform either way.
            rows = torch.tensor([[0, 0, 0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]])
            likelier, unlikelier = controller.log_prob_and_entropy(rows)[0].tolist()
        return float(likelier - unlikelier)

    assert odds(1.0) == pytest.approx(6, abs=0.1)
    assert odds(3.0) == pytest.approx(2, abs=0.1)


def test_the_seed_decides_the_weights_and_no_global_state_is_touched() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (Controller(TINY, seed=seed, hidden=4) for seed in (1, 1, 2))
    first.sample(4, generator=generator())
    assert torch.equal(first.start, second.start)
    assert not torch.equal(first.start, other.start)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_generator_decides_the_samples() -> None:
    controller = Controller(GENOME_NAS, seed=0, hidden=4)
    first, second, other = (controller.sample(8, generator=generator(seed))[1] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
