"""Predictions of records and regions, with a model whose answers can be counted."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genotools.data.encoding import encode, reverse_complement
from genotools.errors import DataError, OutputExistsError
from genotools.export import PredictionSummary, predict_bed, predict_fasta, predict_windows
from genotools.export.predict import window_start


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.fa"
    path.write_text(">exact some words\nAAAAATTGGC\n>long\nCCAAAAAAAAAATTT\n>short\nGGG\n>blank\nNNNN\n")
    return path


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\n" + "A" * 20 + "T" * 20 + "\n>chr2\n" + "G" * 8 + "\n")
    return path


@pytest.fixture
def write_bed(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "regions.bed"
        path.write_text(text)
        return path

    return write


def read_tsv(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    header = dict(line[2:].split("=", 1) for line in lines if line.startswith("##"))
    names, *rows = [line.split("\t") for line in lines if not line.startswith("##")]
    return header, [dict(zip(names, row, strict=True)) for row in rows]


def test_records_become_windows_around_their_middle(counting: Any, records: Path, tmp_path: Path) -> None:
    summary = predict_fasta(counting, records, tmp_path / "p.tsv", strands="forward", batch_size=3)
    assert summary == PredictionSummary(n_windows=4, n_cropped=1, n_padded=2, n_blank=1)
    header, rows = read_tsv(tmp_path / "p.tsv")
    assert [row["record"] for row in rows] == ["exact", "long", "short", "blank"]
    described = [
        [int(row[key]) for key in ("length_bp", "n_cropped", "n_padded", "n_unknown")] for row in rows
    ]
    assert described == [[10, 0, 0, 0], [15, 5, 0, 0], [3, 0, 7, 7], [4, 0, 6, 10]]
    probs = [[float(row[name]) for name in counting.names] for row in rows]
    # "long" has 15 bp: its middle one, the 8th, comes to lie at index 4 of 10, so CCA and TT are left out.
    assert probs == [[0.5, 0.2, 0.3], [0.9, 0.1, 0], [0, 0, 0.3], [0, 0, 0]]
    assert header["format"] == "genotools/predictions"
    assert (header["model_digest"], header["window_bp"]) == ("0" * 64, "10")
    assert (header["strands"], header["sequences"]) == ("forward strand only", "records.fa")


def test_strand_pairs_change_places_before_strands_are_averaged(
    counting: Any, records: Path, tmp_path: Path
) -> None:
    predict_fasta(counting, records, tmp_path / "p.tsv")
    header, rows = read_tsv(tmp_path / "p.tsv")
    # base_plus counts A; on the other strand base_minus, which counts T, sees the same bases.
    assert [float(rows[0][name]) for name in counting.names] == pytest.approx([0.5, 0.2, 0.3])
    assert header["strands"] == "both strands, predictions averaged"


def test_without_pairs_strands_are_plainly_averaged(counting: Any) -> None:
    counting.names = ("a", "t", "gc")
    window = encode("AAAAATTGGC")[None]
    np.testing.assert_allclose(predict_windows(counting, window), [[0.35, 0.35, 0.3]])


def test_average_of_strands_is_the_same_from_either_strand(counting: Any) -> None:
    codes = np.random.default_rng(0).integers(0, 5, size=(9, 10), dtype=np.uint8)
    here = predict_windows(counting, codes, batch_size=4)
    there = predict_windows(counting, reverse_complement(codes), batch_size=100)
    np.testing.assert_allclose(here, there[:, [1, 0, 2]], atol=1e-7)


def test_regions_see_the_genome_around_them(
    counting: Any, genome: Path, write_bed: Callable[[str], Path], tmp_path: Path
) -> None:
    bed = write_bed(
        "chr1\t15\t25\tmiddle\nchr1\t18\t19\tpoint\nchr1\t10\t30\twide\nchr1\t0\t1\tedge\nchr2\t0\t8\tend\n"
    )
    summary = predict_bed(counting, bed, genome, tmp_path / "p.tsv", strands="forward", batch_size=2)
    assert summary == PredictionSummary(n_windows=5, n_cropped=1, n_padded=2, n_blank=0)
    header, rows = read_tsv(tmp_path / "p.tsv")
    assert [row["name"] for row in rows] == ["middle", "point", "wide", "edge", "end"]
    assert [int(row["window_start"]) for row in rows] == [15, 14, 15, -4, -1]
    assert [int(row["n_padded"]) for row in rows] == [0, 0, 0, 4, 2]
    probs = [[float(row[name]) for name in counting.names] for row in rows]
    assert probs == [[0.5, 0.5, 0], [0.6, 0.4, 0], [0.5, 0.5, 0], [0.6, 0, 0], [0, 0, 0.8]]
    assert (header["fasta"], header["regions"]) == ("genome.fa", "regions.bed")
    assert header["coordinates"].startswith("0-based")


def test_regions_without_names_have_no_such_column(
    counting: Any, genome: Path, write_bed: Callable[[str], Path], tmp_path: Path
) -> None:
    predict_bed(counting, write_bed("chr1\t3\t9\n"), genome, tmp_path / "p.tsv")
    _, (row,) = read_tsv(tmp_path / "p.tsv")
    assert list(row)[:4] == ["chrom", "start", "end", "window_start"]


def test_regions_outside_the_genome_are_all_listed(
    counting: Any, genome: Path, write_bed: Callable[[str], Path], tmp_path: Path
) -> None:
    bed = write_bed("chr1\t3\t9\n1\t3\t9\nchr2\t0\t9\n")
    with pytest.raises(DataError, match=r"line 2: the FASTA has no contig '1'[^$]*line 3: end 9 lies past"):
        predict_bed(counting, bed, genome, tmp_path / "p.tsv")
    assert not (tmp_path / "p.tsv").exists()


@given(start=st.integers(0, 10_000), extent=st.integers(1, 3000), length=st.integers(1, 2000))
def test_window_and_region_have_the_same_centre(start: int, extent: int, length: int) -> None:
    first = window_start(("c", start, start + extent), length)
    assert abs((2 * first + length) - (2 * start + extent)) <= 1
    if extent == length:
        assert first == start


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
def test_tables_of_the_same_input_are_equal_bytes(
    counting: Any, records: Path, tmp_path: Path, suffix: str
) -> None:
    for name, batch_size in (("a", 1), ("b", 256)):
        predict_fasta(counting, records, tmp_path / (name + suffix), batch_size=batch_size)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert len(read_tsv(tmp_path / f"a{suffix}")[1]) == 4


def test_hdf5_holds_the_same_as_text(counting: Any, records: Path, tmp_path: Path) -> None:
    predict_fasta(counting, records, tmp_path / "p.tsv", batch_size=3)
    predict_fasta(counting, records, tmp_path / "p.h5", batch_size=3)
    header, rows = read_tsv(tmp_path / "p.tsv")
    with h5py.File(tmp_path / "p.h5") as file:
        assert dict(file.attrs) == header
        assert file["outputs"].asstr()[:].tolist() == list(counting.names)
        assert file["rows/record"].asstr()[:].tolist() == [row["record"] for row in rows]
        assert file["rows/n_padded"][:].tolist() == [int(row["n_padded"]) for row in rows]
        expected = [[float(row[name]) for name in counting.names] for row in rows]
        np.testing.assert_allclose(file["predictions"][:], expected, atol=1e-6)
        assert file["predictions"].dtype == np.float32


def test_outputs_of_the_same_name_are_told_apart(counting: Any, records: Path, tmp_path: Path) -> None:
    counting.names = ("CTCF", "CTCF", "two\tparts")
    predict_fasta(counting, records, tmp_path / "p.tsv")
    _, rows = read_tsv(tmp_path / "p.tsv")
    assert list(rows[0])[-3:] == ["0|CTCF", "1|CTCF", "two parts"]


def test_progress_counts_windows(counting: Any, records: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    predict_fasta(
        counting,
        records,
        tmp_path / "p.tsv",
        batch_size=3,
        on_progress=lambda n_done, n_total: seen.append((n_done, n_total)),
    )
    assert seen == [(3, 4), (4, 4)]


@pytest.mark.parametrize("suffix", [".tsv", ".h5"])
@pytest.mark.parametrize(
    ("answer", "message"), [(np.nan, "not finite"), (None, r"returned shape .* expected \(8, 3\)")]
)
def test_broken_model_leaves_no_file(
    counting: Any, records: Path, tmp_path: Path, answer: float | None, message: str, suffix: str
) -> None:
    def predict(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        if answer is None:
            return np.zeros((len(codes), 2), dtype=np.float32)
        return np.full((len(codes), 3), answer, dtype=np.float32)

    counting.predict = predict
    before = set(tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        predict_fasta(counting, records, tmp_path / f"p{suffix}")
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "records.fa.fai"}


def test_existing_output_is_only_replaced_with_force(counting: Any, records: Path, tmp_path: Path) -> None:
    output = tmp_path / "p.tsv"
    output.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"p\.tsv exists"):
        predict_fasta(counting, records, output)
    assert output.read_text() == "mine"
    predict_fasta(counting, records, output, force=True)
    assert output.read_text().startswith("##format=")


def test_unknown_suffix_is_refused(counting: Any, records: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"written as \.tsv, \.tsv\.gz, \.h5"):
        predict_fasta(counting, records, tmp_path / "p.csv")


def test_a_record_or_region_without_a_number_is_named(
    counting: Any, records: Path, genome: Path, write_bed: Callable[[str], Path], tmp_path: Path
) -> None:
    predict = counting.predict

    def broken(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = np.array(predict(codes))
        outputs[(codes == 2).sum(axis=1) == 3] = np.inf  # GGG, padded with unknown bases
        return outputs

    counting.predict = broken
    with pytest.raises(DataError, match="first for short:0-3, output"):
        predict_fasta(counting, records, tmp_path / "p.tsv", strands="forward", batch_size=2)
    bed = write_bed("chr1\t0\t10\nchr2\t0\t6\nchr2\t6\t8\n")
    counting.predict = lambda codes: predict(codes) * np.where((codes == 2).any(axis=1), np.nan, 1)[:, None]
    with pytest.raises(DataError, match="first for chr2:0-6 and 1 more windows, output"):
        predict_bed(counting, bed, genome, tmp_path / "p.tsv", strands="forward")
    assert not list(tmp_path.glob("p.tsv*"))
