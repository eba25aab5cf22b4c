"""Perturbation selection (DARTS-PT): an op is worth what the supernet loses without it.

One edge after another, in random order: every op but ``none`` is taken away in turn, and the one whose absence raises
the held-out loss most is what the edge keeps; the others go. Then, node after node, the edges whose absence hurts
most stay. In between the weights may be trained on. The loss is taken on fixed batches of the alphas' data, batch
norms by the statistics of the batch, since running ones lag behind what is taken away.

Reference: Wang et al., Rethinking Architecture Selection in Differentiable NAS (2021); there, accuracy is measured.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import NONE, ROLES, LiveEdge, LiveOp, LiveOps, Role
from genotools.nn.supernet import Supernet, build_supernet, frozen_statistics, without_dropout
from genotools.search.derive import Probs, derive
from genotools.search.supernet_faults import LOWER_THE_RATES
from genotools.training.divergence import DivergedError
from genotools.training.loss import prediction_loss
from genotools.training.validation import to_device

__all__ = ["HeldOutLoss", "select_by_perturbation", "with_none_switched_off"]

Loss = Callable[[Supernet, Alphas], float]


# What Alphas.set_values takes.
Values = dict[tuple[int, int, str], float | Tensor]


class HeldOutLoss:
    """The mean loss of a supernet over fixed batches.

    Parameters
    ----------
    store, rows
        Where the batches lie; they are spread evenly over ``rows``, forward strand.
    n_batches, batch_size
        How many and how large.
    device
        Where the supernet is.
    """

    def __init__(
        self,
        store: SequenceStore,
        rows: NDArray[np.int64],
        *,
        n_batches: int,
        batch_size: int,
        device: torch.device,
    ) -> None:
        size = min(batch_size, len(rows))
        n_batches = min(n_batches, len(rows) // size)
        spread = rows[np.linspace(0, len(rows) - 1, n_batches * size).astype(np.int64)]
        self._store_path, self._rows = store.path, np.split(spread, n_batches)
        self._batches = [
            (to_device(store.codes(part), device), to_device(store.labels(part), device).float())
            for part in self._rows
        ]

    def __call__(self, supernet: Supernet, alphas: Alphas) -> float:
        """Return the loss with batch statistics and without dropout; supernet and statistics stay as they are."""
        return self.of(supernet, lambda codes: supernet(codes, alphas))

    @torch.no_grad()
    def of(self, supernet: Supernet, forward: Callable[[Tensor], Tensor]) -> float:
        """Return the same for any way to run the supernet on base codes ``(N, L)``.

        Raises
        ------
        DivergedError
            If it is not finite: nothing can be chosen by it.
        """
        was_training = supernet.training
        supernet.train()
        total = 0.0
        with frozen_statistics(supernet), without_dropout(supernet):
            for (codes, targets), rows in zip(self._batches, self._rows, strict=True):
                loss = prediction_loss(forward(codes), targets, supernet.task.kind).item()
                if not math.isfinite(loss):
                    what = "the held-out loss that ops are judged by is not a finite number"
                    raise DivergedError(what, rows=rows, store_path=self._store_path, way_out=LOWER_THE_RATES)
                total += loss
        supernet.train(was_training)
        return total / len(self._batches)


def select_by_perturbation(
    space: SearchSpace,
    supernet: Supernet,
    alphas: Alphas,
    loss: Loss,
    *,
    rng: np.random.Generator,
    after_decision: Callable[[int, int], None] = lambda n_done, n_decisions: None,
) -> Genotype:
    """Return the genotype that the losses choose.

    Parameters
    ----------
    space
        Gives the in-degrees and the name.
    supernet, alphas
        As :func:`with_none_switched_off` returns them. The alphas are changed: they end as the choice.
    loss
        Of a supernet and alphas.
    rng
        Draws the order of edges and of nodes.
    after_decision
        Called with the number of decisions made, and of all; may train the supernet on.
    """
    live = supernet.live
    # Nothing depends on a recurrent cell that does not run; its alphas say as much as anything.
    roles = [role for role in ROLES if role != "recurrent" or supernet.recurrent is not None]
    edges = [(role, edge) for role in roles for edge in live.edges(role)]
    nodes = [(role, node) for role in roles for node in sorted({edge.target for edge in live.edges(role)})]
    n_decisions = len(edges) + len(nodes)
    choice = _Choice(supernet, alphas, loss)
    for n_done, index in enumerate(rng.permutation(len(edges)), start=1):
        choice.decide_op(*edges[index])
        after_decision(n_done, n_decisions)
    in_degrees = {"normal": space.normal.in_degree, "reduce": space.reduce.in_degree, "recurrent": 1}
    for n_done, index in enumerate(rng.permutation(len(nodes)), start=len(edges) + 1):
        role, node = nodes[index]
        choice.decide_edges(role, node, in_degrees[role])
        after_decision(n_done, n_decisions)
    return derive(space, Probs(alphas.probs("normal"), alphas.probs("reduce"), alphas.probs("recurrent")))


class _Choice:
    """The alphas on their way to a decision: what is switched off has -inf."""

    def __init__(self, supernet: Supernet, alphas: Alphas, loss: Loss) -> None:
        self._supernet, self._alphas, self._loss = supernet, alphas, loss

    def decide_op(self, role: Role, edge: LiveEdge) -> None:
        """Keep the op of ``edge`` whose absence hurts most, the first among equals."""
        ops = [op for op in edge.ops if op != NONE]
        if len(ops) > 1:
            losses = {op: self._loss_with(role, {_entry(edge, op): -torch.inf}) for op in ops}
            best = max(losses, key=lambda op: losses[op])
            self._alphas.set_values(role, {_entry(edge, op): -torch.inf for op in ops if op != best})

    def decide_edges(self, role: Role, node: int, n_kept: int) -> None:
        """Keep the edges to ``node`` whose absence hurts most; the others pass on nothing."""
        edges = [edge for edge in self._supernet.live.edges(role) if edge.target == node]
        if len(edges) <= n_kept:
            return
        losses = {edge: self._loss_with(role, _absent(edge)) for edge in edges}
        for edge in sorted(edges, key=lambda edge: -losses[edge])[n_kept:]:
            self._alphas.set_values(role, _absent(edge))

    def _loss_with(self, role: Role, values: Values) -> float:
        changed = self._alphas.copy()
        changed.set_values(role, values)
        return self._loss(self._supernet, changed)


def with_none_switched_off(supernet: Supernet, alphas: Alphas) -> tuple[Supernet, Alphas]:
    """Return copies in which ``none`` is live on every edge and has no share of the mixture.

    So an edge can be taken away: all its share goes to ``none``.
    """
    live = LiveOps(*(tuple(map(_with_none, supernet.live.edges(role))) for role in ROLES))
    device = alphas.tensors[0].device
    new = build_supernet(
        live,
        supernet.macro,
        supernet.task,
        seed=0,
        device=device,
        checkpoint_cells=supernet.checkpoint_cells,
    )
    new.load_from(supernet)
    new_alphas = Alphas(live, generator=torch.Generator(), device=device)
    for role in ROLES:
        values: Values = dict(alphas.values(role).items())
        values |= {entry: -torch.inf for entry in live.each(role) if entry.op == NONE}
        new_alphas.set_values(role, values)
    return new, new_alphas


def _with_none(edge: LiveEdge) -> LiveEdge:
    return LiveEdge(edge.source, edge.target, (NONE, *(op for op in edge.ops if op != NONE)))


def _entry(edge: LiveEdge, op: str) -> LiveOp:
    return LiveOp(edge.source, edge.target, op)


def _absent(edge: LiveEdge) -> Values:
    """Return the alphas of an edge that passes on nothing."""
    return {_entry(edge, op): 0.0 if op == NONE else -torch.inf for op in edge.ops}
