"""Knowledge as part of a search's reward: whether a network's first filters look like motifs that are known.

As in BioNAS, every filter of the stem is read as a position weight matrix, and each motif counts with the filter
that matches it best. BioNAS measures a distance, the Kullback-Leibler divergence at one temperature for all filters;
here it is a similarity between 0 and 1, the column-wise Pearson correlation that Tomtom compares motifs by, and the
scale of each filter, which means nothing in front of a batch norm, is taken from the motif.

References: Zhang et al., BioNAS: Incorporating Biological Knowledge in Neural Architecture Search (2019); Gupta et
al., Quantifying similarity between motifs (2007).
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.search.motifs import Motif

if TYPE_CHECKING:
    from genotools.nn import GenomeNet

__all__ = ["MotifKnowledge", "motif_similarities"]

Array = NDArray[np.float64]

PSEUDO = 0.01
"""Added to each probability of a motif, so that its logarithms are finite."""

FLAT = 1e-9
"""Norm below which a column has no preference among the bases."""


class MotifKnowledge:
    """How well the first filters of a network match motifs: 0 not at all, 1 each of them exactly.

    Random filters have 0.5 to 0.7, the more the narrower the motifs, since of all filters, strands and offsets the
    best counts: compare networks by it, and a trained one with an untrained one.

    Parameters
    ----------
    motifs
        What the filters should find; at least one, each with a preference for some base.

    Raises
    ------
    DataError
        If there are no motifs, or one has the same probability for all bases everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from genotools import GENOME_NAS, Macro, Task, build
    >>> from genotools.search.motifs import Motif
    >>> tata = Motif(name="TATA", probabilities=np.eye(4)[[3, 0, 3, 0]].T)
    >>> genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    >>> network = build(genotype, Macro.small(200), Task(1), seed=0)
    >>> 0 < MotifKnowledge([tata])(network) < 1
    True
    """

    def __init__(self, motifs: Sequence[Motif]) -> None:
        if not motifs:
            raise DataError("knowledge of motifs: there are none, at least one is needed.")
        flat = [motif.name for motif in motifs if not _standardised(motif.probabilities).any()]
        if flat:
            raise DataError(
                f"motif {flat[0]!r} prefers no base anywhere, so that nothing matches it. Leave it out."
            )
        self._motifs = tuple(motifs)

    def __call__(self, network: "GenomeNet") -> float:
        """Return the mean, over the motifs, of the similarity of the best filter; in [0, 1]."""
        return float(self.similarities(network).mean())

    def similarities(self, network: "GenomeNet") -> Array:
        """Return the similarity of the best filter for each motif, ``(n_motifs,)``, in [0, 1]."""
        filters = first_filters(network)
        best = [motif_similarities(filters, motif.probabilities).max() for motif in self._motifs]
        similarities: Array = np.clip(np.array(best), 0.0, 1.0)
        return similarities

    def __repr__(self) -> str:
        """Return what values depend on: equal motifs in equal order give an equal text in every process."""
        digest = hashlib.sha256()
        for motif in self._motifs:
            digest.update(motif.probabilities.astype("<f8").tobytes("F") + b"\n")
        return f"MotifKnowledge({len(self._motifs)} motifs, sha256 {digest.hexdigest()})"


def first_filters(network: "GenomeNet") -> Array:
    """Return the stem's filters as what they fire on, ``(C, 4, K)``, bases in the order A, C, G, T.

    A filter whose batch norm turns its sign fires on the opposite of its weights.
    """
    weights, scales = (
        network.stem.get_parameter(name).detach().cpu().double().numpy()
        for name in ("conv.weight", "norm.weight")
    )
    filters: Array = np.where(scales < 0, -1.0, 1.0)[:, None, None] * weights
    return filters


def motif_similarities(filters: Array, motif: Array) -> Array:
    """Return how well each filter matches a motif at its best offset on its better strand, ``(C,)``, in [-1, 1].

    Columns that lie over each other are compared by Pearson correlation. The similarity is their mean over as many
    columns as can overlap at most: what does not overlap counts as 0. Tomtom takes the mean over the overlap alone
    and corrects for its width by p-values; without those the shortest overlap of random filters would nearly always
    be the best (mean 0.71 for the best of 24 filters of width 13 and a motif of 12, instead of 0.49). Columns of the
    motif without any preference cannot be matched and do not count. A filter that holds anything but finite numbers
    matches nothing.

    Parameters
    ----------
    filters
        ``(C, 4, K)``.
    motif
        Probabilities ``(4, width)``.
    """
    smooth = (motif + PSEUDO) / (1 + 4 * PSEUDO)
    columns = _standardised(filter_probabilities(filters, smooth))  # (C, 4, K)
    strands = np.stack([smooth, smooth[::-1, ::-1]])  # the second is the reverse complement
    beyond = filters.shape[2] - 1
    padded = np.pad(_standardised(strands), ((0, 0), (0, 0), (beyond, beyond)))
    windows = sliding_window_view(padded, filters.shape[2], axis=2)  # (2, 4, offsets, K)
    n_compared = windows.any(axis=1).sum(axis=-1).max()
    sums = np.einsum("cbk,sbok->cso", columns, windows, optimize=True)
    similarities: Array = sums.max(axis=(1, 2)) / n_compared
    return similarities


def filter_probabilities(filters: Array, motif: Array) -> Array:
    """Return filters as probabilities of bases, ``(C, 4, K)``: a softmax of the weights, scaled to a motif.

    The motif's scale is the norm of the logarithm of its probabilities, centred in each column, and each filter,
    centred likewise, is given the same one. So a filter that is the logarithm of the motif, up to a factor and a
    constant for each position, and zero beyond it, gives the motif itself.

    Parameters
    ----------
    filters
        ``(C, 4, K)``.
    motif
        Positive probabilities ``(4, width)``.
    """
    finite = np.isfinite(filters).all(axis=(1, 2), keepdims=True)
    weights = _centred(np.where(finite, filters, 0.0))
    norms = np.linalg.norm(weights, axis=(1, 2), keepdims=True)
    scale = np.linalg.norm(_centred(np.log(motif)))
    scaled = weights * np.divide(scale, norms, out=np.zeros_like(norms), where=norms > 0)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _centred(columns: Array) -> Array:
    """Return ``(..., 4, K)`` with the mean over the bases taken off each column."""
    centred: Array = columns - columns.mean(axis=-2, keepdims=True)
    return centred


def _standardised(columns: Array) -> Array:
    """Return columns whose products are Pearson correlations: centred, of norm 1; flat ones are 0."""
    centred = _centred(columns)
    norms = np.linalg.norm(centred, axis=-2, keepdims=True)
    standardised: Array = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > FLAT)
    return standardised
