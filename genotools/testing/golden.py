"""The numbers that golden files leave out: parameters, inputs and targets, from an integer hash of their names."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["hashed", "uniform"]

MASK = (1 << 64) - 1


def hashed(name: str, size: int, seed: int) -> NDArray[np.uint64]:
    """Return 64-bit numbers ``(size,)``: splitmix64 of the name's FNV-1a hash, the seed and the place."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    start = np.uint64((value + seed * 0x9E3779B97F4A7C15) & MASK)
    x = start + np.arange(size, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(name: str, size: int, seed: int) -> NDArray[np.float64]:
    """Return numbers from 0 to 1, ``(size,)``."""
    return (hashed(name, size, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53
