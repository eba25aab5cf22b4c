from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.variants import CheckedVariant, Genome, Status, Tally, Variant, read_variants, score

YEAST = Path(__file__).resolve().parents[3] / "shared" / "data" / "yeast"


def rows(*matches: bool | None) -> list[CheckedVariant]:
    names = {True: Status.OK, False: Status.REF_MISMATCH, None: Status.SYMBOLIC}
    return [
        CheckedVariant(
            variant=Variant(chrom="c", position=0, ref="A", alt="C", record=record),
            status=names[match],
            ref_match=match,
        )
        for record, match in enumerate(matches)
    ]


def summarised(checked: list[CheckedVariant], **options: float) -> Any:
    tally = Tally(**options)
    tally.add(checked)
    return tally.summary()


@pytest.mark.parametrize(("n_mismatches", "is_suspect"), [(20, False), (21, True)])
def test_build_is_suspect_above_a_fifth_of_mismatches(n_mismatches: int, is_suspect: bool) -> None:
    summary = summarised(rows(*[False] * n_mismatches, *[True] * (100 - n_mismatches), *[None] * 500))
    assert summary.n_probed == 100
    assert summary.is_build_suspect is is_suspect
    assert any("genome build looks wrong" in warning for warning in summary.warnings) is is_suspect


def test_only_the_first_thousand_comparable_records_count() -> None:
    summary = summarised(rows(*[None] * 10, *[True] * 1000, *[False] * 5000))
    assert (summary.n_probed, summary.n_probed_mismatches) == (1000, 0)
    assert summary.statuses["ref_mismatch"] == 5000


def test_alts_of_one_record_are_compared_once() -> None:
    one = rows(False)[0]
    summary = summarised([one, one, one])
    assert (summary.n_records, summary.n_variants, summary.n_probed) == (1, 3, 1)


def test_threshold_is_a_share() -> None:
    assert not summarised(rows(False, True), max_mismatch=0.5).is_build_suspect
    with pytest.raises(DataError, match="max_mismatch is a share"):
        Tally(max_mismatch=20)


def test_missing_contigs_are_listed_with_counts() -> None:
    checked = [
        CheckedVariant(variant=Variant(chrom=c, position=0, ref="A", alt="C"), status=Status.NO_CONTIG)
        for c in "xyx"
    ]
    summary = summarised(checked)
    assert summary.missing_contigs == {"x": 2, "y": 1}
    assert summary.warnings == ["The FASTA does not have these contigs of the variants: x (2), y (1)."]


def test_positions_shifted_by_one_look_like_another_build(
    make_genome: Callable[..., Genome], make_model: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), size=20_000))
    variants = [
        Variant(chrom="c", position=p, ref=text[p], alt="ACGT"["ACGT".index(text[p]) - 1], record=n)
        for n, p in enumerate(range(10, 19_000, 12))
    ]
    model, genome = make_model(length=3, n_outputs=1), make_genome({"c": text})
    right = score(model, variants, genome).summary()
    shifted = score(model, [replace(v, position=v.position + 1) for v in variants], genome).summary()
    assert (right.n_probed_mismatches, right.warnings) == (0, [])
    assert 700 < shifted.n_probed_mismatches < 800
    assert shifted.n_variants == len(variants)
    assert any("genome build looks wrong" in warning for warning in shifted.warnings)


@pytest.mark.slow
@pytest.mark.skipif(not YEAST.is_dir(), reason="the shared yeast data are not beside the project")
def test_real_yeast_variants_match_their_genome(make_model: Callable[..., Any]) -> None:
    variants = list(read_variants(YEAST / "RM11-1A.vcf.gz"))
    genome, model = YEAST / "sacCer3.fa.gz", make_model(length=40, n_outputs=1)
    right = score(model, variants, genome).summary()
    shifted = score(model, [replace(v, position=v.position + 1) for v in variants], genome).summary()
    assert (right.n_records, right.n_variants) == (12_321, 12_330)
    assert right.statuses["ok"] == 12_330
    assert not right.is_build_suspect
    assert 0.7 < shifted.n_probed_mismatches / shifted.n_probed < 0.8
    assert shifted.is_build_suspect
