"""The alarm for a collapse of gradient-based search: three cheap numbers of the alphas, and what they say.

No eigenvalues: the share of skips in the normal cell, the share of edges where ``none`` is most probable, and how
undecided the alphas are. Reference: Liang et al., DARTS+ (2019), for the skips as the sign to watch. No PyTorch.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from genotools.genotype.genotype import Genotype
from genotools.nn.live_ops import NONE
from genotools.search.derive import CellProbs, Probs, count_skips

__all__ = ["MAX_NONE_SHARE", "MAX_SKIP_SHARE", "UNDECIDED_ENTROPY", "Collapse", "watch"]

MAX_SKIP_SHARE = 0.5
MAX_NONE_SHARE = 0.5
UNDECIDED_ENTROPY = 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """What a search looks like from its alphas.

    Parameters
    ----------
    skip_share
        Share of skips among the edges of the derived normal cell.
    none_share
        Share of edges of the conv cells where ``none`` is the most probable op.
    entropy
        Entropy of the ops of an edge over its largest possible value, mean of all edges with a choice: 1 is a
        uniform distribution, 0 a decision.
    """

    skip_share: float
    none_share: float
    entropy: float

    def to_document(self) -> dict[str, float]:
        """Return the numbers as JSON values."""
        return asdict(self)

    def alarms(self) -> list[str]:
        """Return a sentence for everything that looks wrong; empty where nothing does."""
        found = []
        if self.skip_share > MAX_SKIP_SHARE:
            found.append(
                f"collapse: {self.skip_share:.0%} of the normal cell's edges are skips. "
                "Take a candidate with fewer (--max-skips), or --select perturbation."
            )
        if self.none_share > MAX_NONE_SHARE:
            found.append(
                f"collapse: 'none' is the most probable op on {self.none_share:.0%} of the edges; "
                "the rest of their alphas says little."
            )
        if self.entropy > UNDECIDED_ENTROPY:
            found.append(
                f"undecided: the alphas are almost uniform (entropy {self.entropy:.4f} of 1), so the genotype is "
                "little more than a random one. More epochs, or a higher rate of the alphas, would decide."
            )
        return found


def watch(genotype: Genotype, probs: Probs) -> Collapse:
    """Return the numbers of ``probs`` and the genotype derived from them."""
    conv = [_by_edge(probs.normal), _by_edge(probs.reduce)]
    edges = [ops for cell in conv for ops in cell]
    everywhere = [*edges, *_by_edge(probs.recurrent)]
    decided = [max(ops, key=lambda op: ops[op]) == NONE for ops in edges]
    entropies = [_entropy(ops) for ops in everywhere if len(ops) > 1]
    return Collapse(
        skip_share=round(count_skips(genotype) / len(genotype.normal.edges), 6),
        none_share=round(sum(decided) / len(decided), 6),
        entropy=round(math.fsum(entropies) / len(entropies), 6) if entropies else 0.0,
    )


def _by_edge(probs: CellProbs) -> list[dict[str, float]]:
    edges: dict[tuple[int, int], dict[str, float]] = {}
    for (source, target, op), value in probs.items():
        edges.setdefault((source, target), {})[op] = value
    return list(edges.values())


def _entropy(ops: Mapping[str, float]) -> float:
    return -math.fsum(p * math.log(p) for p in ops.values() if p > 0) / math.log(len(ops))
