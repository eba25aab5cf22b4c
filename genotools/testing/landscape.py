"""A score of genotypes that needs no data and no training, and whose best genotype is known.

It stands for an evaluator where search engines themselves are tested, compared and shown: an evaluation takes a
fraction of a millisecond, and how far a search came is known exactly. It says nothing about real data. The shape
is meant to be that of a search by training: near genotypes score nearly the same, hardly any drawn at random is
good, many are nearly as good as the best, and what an op is worth depends on what comes before and after it.
"""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.primitives import get_primitive
from genotools.genotype.space import SearchSpace
from genotools.search.evaluation import Job

__all__ = ["Landscape", "LandscapeEvaluator"]

Features = Mapping[str, Counter[Hashable]]
"""Counts in named groups."""

WEIGHTS = {
    "normal ops": 3.0,
    "normal successions": 3.0,
    "normal inputs": 1.0,
    "reduce ops": 2.0,
    "reduce successions": 2.0,
    "reduce inputs": 1.0,
    "activations": 2.0,
    "activation successions": 1.0,
    "depth": 1.0,
}
"""What each group of counts is worth."""

STEEPNESS = 1.2
"""A genotype as far from the target as one drawn at random scores ``exp(-1.2)``, 0.30."""

N_CALIBRATION = 64
"""Genotypes drawn to find how far from the target random ones are."""

CHANNELS, LENGTH_BP = 16, 100
"""Of the network whose parameters are counted."""

TARGET, CALIBRATION = range(70, 72)
"""Branches of the tree of seeds; none that a search has, or with an equal seed its first draw would be the target."""


class Landscape:
    """A score in (0, 1] that falls with the distance from a hidden genotype; 1 is the optimum.

    The distance compares counts that do not depend on the numbering of nodes: ops, pairs of an op and one that reads
    its result, edges from each input, activations, pairs of them, states by depth. Each group of counts is scaled so
    that genotypes drawn at random are at distance 1 on average.

    Parameters
    ----------
    space
        Where the target is drawn from.
    seed
        Decides the target.
    noise
        Largest share of its score that a genotype loses for no reason, always the same for the same genotype; in
        [0, 1). It makes the surface rough and leaves the optimum where it is.

    Attributes
    ----------
    space, target
        The space and the genotype that scores 1.

    Raises
    ------
    DataError
        If ``noise`` is out of range.

    Examples
    --------
    >>> from genotools.genotype import GENOME_NAS
    >>> landscape = Landscape(GENOME_NAS, seed=0)
    >>> landscape(landscape.target)
    1.0
    """

    def __init__(self, space: SearchSpace, *, seed: int, noise: float = 0.0) -> None:
        if not 0 <= noise < 1:
            raise DataError(f"noise of a landscape is {noise!r}, it must be in [0, 1).")
        self.space = space
        self.target = space.sample(rng=_generator(seed, TARGET))
        self._seed, self._noise = seed, noise
        self._features = _features(self.target)
        self._scales = self._calibrated(_generator(seed, CALIBRATION))

    def _calibrated(self, rng: np.random.Generator) -> dict[str, float]:
        """Return for each group what one differing count adds to the distance."""
        drawn = [_features(self.space.sample(rng=rng)) for _ in range(N_CALIBRATION)]
        total = sum(WEIGHTS.values())
        scales = {}
        for name, weight in WEIGHTS.items():
            mean = sum(_n_differing(one[name], self._features[name]) for one in drawn) / len(drawn)
            # A group in which genotypes never differ, as in a space of one op, adds nothing.
            scales[name] = weight / total / mean if mean else 0.0
        return scales

    def distance(self, genotype: Genotype) -> float:
        """Return the distance from the target: 0 for its counts, about 1 for a genotype drawn at random."""
        found = _features(genotype)
        return sum(
            scale * _n_differing(found[name], self._features[name]) for name, scale in self._scales.items()
        )

    def __call__(self, genotype: Genotype) -> float:
        """Return the score, in (0, 1]."""
        score = math.exp(-STEEPNESS * self.distance(genotype) ** 2)
        if not self._noise or genotype == self.target:
            return score
        return score * (1 - self._noise * self._draw(genotype))

    def _draw(self, genotype: Genotype) -> float:
        """Return a number in [0, 1) that looks drawn but belongs to the genotype."""
        text = f"{self._seed} {genotype.digest}"
        return int(hashlib.sha256(text.encode("ascii")).hexdigest()[:13], 16) / 16**13

    def metrics(self, genotype: Genotype) -> dict[str, float]:
        """Return ``valid_auprc``, the score, and ``params``, the parameters of the convolutional edges."""
        edges = [*genotype.normal.edges, *genotype.reduce.edges]
        costs = [get_primitive(edge.op, "conv").cost(CHANNELS, LENGTH_BP, 1) for edge in edges]
        return {"valid_auprc": self(genotype), "params": float(sum(cost.params for cost in costs))}

    def describe(self) -> dict[str, Any]:
        """Return what the scores depend on, as JSON values."""
        return {"landscape": self.space.name, "seed": self._seed, "noise": self._noise}


def _generator(seed: int, branch: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(branch,)))


def _n_differing(first: Counter[Hashable], second: Counter[Hashable]) -> int:
    return sum(abs(first[key] - second[key]) for key in first.keys() | second.keys())


def _features(genotype: Genotype) -> Features:
    """Return counts that are the same for every numbering of the genotype."""
    features: dict[str, Counter[Hashable]] = {}
    for role, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        features[f"{role} ops"] = Counter(edge.op for edge in cell.edges)
        features[f"{role} successions"] = _successions(cell)
        features[f"{role} inputs"] = Counter(edge.source for edge in cell.edges if edge.source < 2)
    features["activations"] = Counter(state.activation for state in genotype.recurrent.states)
    features |= _tree_features(genotype.recurrent)
    return features


def _successions(cell: ConvCell) -> Counter[Hashable]:
    """Count pairs of an op, or an input, and an op that reads its result."""
    makers: dict[int, list[str]] = {0: ["input0"], 1: ["input1"]}
    for edge in cell.edges:
        makers.setdefault(edge.target, []).append(edge.op)
    return Counter((maker, edge.op) for edge in cell.edges for maker in makers[edge.source])


def _tree_features(cell: RecurrentCell) -> dict[str, Counter[Hashable]]:
    """Count pairs of an activation and one that reads its state, and the states of each depth."""
    names = ["input", *(state.activation for state in cell.states)]
    depths = [0] * len(names)
    for number in cell.topological_order():
        depths[number] = depths[cell.states[number - 1].predecessor] + 1
    return {
        "activation successions": Counter(
            (names[state.predecessor], state.activation) for state in cell.states
        ),
        "depth": Counter(depths[1:]),
    }


class LandscapeEvaluator:
    """An evaluator that gives the metrics of a landscape; it can be sent to another process.

    Parameters
    ----------
    landscape
        The scores.
    seconds
        How long a trial takes.
    fails
        Digests of the genotypes whose trials raise.
    """

    def __init__(
        self, landscape: Landscape, *, seconds: float = 0.0, fails: Collection[str] = frozenset()
    ) -> None:
        self._landscape, self._seconds, self._fails = landscape, seconds, frozenset(fails)

    def describe(self) -> dict[str, Any]:
        """Return what the metrics depend on."""
        return {**self._landscape.describe(), "fails": sorted(self._fails)}

    def __call__(self, job: Job) -> dict[str, float]:
        """Return ``valid_auprc`` and ``params`` of the job's genotype.

        Raises
        ------
        RuntimeError
            If its digest is one of those that fail.
        """
        time.sleep(self._seconds)
        if job.genotype.digest in self._fails:
            raise RuntimeError(f"genotype {job.genotype.digest[:12]} is made to fail")
        return self._landscape.metrics(job.genotype)
