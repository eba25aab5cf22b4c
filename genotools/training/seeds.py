"""The tree of seeds below the one a person gives: every purpose and epoch has its own."""

import numpy as np

__all__ = ["DROPOUT", "INITIAL_WEIGHTS", "ORDER", "child_seed"]

INITIAL_WEIGHTS, ORDER, DROPOUT = range(3)
"""Branches of the tree. Their numbers are part of what makes a run repeatable."""


def child_seed(seed: int, branch: int, *path: int) -> int:
    """Return the seed at a place of the tree below ``seed``; independent of all others."""
    state = np.random.SeedSequence(seed, spawn_key=(branch, *path)).generate_state(1, np.uint64)
    return int(state[0])
