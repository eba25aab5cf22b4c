import gzip
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from genotools.errors import DataError
from genotools.variants import Variant, count_variants, read_variants

HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
BODY = "chr1\t10\trs1\tA\tC,G\t.\tPASS\tAF=0.1\nchr2\t5\t.\tAT\tA\t.\t.\t.\n"
EXPECTED = [
    Variant(chrom="chr1", position=9, id="rs1", ref="A", alt="C", record=0),
    Variant(chrom="chr1", position=9, id="rs1", ref="A", alt="G", record=0),
    Variant(chrom="chr2", position=4, id=".", ref="AT", alt="A", record=1),
]
FIVE = "chr1\t10\trs1\tA\tC,G\nchr2\t5\t.\tAT\tA\n"
FORMS = {
    "vcf": (HEAD + BODY).encode(),
    "crlf": (HEAD + BODY).replace("\n", "\r\n").encode(),
    "lower case": (HEAD + BODY.replace("\tA\tC,G", "\ta\tc,g").replace("\tAT\tA", "\tat\ta")).encode(),
    "five columns": FIVE.encode(),
    "five columns with header": ("#CHROM\tPOS\tID\tREF\tALT\n" + FIVE).encode(),
    "no final newline": FIVE.rstrip("\n").encode(),
    "empty lines": FIVE.replace("\n", "\n\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + (HEAD + BODY).encode(),
    "gzip": gzip.compress((HEAD + BODY).encode(), mtime=0),
    "gzip in members, as bgzip writes": gzip.compress(HEAD.encode(), mtime=0)
    + gzip.compress(BODY.encode(), mtime=0),
    "not UTF-8 in INFO": (HEAD + BODY).encode().replace(b"AF=0.1", b"N=\xff"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_the_same_variants(tmp_path: Path, form: str) -> None:
    path = tmp_path / "calls"
    path.write_bytes(FORMS[form])
    assert list(read_variants(path)) == EXPECTED
    assert count_variants(path) == 3


@pytest.mark.parametrize("form", ["vcf", "gzip", "crlf"])
def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    stdin = io.BytesIO(FORMS[form])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    assert list(read_variants("-")) == EXPECTED
    assert not stdin.closed


def test_a_compressed_vcf_is_read_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(FORMS["gzip"],), daemon=True)
    writer.start()
    assert list(read_variants(pipe)) == EXPECTED
    writer.join()


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text(HEAD + BODY + "broken\n")
    variants = read_variants(path)
    assert next(variants) == EXPECTED[0]
    with pytest.raises(DataError, match=r"calls\.vcf, line 5: 1 columns, five are needed"):
        list(variants)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1 10 . A C", "separated by tabs"),
        ("chr1\tten\t.\tA\tC", "POS is not a whole number: 'ten'"),
        ("chr1\t1_0\t.\tA\tC", "POS is not a whole number"),
        ("chr1\t10\t.\t\tC", "REF is empty"),
        ("chr1\t10\t.\tA\tC,,G", "ALT is empty or has an empty entry"),
        ("\t10\t.\tA\t", "CHROM and ALT is empty"),
    ],
)
def test_malformed_line_is_named_by_file_and_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text(HEAD + BODY + line + "\n")
    with pytest.raises(DataError, match=rf"calls\.vcf, line 5: .*{message}"):
        list(read_variants(path))


def test_counting_names_all_malformed_lines_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text(HEAD + "chr1\tx\t.\tA\tC\n" + BODY + "chr1\n")
    with pytest.raises(DataError, match=r"(?s)calls\.vcf: 2 faults.*line 3: POS.*line 6: 1 columns"):
        count_variants(path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_line_without_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("genotools.files.MAX_LINE_BYTES", 100)
    path = tmp_path / "calls.vcf"
    path.write_bytes(compress((HEAD + BODY + "x" * 200).encode()))
    with pytest.raises(DataError, match=r"calls\.vcf, line \d: longer than 100 characters"):
        count_variants(path)
    path.write_bytes(compress((HEAD + BODY).encode()))
    assert count_variants(path) == len(list(read_variants(path))) > 0


def test_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text("#CHROM\tPOS\tREF\tALT\tID\n" + FIVE)
    with pytest.raises(
        DataError, match=r"line 1: the columns are CHROM POS REF ALT ID, expected CHROM POS ID"
    ):
        list(read_variants(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (gzip.compress((HEAD + BODY).encode(), mtime=0)[:-12], "it cannot be read"),
        (gzip.compress(b"BCF\x02\x02rest", mtime=0), "the BCF file is damaged or cut off"),
    ],
)
def test_what_is_no_vcf_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "calls.vcf.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"calls\.vcf\.gz: {message}"):
        list(read_variants(path))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.vcf: it cannot be read \(No such file"):
        list(read_variants(tmp_path / "no.vcf"))


def test_header_without_records_gives_nothing(write_vcf: Callable[..., Path]) -> None:
    path = write_vcf([])
    assert list(read_variants(path)) == []
    assert count_variants(path) == 0


def test_a_file_cut_off_in_its_last_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text((HEAD + BODY)[:-6])
    with pytest.raises(DataError, match=r"line 4: 6 columns, the header names 8; the file is cut off"):
        list(read_variants(path))


def test_a_file_cut_off_in_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text(HEAD[:20])
    with pytest.raises(DataError, match="without its #CHROM line and no records; the file is cut off"):
        list(read_variants(path))


def test_alleles_that_are_no_bases_are_kept_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "calls.vcf"
    path.write_text("chr1\t10\t.\ta\tc,G]chr2:5],<del>\n")
    assert [variant.alt for variant in read_variants(path)] == ["C", "G]chr2:5]", "<del>"]
