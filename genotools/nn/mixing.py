"""What one forward pass of a supernet runs: which ops of each edge, and with which weight."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from genotools.nn.live_ops import NONE, LiveEdge

__all__ = ["Mix", "WeightedOp"]


class WeightedOp(NamedTuple):
    """An op that runs, and the scalar its output is multiplied with; None leaves it as it is."""

    op: str
    weight: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """The ops that run in one cell.

    Parameters
    ----------
    edges
        In the order of rows.
    weights
        ``(n_edges, n_ops)``, a column for each op of the edge, longer than the edge's ops where rows differ; None
        sums the ops without weights.
    """

    edges: tuple[LiveEdge, ...]
    weights: Tensor | None = None

    def weighted_ops(self) -> Iterator[tuple[LiveEdge, list[WeightedOp]]]:
        """Yield every edge with its ops and their weights; ``none`` is left out."""
        if self.weights is None:
            for edge in self.edges:
                yield edge, [WeightedOp(op, None) for op in edge.ops if op != NONE]
            return
        width = self.weights.shape[1]
        scalars = self.weights.flatten().unbind()  # one node of the autograd graph instead of one an op
        for row, edge in enumerate(self.edges):
            weights = scalars[row * width :]
            yield edge, [WeightedOp(op, weights[column]) for column, op in enumerate(edge.ops) if op != NONE]

    def ops(self) -> tuple[str, ...]:
        """Return every op that runs somewhere, in order of appearance; ``none`` is left out."""
        return tuple(dict.fromkeys(op for edge in self.edges for op in edge.ops if op != NONE))

    def dense(self, ops: tuple[str, ...], like: Tensor) -> Tensor:
        """Return the weights as ``(n_edges, len(ops))``, zero where an op does not run on the edge."""
        columns = _columns(self.edges, ops).to(like.device)
        if self.weights is None:
            return (columns >= 0).to(like.dtype)
        # Column -1, of what does not run, is one of zeros.
        filled = torch.cat([self.weights, self.weights.new_zeros(len(self.edges), 1)], dim=1)
        return filled.gather(1, columns.remainder(filled.shape[1])).to(like.dtype)


@lru_cache(maxsize=64)
def _columns(edges: tuple[LiveEdge, ...], ops: tuple[str, ...]) -> Tensor:
    """Return the column of each op in each edge's row, -1 where it is not live."""
    return torch.tensor([[edge.ops.index(op) if op in edge.ops else -1 for op in ops] for edge in edges])
