"""Perturbation selection: what it measures, and what it keeps."""

import numpy as np
import pytest
import torch

from genotools.data.store import SequenceStore
from genotools.genotype import Macro, SearchSpace, Task
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps, Role
from genotools.nn.supernet import Supernet, build_supernet
from genotools.search.perturbation import HeldOutLoss, select_by_perturbation, with_none_switched_off


@pytest.fixture
def pair(small_space: SearchSpace, macro: Macro, store: SequenceStore) -> tuple[Supernet, Alphas]:
    live = LiveOps.full(small_space)
    alphas = Alphas(live, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for role in ROLES:
            alphas[role].copy_(torch.randn(alphas[role].shape, generator=torch.Generator().manual_seed(2)))
    return build_supernet(live, macro, Task(len(store.names), names=store.names), seed=1), alphas


def loss_of(store: SequenceStore) -> HeldOutLoss:
    device = torch.device("cpu")
    return HeldOutLoss(store, store.rows("valid"), n_batches=2, batch_size=8, device=device)


def test_the_loss_is_the_same_every_time_and_leaves_no_trace(
    pair: tuple[Supernet, Alphas], store: SequenceStore
) -> None:
    supernet, alphas = pair
    supernet.set_dropout(skip=0.5, dropout_x=0.4, dropout_h=0.3, head=0.2)
    supernet.eval()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    loss = loss_of(store)
    assert loss(supernet, alphas) == loss(supernet, alphas)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
    assert not supernet.training
    assert supernet.recurrent is not None
    assert (supernet.recurrent.dropout_x, supernet.recurrent.dropout_h) == (0.4, 0.3)
    assert supernet.head.dropout.p == 0.2


def test_none_without_a_share_changes_what_the_mixture_would_be_without_it(
    pair: tuple[Supernet, Alphas], store: SequenceStore
) -> None:
    supernet, alphas = pair
    wider, wider_alphas = with_none_switched_off(supernet, alphas)
    live = supernet.live.without("none")
    smaller = build_supernet(live, supernet.macro, supernet.task, seed=0)
    smaller.load_from(supernet)
    loss = loss_of(store)
    assert loss(wider, wider_alphas) == pytest.approx(loss(smaller, alphas.carried(live)), abs=1e-6)
    # Alphas from which none had been pruned get it back, so that edges can be taken away.
    again, again_alphas = with_none_switched_off(smaller, alphas.carried(live))
    assert loss(again, again_alphas) == pytest.approx(loss(wider, wider_alphas), abs=1e-6)


def test_it_keeps_what_hurts_most_when_it_is_gone(
    pair: tuple[Supernet, Alphas], small_space: SearchSpace
) -> None:
    # A loss made up of the shares of single ops: each op has a worth, and its share lowers the loss by that much.
    worth = {
        (role, *entry): float(value)
        for role in ROLES
        for entry, value in zip(pair[0].live.each(role), np.random.default_rng(3).random(200), strict=False)
        if entry.op != "none"
    }

    def loss(supernet: Supernet, alphas: Alphas) -> float:
        del supernet
        return -sum(
            worth.get((role, *entry), 0.0) * share
            for role in ROLES
            for entry, share in alphas.probs(role).items()
        )

    supernet, alphas = with_none_switched_off(*pair)
    with torch.no_grad():  # equal shares at first: taking away the worthiest op raises the loss most
        for role in ROLES:
            alphas[role].masked_fill_(alphas[role] > -1e9, 0.0)
    decisions = []
    genotype = select_by_perturbation(
        small_space,
        supernet,
        alphas,
        loss,
        rng=np.random.default_rng(0),
        after_decision=lambda n_done, n: decisions.append((n_done, n)),
    )

    def best(role: Role, source: int, target: int) -> tuple[float, str]:
        ops = supernet.live.ops(role, source, target)
        return max((worth[role, source, target, op], op) for op in ops if op != "none")

    for role, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        for target in {edge.target for edge in cell.edges}:
            ranked = sorted(((*best(role, s, target), s) for s in range(target)), reverse=True)[:2]
            expected = {(source, op) for _, op, source in ranked}
            assert {(edge.source, edge.op) for edge in cell.edges if edge.target == target} == expected
    for number, (source, op) in enumerate(genotype.recurrent.states, start=1):
        _, expected_op, expected_source = max((*best("recurrent", s, number), s) for s in range(number))
        assert (source, op) == (expected_source, expected_op)
    n = 9 + 5 + 6 + 3 + 2 + 3
    assert decisions == [(number, n) for number in range(1, n + 1)]


def test_a_real_loss_gives_a_legal_genotype(
    pair: tuple[Supernet, Alphas], small_space: SearchSpace, store: SequenceStore
) -> None:
    genotypes = [
        select_by_perturbation(
            small_space,
            *with_none_switched_off(*pair),
            loss_of(store),
            rng=np.random.default_rng(0),
        )
        for _ in range(2)
    ]
    assert small_space.contains(genotypes[0])
    assert genotypes[0] == genotypes[1]
    assert pair[1].values("normal")[LiveOp(0, 2, "none")] > -10  # what was given is not changed
