import pytest

from genotools.data.contig_names import ContigNames

YEAST = [f"chr{roman}" for roman in ("I", "II", "III", "IV", "V", "IX", "X", "M")]
HUMAN = ["1", "2", "10", "X", "Y", "MT", "GL000194.1"]


@pytest.mark.parametrize(
    ("known", "name", "expected"),
    [
        (YEAST, "chrIV", "chrIV"),
        (YEAST, "IV", "chrIV"),
        (YEAST, "4", "chrIV"),
        (YEAST, "chr10", "chrX"),
        (YEAST, "chrV", "chrV"),
        (YEAST, "Mito", "chrM"),
        (YEAST, "chromosome_II", "chrII"),
        (HUMAN, "chr10", "10"),
        (HUMAN, "chrX", "X"),
        (HUMAN, "chrM", "MT"),
        (HUMAN, "CHR2", "2"),
        (HUMAN, "chrIV", None),
        (HUMAN, "gl000194.1", "GL000194.1"),
        (HUMAN, "3", None),
        (["1", "2", "3"], "chrIII", None),
        (["I", "II"], "1", "I"),
    ],
)
def test_other_names_are_found(known: list[str], name: str, expected: str | None) -> None:
    assert ContigNames(known).find(name) == expected


def test_two_contigs_alike_are_found_by_their_own_names_only() -> None:
    names = ContigNames(["chr1", "1"])
    assert [names.find(name) for name in ("chr1", "1", "Chr1")] == ["chr1", "1", None]


def test_renamed_lists_what_is_called_otherwise() -> None:
    assert ContigNames(YEAST).renamed(["1", "chrII", "zz"]) == {"1": "chrI"}
