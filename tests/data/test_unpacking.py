"""Gzip that swells, lines without end, and files with any number of faults: refused before memory is gone."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from genotools.data.bed import read_bed, read_text
from genotools.data.fasta import Fasta, near_names
from genotools.data.signal import open_signal
from genotools.data.tsv import read_table
from genotools.data.unpacking import unpacked
from genotools.errors import DataError

SWOLLEN = r"unpacks into more than 200 times its size.*unpack it with gunzip first"


def test_gzip_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(b"a\nb\n")
    (tmp_path / "packed.txt").write_bytes(gzip.compress(b"a\nb\n"))
    for name in ("plain.gz", "packed.txt"):
        with unpacked(tmp_path / name) as file:
            assert list(file) == [b"a\n", b"b\n"]
        assert list(read_text(tmp_path / name)) == [(1, "a"), (2, "b")]


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """Return 17 MB in 17 kB, of lines that every reader takes."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b">chrI\t0\t1\t1\n" * ((17 << 20) // 12), compresslevel=9))
    assert path.stat().st_size < 60_000
    return path


def test_gzip_that_swells_is_refused_by_every_reader(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genotools.data.unpacking.FREE_BYTES", 1 << 24)
    for read in (read_bed, Fasta, read_table, lambda path: open_signal(path, contigs={">chrI": 9})):
        with pytest.raises(DataError, match=SWOLLEN):
            read(bomb)


def test_a_large_table_of_rare_ones_is_read(tmp_path: Path) -> None:
    """Peaks of single cells: 5,000 columns in which one in a thousand is 1 shrink to less than a two-hundredth."""
    rng = np.random.default_rng(0)
    n_rows, n_columns = 1_700, 5_000
    ones = rng.random((n_rows, n_columns)) < 0.001
    text = np.full((n_rows, 2 * n_columns), ord("\t"), dtype=np.uint8)
    text[:, ::2] = ord("0") + ones
    text[:, -1] = ord("\n")
    path = tmp_path / "cells.tsv.gz"
    path.write_bytes(gzip.compress(text.tobytes(), compresslevel=6))
    assert text.size > 1 << 24
    assert text.size > 200 * path.stat().st_size
    with unpacked(path) as file:
        assert file.read() == text.tobytes()


def test_small_files_and_natural_ones_may_swell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"chrI\t0\t1\n" * 10_000
    path = tmp_path / "s.bed.gz"
    path.write_bytes(gzip.compress(text))
    assert len(text) > 200 * path.stat().st_size
    assert len(read_bed(path)) == 10_000
    monkeypatch.setattr("genotools.data.unpacking.FREE_BYTES", 10)
    with pytest.raises(DataError, match=SWOLLEN):
        read_bed(path)
    lines = "".join(
        f"chr{n % 23}\t{n * 7919 % 99991}\t{n * 7919 % 99991 + 5}\n" for n in range(2000)
    ).encode()
    path.write_bytes(gzip.compress(lines))
    assert len(read_bed(path)) == 2000


def test_a_line_without_end_is_refused_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genotools.files.MAX_LINE_BYTES", 10)
    path = tmp_path / "long.txt"
    path.write_bytes(b"short\n" + b"x" * 11 + b"\n")
    with pytest.raises(DataError, match=r"long\.txt, line 2: longer than 10 characters"):
        list(read_text(path))
    path.write_bytes(b"123456789\n" * 3)
    assert len(list(read_text(path))) == 3


def test_a_zero_byte_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"name\tpath\na\tx\0y\n")
    with pytest.raises(DataError, match=r"t\.tsv: not text \(byte 0x00\)"):
        read_table(path)


def test_readers_of_lines_stop_after_a_thousand_faults(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("chrI\tx\ty\tz\n" * 3000)
    with pytest.raises(DataError, match="1000 or more faults"):
        read_bed(path)
    with pytest.raises(DataError, match="1000 or more faults"):
        open_signal(path, contigs={"chrI": 9})
    path.write_text("name\tpath\n" + "a\n" * 3000)
    with pytest.raises(DataError, match="1000 or more faults"):
        read_table(path, needed=("path",))


def test_long_names_are_cut_in_errors_and_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("c" * 2_000_000 + "\t0\t1\n")
    with pytest.raises(DataError, match=r"has no contig 'c{60}'\. 1 are known\.") as caught:
        read_bed(path, contigs={"chrI": 9})
    assert len(str(caught.value)) < 300
    assert near_names("chr1", ["chrI"]) == "Did you mean 'chrI'?"


DIGITS = "9" * 5000
"""Python refuses to turn so many into a number."""


def test_numbers_of_thousands_of_digits_are_faults(tmp_path: Path) -> None:
    path = tmp_path / "x.narrowPeak"
    path.write_text(f"chrI\t1\t8\ta\t0\t+\t3\t1\t1\t{DIGITS}\n")
    with pytest.raises(DataError, match=r"line 1: column 10, the summit, is '9{60}'"):
        read_bed(path, point="summit")
    path.write_text(f"chrI\t{DIGITS}\t8\t1\n")
    with pytest.raises(DataError, match=r"line 1: start '9{30}' and end '8' must be whole numbers"):
        open_signal(path, contigs={"chrI": 9})
    gff = tmp_path / "x.gff"
    gff.write_text(f"chrI\tx\tgene\t{DIGITS}\t9\t.\t+\t.\tID=a\n")
    with pytest.raises(DataError, match="line 1: start 'x' and end 'gene' must be whole numbers"):
        read_bed(gff)
