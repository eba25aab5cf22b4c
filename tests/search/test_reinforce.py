"""What a policy learns from scores, and what its samples count as."""

import json
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import Source, SourceOptions, Trial
from genotools.search.reinforce import Reinforce, clipped_gains

OPS = ("max_pool_5", "dil_conv_9")
SMALL = SearchSpace(
    name="small",
    normal=ConvCellSpace(2, 2, OPS),
    reduce=ConvCellSpace(1, 1, OPS),
    recurrent=RecurrentCellSpace(2, ("tanh", "relu")),
)
"""1536 genotypes."""

FOUR = SearchSpace(
    name="four",
    normal=ConvCellSpace(1, 2, ("max_pool_5",)),
    reduce=ConvCellSpace(1, 1, ("max_pool_5",)),
    recurrent=RecurrentCellSpace(1, ("tanh", "relu")),
)

SETTINGS: dict[str, Any] = {
    "hidden": 16,
    "lr": 1e-2,
    "baseline_decay": 0.9,
    "entropy_weight": 1e-4,
    "temperature": 1.0,
    "tanh_constant": 2.5,
    "op_tanh_reduce": 1.0,
    "n_updates": 1,
}

Score = Callable[[Genotype], float | None]


class Recording(Reinforce):
    """Keeps the rewards that it learned from."""

    def _learn(self, rewards: Sequence[float]) -> None:
        self.rewards = list(rewards)
        super()._learn(rewards)


def policy(
    space: SearchSpace = SMALL, *, seed: int = 0, options: SourceOptions | None = None, **settings: Any
) -> Recording:
    source = Source(space, rng=np.random.default_rng(seed), options=options)
    return Recording("rl", source, **SETTINGS | settings)


def trials_of(genotypes: Sequence[Genotype], score: Score) -> list[Trial]:
    scores = [score(genotype) for genotype in genotypes]
    return [
        Trial(number=number, genotype=genotype, seed=0, scores=None if value is None else (value,))
        for number, (genotype, value) in enumerate(zip(genotypes, scores, strict=True))
    ]


def share_of_pools(genotype: Genotype) -> float:
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    return sum(edge.op == "max_pool_5" for edge in edges) / len(edges)


def is_tanh(genotype: Genotype) -> float:
    return float(genotype.recurrent.states[0].activation == "tanh")


def run(learner: Reinforce, score: Score, n_rounds: int, *, round_size: int = 10) -> list[list[Genotype]]:
    rounds = []
    for _ in range(n_rounds):
        rounds.append(learner.ask(round_size))
        learner.tell(trials_of(rounds[-1], score))
    return rounds


@pytest.mark.parametrize("n_updates", [1, 5])
def test_samples_come_to_score_higher(n_updates: int) -> None:
    learner = policy(n_updates=n_updates)
    before = statistics.mean(map(share_of_pools, learner.draw(400)))
    run(learner, share_of_pools, 20)
    after = statistics.mean(map(share_of_pools, learner.draw(400)))
    assert before == pytest.approx(0.5, abs=0.08)
    assert after > 0.7


def test_several_updates_learn_more_from_a_round() -> None:
    reached = []
    for n_updates in (1, 5):
        learner = policy(n_updates=n_updates)
        run(learner, share_of_pools, 4)
        reached.append(statistics.mean(map(share_of_pools, learner.draw(400))))
    assert reached[1] > reached[0] + 0.05


def test_low_scores_are_learned_from_as_well_as_high_ones() -> None:
    """Losses are negative scores, of any size."""
    learner = policy()
    run(learner, lambda genotype: 1000 * (share_of_pools(genotype) - 3), 20)
    assert statistics.mean(map(share_of_pools, learner.draw(400))) > 0.7


def test_entropy_keeps_a_policy_from_settling() -> None:
    def pools(entropy_weight: float) -> float:
        learner = policy(entropy_weight=entropy_weight)
        run(learner, share_of_pools, 20)
        return statistics.mean(map(share_of_pools, learner.draw(400)))

    assert pools(1.0) < 0.6 < pools(0.0)


def test_the_first_update_follows_the_gradient_of_reinforce() -> None:
    learner = policy(baseline_decay=0.5, entropy_weight=0.3)
    asked = learner.ask(6)
    before = learner.state_dict()
    twin = policy(baseline_decay=0.5, entropy_weight=0.3)
    twin.ask(6)
    controller, decisions = twin._controller, twin._decisions
    rewards = [share_of_pools(genotype) for genotype in asked]
    log_probs, entropies = controller.log_prob_and_entropy(decisions)
    advantages = torch.tensor(rewards) - statistics.mean(rewards)
    loss = -(advantages * log_probs).mean() - 0.3 * entropies.mean()
    gradients = torch.autograd.grad(loss, list(controller.parameters()))
    expected = torch.cat([gradient.flatten() for gradient in gradients])

    learner.tell(trials_of(asked, share_of_pools))
    state = learner._optimiser.state_dict()["state"]
    found = torch.cat([one["exp_avg"].flatten() for one in state.values()]) / (1 - 0.9)  # Adam's first moment
    assert before["n_steps"] == 0
    assert learner.state_dict()["n_steps"] == 1
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert expected.abs().max() > 1e-4


def test_the_baseline_starts_at_the_first_mean_and_takes_in_one_score_after_another() -> None:
    learner = policy(FOUR, baseline_decay=0.5)
    asked = learner.ask(2)
    learner.tell(trials_of(asked, is_tanh))
    first, second = learner.rewards
    mean = (first + second) / 2
    assert learner.state_dict()["baseline"] == pytest.approx(0.25 * mean + 0.25 * first + 0.5 * second)


def test_gains_are_clipped_only_where_that_lowers_them() -> None:
    ratios = torch.tensor([1.0, 1.1, 3.0, 0.1, 3.0, 0.1])
    advantages = torch.tensor([2.0, 2.0, 2.0, 2.0, -1.0, -1.0])
    assert clipped_gains(ratios, advantages).tolist() == pytest.approx([2, 2.2, 2.4, 0.2, -3, -0.8])


def test_what_is_known_counts_with_its_latest_score_and_is_not_asked_for_again() -> None:
    learner = policy(FOUR)
    asked = learner.ask(3)
    learner.tell(trials_of(asked, lambda genotype: 5.0))
    digests = [genotype.digest for genotype in asked]
    assert len(set(digests)) == len(digests) < 4
    assert learner.rewards == [5.0] * 3
    more = learner.ask(20)
    assert not {genotype.digest for genotype in more} & set(digests)
    learner.tell(trials_of(more, lambda genotype: 7.0))
    assert sorted(set(learner.rewards)) == [5.0, 7.0]
    assert len(learner.rewards) == 20


def test_a_policy_without_anything_new_ends() -> None:
    learner = policy(FOUR)
    rounds = run(learner, is_tanh, 8)
    assert sum(map(len, rounds)) == FOUR.size() == 4
    assert learner.ask(10) == []
    assert learner.derive(10) == []


def test_failures_and_scores_that_are_no_numbers_count_as_the_lowest_score() -> None:
    learner = policy()
    learner.tell(trials_of(learner.ask(4), lambda genotype: 3.0))
    values = iter([2.0, None, math.nan, -math.inf, 9.0])
    asked = learner.ask(5)
    assert len(asked) == 5
    learner.tell(trials_of(asked, lambda genotype: next(values)))
    assert learner.rewards == [2.0, 2.0, 2.0, 2.0, 9.0]


def test_nothing_is_learned_while_everything_fails() -> None:
    learner = policy()
    before = learner.state_dict()
    learner.tell(trials_of(learner.ask(5), lambda genotype: None))
    after = learner.state_dict()
    assert after["weights"] == before["weights"]
    assert after["baseline"] is None
    learner.tell(trials_of(learner.ask(5), share_of_pools))
    assert learner.state_dict()["weights"] != before["weights"]


def test_a_policy_learns_to_avoid_what_is_refused() -> None:
    options = SourceOptions(accepts=lambda genotype: share_of_pools(genotype) < 0.5)
    learner = policy(options=options)

    def n_refused() -> int:
        return sum(share_of_pools(genotype) >= 0.5 for genotype in learner.draw(200))

    before = n_refused()
    scores = iter(np.random.default_rng(0).uniform(0.9, 1, size=500).tolist())
    rounds = run(learner, lambda genotype: next(scores), 15)
    assert all(share_of_pools(genotype) < 0.5 for asked in rounds for genotype in asked)
    # Refused samples have the lowest of these scores: no signal in their first round, a steady one later.
    assert n_refused() < before - 30


def test_warm_starts_come_first_and_are_learned_from() -> None:
    rng = np.random.default_rng(5)
    starts = [SMALL.sample(rng=rng) for _ in range(5)]
    learner = policy(options=SourceOptions(initial=starts))
    assert learner.ask(3) == starts[:3]
    learner.tell(trials_of(starts[:3], share_of_pools))
    assert learner.rewards == [share_of_pools(genotype) for genotype in starts[:3]]
    assert learner.ask(3)[:2] == starts[3:]


def test_no_genotype_is_asked_for_twice() -> None:
    learner = policy(n_updates=5)
    rounds = run(learner, share_of_pools, 8)
    digests = [genotype.digest for asked in rounds for genotype in asked]
    derived = learner.derive(30)
    digests += [genotype.digest for genotype in derived]
    assert len(set(digests)) == len(digests)
    assert len(derived) == 30


def test_a_state_continues_to_the_last_bit() -> None:
    learner = policy(n_updates=3)
    run(learner, share_of_pools, 4)
    copy = policy(seed=99, n_updates=3)
    copy.load_state_dict(json.loads(json.dumps(learner.state_dict())))
    assert copy.state_dict() == learner.state_dict()
    assert run(copy, share_of_pools, 4) == run(learner, share_of_pools, 4)
    assert copy.state_dict() == learner.state_dict()


def test_the_number_of_threads_changes_nothing() -> None:
    before = torch.get_num_threads()
    states = []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            learner = policy(GENOME_NAS, hidden=100, n_updates=2)
            run(learner, share_of_pools, 2, round_size=40)
            states.append(learner.state_dict())
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert states[0] == states[1]


def test_the_state_of_another_width_is_refused() -> None:
    state = policy(hidden=8).state_dict()
    with pytest.raises(DataError, match="saved with another search space or another hidden"):
        policy().load_state_dict(state)


def test_a_space_of_one_genotype_is_no_trouble() -> None:
    cells = ConvCellSpace(1, 2, ("max_pool_5",))
    space = SearchSpace(name="one", normal=cells, reduce=cells, recurrent=RecurrentCellSpace(1, ("tanh",)))
    learner = policy(space)
    assert [len(asked) for asked in run(learner, is_tanh, 1)] == [1]
    assert learner.ask(3) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "hidden is 0, it must be at least 1"),
        ({"lr": -0.1}, "lr is -0.1, it must be at least 0"),
        ({"baseline_decay": 1.5}, "baseline_decay is 1.5, it must be at most 1"),
        ({"temperature": 0.0}, "temperature is 0.0, it must be at least 0.001"),
        ({"tanh_constant": -1.0}, "tanh_constant is -1.0, it must be at least 0.001"),
        ({"entropy_weight": math.nan}, "entropy_weight is nan, it must be at least 0"),
        ({"n_updates": 0}, "n_updates is 0, it must be at least 1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"settings of engine 'rl': {message}"):
        policy(**settings)
