"""Alphas: initial values, softmax, carrying between stages."""

import math

import numpy as np
import pytest
import torch

from genotools import GENOME_NAS
from genotools.errors import DataError
from genotools.nn.alphas import INIT_SCALE, Alphas
from genotools.nn.live_ops import NONE, ROLES, LiveEdge, LiveOp, LiveOps

FULL = LiveOps.full(GENOME_NAS)
CONV = (LiveEdge(0, 2, (NONE, "max_pool_5", "conv_15")), LiveEdge(1, 2, ("skip_connect",)))
RAGGED = LiveOps(CONV, CONV, (LiveEdge(0, 1, ("tanh", "relu")),))


def make(live: LiveOps, seed: int = 0) -> Alphas:
    return Alphas(live, generator=torch.Generator().manual_seed(seed))


def test_alphas_start_small_and_depend_on_the_generator_alone() -> None:
    first, again, other = make(FULL), make(FULL), make(FULL, seed=1)
    values = torch.cat([tensor.detach().flatten() for tensor in first.tensors])
    assert 0.9 * INIT_SCALE < float(values.std()) < 1.1 * INIT_SCALE
    assert all(torch.equal(one, two) for one, two in zip(first.tensors, again.tensors, strict=True))
    assert not torch.equal(first["normal"], other["normal"])


def test_softmax_runs_over_the_live_ops_of_an_edge() -> None:
    alphas = make(RAGGED)
    alphas.set_values(
        "normal", {(0, 2, NONE): 0.0, (0, 2, "max_pool_5"): math.log(2), (0, 2, "conv_15"): 0.0}
    )
    probs = alphas.probs("normal")
    assert probs == pytest.approx(
        {(0, 2, NONE): 0.25, (0, 2, "max_pool_5"): 0.5, (0, 2, "conv_15"): 0.25, (1, 2, "skip_connect"): 1.0}
    )
    assert alphas.softmax("normal")[1].tolist() == [1.0, 0.0, 0.0]


def test_filling_gets_no_gradient_and_survives_weight_decay() -> None:
    alphas = make(RAGGED)
    optimiser = torch.optim.Adam(alphas.tensors, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        sum((alphas.softmax(role) ** 2).sum() for role in ROLES).backward()  # type: ignore[union-attr]
        optimiser.step()
    assert alphas["normal"].grad is not None
    assert alphas["normal"].grad[1].abs().max() < 1e-12
    assert alphas["normal"][1, 1:].tolist() == [0.0, 0.0]
    assert torch.isfinite(alphas["normal"]).all()


def test_alphas_are_carried_by_edge_and_op() -> None:
    alphas = make(FULL)
    rng = np.random.default_rng(0)
    live = FULL.keep_best("normal", {entry: float(rng.random()) for entry in FULL.each("normal")}, 4)
    live = live.drop_edges("normal", [(0, 3)]).drop("recurrent", [(2, 5, "tanh")])
    carried = alphas.carried(live)
    assert carried.live == live
    for role in ROLES:
        before, after = alphas.values(role), carried.values(role)
        assert after == {entry: before[entry] for entry in live.each(role)}
    assert all(tensor.requires_grad and tensor.is_leaf for tensor in carried.tensors)


def test_alphas_of_new_ops_cannot_be_carried() -> None:
    with pytest.raises(DataError, match="live in the new stage that was not before"):
        make(RAGGED).carried(FULL)


def test_a_copy_is_independent() -> None:
    alphas = make(RAGGED)
    copy = alphas.copy()
    copy.set_values("normal", {(0, 2, NONE): 5.0})
    assert alphas.values("normal")[LiveOp(0, 2, NONE)] < 1
    assert copy.values("recurrent") == alphas.values("recurrent")


def test_state_round_trip_and_wrong_state() -> None:
    alphas, other = make(RAGGED), make(RAGGED, seed=1)
    other.load_state_dict(alphas.state_dict())
    assert all(other.values(role) == alphas.values(role) for role in ROLES)
    with pytest.raises(DataError, match=r"alphas normal: shape \(14, 9\), \(2, 3\) was expected"):
        alphas.load_state_dict(make(FULL).state_dict())
    with pytest.raises(DataError, match="alphas reduce: shape none"):
        alphas.load_state_dict({"normal": alphas["normal"]})


def test_frozen_alphas_take_no_gradient_and_thaw() -> None:
    alphas = make(RAGGED)
    with alphas.frozen():
        assert not alphas.softmax("normal").requires_grad
    assert alphas.softmax("normal").requires_grad


def test_setting_what_is_not_live_is_an_error() -> None:
    with pytest.raises(DataError, match="tanh on 0 -> 2 is not live"):
        make(RAGGED).set_values("normal", {(0, 2, "tanh"): 0.0})
