"""The recipe of bins and windows: how labels and samples are made from tracks.

It is DeepSEA's with every choice open (Zhou & Troyanskaya 2015, Online Methods): the genome is cut into bins, a
bin has a label where a track covers enough of it, and a sample is a window centred on a bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from genotools.data._layout import SPLITS
from genotools.data.contig_names import ContigNames
from genotools.errors import DataError

__all__ = ["BinRecipe", "contig_list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinRecipe:
    """How windows and labels are made; it is written into the store's provenance.

    Parameters
    ----------
    bin_bp, window_bp
        Width of a bin, and of the window centred on it. Their difference must be even. Only whole bins count.
    min_overlap, overlap_op, merge
        The rule of a label; see :func:`genotools.data.bins.positive_bins`.
    valid_contigs, test_contigs
        Contigs of the held-out splits; all others are for training.
    exclude_contigs
        Contigs that give no windows.
    min_positives
        Labels with fewer positive bins, over all splits, are left out.
    keep
        ``any``: bins with at least one label that is left; ``all``: every bin.
    max_unknown
        Largest fraction of unknown bases in a window. Positions past a contig's ends count as unknown, so
        the default 0 leaves out windows that do not lie wholly inside.
    max_shared_kmers
        Largest fraction of a held-out window's 32-mers that training windows have too; 1 leaves none out.
    negatives, seed
        With ``keep="any"``: windows that no track marks, of the same share of G and C, for every labelled one of a
        split; and the seed that they are drawn with.
    """

    bin_bp: int = 200
    window_bp: int = 1000
    min_overlap: float = 0.5
    overlap_op: Literal["gt", "ge"] = "gt"
    merge: bool = True
    valid_contigs: tuple[str, ...] = ()
    test_contigs: tuple[str, ...] = ()
    exclude_contigs: tuple[str, ...] = ()
    min_positives: int = 1
    keep: Literal["any", "all"] = "any"
    max_unknown: float = 0.0
    max_shared_kmers: float = 1.0
    negatives: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        faults = []
        if self.bin_bp < 1 or self.window_bp < self.bin_bp or (self.window_bp - self.bin_bp) % 2:
            faults.append(
                f"a window of {self.window_bp} bp cannot be centred on a bin of {self.bin_bp} bp: it must be "
                "as long or longer, by an even number"
            )
        limit = self.bin_bp if isinstance(self.min_overlap, int) else 1
        if not 0 <= self.min_overlap <= limit:
            faults.append(f"min_overlap {self.min_overlap} must lie in 0 to 1 (fraction) or be bp of the bin")
        elif self.overlap_op == "gt" and self.min_overlap == limit:
            faults.append(f"no overlap is greater than min_overlap {self.min_overlap}, the whole bin; use ge")
        for name, value, known in (
            ("overlap_op", self.overlap_op, ("gt", "ge")),
            ("keep", self.keep, ("any", "all")),
        ):
            if value not in known:
                faults.append(f"{name} {value!r} must be {' or '.join(known)}")
        for name in ("max_unknown", "max_shared_kmers"):
            if not 0 <= getattr(self, name) <= 1:
                faults.append(f"{name} {getattr(self, name)} must lie in 0 to 1")
        if not 0 <= self.negatives < float("inf"):
            faults.append(f"negatives {self.negatives} must be 0 or more")
        if self.negatives and self.keep == "all":
            faults.append(
                "negatives are drawn besides labelled bins; with keep all there are all of them already"
            )
        if self.min_positives < 0:
            faults.append(f"min_positives {self.min_positives} must not be negative")
        faults += self._shared_contigs()
        if faults:
            raise DataError.from_faults("recipe", faults)

    def _shared_contigs(self) -> list[str]:
        uses = {"test": self.test_contigs, "valid": self.valid_contigs, "exclude": self.exclude_contigs}
        pairs = [("test", "valid"), ("test", "exclude"), ("valid", "exclude")]
        return [
            f"splits overlap: {', '.join(sorted(shared))} in both {one} and {other}"
            for one, other in pairs
            if (shared := set(uses[one]) & set(uses[other]))
        ]

    def renamed(self, aliases: ContigNames) -> "BinRecipe":
        """Return the recipe with the genome's names of its contigs."""

        def known(contigs: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(aliases.find(contig) or contig for contig in contigs)

        return replace(
            self,
            valid_contigs=known(self.valid_contigs),
            test_contigs=known(self.test_contigs),
            exclude_contigs=known(self.exclude_contigs),
        )

    @property
    def flank_bp(self) -> int:
        """Bases of a window on each side of its bin."""
        return (self.window_bp - self.bin_bp) // 2

    def split_of(self, contig: str) -> int:
        """Return the index into ``SPLITS`` of a contig's windows."""
        if contig in self.test_contigs:
            return SPLITS.index("test")
        return SPLITS.index("valid" if contig in self.valid_contigs else "train")


def contig_list(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return names given one by one or separated by commas.

    >>> contig_list(["chr1, chr2", "chr3"])
    ('chr1', 'chr2', 'chr3')
    """
    return tuple(name.strip() for value in values or [] for name in value.split(",") if name.strip())
