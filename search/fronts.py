"""Pareto fronts: sorting points by dominance, and how crowded they lie. Scores are to be maximised. No PyTorch.

Reference: Deb et al., NSGA-II (2002), sections III A and B.
"""

import math
from collections.abc import Sequence

__all__ = ["crowding", "dominates", "fronts"]

Scores = Sequence[float]


def dominates(first: Scores, second: Scores) -> bool:
    """Return whether ``first`` is nowhere worse than ``second``, and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def fronts(scores: Sequence[Scores]) -> list[list[int]]:
    """Return the indices of ``scores`` by front: what nothing dominates, then what only those dominate, and so on."""
    n_dominating = [0] * len(scores)
    dominated: list[list[int]] = [[] for _ in scores]
    for i, first in enumerate(scores):
        for j, second in enumerate(scores):
            if dominates(first, second):
                dominated[i].append(j)
                n_dominating[j] += 1
    found: list[list[int]] = []
    front = [index for index, n in enumerate(n_dominating) if n == 0]
    while front:
        found.append(front)
        for index in front:
            for worse in dominated[index]:
                n_dominating[worse] -= 1
        front = sorted({worse for index in front for worse in dominated[index] if n_dominating[worse] == 0})
    return found


def crowding(scores: Sequence[Scores]) -> list[float]:
    """Return the distance between the neighbours of each point of one front, summed over objectives.

    Each objective is scaled by its range; the ends of the front are infinitely far from others.
    """
    distances = [0.0] * len(scores)
    for objective in range(len(scores[0]) if scores else 0):
        order = sorted(range(len(scores)), key=lambda index: scores[index][objective])
        low, high = scores[order[0]][objective], scores[order[-1]][objective]
        distances[order[0]] = distances[order[-1]] = math.inf
        for before, here, after in zip(order, order[1:], order[2:], strict=False):
            if high > low:
                distances[here] += (scores[after][objective] - scores[before][objective]) / (high - low)
    return distances
