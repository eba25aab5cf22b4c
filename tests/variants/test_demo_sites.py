"""Variants at random sites of the embedded genome: their windows are pieces of the changed chromosome."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from genotools.data.demo import demo_genome
from genotools.data.encoding import decode
from genotools.variants import Checker, Genome, Status, Variant, score, variant_index

KINDS = {
    "SNV": (1, 1),
    "MNV": (3, 3),
    "INS": (1, 6),
    "DEL": (9, 1),
    "COMPLEX": (4, 2),
    "COMPLEX, longer": (2, 12),
}
N_SITES, LENGTH_BP = 200, 1000


@pytest.fixture(scope="module")
def chromosomes() -> dict[str, str]:
    return {name: decode(codes) for name, codes in demo_genome().items()}


@pytest.fixture(scope="module")
def yeast(chromosomes: dict[str, str], make_genome: Callable[..., Genome]) -> Genome:
    return make_genome(chromosomes)


def sites(chromosomes: dict[str, str], kind: str) -> Iterator[Variant]:
    """Yield variants of a kind at random sites, some of them near the ends of chromosomes."""
    rng = np.random.default_rng(sorted(KINDS).index(kind))
    n_ref, n_alt = KINDS[kind]
    for record in range(N_SITES):
        chrom = str(rng.choice(list(chromosomes)))
        text = chromosomes[chrom]
        reach = 300 if record % 10 == 0 else len(text)
        position = int(rng.integers(0, reach - n_ref))
        ref = text[position : position + n_ref]
        alt = "".join(rng.choice(list("ACGT"), size=n_alt))
        if kind in ("INS", "DEL"):
            alt = ref[0] + alt[1:]
        else:
            other = dict(zip("ACGT", "CGTA", strict=True))
            alt = other[ref[0]] + alt[1:-1] + other[ref[-1]] if n_alt > 1 else other[ref[0]]
        yield Variant(chrom=chrom, position=position, ref=ref, alt=alt, record=record)


@pytest.mark.parametrize("kind", KINDS)
def test_alt_windows_are_pieces_of_the_alt_haplotype(
    chromosomes: dict[str, str], yeast: Genome, kind: str
) -> None:
    checker, index = Checker(yeast, length=LENGTH_BP), variant_index(LENGTH_BP)
    assert index == 499
    for variant in sites(chromosomes, kind):
        checked, windows = checker.check(variant)
        assert (checked.status, checked.kind) == (Status.OK, kind.split(",")[0])
        assert windows is not None
        text, end = chromosomes[variant.chrom], variant.position + len(variant.ref)
        near = text[max(0, variant.position - 2000) : variant.position] + variant.alt + text[end : end + 2000]
        alt, ref = decode(windows.alt), decode(windows.ref)
        assert alt.strip("N") in near
        assert ref.strip("N") in text
        assert alt[index : index + len(variant.alt)] == variant.alt
        assert ref[index : index + len(variant.ref)] == variant.ref
        assert alt[:index] == ref[:index]


def test_a_change_that_changes_nothing_scores_exactly_zero(
    chromosomes: dict[str, str], yeast: Genome, make_model: Callable[..., Any]
) -> None:
    """With one unit less, the window of a repeat looks alike: both windows are the same and scores are 0."""
    model = make_model(length=41)
    genome = type(yeast)({"c": "ACG" * 200})  # type: ignore[call-arg]
    variants = [Variant(chrom="c", position=p, ref="ACGA", alt="A", record=p) for p in range(60, 480, 3)]
    names = ("diff", "absdiff", "logfc", "effect")
    found = score(model, variants, genome, scores=names)
    assert {row.status for row in found.rows} == {Status.OK}
    for name in names:
        assert (found.scores[name] == 0).all(), name
    real = score(model, list(sites(chromosomes, "SNV")), yeast, scores=names)
    assert (real.scores["absdiff"] > 0).any(axis=1).mean() > 0.9
