"""Tables of every kind say the same, annotated VCF passes everything else through, and a kill changes nothing."""

import csv
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet
import pysam
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.variants import Genome, Status, read_variants, score, score_to_file
from genotools.variants import run as run_module
from genotools.variants.run import SUFFIXES
from genotools.variants.scoring import open_genome
from genotools.variants.windows import cut_windows


def records(path: Path) -> list[dict[str, str]]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("##")]
    return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture
def many_vcf(genome_text: dict[str, str], write_vcf: Callable[..., Path]) -> Path:
    """Write 200 records of 1 to 3 ALTs, some of which cannot be scored."""
    rng, text, rows = np.random.default_rng(3), genome_text["chr2"], []
    for place in range(40, 240):
        ref = text[place - 1]
        others = [base for base in "ACGT" if base != ref]
        alts = [*others[: int(rng.integers(1, 4))], *(["<DEL>"] if place % 7 == 0 else [])]
        rows.append(("chr2", place, f"v{place}", ref, ",".join(alts)))
    return write_vcf(rows)


def test_hdf5_and_parquet_hold_what_the_text_does(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    for suffix in (".tsv", ".h5", ".parquet"):
        score_to_file(model, nasty_vcf, fasta_path, tmp_path / f"s{suffix}", batch_size=8)
    rows = records(tmp_path / "s.tsv")
    whole = score(model, nasty_vcf, fasta_path)
    table = pyarrow.parquet.read_table(tmp_path / "s.parquet")
    columns = table.to_pydict()
    with h5py.File(tmp_path / "s.h5") as file:
        assert [name.decode() for name in file["outputs"][()]] == whole.features
        np.testing.assert_array_equal(file["scores/diff"][()], whole.scores["diff"])
        np.testing.assert_array_equal(file["scores/logfc"][()], whole.scores["logfc"])
        np.testing.assert_array_equal(file["variants/max_absdiff"][()], whole.max_absdiff)
        for name in ("chrom", "id", "ref", "alt", "status", "max_absdiff_feature"):
            assert [cell.decode() for cell in file[f"variants/{name}"][()]] == [row[name] for row in rows]
        assert file["variants/pos"][()].tolist() == [int(row["pos"]) for row in rows]
        assert file.attrs["model_digest"] == model.digest
    assert columns["status"] == [row["status"] for row in rows]
    assert columns["pos"] == [int(row["pos"]) for row in rows]
    for name in ("diff:output0", "logfc:output2", "max_absdiff"):
        expected = [None if row[name] == "NA" else float(row[name]) for row in rows]
        for found, value in zip(columns[name], expected, strict=True):
            assert found == value if value is None else found == pytest.approx(value, rel=1e-5)
    assert table.schema.metadata[b"model_digest"].decode() == model.digest


def test_top_outputs_are_those_that_change_most(
    make_model: Callable[..., Any], many_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    model = make_model(n_outputs=6)
    for suffix in (".tsv", ".h5", ".parquet"):
        score_to_file(model, many_vcf, fasta_path, tmp_path / f"s{suffix}", top_k=2)
    whole = score(model, many_vcf, fasta_path)
    with h5py.File(tmp_path / "s.h5") as file:
        logfc = file["scores/logfc"][()]
    parquet = pyarrow.parquet.read_table(tmp_path / "s.parquet").to_pydict()
    for place, row in enumerate(records(tmp_path / "s.tsv")):
        if row["status"] != "ok":
            assert row["top1"] == row["diff:top2"] == "NA"
            continue
        order = np.argsort(-np.abs(whole.scores["diff"][place]), kind="stable")
        assert [row["top1"], row["top2"]] == [whole.features[index] for index in order[:2]]
        assert row["top1"] == row["max_absdiff_feature"] == parquet["top1"][place]
        assert float(row["diff:top2"]) == pytest.approx(whole.scores["diff"][place, order[1]], rel=1e-5)
        np.testing.assert_array_equal(logfc[place], whole.scores["logfc"][place, order[:2]])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gz"])
def test_annotated_vcf_differs_in_info_and_header_only(
    model: Any, nasty_vcf: Path, fasta_path: Path, tmp_path: Path, end: str, suffix: str
) -> None:
    text = (
        nasty_vcf.read_text()
        .replace("PASS\tX=1\n", "q 1;w\tX=1;Y=é\tGT:DP\t0/1:3\n")
        .replace("INFO\n", "INFO\tFORMAT\tS1\n")
    )
    nasty_vcf.write_bytes(text.replace("\n", end).encode("latin-1"))
    output = tmp_path / f"out{suffix}"
    score_to_file(model, nasty_vcf, fasta_path, output, batch_size=8)
    data = output.read_bytes()
    data = gzip.decompress(data) if suffix == ".vcf.gz" else data
    before = nasty_vcf.read_bytes().split(b"\n")
    after = [line for line in data.split(b"\n") if not line.startswith((b"##genotools", b"##INFO=<ID=GT_"))]
    assert len(after) == len(before)
    whole, place = score(model, nasty_vcf, fasta_path), 0
    for old, new in zip(before, after, strict=True):
        if old.startswith(b"#") or not old:
            assert new == old
            continue
        one, two = old.split(b"\t"), new.split(b"\t")
        assert one[:7] + one[8:] == two[:7] + two[8:]
        assert two[7].startswith(one[7] + b";")
        added = dict(part.split("=") for part in two[7][len(one[7]) + 1 :].decode().split(";"))
        statuses = added["GT_STATUS"].split(",")
        assert statuses == [str(row.status) for row in whole.rows[place : place + len(statuses)]]
        for index, (status, top) in enumerate(
            zip(statuses, added["GT_TOP"].split(","), strict=True), start=place
        ):
            assert (top == ".") == (status != "ok")
            if status == "ok":
                outputs, diffs, logfcs = zip(*(part.split("|") for part in top.split("&")), strict=True)
                order = np.argsort(-np.abs(whole.scores["diff"][index]), kind="stable")
                assert list(map(int, outputs)) == order.tolist()
                np.testing.assert_allclose(
                    np.array(diffs, float), whole.scores["diff"][index, order], rtol=1e-5
                )
                np.testing.assert_allclose(
                    np.array(logfcs, float), whole.scores["logfc"][index, order], rtol=1e-5
                )
        place += len(statuses)
    assert place == len(whole)


def test_annotated_vcf_is_read_by_htslib(
    model: Any, genome_text: dict[str, str], write_vcf: Callable[..., Path], fasta_path: Path, tmp_path: Path
) -> None:
    text = genome_text["chr1"]
    vcf = write_vcf(
        [("chr1", p, ".", text[p - 1], ",".join(b for b in "ACGT" if b != text[p - 1])) for p in (50, 60)]
    )
    vcf.write_text(vcf.read_text().replace("##fileformat=VCFv4.2\n", "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n"
                                           '##INFO=<ID=X,Number=1,Type=Integer,Description="x">\n'))  # fmt: skip
    score_to_file(model, vcf, fasta_path, tmp_path / "out.vcf.gz")
    with pysam.VariantFile(str(tmp_path / "out.vcf.gz")) as file:
        found = list(file)
    assert [len(record.info["GT_MAX"]) for record in found] == [3, 3]
    assert found[0].info["GT_STATUS"] == ("ok", "ok", "ok")
    with pytest.raises(DataError, match="has been annotated already"):
        score_to_file(model, tmp_path / "out.vcf.gz", fasta_path, tmp_path / "again.vcf")


def test_a_record_without_info_cannot_be_annotated(model: Any, fasta_path: Path, tmp_path: Path) -> None:
    (tmp_path / "five.vcf").write_text("chr1\t50\t.\tA\tC\n")
    with pytest.raises(DataError, match="needs all 8 columns; a record has 5"):
        score_to_file(model, tmp_path / "five.vcf", fasta_path, tmp_path / "out.vcf")
    assert not list(tmp_path.glob("out*"))


class Killed(BaseException):
    """What a kill is to the program."""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    model: Any,
    many_vcf: Path,
    fasta_path: Path,
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "SAVE_EVERY_S", 0.0)
    options: dict[str, Any] = {"batch_size": 16}
    score_to_file(model, many_vcf, fasta_path, tmp_path / f"whole{suffix}", **options)
    output, n_kills = tmp_path / f"killed{suffix}", 0
    rng, counts = np.random.default_rng(0), []

    def kill(n_done: int, n_all: int | None) -> None:
        counts.append(n_done)
        if rng.random() < 0.2:
            raise Killed

    while not output.exists():
        try:
            score_to_file(model, many_vcf, fasta_path, output, resume=True, on_progress=kill, **options)
        except Killed:
            n_kills += 1
            partial = tmp_path / f"killed{suffix}.partial"
            with partial.open("ab") as file:  # what a kill between two notes leaves
                file.write(b"torn")
    assert n_kills >= 3
    assert output.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert not list(tmp_path.glob("*partial*"))


@pytest.fixture
def half_table(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return the path of a table whose writing was killed on the way."""
    monkeypatch.setattr(run_module, "SAVE_EVERY_S", 0.0)

    def kill(n_done: int, n_all: int | None) -> None:
        if n_done > 100:
            raise Killed

    output = tmp_path / "s.tsv"
    with pytest.raises(Killed):
        score_to_file(model, many_vcf, fasta_path, output, batch_size=16, on_progress=kill)
    return output


def test_half_of_another_table_is_not_gone_on_with(
    model: Any, many_vcf: Path, fasta_path: Path, half_table: Path
) -> None:
    with pytest.raises(DataError, match="is half of a table: go on with --resume"):
        score_to_file(model, many_vcf, fasta_path, half_table, batch_size=16)
    with pytest.raises(DataError, match="begun with another model, other variants or options"):
        score_to_file(model, many_vcf, fasta_path, half_table, batch_size=16, resume=True, scores=["diff"])
    assert not half_table.exists()
    score_to_file(model, many_vcf, fasta_path, half_table, force=True)
    assert len(records(half_table)) == len(list(read_variants(many_vcf)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": None}, "lengths: damaged"),
        ({"lengths": {"": -5}}, "lengths: damaged"),
        ({"lengths": {"": "7"}}, "lengths: damaged"),
        ({"n_done": None}, "it is damaged .TypeError"),
        ({"tally": {}}, "it is damaged .KeyError"),
        (
            {"tally": {"statuses": {"fine": 1}, "missing_contigs": {}, "numbers": []}},
            "it is damaged .ValueError",
        ),
    ],
)
def test_damaged_progress_is_told_and_the_half_table_stays(
    model: Any,
    many_vcf: Path,
    fasta_path: Path,
    tmp_path: Path,
    half_table: Path,
    changes: dict[str, object],
    message: str,
) -> None:
    progress = tmp_path / "s.tsv.partial.json"
    progress.write_text(json.dumps(json.loads(progress.read_text()) | changes))
    with pytest.raises(DataError, match=rf"s\.tsv\.partial\.json: {message}.*start anew with --force"):
        score_to_file(model, many_vcf, fasta_path, half_table, batch_size=16, resume=True)
    assert (tmp_path / "s.tsv.partial").stat().st_size > 0


def test_a_table_that_another_process_writes_is_left_alone(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    with (
        FileLock(tmp_path / "s.tsv.partial.lock"),
        pytest.raises(DataError, match="another process is writing"),
    ):
        score_to_file(model, many_vcf, fasta_path, tmp_path / "s.tsv")


def test_another_genome_build_stops_the_run_early(
    model: Any, write_vcf: Callable[..., Path], genome: Genome, tmp_path: Path
) -> None:
    text = "".join("ACGT"[code] for code in genome.codes("chr1", 0, 300))
    rows = [
        ("chr1", p % 280 + 2, ".", text[p % 280], "A" if text[p % 280] != "A" else "C") for p in range(2000)
    ]
    vcf = write_vcf(rows)  # every POS is one too high
    seen: list[int] = []
    with pytest.raises(
        DataError, match=r"The genome build looks wrong: .* first 1,000 records .*--max-mismatch 1"
    ):
        score_to_file(
            model, vcf, genome, tmp_path / "s.tsv", on_progress=lambda n_done, _: seen.append(n_done)
        )
    assert max(seen) < 1300
    assert not list(tmp_path.glob("s.tsv*"))
    summary = score_to_file(model, vcf, genome, tmp_path / "s.tsv", max_mismatch=1)
    assert summary.n_variants == 2000


def test_the_size_is_told_before_the_start(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    score_to_file(model, many_vcf, fasta_path, tmp_path / "s.tsv", on_message=said.append)
    n_bytes = (tmp_path / "s.tsv").stat().st_size
    (message,) = said
    assert "6 scores each: about" in message
    told = float(message.split("about ")[1].split(" kB")[0]) * 1000
    assert 0.5 < told / n_bytes < 2


def test_progress_of_a_run_is_plain_json_and_says_what_it_is(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "SAVE_EVERY_S", 0.0)

    def kill(n_done: int, n_all: int | None) -> None:
        if n_done > 100:
            raise Killed

    with pytest.raises(Killed):
        score_to_file(model, many_vcf, fasta_path, tmp_path / "s.tsv", batch_size=16, on_progress=kill)
    progress = json.loads((tmp_path / "s.tsv.partial.json").read_text())
    assert progress["format"] == "genotools/variants-progress"
    assert 0 < progress["n_done"] <= 110
    counted = progress["tally"]["statuses"]
    assert sum(counted.values()) == progress["n_done"]
    assert set(counted) <= set(Status)
    assert not math.isnan(progress["lengths"][""])


@pytest.mark.parametrize(("vcf", "fasta"), [("none.vcf", "genome.fa"), ("calls.vcf", "none.fa")])
def test_what_cannot_be_read_leaves_nothing(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path, vcf: str, fasta: str
) -> None:
    del many_vcf, fasta_path  # they lie in the folder
    with pytest.raises(DataError, match=r"none\..*No such file"):
        score_to_file(model, tmp_path / vcf, tmp_path / fasta, tmp_path / "s.tsv")
    assert not list(tmp_path.glob("s.tsv*"))


@pytest.mark.parametrize("suffix", [".tsv", ".vcf.gz", ".h5"])
def test_a_model_without_a_number_names_the_record_and_leaves_no_table(
    model: Any, many_vcf: Path, fasta_path: Path, tmp_path: Path, suffix: str
) -> None:
    wanted = next(one for one in read_variants(many_vcf) if one.record == 120)
    predict = model.predict

    def broken(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = np.array(predict(codes))
        outputs[(codes == alt).all(axis=1)] = np.nan
        return outputs

    with open_genome(fasta_path) as genome:
        alt = cut_windows(genome, "chr2", wanted.position, wanted.ref, wanted.alt, length=model.length).alt
    model.predict = broken
    place = rf"the ALT window of record 121, chr2:{wanted.position + 1} {wanted.ref}>{wanted.alt}"
    with pytest.raises(DataError, match=rf"3 values that are not finite .*{place}, output 'output0'"):
        score_to_file(
            model,
            many_vcf,
            fasta_path,
            tmp_path / f"s{suffix}",
            batch_size=16,
            strands="forward",
            summary_only=True,
        )
    assert not list(tmp_path.glob("s.*"))
