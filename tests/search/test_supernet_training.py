"""What the two kinds of steps touch, and what they are a function of."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from genotools.data.store import SequenceStore
from genotools.genotype import Macro, SearchSpace, Task
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import build_supernet
from genotools.nn.supernet_plain import build_plain_supernet
from genotools.search.halves import EpochBatches, split_halves
from genotools.search.one_shot_settings import OneShotSettings, Order
from genotools.search.supernet_training import StageTraining
from genotools.training.divergence import DivergedError

Make = Callable[..., StageTraining]


@pytest.fixture
def make(store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings) -> Make:
    def make(**changes: object) -> StageTraining:
        changed = replace(settings, **changes)  # type: ignore[arg-type]
        live = LiveOps.full(small_space)
        alphas = Alphas(live, generator=torch.Generator().manual_seed(1))
        build = build_plain_supernet if changed.order == "second" else build_supernet
        supernet = build(live, macro, Task(len(store.names), names=store.names), seed=1)
        halves = split_halves(store, changed.alpha_data, seed=3)
        return StageTraining(
            supernet, alphas, store, halves, changed, stage=1, seed=5, device=torch.device("cpu")
        )

    return make


def batch(training: StageTraining) -> tuple[torch.Tensor, torch.Tensor]:
    rows = training.halves.weights[:8]
    codes = torch.from_numpy(training.store.codes(rows))
    return codes, torch.from_numpy(training.store.labels(rows)).float()


def nothing() -> None:
    pass


def copied(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_weight_step_leaves_the_alphas_alone(make: Make) -> None:
    training = make()
    alphas, weights = training.alphas.state_dict(), copied(training.supernet.state_dict())
    training.weight_step(batch(training))
    assert same(training.alphas.state_dict(), alphas)
    assert all(tensor.grad is None for tensor in training.alphas.tensors)
    assert not same(training.supernet.state_dict(), weights)


@pytest.mark.parametrize("order", ["first", "second"])
def test_an_alpha_step_leaves_weights_statistics_and_momentum_alone(make: Make, order: Order) -> None:
    training = make(order=order)
    training.weight_step(batch(training))  # so that there is momentum
    training.optimiser.zero_grad(set_to_none=True)
    before, alphas = copied(training.state()), training.alphas.state_dict()
    training.alpha_step(batch(training), batch(training), seed=2)
    after = training.state()
    unchanged = [name for name in before if name.startswith(("supernet/", "momentum/"))]
    assert len(unchanged) > 20
    assert all(torch.equal(before[name], after[name]) for name in unchanged)
    assert all(parameter.grad is None for parameter in training.supernet.parameters())
    moved = training.alphas.state_dict()
    assert all(not torch.equal(moved[role], alphas[role]) for role in moved)


def test_weights_are_no_alphas_and_alphas_no_weights(make: Make) -> None:
    training = make()
    weights = {id(p) for group in training.optimiser.param_groups for p in group["params"]}
    alphas = {id(p) for group in training.alpha_optimiser.param_groups for p in group["params"]}
    assert weights == {id(p) for p in training.supernet.parameters()}
    assert alphas == {id(tensor) for tensor in training.alphas.tensors}


def test_second_order_on_a_supernet_is_the_derivative_of_the_step_it_takes(make: Make) -> None:
    # The held-out loss after one real step, as a function of an alpha, differentiated numerically in float64.
    training = make(order="second", alpha_clip_norm=None)
    training.supernet.double()
    training.alphas = Alphas(training.supernet.live, generator=torch.Generator().manual_seed(1))
    training.alphas._tensors = {
        role: tensor.detach().double().requires_grad_() for role, tensor in training.alphas._tensors.items()
    }
    held_out, train = batch(training), tuple(tensor.flip(0) for tensor in batch(training))
    training.supernet.set_dropout(skip=0.0, dropout_x=0.0, dropout_h=0.0, head=0.0)
    weights = copied(training.supernet.state_dict())

    def loss_after_a_step() -> float:
        training.supernet.load_state_dict(weights)
        training.optimiser.state.clear()
        training.weight_step((train[0], train[1]))
        with torch.no_grad():
            logits = training.supernet(held_out[0], training.alphas)
            return F.binary_cross_entropy_with_logits(logits, held_out[1].double()).item()

    tensor, shift, expected = training.alphas["normal"], 1e-5, []
    places = [(0, 1), (2, 3), (5, 2)]
    for place in places:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                tensor[place] += sign * shift
            values.append(loss_after_a_step())
            with torch.no_grad():
                tensor[place] -= sign * shift
        expected.append((values[0] - values[1]) / (2 * shift))
    training.supernet.load_state_dict(weights)
    training.optimiser.state.clear()
    training.second_order(held_out, (train[0], train[1]), seed=2)
    assert tensor.grad is not None
    found = [tensor.grad[place].item() for place in places]
    assert found == pytest.approx(expected, rel=0.02, abs=1e-4)


def test_alphas_wait_for_the_weight_only_epochs(make: Make, settings: OneShotSettings) -> None:
    stages = (settings.stages[1], replace(settings.stages[1], weight_only_epochs=1))
    training = make(stages=stages)
    before = training.alphas.state_dict()
    losses = training.run_epoch(before_step=nothing)
    assert losses.alpha_loss is None
    assert same(training.alphas.state_dict(), before)
    losses = training.run_epoch(before_step=nothing)
    assert losses.alpha_loss is not None
    assert not same(training.alphas.state_dict(), before)


def test_an_epoch_is_a_function_of_its_place(make: Make) -> None:
    first, second = make(), make()
    torch.manual_seed(1)
    losses = first.run_epoch(before_step=nothing)
    torch.manual_seed(2)  # the global state decides nothing, and is left alone
    state = torch.get_rng_state()
    again = second.run_epoch(before_step=nothing)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first.state(), second.state())
    assert (losses.train_loss, losses.alpha_loss) == (again.train_loss, again.alpha_loss)


@pytest.mark.parametrize("what", ["weight", "alpha"])
def test_a_loss_that_is_not_finite_names_stage_epoch_and_step(make: Make, what: str) -> None:
    training = make()

    def spoil() -> None:
        if training.step == 1:
            tensor = training.alphas["normal"] if what == "alpha" else next(training.supernet.parameters())
            with torch.no_grad():
                tensor.fill_(math.nan)

    with pytest.raises(DivergedError, match=r"stage 2, epoch 1, step 2\."):
        training.run_epoch(before_step=spoil)


def test_the_halves_share_no_window_and_are_not_the_validation_split(store: SequenceStore) -> None:
    halves = split_halves(store, "train-half", seed=3)
    both = np.concatenate([halves.weights, halves.alphas])
    assert sorted(both) == sorted(store.rows("train"))
    assert len(halves.weights) == len(halves.alphas) == 80
    assert not np.array_equal(split_halves(store, "train-half", seed=4).alphas, halves.alphas)


def test_neighbours_stay_together(store: SequenceStore) -> None:
    alphas = split_halves(store, "train-half", seed=3).alphas
    # Stretches of 20 rows here: 3 or fewer breaks besides the one that makes the halves equal.
    assert (np.diff(alphas) > 1).sum() <= 4


def test_alphas_may_take_the_validation_split(store: SequenceStore) -> None:
    halves = split_halves(store, "valid", seed=3)
    assert halves.weights.tolist() == store.rows("train").tolist()
    assert halves.alphas.tolist() == store.rows("valid").tolist()


def test_every_window_is_used_once_before_any_is_used_again(store: SequenceStore) -> None:
    rows = store.rows("valid")[:10]
    drawn = EpochBatches(store, rows, n_steps=6, batch_size=4, reverse_complement_rate=0.0, seed=1, path=(2,))
    assert len(drawn[5][0]) == 4
    order = drawn.rows
    assert len(set(order[:8])) == 8
    assert len(set(order[8:16])) == 8
    assert set(order) <= set(rows)
