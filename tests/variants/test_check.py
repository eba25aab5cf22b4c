from collections.abc import Callable, Mapping

import pytest

from genotools.variants import Checker, Genome, Status, Variant

TEXT = "ACGTTGCAAC" * 4 + "N" + "ACGTTGCAAC"  # 51 bp
LENGTH = 21  # an allele has room for 11 bp

CASES = [
    ("chr1", 1, "A", "C", Status.OK),
    ("1", 1, "A", "C", Status.OK),
    ("chr1", 51, "C", "CA", Status.OK),
    ("chr1", 1, "A", "A", Status.SAME_AS_REF),
    ("chr1", 1, "C", "G", Status.REF_MISMATCH),
    ("chr1", 1, "G", "A", Status.REF_ALT_SWAPPED),
    ("chr1", 41, "A", "C", Status.REF_MISMATCH),
    ("chr1", 1, "C", "C", Status.REF_MISMATCH),
    ("chr9", 1, "A", "C", Status.NO_CONTIG),
    ("chr1", 0, "A", "C", Status.OUT_OF_BOUNDS),
    ("chr1", 52, "A", "C", Status.OUT_OF_BOUNDS),
    ("chr1", 51, "CA", "C", Status.OUT_OF_BOUNDS),
    ("chr1", 1, "A", "A" * 12, Status.TOO_LONG),
    ("chr1", 1, "A", "A" * 11, Status.OK),
    ("chr1", 1, "ACGTTGCAACACG", "A", Status.TOO_LONG),
    ("chr1", 1, "A", "<DEL>", Status.SYMBOLIC),
    ("chr1", 1, "A", "A[CHR2:5[", Status.SYMBOLIC),
    ("chr1", 1, "A", ".C", Status.SYMBOLIC),
    ("chr1", 1, "A", "*", Status.STAR),
    ("chr1", 1, "A", ".", Status.MISSING_ALT),
    ("chr1", 1, "A", "R", Status.NON_ACGT),
    ("chr1", 41, "N", "C", Status.NON_ACGT),
    ("chr1", 1, "-", "C", Status.NON_ACGT),
]


@pytest.mark.parametrize(("chrom", "pos", "ref", "alt", "status"), CASES)
def test_status_says_whether_and_why_not(
    make_genome: Callable[[Mapping[str, str]], Genome],
    chrom: str,
    pos: int,
    ref: str,
    alt: str,
    status: Status,
) -> None:
    checker = Checker(make_genome({"chr1": TEXT}), length=LENGTH)
    row, windows = checker.check(Variant(chrom=chrom, position=pos - 1, ref=ref, alt=alt))
    assert row.status is status
    assert (windows is not None) == (status is Status.OK)
    compared = {
        Status.OK: True,
        Status.SAME_AS_REF: True,
        Status.REF_MISMATCH: False,
        Status.REF_ALT_SWAPPED: False,
    }
    assert row.ref_match is compared.get(status)


def test_every_status_has_a_case_and_a_meaning() -> None:
    assert {status for *_, status in CASES} == set(Status)
    assert all(status.meaning for status in Status)
