"""From the probabilities of a supernet's ops to a genotype, to smaller live ops, and to one with fewer skips.

Plain functions of numbers: a cell is given as a mapping from ``(source, target, op)`` to a probability, one entry for
every live op, ``none`` among them where it is live. Of equals the earlier entry wins, so the order of the mapping
(by target, source, op) is part of the result. No PyTorch.

References: Liu et al., DARTS (2019), section 2.4; Chen et al., Progressive DARTS (2019), section 3.3, for the limit
on skips; Scheppach et al., section III, for the recurrent cell and for EDP-DARTS.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, Edge, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.nn.live_ops import NONE, LiveOp

__all__ = [
    "SKIP",
    "CellProbs",
    "Probs",
    "count_skips",
    "derive",
    "edges_to_drop",
    "limit_skips",
    "ops_to_drop",
    "skip_limited",
]

SKIP = "skip_connect"

CellProbs = Mapping[LiveOp, float]
"""Probability of every live ``(source, target, op)`` of one cell."""


class Probs(NamedTuple):
    """The probabilities of the three cells."""

    normal: CellProbs
    reduce: CellProbs
    recurrent: CellProbs


class _Choice(NamedTuple):
    """The best op of an edge and its probability, which is the edge's score."""

    source: int
    target: int
    op: str
    score: float


def derive(space: SearchSpace, probs: Probs, *, max_skips: int | None = None) -> Genotype:
    """Return the genotype of the most probable ops.

    On every edge the most probable op that is not ``none`` stands for the edge; every node keeps its best edges, as
    many as the space demands, and every state of the recurrent cell its best one.

    Parameters
    ----------
    space
        Gives the in-degrees and the name.
    probs
        Of all live ops.
    max_skips
        Most skips in the normal cell, see :func:`limit_skips`; None sets no limit.

    Raises
    ------
    DataError
        If a node has fewer live edges than the space demands.
    """
    normal = (
        _conv_edges(probs.normal, space.normal.in_degree)
        if max_skips is None
        else limit_skips(probs.normal, space.normal.in_degree, max_skips)
    )
    reduce = _conv_edges(probs.reduce, space.reduce.in_degree)
    states = _best_edges(probs.recurrent, 1, first=1)
    return Genotype(
        ConvCell(normal),
        ConvCell(reduce),
        RecurrentCell((choice.source, choice.op) for choice in states),
        space=space.name,
    )


def skip_limited(space: SearchSpace, probs: Probs) -> dict[int, Genotype]:
    """Return the genotype of every limit M on skips, from as many as there are without a limit down to 0."""
    n_skips = count_skips(derive(space, probs))
    return {limit: derive(space, probs, max_skips=limit) for limit in range(n_skips, -1, -1)}


def count_skips(genotype: Genotype) -> int:
    """Return the number of skips in the normal cell."""
    return sum(edge.op == SKIP for edge in genotype.normal.edges)


def limit_skips(probs: CellProbs, in_degree: int, max_skips: int) -> list[Edge]:
    """Return the edges of a conv cell with at most ``max_skips`` skips.

    As in P-DARTS: while there are too many, the least probable skip of the cell is taken out of the choice, and ops
    and edges are chosen again. A skip that is the only live op of its edge stays, so a limit may not be reached
    where pruning left nothing else.
    """
    left = dict(probs)
    while True:
        edges = _conv_edges(left, in_degree)
        skips = [edge for edge in edges if edge.op == SKIP]
        replaceable = [edge for edge in skips if _n_ops(left, edge) > 1]
        if len(skips) <= max_skips or not replaceable:
            return edges
        del left[min((LiveOp(*edge) for edge in replaceable), key=lambda entry: left[entry])]


def ops_to_drop(probs: CellProbs, n_kept: int) -> list[LiveOp]:
    """Return what goes so that every edge keeps its ``n_kept`` most probable ops; ``none`` is one like the others.

    The best op that is not ``none`` always stays: an edge of nothing but ``none`` would be no edge.

    Raises
    ------
    ValueError
        If ``n_kept`` is below 1.
    """
    if n_kept < 1:
        raise ValueError(f"n_kept is {n_kept}, it must be at least 1.")
    dropped: list[LiveOp] = []
    for edge in _edges(probs):
        ranked = sorted((entry for entry in probs if entry[:2] == edge), key=lambda entry: -probs[entry])
        best = next((entry for entry in ranked if entry[2] != NONE), None)
        ranked = [entry for entry in ranked if entry != best]
        dropped += ranked[n_kept - 1 if best else n_kept :]
    return sorted(dropped, key=list(probs).index)


def edges_to_drop(probs: CellProbs, n_kept: int) -> list[tuple[int, int]]:
    """Return the edges that go so that every node keeps its ``n_kept`` best; an edge is as good as its best op."""
    if n_kept < 1:
        raise ValueError(f"n_kept is {n_kept}, it must be at least 1.")
    kept = {
        (choice.source, choice.target)
        for node in _by_target(probs).values()
        for choice in sorted(node, key=lambda choice: -choice.score)[:n_kept]
    }
    return [edge for edge in _edges(probs) if edge not in kept]


def _conv_edges(probs: CellProbs, in_degree: int) -> list[Edge]:
    return [Edge(*choice[:3]) for choice in _best_edges(probs, in_degree, first=2)]


def _best_edges(probs: CellProbs, n_edges: int, *, first: int) -> list[_Choice]:
    """Return the ``n_edges`` best edges of every node from ``first`` on, by target, then source."""
    chosen = []
    for target, choices in _by_target(probs).items():
        wanted = min(n_edges, target) if first == 2 else n_edges
        if len(choices) < wanted:
            raise DataError(f"node {target} has {len(choices)} live edges, {wanted} are needed.")
        chosen += sorted(sorted(choices, key=lambda choice: -choice.score)[:wanted])
    return chosen


def _by_target(probs: CellProbs) -> dict[int, list[_Choice]]:
    """Return the best op of every edge by node, both ascending; an edge of nothing but ``none`` is left out."""
    best: dict[tuple[int, int], _Choice] = {}
    for (source, target, op), score in probs.items():
        before = best.get((target, source))
        if op != NONE and (before is None or score > before.score):
            best[target, source] = _Choice(source, target, op, score)
    nodes: dict[int, list[_Choice]] = {}
    for (target, _), choice in sorted(best.items()):
        nodes.setdefault(target, []).append(choice)
    return nodes


def _edges(probs: Collection[LiveOp]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((source, target) for source, target, _ in probs))


def _n_ops(probs: CellProbs, edge: Edge) -> int:
    return sum(entry[:2] == edge[:2] and entry[2] != NONE for entry in probs)
