from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.data.encoding import decode
from genotools.variants import Genome, Kind, cut_windows, kind_of, variant_index

MakeGenome = Callable[[Mapping[str, str]], Genome]
# Lengths of REF and ALT, and the kind that such a change is, once made to differ at both ends.
KINDS = {
    "SNV": (1, 1),
    "MNV": (4, 4),
    "INS": (1, 5),
    "DEL": (6, 1),
    "COMPLEX, shorter": (5, 2),
    "COMPLEX, longer": (2, 7),
}


@st.composite
def changes(draw: st.DrawFn, name: str) -> tuple[str, int, str, str, int]:
    """Draw a genome, a 0-based position in it, REF, ALT and a window length of at least 20."""
    text = draw(st.text(alphabet="ACGT", min_size=10, max_size=120))
    n_ref, n_alt = KINDS[name]
    position = draw(st.integers(0, len(text) - n_ref))
    ref = text[position : position + n_ref]
    alt = draw(st.text(alphabet="ACGT", min_size=n_alt, max_size=n_alt))
    if name in ("INS", "DEL"):
        alt = ref[0] + alt[1:]
    else:
        other = {"A": "C", "C": "G", "G": "T", "T": "A"}
        alt = other[ref[0]] + alt[1:-1] + other[ref[-1]] if n_alt > 1 else other[ref[0]]
    return text, position, ref, alt, draw(st.integers(20, 60))


@pytest.mark.parametrize("name", KINDS)
def test_alt_window_is_a_substring_of_the_alt_haplotype(make_genome: MakeGenome, name: str) -> None:
    @settings(max_examples=200, deadline=None)
    @given(change=changes(name))
    def check(change: tuple[str, int, str, str, int]) -> None:
        text, position, ref, alt, length = change
        windows = cut_windows(make_genome({"c": text}), "c", position, ref, alt, length=length)
        index = (length - 1) // 2
        pad = "N" * length
        haplotype = pad + text[:position] + alt + text[position + len(ref) :] + pad
        start = length + position - index
        got = decode(windows.alt)
        assert got.strip("N") in haplotype
        assert got == haplotype[start : start + length]
        assert got[index : index + len(alt)] == alt
        assert decode(windows.ref) == (pad + text + pad)[start : start + length]
        assert windows.n_pad == max(got.count("N"), decode(windows.ref).count("N"))
        assert str(kind_of(ref, alt)) == name.split(",")[0]

    check()


@pytest.mark.parametrize(("length", "index"), [(1000, 499), (1001, 500), (1, 0), (2, 0)])
def test_variant_sits_at_the_documented_index(make_genome: MakeGenome, length: int, index: int) -> None:
    assert variant_index(length) == index
    windows = cut_windows(make_genome({"c": "A" * 3000}), "c", 1500, "A", "G", length=length)
    assert [place for place in range(length) if windows.alt[place] != windows.ref[place]] == [index]


def test_longest_allele_that_fits_fills_the_window(make_genome: MakeGenome) -> None:
    genome = make_genome({"c": "ACGT" * 20})
    windows = cut_windows(genome, "c", 40, "A", "G" * 6, length=10)
    assert decode(windows.alt) == "ACGT" + "G" * 6
    with pytest.raises(ValueError, match="an allele of more than 6 bp does not fit"):
        cut_windows(genome, "c", 40, "A", "G" * 7, length=10)


def test_deletion_at_a_contigs_end_counts_what_it_draws_in(make_genome: MakeGenome) -> None:
    genome = make_genome({"c": "ACGTACGTAC"})
    windows = cut_windows(genome, "c", 4, "ACG", "A", length=10)
    assert decode(windows.ref) == "ACGTACGTAC"
    assert decode(windows.alt) == "ACGTATACNN"
    assert windows.n_pad == 2


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        ("A", "A", None),
        ("CAT", "CGT", Kind.SNV),
        ("CA", "TG", Kind.MNV),
        ("CAA", "CA", Kind.DEL),
        ("CA", "CAAA", Kind.INS),
        ("TCC", "GG", Kind.COMPLEX),
    ],
)
def test_kind_leaves_shared_ends_aside(ref: str, alt: str, kind: Kind | None) -> None:
    assert kind_of(ref, alt) is kind
