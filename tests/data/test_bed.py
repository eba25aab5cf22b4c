import gzip
from pathlib import Path

import pytest

from genotools.data.bed import read_bed
from genotools.errors import DataError

CONTIGS = {"chr1": 1000, "chr2": 500}


def bed(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["peaks.bed", "peaks.bed.gz"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_records_are_read_past_headers_and_blank_lines(tmp_path: Path, name: str, newline: str) -> None:
    lines = [
        "# made by hand",
        "track name=x",
        "browser position chr1",
        "",
        "chr2\t5\t9\tB",
        "chr1\t0\t1000\tA\t7\t+",
    ]
    regions = read_bed(bed(tmp_path / name, newline.join(lines) + newline), contigs=CONTIGS, with_names=True)
    assert regions.contigs == ("chr2", "chr1")
    assert regions.intervals.tolist() == [[5, 9], [0, 1000]]
    assert regions.names == ("B", "A")


def test_intervals_are_grouped_by_contig_and_by_name(tmp_path: Path) -> None:
    regions = read_bed(bed(tmp_path / "p.bed", "chr1 1 2 B\nchr2 3 4 A\nchr1 5 6 A\n"))
    assert {contig: rows.tolist() for contig, rows in regions.by_contig().items()} == {
        "chr1": [[1, 2], [5, 6]],
        "chr2": [[3, 4]],
    }
    by_name = regions.by_name()
    assert list(by_name) == ["A", "B"]
    assert {contig: rows.tolist() for contig, rows in by_name["A"].items()} == {
        "chr2": [[3, 4]],
        "chr1": [[5, 6]],
    }


def test_three_columns_have_no_names(tmp_path: Path) -> None:
    regions = read_bed(bed(tmp_path / "p.bed", "chr1\t1\t2\n"))
    assert regions.names is None
    with pytest.raises(ValueError, match="no names"):
        regions.by_name()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t10", "2 columns, at least contig, start and end"),
        ("chr1\tstart\tend\tname", "start 'start' and end 'end' must be whole numbers"),
        ("chr1\t-5\t10\tA", "start '-5' and end '10' must be whole numbers, 0 or more"),
        ("chr1\t1e3\t2e3\tA", "start '1e3' and end '2e3' must be whole numbers"),
        ("chr1\t10\t10\tA", "start 10 is not below end 10"),
        ("chr1\t10\t9\tA", "start 10 is not below end 9"),
        ("chr1\t1\t2", "column 4, the name, is missing"),
        ("chr1\t1\t2\t ", "column 4, the name, is missing"),
        ("1\t1\t2\tA", r"the FASTA has no contig '1'\. Did you mean 'chr1'"),
        ("chr2\t1\t501\tA", "end 501 lies past the end of chr2, 500 bp"),
    ],
)
def test_fault_is_told_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = bed(tmp_path / "p.bed", f"# header\nchr1\t1\t2\tA\n{line}\n")
    with pytest.raises(DataError, match=rf"p\.bed: line 3: {message}"):
        read_bed(path, contigs=CONTIGS, with_names=True)


def test_all_faults_are_told_and_at_most_twenty_shown(tmp_path: Path) -> None:
    path = bed(tmp_path / "p.bed", "chr1\t9\t1\n" * 25)
    with pytest.raises(DataError, match=r"(?s)25 faults.*line 20:.*and 5 more") as caught:
        read_bed(path)
    assert "line 21:" not in str(caught.value)


def test_contigs_that_are_left_out_need_not_exist(tmp_path: Path) -> None:
    path = bed(tmp_path / "p.bed", "chrM\t1\t2\tA\n")
    assert len(read_bed(path, contigs=CONTIGS, unchecked=["chrM"])) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no record in it"),
        (b"# only a header\n", "no record in it"),
        (b"chr1\t1\t\xff\n", "not text"),
        (gzip.compress(b"chr1\t1\t2\n" * 1000, mtime=0)[:-9], "damaged or cut off"),
    ],
)
def test_file_that_holds_no_bed_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "p.bed"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_bed(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_bed(tmp_path / "none.bed")
