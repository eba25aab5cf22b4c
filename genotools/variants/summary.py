"""Counting what became of the variants of a file, and saying when the genome build looks wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genotools.errors import DataError
from genotools.variants.check import CheckedVariant, Status

__all__ = ["N_PROBED", "Summary", "Tally"]

N_PROBED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a file's variants.

    ``n_probed`` is the number of records, at most the first 1000 whose REF could be compared with the genome,
    ``n_probed_mismatches`` how many of them did not match.
    """

    n_records: int
    n_variants: int
    n_padded: int
    statuses: dict[str, int]
    missing_contigs: dict[str, int]
    n_probed: int
    n_probed_mismatches: int
    max_mismatch: float

    @property
    def is_build_suspect(self) -> bool:
        """Whether more REFs of the first records mismatch than the genome they were called on allows."""
        return self.n_probed_mismatches > self.max_mismatch * self.n_probed

    @property
    def warnings(self) -> list[str]:
        """What a person must know before using the scores, as sentences."""
        found = []
        if self.is_build_suspect:
            found.append(
                f"The genome build looks wrong: {self.n_probed_mismatches:,} of the first {self.n_probed:,} "
                f"records ({self.n_probed_mismatches / self.n_probed:.0%}) do not hold their REF in the FASTA. "
                "Take the FASTA that the variants were called on, and check that POS counts from 1."
            )
        if self.missing_contigs:
            shown = [f"{name} ({n:,})" for name, n in list(self.missing_contigs.items())[:5]]
            more = ", ..." if len(self.missing_contigs) > 5 else ""
            found.append(f"The FASTA does not have these contigs of the variants: {', '.join(shown)}{more}.")
        return found

    def to_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "n_records": self.n_records,
            "n_variants": self.n_variants,
            "n_padded": self.n_padded,
            "statuses": self.statuses,
            "missing_contigs": self.missing_contigs,
            "n_probed": self.n_probed,
            "n_probed_mismatches": self.n_probed_mismatches,
            "max_mismatch": self.max_mismatch,
            "genome_build_looks_wrong": self.is_build_suspect,
            "warnings": self.warnings,
        }


class Tally:
    """Counts checked variants as they stream by.

    Parameters
    ----------
    max_mismatch
        The share of the first 1000 comparable records that may mismatch REF before the build is suspected.

    Raises
    ------
    DataError
        If ``max_mismatch`` is not within 0 and 1.
    """

    _NUMBERS = ("_last_record", "_last_probed", "_n_records", "_n_padded", "_n_probed", "_n_mismatches")

    def __init__(self, *, max_mismatch: float = 0.2) -> None:
        if not 0 <= max_mismatch <= 1:
            raise DataError(f"max_mismatch is a share of the records, 0 to 1, not {max_mismatch:g}.")
        self._max_mismatch = max_mismatch
        self._statuses: Counter[Status] = Counter()
        self._missing_contigs: Counter[str] = Counter()
        self._last_record = self._last_probed = -1
        self._n_records = self._n_padded = self._n_probed = self._n_mismatches = 0

    def add(self, rows: Iterable[CheckedVariant]) -> None:
        """Count ``rows``, which follow those counted before."""
        for row in rows:
            record = row.variant.record
            self._statuses[row.status] += 1
            self._n_padded += bool(row.n_pad)
            self._n_records += record != self._last_record
            self._last_record = record
            if row.status is Status.NO_CONTIG:
                self._missing_contigs[row.variant.chrom] += 1
            # The ALTs of a record share one REF, which is compared once.
            if row.ref_match is not None and record != self._last_probed and self._n_probed < N_PROBED:
                self._last_probed = record
                self._n_probed += 1
                self._n_mismatches += not row.ref_match

    @property
    def is_probed(self) -> bool:
        """Whether the first 1000 comparable records have been compared."""
        return self._n_probed >= N_PROBED

    def state(self) -> dict[str, object]:
        """Return the counts so far as JSON values; :meth:`restore` takes them over."""
        return {
            "statuses": {str(status): count for status, count in self._statuses.items()},
            "missing_contigs": dict(self._missing_contigs),
            "numbers": [getattr(self, name) for name in self._NUMBERS],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the counts of a run that was stopped."""
        self._statuses = Counter({Status(name): int(count) for name, count in state["statuses"].items()})
        self._missing_contigs = Counter({str(name): int(n) for name, n in state["missing_contigs"].items()})
        for name, number in zip(self._NUMBERS, state["numbers"], strict=True):
            setattr(self, name, int(number))

    def summary(self) -> Summary:
        """Return the counts so far."""
        return Summary(
            n_records=self._n_records,
            n_variants=self._statuses.total(),
            n_padded=self._n_padded,
            statuses={str(status): self._statuses[status] for status in Status},
            missing_contigs=dict(self._missing_contigs.most_common()),
            n_probed=self._n_probed,
            n_probed_mismatches=self._n_mismatches,
            max_mismatch=self._max_mismatch,
        )
