import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.errors import DataError, OutputExistsError
from genotools.variants import Status, read_variants, score, score_to_file


def read_table(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    lines = text.splitlines()
    header = dict(line[2:].split("=", 1) for line in lines if line.startswith("##"))
    return header, list(csv.DictReader([line for line in lines if not line.startswith("##")], delimiter="\t"))


def test_every_alt_gives_one_row_in_order_whatever_happens_to_it(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores.tsv"
    summary = score_to_file(model, nasty_vcf, fasta_path, output, batch_size=8)
    _, table = read_table(output)
    variants = list(read_variants(nasty_vcf))
    assert [(r["chrom"], int(r["pos"]) - 1, r["id"], r["ref"], r["alt"]) for r in table] == [
        (v.chrom, v.position, v.id, v.ref, v.alt) for v in variants
    ]
    statuses = [
        "ok symbolic star same_as_ref ok ref_mismatch ref_alt_swapped no_contig out_of_bounds too_long missing_alt",
        "non_acgt ok",
    ]
    assert [row["status"] for row in table] == " ".join(statuses).split()
    assert {row["status"] for row in table} == set(Status)
    for row in table:
        values = [value for name, value in row.items() if ":" in name or name.startswith("max_")]
        assert len(values) == 2 + 2 * 3
        assert all((value == "NA") is (row["status"] != "ok") for value in values)
    assert [table[4]["type"], table[4]["ref_match"], table[4]["n_pad"]] == ["INS", "true", "10"]
    assert [table[12]["type"], table[5]["ref_match"], table[1]["n_pad"]] == ["DEL", "false", "NA"]
    assert (summary.n_records, summary.n_variants) == (10, 13)
    assert summary.statuses["ok"] == 3
    assert summary.missing_contigs == {"scaffold_7": 1}


def test_table_holds_the_scores_and_their_provenance(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores.tsv.gz"
    score_to_file(model, nasty_vcf, fasta_path, output, scores=("diff", "effect"), features="output2,0")
    header, table = read_table(output)
    expected = score(model, nasty_vcf, fasta_path, scores=("diff", "effect"), features="output2,0")
    for name, values in expected.scores.items():
        for column, label in enumerate(["output2", "output0"]):
            got = [float(row[f"{name}:{label}"].replace("NA", "nan")) for row in table]
            np.testing.assert_allclose(got, values[:, column], rtol=1e-5)
    best = expected.max_absdiff_feature[0]
    assert table[0]["max_absdiff_feature"] == expected.features[best]
    assert float(table[0]["max_absdiff"]) == pytest.approx(float(expected.max_absdiff[0]), rel=1e-5)
    assert header["model_digest"] == model.digest
    assert header["fasta"] == "genome.fa"
    assert header["variant_index"].startswith("10 ")
    assert "each score is computed on each strand, then averaged" in header["strands"]
    assert header["score_effect"] == "|logfc| * |diff|"


@pytest.mark.parametrize(
    ("options", "stated"),
    [
        ({"strands": "forward"}, "forward strand only"),
        ({"average": "probs"}, "probabilities are averaged, then scored"),
    ],
)
def test_header_states_strands_and_order(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path, options: Any, stated: str
) -> None:
    score_to_file(model, nasty_vcf, fasta_path, tmp_path / "scores.tsv", **options)
    assert stated in read_table(tmp_path / "scores.tsv")[0]["strands"]


def test_summary_only_leaves_the_score_columns_out(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    score_to_file(model, nasty_vcf, fasta_path, tmp_path / "full.tsv")
    score_to_file(model, nasty_vcf, fasta_path, tmp_path / "short.tsv", summary_only=True)
    full, short = (read_table(tmp_path / name)[1] for name in ("full.tsv", "short.tsv"))
    assert list(short[0])[-2:] == ["max_absdiff", "max_absdiff_feature"]
    assert short == [{name: row[name] for name in short[0]} for row in full]


def test_plain_gzip_crlf_and_five_columns_give_the_same_table(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    text = nasty_vcf.read_text()
    five = "".join("\t".join(line.split("\t")[:5]) + "\n" for line in text.splitlines() if line[0] != "#")
    forms = {
        "plain": text.encode(),
        "gzip": gzip.compress(text.encode(), mtime=0),
        "crlf": text.replace("\n", "\r\n").encode(),
        "five": five.encode(),
    }
    tables = []
    for name, content in forms.items():
        path, output = tmp_path / name, tmp_path / f"{name}.tsv"
        path.write_bytes(content)
        score_to_file(model, path, fasta_path, output)
        tables.append(output.read_bytes())
    assert tables == [tables[0]] * 4


def test_no_records_give_a_table_of_columns_only(
    model: Any, write_vcf: Callable[..., Path], fasta_path: Path, tmp_path: Path
) -> None:
    score_to_file(model, write_vcf([]), fasta_path, tmp_path / "scores.tsv")
    columns = (tmp_path / "scores.tsv").read_text().splitlines()[-1].split("\t")
    assert columns[0] == "chrom"
    assert columns[-1] == "logfc:output2"


def test_compressed_tables_are_the_same_each_time(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    for name in ("one.tsv.gz", "two.tsv.gz"):
        score_to_file(model, nasty_vcf, fasta_path, tmp_path / name)
    assert (tmp_path / "one.tsv.gz").read_bytes() == (tmp_path / "two.tsv.gz").read_bytes()


def test_output_is_not_overwritten_without_force(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores.tsv"
    output.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        score_to_file(model, nasty_vcf, fasta_path, output)
    assert output.read_text() == "mine"
    score_to_file(model, nasty_vcf, fasta_path, output, force=True)
    assert output.read_text().startswith("##genotools_version=")


class Failing:
    """Answers one batch, then breaks."""

    names = ("a",)
    length = 21
    digest = ""

    def __init__(self) -> None:
        self.n_calls = 0

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.n_calls += 1
        if self.n_calls > 1:
            raise RuntimeError("out of memory")
        return np.full((len(codes), 1), 0.5, dtype=np.float32)


@pytest.mark.parametrize("before", [None, "mine"])
def test_failure_midway_leaves_no_half_output(
    nasty_vcf: Path, fasta_path: Path, tmp_path: Path, before: str | None
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / "scores.tsv"
    if before:
        output.write_text(before)
    with pytest.raises(RuntimeError, match="out of memory"):
        score_to_file(Failing(), nasty_vcf, fasta_path, output, batch_size=4, force=True)
    assert [path.name for path in folder.iterdir()] == (["scores.tsv"] if before else [])
    assert before is None or output.read_text() == before


def test_other_suffixes_are_refused(model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"written as \.tsv, \.tsv\.gz, \.h5, \.parquet, \.vcf, \.vcf\.gz"):
        score_to_file(model, nasty_vcf, fasta_path, tmp_path / "scores.csv")
