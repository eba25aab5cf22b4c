import math
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.variants import Genome, Status, Variant, read_variants, score, score_variants

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def probability(model: Any, window: str, output: int) -> float:
    """Work out the model's answer without arrays of codes, windows or batches."""
    logit = sum(
        model.weights[place, "ACGT".index(base), output] for place, base in enumerate(window) if base != "N"
    )
    return 1 / (1 + math.exp(-logit))


def windows_of(text: str, variant: Variant, length: int) -> tuple[str, str]:
    pad = "N" * length
    start = length + variant.position - (length - 1) // 2
    haplotype = text[: variant.position] + variant.alt + text[variant.position + len(variant.ref) :]
    return (pad + text + pad)[start : start + length], (pad + haplotype + pad)[start : start + length]


def random_variants(genome_text: Mapping[str, str], n: int, *, seed: int) -> list[Variant]:
    rng = np.random.default_rng(seed)
    made = []
    for record in range(n):
        chrom = sorted(genome_text)[int(rng.integers(len(genome_text)))]
        text = genome_text[chrom]
        position = int(rng.integers(len(text) - 4))
        ref = text[position : position + int(rng.integers(1, 5))]
        alt = "".join(rng.choice(list("ACGT"), size=int(rng.integers(1, 5))))
        made.append(Variant(chrom=chrom, position=position, ref=ref, alt=alt, record=record))
    return [variant for variant in made if variant.ref != variant.alt]


def test_scores_equal_those_worked_out_by_hand(
    model: Any, genome: Genome, genome_text: dict[str, str]
) -> None:
    variants = random_variants(genome_text, 60, seed=1)
    both = score(model, variants, genome, scores=("ref", "alt", "diff", "logfc"))
    forward = score(model, variants, genome, scores=("diff",), strands="forward")
    for row, variant in enumerate(variants):
        ref, alt = windows_of(genome_text[variant.chrom], variant, model.length)
        for output in range(3):
            strands = [(ref, alt), (ref[::-1].translate(COMPLEMENT), alt[::-1].translate(COMPLEMENT))]
            probs = [(probability(model, r, output), probability(model, a, output)) for r, a in strands]
            expected = {
                "ref": sum(r for r, _ in probs) / 2,
                "alt": sum(a for _, a in probs) / 2,
                "diff": sum(a - r for r, a in probs) / 2,
                "logfc": sum(math.log2(a / (1 - a)) - math.log2(r / (1 - r)) for r, a in probs) / 2,
            }
            for name, value in expected.items():
                assert both.scores[name][row, output] == pytest.approx(value, abs=2e-5), (variant, name)
            assert forward.scores["diff"][row, output] == pytest.approx(probs[0][1] - probs[0][0], abs=1e-6)


def test_largest_effect_is_that_of_the_chosen_outputs(
    model: Any, genome: Genome, genome_text: dict[str, str]
) -> None:
    variants = random_variants(genome_text, 20, seed=2)
    every = score(model, variants, genome)
    two = score(model, variants, genome, features=[2, 0])
    assert two.features == ["output2", "output0"]
    assert np.array_equal(two.scores["diff"], every.scores["diff"][:, [2, 0]])
    assert np.array_equal(two.max_absdiff, np.abs(every.scores["diff"][:, [2, 0]]).max(axis=1))
    assert np.array_equal(two.max_absdiff_feature, np.abs(two.scores["diff"]).argmax(axis=1))


@settings(max_examples=25, deadline=None)
@given(batch_size=st.integers(1, 70), strands=st.sampled_from(["both", "forward"]))
def test_results_do_not_depend_on_the_batch_size(
    make_model: Callable[..., Any], make_genome: Callable[..., Genome], batch_size: int, strands: Any
) -> None:
    rng = np.random.default_rng(3)
    text = {"c": "".join(rng.choice(list("ACGT"), size=200))}
    variants = random_variants(text, 40, seed=4)
    variants.insert(5, Variant(chrom="c", position=0, ref="A", alt="<DEL>"))
    model, genome = make_model(), make_genome(text)
    whole = score(model, variants, genome, strands=strands, batch_size=10_000)
    parts = score(model, variants, genome, strands=strands, batch_size=batch_size)
    assert [row.variant for row in parts.rows] == variants
    assert all(
        np.array_equal(parts.scores[name], whole.scores[name], equal_nan=True) for name in whole.scores
    )
    assert max(model.batch_sizes[1:]) <= batch_size


def test_batches_are_filled_across_records(make_model: Callable[..., Any], genome: Genome) -> None:
    model = make_model()
    variants = [
        Variant(chrom="chr1", position=p, ref=r, alt="ACGT"["ACGT".index(r) - 1]) for p, r in bases(genome)
    ]
    unscorable = [Variant(chrom="chr9", position=0, ref="A", alt="C")] * 2
    records = [replace(v, record=r) for r, v in enumerate(v for one in variants for v in (one, *unscorable))]
    list(score_variants(model, records, genome, batch_size=64))
    assert len(model.batch_sizes) == math.ceil(len(variants) / 16)
    assert set(model.batch_sizes[:-1]) == {64}


def bases(genome: Genome) -> list[tuple[int, str]]:
    return [(place, "ACGT"[code]) for place, code in enumerate(genome.codes("chr1", 0, 250).tolist())]


def test_ref_window_that_alts_share_is_predicted_once(make_model: Callable[..., Any], genome: Genome) -> None:
    model = make_model()
    ref = bases(genome)[50][1]
    variants = [Variant(chrom="chr1", position=50, ref=ref, alt=alt) for alt in "ACGT" if alt != ref]
    score(model, variants, genome, strands="forward")
    assert model.batch_sizes == [4]


def test_change_that_leaves_the_window_alone_scores_exactly_zero(
    make_model: Callable[..., Any], make_genome: Callable[..., Genome]
) -> None:
    genome = make_genome({"c": "A" * 200})
    variant = Variant(chrom="c", position=100, ref="AAA", alt="A")
    table = score(make_model(), [variant], genome, scores=("diff", "absdiff", "logfc", "effect"))
    assert table.rows[0].status is Status.OK
    assert all(np.array_equal(values, np.zeros((1, 3))) for values in table.scores.values())


def test_progress_counts_variants_and_knows_the_total(
    model: Any, genome: Genome, genome_text: dict[str, str], write_vcf: Callable[..., Path]
) -> None:
    path = write_vcf(
        [("chr1", place, ".", genome_text["chr1"][place - 1], "<X>,.") for place in range(1, 101)]
    )
    seen: list[tuple[int, int | None]] = []
    list(score_variants(model, path, genome, on_progress=lambda done, total: seen.append((done, total))))
    assert seen[0] == (0, 200)
    assert seen[-1] == (200, 200)


def test_pipe_is_read_once(
    model: Any, genome: Genome, genome_text: dict[str, str], write_vcf: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_vcf([("chr1", 9, ".", genome_text["chr1"][8], "A,C,G,T")])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True)
    writer.start()
    table = score(model, pipe, genome)
    writer.join(timeout=10)
    assert [row.variant for row in table.rows] == list(read_variants(path))


def test_no_variants_give_an_empty_table(model: Any, genome: Genome) -> None:
    table = score(model, [], genome)
    assert len(table) == 0
    assert table.scores["diff"].shape == (0, 3)
    assert not table.summary().is_build_suspect


def test_wrong_options_are_refused_at_once(model: Any, genome: Genome) -> None:
    with pytest.raises(
        DataError, match=r"(?s)3 faults.*strands must be.*average must be.*batch_size must be 1"
    ):
        score_variants(model, [], genome, strands="reverse", average="mean", batch_size=0)  # type: ignore[arg-type]


class Broken:
    names = ("a", "b")
    length = 21
    digest = ""

    def __init__(self, *, n_outputs: int, value: float) -> None:
        self._n_outputs, self._value = n_outputs, value

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(codes), self._n_outputs), self._value, dtype=np.float32)


@pytest.mark.parametrize(
    ("n_outputs", "value", "message"),
    [(3, 0.5, r"returned shape \(4, 3\).*expected \(4, 2\)"), (2, math.nan, "8 values that are not finite")],
)
def test_models_that_answer_nonsense_are_named(
    genome: Genome, genome_text: dict[str, str], n_outputs: int, value: float, message: str
) -> None:
    variants = random_variants(genome_text, 1, seed=0)
    with pytest.raises(DataError, match=message):
        score(Broken(n_outputs=n_outputs, value=value), variants, genome)


def test_a_difference_too_large_for_a_number_is_no_score(genome: Genome, genome_text: dict[str, str]) -> None:
    class Huge(Broken):
        def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.where((codes[:, 10] % 2)[:, None] == 1, [[3e38, 0]], [[-3e38, 0]]).astype(np.float32)

    ref = genome_text["chr1"][99]
    alt = "ACGT"["ACGT".index(ref) ^ 1]
    variant = Variant(chrom="chr1", position=99, ref=ref, alt=alt)
    with pytest.raises(DataError, match=f"score 'diff' of record 1, chr1:100 {ref}>{alt} is not finite"):
        score(Huge(n_outputs=2, value=0), [variant], genome, scores=["diff"], strands="forward")
