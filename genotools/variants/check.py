"""What a variant is, whether it can be scored, and why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from genotools.data.contig_names import ContigNames
from genotools.data.encoding import decode
from genotools.variants.vcf import Variant
from genotools.variants.windows import Genome, Windows, cut_windows, variant_index

__all__ = ["CheckedVariant", "Checker", "Kind", "Status", "kind_of"]

_ACGT = frozenset("ACGT")


class Status(StrEnum):
    """Why a variant has scores (``ok``) or not (every other value)."""

    OK = "ok"
    REF_MISMATCH = "ref_mismatch"
    REF_ALT_SWAPPED = "ref_alt_swapped"
    NO_CONTIG = "no_contig"
    OUT_OF_BOUNDS = "out_of_bounds"
    TOO_LONG = "too_long"
    SYMBOLIC = "symbolic"
    STAR = "star"
    MISSING_ALT = "missing_alt"
    NON_ACGT = "non_acgt"
    SAME_AS_REF = "same_as_ref"

    @property
    def meaning(self) -> str:
        """The status in a few words, for the summary table."""
        return _MEANING[self]


_MEANING: Mapping[Status, str] = {
    Status.OK: "scored",
    Status.REF_MISMATCH: "REF is not what the genome holds",
    Status.REF_ALT_SWAPPED: "the genome holds ALT where REF should be",
    Status.NO_CONTIG: "the FASTA has no such contig",
    Status.OUT_OF_BOUNDS: "the position lies outside the contig",
    Status.TOO_LONG: "an allele is longer than the window's right part",
    Status.SYMBOLIC: "symbolic allele or breakend, no bases given",
    Status.STAR: "ALT is *, an overlapping deletion",
    Status.MISSING_ALT: "ALT is missing",
    Status.NON_ACGT: "an allele has other letters than A, C, G, T",
    Status.SAME_AS_REF: "ALT equals REF",
}


class Kind(StrEnum):
    """What a variant does, once bases that REF and ALT share at their ends are set aside."""

    SNV = "SNV"
    MNV = "MNV"
    INS = "INS"
    DEL = "DEL"
    COMPLEX = "COMPLEX"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedVariant:
    """A variant and what the genome says about it; the fields are None where nothing can be said."""

    variant: Variant
    status: Status
    kind: Kind | None = None
    ref_match: bool | None = None
    n_pad: int | None = None


class Checker:
    """Holds variants against a genome and cuts the windows of those that can be scored.

    Parameters
    ----------
    genome
        Reference sequences.
    length
        Length of a window in bp.
    """

    def __init__(self, genome: Genome, *, length: int) -> None:
        self._genome = genome
        self._length = length
        self._aliases = ContigNames(genome.contigs)
        self._contig_of: dict[str, str | None] = {}

    def check(self, variant: Variant) -> tuple[CheckedVariant, Windows | None]:
        """Return the verdict on a variant, and its windows if the status is ``ok``."""
        status = _allele_status(variant.ref, variant.alt)
        if status:
            return CheckedVariant(variant=variant, status=status), None
        kind = kind_of(variant.ref, variant.alt)
        contig = self._contig(variant.chrom)
        status = self._place_status(variant, contig)
        if status or contig is None:
            return CheckedVariant(variant=variant, status=status or Status.NO_CONTIG, kind=kind), None
        windows = cut_windows(
            self._genome, contig, variant.position, variant.ref, variant.alt, length=self._length
        )
        status = self._ref_status(variant, windows)
        checked = CheckedVariant(
            variant=variant,
            status=status,
            kind=kind,
            ref_match=status in (Status.OK, Status.SAME_AS_REF),
            n_pad=windows.n_pad,
        )
        return checked, windows if status is Status.OK else None

    def _contig(self, chrom: str) -> str | None:
        if chrom not in self._contig_of:
            self._contig_of[chrom] = self._aliases.find(chrom)
        return self._contig_of[chrom]

    def _place_status(self, variant: Variant, contig: str | None) -> Status | None:
        if contig is None:
            return Status.NO_CONTIG
        if variant.position < 0 or variant.position + len(variant.ref) > self._genome.contigs[contig]:
            return Status.OUT_OF_BOUNDS
        if max(len(variant.ref), len(variant.alt)) > self._length - variant_index(self._length):
            return Status.TOO_LONG
        return None

    def _ref_status(self, variant: Variant, windows: Windows) -> Status:
        index = variant_index(self._length)
        found = decode(windows.ref[index : index + max(len(variant.ref), len(variant.alt))])
        if found.startswith(variant.ref):
            return Status.SAME_AS_REF if variant.alt == variant.ref else Status.OK
        return Status.REF_ALT_SWAPPED if found.startswith(variant.alt) else Status.REF_MISMATCH


def kind_of(ref: str, alt: str) -> Kind | None:
    """Return the kind of a change between two alleles of A, C, G, T; None if they are equal.

    >>> [str(kind_of(*pair)) for pair in [("A", "C"), ("CA", "CT"), ("A", "ATT"), ("AT", "A"), ("AT", "GCC")]]
    ['SNV', 'SNV', 'INS', 'DEL', 'COMPLEX']
    """
    if ref == alt:
        return None
    n_shared = min(len(ref), len(alt))
    n_left = next((i for i in range(n_shared) if ref[i] != alt[i]), n_shared)
    n_right = next((i for i in range(n_shared - n_left) if ref[-1 - i] != alt[-1 - i]), n_shared - n_left)
    n_ref, n_alt = len(ref) - n_left - n_right, len(alt) - n_left - n_right
    if n_ref == 0:
        return Kind.INS
    if n_alt == 0:
        return Kind.DEL
    if n_ref == n_alt:
        return Kind.SNV if n_ref == 1 else Kind.MNV
    return Kind.COMPLEX


def _allele_status(ref: str, alt: str) -> Status | None:
    """Return why two alleles cannot be scored, whatever the genome holds; None if they can."""
    if alt == ".":
        return Status.MISSING_ALT
    if alt == "*":
        return Status.STAR
    if alt.startswith(("<", ".")) or alt.endswith(".") or "[" in alt or "]" in alt:
        return Status.SYMBOLIC
    if not _ACGT.issuperset(ref) or not _ACGT.issuperset(alt):
        return Status.NON_ACGT
    return None
