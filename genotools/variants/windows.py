"""REF and ALT windows of a variant.

The first base of REF sits at index ``(L - 1) // 2`` of both windows (499 of 1000, the DeepSEA convention), also
for insertions and deletions, where other tools differ: everything left of the variant stays where it is and
everything right of it moves. The ALT window is therefore a substring of the true ALT haplotype. Positions
outside the contig are unknown bases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import encode

__all__ = ["Genome", "Windows", "cut_windows", "variant_index"]


class Genome(Protocol):
    """Sequences by contig and position; :class:`genotools.data.fasta.Fasta` is one."""

    @property
    def contigs(self) -> Mapping[str, int]:
        """Names and lengths in bp."""
        ...

    def codes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        """Return base codes of shape ``(end - start,)``, 4 outside the contig."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The two windows of a variant, base codes of shape ``(L,)`` each.

    ``n_pad`` is the number of positions outside the contig, of the window that has more of them.
    """

    ref: NDArray[np.uint8]
    alt: NDArray[np.uint8]
    n_pad: int


def variant_index(length: int) -> int:
    """Return the 0-based index at which a variant sits in a window of ``length`` bp.

    >>> variant_index(1000), variant_index(1001)
    (499, 500)
    """
    return (length - 1) // 2


def cut_windows(genome: Genome, contig: str, position: int, ref: str, alt: str, *, length: int) -> Windows:
    """Return the windows of the change of ``ref`` at the 0-based ``position`` to ``alt``.

    Neither allele may be longer than ``length - variant_index(length)``. The genome is trusted: the REF window
    holds what stands there, which is ``ref`` only where the record tells the truth.

    Raises
    ------
    ValueError
        If an allele does not fit.
    """
    index = variant_index(length)
    if max(len(ref), len(alt)) > length - index:
        raise ValueError(f"{contig}:{position}: an allele of more than {length - index} bp does not fit.")
    start = position - index
    n_moved = max(0, len(ref) - len(alt))  # bases that a deletion draws in from the right
    stretch = genome.codes(contig, start, start + length + n_moved)
    moved = np.concatenate([stretch[:index], encode(alt), stretch[index + len(ref) :]])
    n_left = max(0, -start)
    n_right = max(0, start + length + n_moved - genome.contigs[contig])
    return Windows(ref=stretch[:length], alt=moved[:length], n_pad=n_left + n_right)
