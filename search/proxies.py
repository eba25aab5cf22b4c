"""Zero-cost scores: what an untrained network, or arithmetic alone, says of a genotype in a moment.

They rank architectures about as well as the number of parameters does, each better on other tasks: use them as a
filter or as features, never as the judge, and look at ``params`` and ``macs`` first. Networks are built from the
canonical form with a fixed seed, so equal genotypes have equal scores. Which of them sees what in networks of this
kind is measured by ``benchmarks/proxies.py``.

References: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS (2021); Krishnakumar et al.,
NAS-Bench-Suite-Zero (2022), for what to expect of them.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PROXIES", "WORST", "Proxy", "preference", "score", "score_all"]

BATCH = 16
"""Random sequences that ``naswot`` and ``jacov`` look at."""

WORST = -1e9
"""The score of a network whose signal dies, below all others: finite, so that it can be written down and compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What a zero-cost score is.

    Parameters
    ----------
    name
        Its name.
    better
        Which direction is taken to be better.
    measures
        What it measures, in which scale.
    takes
        What it costs.
    caveat
        What it cannot see, above all in a network with a recurrent cell.
    reference
        Where it comes from.
    """

    name: str
    better: Literal["higher", "lower"]
    measures: str
    takes: Literal["arithmetic", "a forward pass", "a backward pass"]
    caveat: str
    reference: str


_ALL = (
    Proxy(
        name="params",
        better="higher",
        measures="trainable parameters",
        takes="arithmetic",
        caveat="the line to beat; most lie in the recurrent cell and the head, as many for every genotype",
        reference="arithmetic",
    ),
    Proxy(
        name="macs",
        better="higher",
        measures="multiply-accumulates of one sequence",
        takes="arithmetic",
        caveat="the line to beat; the recurrent cell's share is the same for every genotype",
        reference="arithmetic",
    ),
    Proxy(
        name="synflow",
        better="higher",
        measures="log10 of the sum of |weight x gradient| with absolute weights and an input of ones",
        takes="a backward pass",
        caveat="taken without the recurrent cell, whose gates would saturate: blind to it",
        reference="Tanaka et al. 2020",
    ),
    Proxy(
        name="naswot",
        better="higher",
        measures="log-determinant of how alike the ReLU patterns of 16 random sequences are",
        takes="a forward pass",
        caveat="sees the ReLUs of the convolutional cells, mostly how many; blind to the recurrent cell",
        reference="Mellor et al. 2021",
    ),
    Proxy(
        name="jacov",
        better="higher",
        measures="how uncorrelated the input gradients of 16 random sequences are (at most -16)",
        takes="a backward pass",
        caveat="sees the recurrent cell, but its order of genotypes depends on the seed more than others",
        reference="Mellor et al. 2020",
    ),
)

PROXIES: Mapping[str, Proxy] = MappingProxyType({proxy.name: proxy for proxy in _ALL})
"""All scores by name."""


def score(
    name: str,
    genotype: Genotype,
    macro: Macro,
    task: Task,
    *,
    seed: int = 0,
    device: str = "cpu",
    codes: "Tensor | None" = None,
) -> float:
    """Return a zero-cost score of a genotype; :data:`WORST` where the network's signal dies.

    Parameters
    ----------
    name
        One of :data:`PROXIES`.
    genotype, macro, task
        Of the network.
    seed
        Of initial weights and random sequences; the same for all genotypes that are compared.
    device
        Where the network lives while it is scored.
    codes
        Base codes, uint8 ``(N, macro.length)``, for ``naswot`` and ``jacov``; 16 random sequences by default. Scores
        of another number of sequences are on another scale.

    Raises
    ------
    DataError
        If there is no such score; names those there are.
    """
    _check_name(name)
    if PROXIES[name].takes == "arithmetic":
        from genotools.nn.cost import cost

        costs = cost(genotype, macro, task)
        return float(costs.params if name == "params" else costs.macs)
    from genotools.search.proxy_networks import jacov, naswot, random_codes, synflow

    if name == "synflow":
        value = synflow(genotype, macro, task, seed=seed, device=device)
    else:
        if codes is None:
            codes = random_codes(BATCH, macro.length, seed=seed)
        of_batch = naswot if name == "naswot" else jacov
        value = of_batch(genotype, macro, task, codes, seed=seed, device=device)
    return value if math.isfinite(value) else WORST


def score_all(
    genotype: Genotype,
    macro: Macro,
    task: Task,
    *,
    seed: int = 0,
    device: str = "cpu",
    codes: "Tensor | None" = None,
) -> dict[str, float]:
    """Return every zero-cost score of a genotype by name; arguments are those of :func:`score`."""
    return {
        name: score(name, genotype, macro, task, seed=seed, device=device, codes=codes) for name in PROXIES
    }


def preference(name: str, macro: Macro, task: Task, *, seed: int) -> Callable[[Genotype], float]:
    """Return the function of a genotype that is larger where a score is better; each digest is scored once.

    Raises
    ------
    DataError
        If there is no such score.
    """
    _check_name(name)
    sign = 1.0 if PROXIES[name].better == "higher" else -1.0
    known: dict[str, float] = {}

    def prefer(genotype: Genotype) -> float:
        if genotype.digest not in known:
            known[genotype.digest] = sign * score(name, genotype, macro, task, seed=seed)
        return known[genotype.digest]

    return prefer


def _check_name(name: str) -> None:
    if name not in PROXIES:
        near = difflib.get_close_matches(name, PROXIES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown zero-cost score {name[:60]!r}. Known: {', '.join(PROXIES)}.{hint}")
