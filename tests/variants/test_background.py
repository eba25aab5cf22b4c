"""E-values and z-scores against a background, which belongs to one model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from genotools.errors import DataError, OutputExistsError
from genotools.variants import read_background, score, write_background
from genotools.variants.background import Background
from genotools.variants.background_run import make_background


@pytest.fixture
def vcf(genome_text: dict[str, str], write_vcf: Callable[..., Path]) -> Path:
    text = genome_text["chr1"]
    return write_vcf([("chr1", p, ".", text[p - 1], "A,C,G,T,<DEL>") for p in range(20, 120)])


@pytest.fixture
def known(model: Any, vcf: Path, fasta_path: Path) -> Background:
    return make_background(model, vcf, fasta_path, n=10_000)


def test_evalues_and_zscores_are_counted_by_hand(
    model: Any, vcf: Path, fasta_path: Path, known: Background
) -> None:
    names = ("diff", "effect", "evalue", "zscore")
    table = score(model, vcf, fasta_path, scores=names, background=known, features="1,2")
    ok = ~np.isnan(table.scores["diff"][:, 0])
    effects, diffs = table.scores["effect"][ok], table.scores["diff"][ok]
    assert known.n == ok.sum() == 300
    for k in range(2):
        larger = np.array([(effects[:, k] > one).sum() for one in effects[:, k]]) / 300
        np.testing.assert_allclose(table.scores["evalue"][ok][:, k], np.maximum(larger, 1 / 301), rtol=1e-6)
        rms = np.sqrt((diffs[:, k].astype(float) ** 2).mean())
        np.testing.assert_allclose(table.scores["zscore"][ok][:, k], diffs[:, k] / rms, rtol=1e-4)
    assert np.isnan(table.scores["evalue"][~ok]).all()


def test_a_background_is_read_as_it_was_written(known: Background, tmp_path: Path) -> None:
    write_background(tmp_path / "b.h5", known, source="calls.vcf")
    found = read_background(tmp_path / "b.h5")
    assert (found.names, found.how, found.n) == (known.names, known.how, known.n)
    np.testing.assert_array_equal(found.effects, known.effects)
    np.testing.assert_array_equal(found.rms, known.rms)
    with pytest.raises(OutputExistsError):
        write_background(tmp_path / "b.h5", known, source="calls.vcf")


def test_variants_are_drawn_by_seed(model: Any, vcf: Path, fasta_path: Path) -> None:
    one, two, other = (make_background(model, vcf, fasta_path, n=200, seed=seed) for seed in (1, 1, 2))
    assert one.n < 200
    np.testing.assert_array_equal(one.effects, two.effects)
    assert one.effects.shape != other.effects.shape or not np.array_equal(one.effects, other.effects)


@pytest.mark.parametrize("change", [{"average": "probs"}, {"strands": "forward"}, {"odds": "deepsea"}])
def test_a_background_made_otherwise_is_refused(
    model: Any, vcf: Path, fasta_path: Path, known: Background, change: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=f"it was made with {next(iter(change))}"):
        score(model, vcf, fasta_path, scores=["zscore"], background=known, **change)


def test_a_background_of_another_model_is_refused(
    make_model: Callable[..., Any], vcf: Path, fasta_path: Path, known: Background
) -> None:
    other = make_model(seed=9)
    other.digest = "1" * 64
    with pytest.raises(DataError, match="it was made with model_digest '0000"):
        score(other, vcf, fasta_path, scores=["evalue"], background=known)


def test_no_background_is_said_at_once(model: Any, vcf: Path, fasta_path: Path) -> None:
    with pytest.raises(DataError, match="evalue: a background is needed"):
        score(model, vcf, fasta_path, scores=["evalue"])


def test_what_is_no_background_is_refused(known: Background, tmp_path: Path) -> None:
    path = tmp_path / "b.h5"
    with pytest.raises(DataError, match="no such file"):
        read_background(path)
    path.write_text("text")
    with pytest.raises(DataError, match="not a readable background"):
        read_background(path)
    path.unlink()
    write_background(path, known, source="x")
    with h5py.File(path, "r+") as file:
        file["effects"][...] = known.effects[:, ::-1]
    with pytest.raises(DataError, match="not finite and ascending"):
        read_background(path)
    with h5py.File(path, "r+") as file:
        del file["rms"]
    with pytest.raises(DataError, match="not a readable background"):
        read_background(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 9
    with pytest.raises(DataError, match="version: 9 is newer"):
        read_background(path)


@pytest.mark.parametrize("values", [[b"a", b"b", b"c"], [1j, 2j, 3j], [True, False, True]])
def test_arrays_of_no_numbers_are_refused(known: Background, tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "b.h5"
    write_background(path, known, source="x")
    with h5py.File(path, "r+") as file:
        del file["rms"]
        file["rms"] = np.array(values)
    with pytest.raises(DataError, match="for 3 outputs; the file is damaged"):
        read_background(path)


def test_a_background_of_equal_effects_is_read_however_small_its_file(
    known: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs that are saturated differ by 0: what was written after hours of scoring must be readable."""
    monkeypatch.setattr("genotools.data.hdf5.FREE_BYTES", 1000)
    flat = Background(
        names=known.names, effects=np.zeros((3, 100_000), np.float32), rms=known.rms, how=known.how
    )
    path = tmp_path / "b.h5"
    write_background(path, flat, source="x")
    assert flat.effects.nbytes > 20 * path.stat().st_size
    assert read_background(path).n == 100_000
    monkeypatch.setattr("genotools.variants.background.MAX_BYTES", 1_000_000)
    with pytest.raises(DataError, match=r"'effects' has 1,200,000 bytes, at most 1,000,000 are read"):
        read_background(path)


def test_standard_input_cannot_be_drawn_from(model: Any, fasta_path: Path) -> None:
    with pytest.raises(DataError, match="a background is drawn from a file"):
        make_background(model, "-", fasta_path)
