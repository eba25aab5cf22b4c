"""Genomes as 2bit, variants as BCF, contigs under other names: the same table as from FASTA and VCF."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import py2bit
import pysam
import pytest

from genotools.data.encoding import decode
from genotools.data.fasta import Fasta
from genotools.data.twobit import TwoBit, is_two_bit, open_sequences
from genotools.errors import DataError
from genotools.testing._hostile_genomes import two_bit as two_bit_of
from genotools.variants import score_to_file


def write_two_bit(path: Path, sequences: dict[str, str]) -> Path:
    path.write_bytes(two_bit_of(sequences))
    return path


@pytest.fixture
def two_bit(tmp_path: Path, genome_text: dict[str, str]) -> Path:
    return write_two_bit(tmp_path / "genome.2bit", genome_text)


def test_two_bit_holds_the_same_bases(tmp_path: Path) -> None:
    text = {"chr1": "ACGTNNACGTA", "other": "TTTTT"}
    path = write_two_bit(tmp_path / "g.2bit", text)
    assert py2bit.open(str(path)).chroms() == {"chr1": 11, "other": 5}
    with open_sequences(path) as genome:
        assert isinstance(genome, TwoBit)
        assert dict(genome.contigs) == {"chr1": 11, "other": 5}
        assert decode(genome.codes("chr1", -2, 13)) == "NN" + text["chr1"] + "NN"
        assert decode(genome.codes("other", 6, 9)) == "NNN"
        assert {name: decode(codes) for name, codes in genome.genome().items()} == text
        with pytest.raises(DataError, match="no contig 'chr2'"):
            genome.codes("chr2", 0, 1)


def test_fasta_is_no_two_bit(fasta_path: Path, tmp_path: Path) -> None:
    assert not is_two_bit(fasta_path)
    assert not is_two_bit(tmp_path / "none")
    with open_sequences(fasta_path) as genome:
        assert isinstance(genome, Fasta)


def test_a_damaged_two_bit_is_refused(two_bit: Path, capfd: pytest.CaptureFixture[str]) -> None:
    two_bit.write_bytes(two_bit.read_bytes()[:20])
    with pytest.raises(DataError, match="damaged or cut off"):
        open_sequences(two_bit)
    capfd.readouterr()


def body(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("##")]


def test_the_same_table_from_two_bit_bcf_bgzip_and_other_names(
    model: Any,
    genome_text: dict[str, str],
    fasta_path: Path,
    two_bit: Path,
    write_vcf: Callable[..., Path],
    tmp_path: Path,
) -> None:
    text = genome_text["chr1"]
    rows = [
        ("chr1", p, f"v{p}", text[p - 1], ",".join(b for b in "ACGT" if b != text[p - 1]))
        for p in range(20, 60)
    ]
    vcf = write_vcf(rows)
    header = '##contig=<ID=chr1,length=300>\n##INFO=<ID=X,Number=1,Type=Integer,Description="x">\n#CHROM'
    vcf.write_text(vcf.read_text().replace("#CHROM", header))
    bcf, packed = tmp_path / "calls.bcf", tmp_path / "calls.vcf.gz"
    with pysam.VariantFile(str(vcf)) as one, pysam.VariantFile(str(bcf), "wb", header=one.header) as two:
        for record in one:
            two.write(record)
    pysam.tabix_compress(str(vcf), str(packed))
    score_to_file(model, vcf, fasta_path, tmp_path / "vcf.tsv")
    expected = body(tmp_path / "vcf.tsv")
    assert sum("\tok\t" in line for line in expected) == 120
    for name, variants, genome in (
        ("bcf", bcf, fasta_path),
        ("bgzip", packed, fasta_path),
        ("2bit", vcf, two_bit),
    ):
        score_to_file(model, variants, genome, tmp_path / f"{name}.tsv")
        assert body(tmp_path / f"{name}.tsv") == expected, name
    other = tmp_path / "other.vcf"
    other.write_text(vcf.read_text().replace("chr1", "1"))
    score_to_file(model, other, fasta_path, tmp_path / "other.tsv")
    assert [line.replace("chr1", "1", 1) for line in expected] == body(tmp_path / "other.tsv")
    score_to_file(model, bcf, fasta_path, tmp_path / "bcf.vcf")
    assert (tmp_path / "bcf.vcf").read_text().count("GT_STATUS=ok,ok,ok") == 40


def test_roman_numerals_are_numbers(model: Any, tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">chrI\n" + "ACGT" * 30 + "\n>chrIV\n" + "TTGA" * 30 + "\n")
    (tmp_path / "c.vcf").write_text("4\t50\t.\tT\tC\nchr1\t50\t.\tC\tG\n")
    summary = score_to_file(model, tmp_path / "c.vcf", tmp_path / "g.fa", tmp_path / "s.tsv")
    assert summary.statuses["ok"] == 2
