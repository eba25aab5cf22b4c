from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.variants import Genome, saturation, score, substitutions, write_saturation


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_every_base_has_its_three_substitutions(genome: Genome, genome_text: dict[str, str]) -> None:
    variants = list(substitutions(genome, "chr1", 100, 110))
    assert len(variants) == 30
    text = genome_text["chr1"]
    for place in range(100, 110):
        here = [v for v in variants if v.position == place]
        assert {v.ref for v in here} == {text[place]}
        assert {v.alt for v in here} == set("ACGT") - {text[place]}
    assert len({v.record for v in variants}) == 10


@pytest.mark.parametrize(("start", "end", "middle"), [(103, 110, 106), (103, 109, 105)])
def test_effects_equal_the_models_weights(
    model: Any, genome: Genome, genome_text: dict[str, str], start: int, end: int, middle: int
) -> None:
    result = saturation(model, genome, "chr1", start, end, strands="forward", batch_size=5)
    left = 10 - (middle - start)  # the middle of the region sits at index 10 of 21
    window = ["ACGT".index(base) for base in genome_text["chr1"][start - left : start - left + 21]]
    logit = sum(model.weights[place, code] for place, code in enumerate(window))
    np.testing.assert_allclose(result.ref, sigmoid(logit), atol=1e-6)
    for place in range(end - start):
        for code in range(4):
            change = model.weights[left + place, code] - model.weights[left + place, window[left + place]]
            np.testing.assert_allclose(
                result.diffs[place, code], sigmoid(logit + change) - sigmoid(logit), atol=1e-6
            )
        assert np.array_equal(result.diffs[place, window[left + place]], np.zeros(3))


def test_one_base_is_scored_like_a_variant(model: Any, genome: Genome) -> None:
    result = saturation(model, genome, "chr2", 200, 201)
    variants = list(substitutions(genome, "chr2", 200, 201))
    table = score(model, variants, genome, scores=("diff",))
    for row, variant in enumerate(variants):
        np.testing.assert_allclose(
            result.diffs[0, "ACGT".index(variant.alt)], table.scores["diff"][row], atol=1e-6
        )


def test_unknown_bases_have_no_effects(model: Any, make_genome: Any) -> None:
    genome = make_genome({"c": "ACGTNACGTT"})
    result = saturation(model, genome, "c", 3, 6)
    assert np.isnan(result.diffs[1]).all()
    assert np.isfinite(result.diffs[[0, 2]]).all()
    assert len(list(substitutions(genome, "c", 3, 6))) == 6


def test_regions_that_cannot_be_are_refused(model: Any, genome: Genome) -> None:
    with pytest.raises(DataError, match=r"chr1:290-301 is no region.*0 to 300"):
        saturation(model, genome, "chr1", 290, 301)
    with pytest.raises(DataError, match=r"is 22 bp, the model's window is 21 bp"):
        saturation(model, genome, "chr1", 100, 122)
    with pytest.raises(DataError, match=r"no contig 'chr7'"):
        list(substitutions(genome, "chr7", 0, 5))


@pytest.mark.parametrize("length", [20, 21])
def test_whole_window_can_be_saturated(make_model: Any, genome: Genome, length: int) -> None:
    result = saturation(make_model(length=length), genome, "chr1", 100, 100 + length)
    assert result.diffs.shape == (length, 4, 3)
    assert np.isfinite(result.diffs).all()


def test_map_is_written_one_line_per_substitution(model: Any, fasta_path: Path, tmp_path: Path) -> None:
    result = saturation(model, fasta_path, "chr1", 100, 104)
    write_saturation(tmp_path / "map.tsv", [result], features="output1")
    lines = [line for line in (tmp_path / "map.tsv").read_text().splitlines() if not line.startswith("##")]
    assert lines[0].split("\t") == [
        "chrom",
        "pos",
        "ref",
        "alt",
        "max_absdiff",
        "max_absdiff_feature",
        "diff:output1",
    ]
    assert len(lines) == 1 + 12
    chrom, pos, _, alt, largest, label, diff = lines[1].split("\t")
    assert (chrom, pos, label) == ("chr1", "101", "output1")
    assert float(diff) == pytest.approx(float(result.diffs[0, "ACGT".index(alt), 1]), rel=1e-5)
    assert float(largest) == pytest.approx(abs(float(diff)))


def test_a_change_without_a_number_is_named(model: Any, genome: Genome, genome_text: dict[str, str]) -> None:
    predict = model.predict
    place, alt = 9 + 3, "ACGT".index("ACGT".replace(genome_text["chr1"][103], "")[1])

    def broken(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = np.array(predict(codes))
        outputs[codes[:, place] == alt] = np.inf
        return outputs

    model.predict = broken
    with pytest.raises(
        DataError, match=f"first for chr1:101-104 with its base 4 changed to {'ACGT'[alt]}, output"
    ):
        saturation(model, genome, "chr1", 100, 104, strands="forward", batch_size=5)
    model.predict = lambda codes: predict(codes) * np.nan
    with pytest.raises(DataError, match="first for chr1:101-104 and 1 more windows, output"):
        saturation(model, genome, "chr1", 100, 104)
