import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from genotools.data.encoding import decode
from genotools.data.fasta import Fasta
from genotools.errors import DataError

TWO_CONTIGS = b">chr1 first\nACGT\nACGT\nAC\n>chr2\nNNac\n"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


@pytest.fixture(params=["genome.fa", "genome.fa.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_contigs_have_first_word_as_name_and_length_in_order(path: Path) -> None:
    with Fasta(written(path, TWO_CONTIGS)) as fasta:
        assert list(fasta.contigs.items()) == [("chr1", 10), ("chr2", 4)]


@pytest.mark.parametrize("data", [TWO_CONTIGS, TWO_CONTIGS.replace(b"\n", b"\r\n"), TWO_CONTIGS[:-1]])
def test_every_range_equals_the_padded_slice_of_the_sequence(path: Path, data: bytes) -> None:
    sequences = {"chr1": "ACGTACGTAC", "chr2": "NNAC"}
    with Fasta(written(path, data)) as fasta:
        for contig, sequence in sequences.items():
            padded = "N" * 15 + sequence + "N" * 15
            for start in range(-15, len(sequence) + 15):
                for end in range(start, len(sequence) + 15):
                    assert decode(fasta.codes(contig, start, end)) == padded[start + 15 : end + 15]


def test_whole_genome_comes_as_codes(path: Path) -> None:
    with Fasta(written(path, TWO_CONTIGS)) as fasta:
        genome = fasta.genome()
        assert {name: decode(codes) for name, codes in genome.items()} == {
            "chr1": "ACGTACGTAC",
            "chr2": "NNAC",
        }
        assert list(fasta.genome(["chr2"])) == ["chr2"]


def test_unknown_contig_names_near_ones(path: Path) -> None:
    with (
        Fasta(written(path, TWO_CONTIGS)) as fasta,
        pytest.raises(DataError, match=r"no contig '1'\. Did you mean 'chr1'\?"),
    ):
        fasta.codes("1", 0, 1)


def test_end_before_start_is_refused(path: Path) -> None:
    with Fasta(written(path, TWO_CONTIGS)) as fasta, pytest.raises(ValueError, match="the end lies before"):
        fasta.codes("chr1", 5, 4)


def test_contig_without_bases_is_all_unknown(path: Path) -> None:
    with Fasta(written(path, b">empty\n>chr1\nAC\n")) as fasta:
        assert fasta.contigs["empty"] == 0
        assert decode(fasta.codes("empty", -1, 2)) == "NNN"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty, FASTA was expected"),
        (b"ACGT\n", "not FASTA, whose first character is '>'"),
        (b">a\nAC\n>a\nGT\n", "(?i)a.* twice|Duplicate key"),
        (b">\nACGT\n", "(?i)name"),
    ],
)
def test_faulty_file_is_refused(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Fasta(written(path, data))


def test_lines_of_unequal_length_are_refused_in_a_plain_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)cannot be indexed.*not consistent"):
        Fasta(written(tmp_path / "ragged.fa", b">a\nACGT\nAC\nACGT\n"))


def test_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not text"):
        Fasta(written(tmp_path / "binary.fa", b">\xff\x00\n\xfe\n"))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Fasta(tmp_path / "none.fa")


def test_cut_off_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.fa.gz"
    path.write_bytes(gzip.compress(TWO_CONTIGS * 100, mtime=0)[:-12])
    with pytest.raises(DataError, match="damaged or cut off"):
        Fasta(path)


def test_index_is_kept_beside_the_file_and_used_again(tmp_path: Path) -> None:
    path = written(tmp_path / "genome.fa", TWO_CONTIGS)
    Fasta(path).close()
    index = tmp_path / "genome.fa.fai"
    written_at = index.stat().st_mtime_ns
    Fasta(path).close()
    assert index.stat().st_mtime_ns == written_at
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["genome.fa", "genome.fa.fai"]


def test_stale_index_is_made_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "genome.fa", TWO_CONTIGS)
    Fasta(path).close()
    written(path, b">other\nGGGG\n")
    os.utime(tmp_path / "genome.fa.fai", (0, 0))
    with Fasta(path) as fasta:
        assert decode(fasta.codes("other", 0, 4)) == "GGGG"


def test_folder_that_cannot_be_written_gets_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "genome.fa", TWO_CONTIGS)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere, so it is told it may not
    with Fasta(path) as fasta:
        assert decode(fasta.codes("chr1", 0, 4)) == "ACGT"
    assert [entry.name for entry in tmp_path.iterdir()] == ["genome.fa"]


@pytest.mark.parametrize("index", ["chr1\t5000\t6\t60\t61\n", "other\t4\t7\t4\t5\n", "nonsense"])
def test_an_index_of_another_file_is_made_anew(tmp_path: Path, index: str) -> None:
    path = written(tmp_path / "genome.fa", TWO_CONTIGS)
    (tmp_path / "genome.fa.fai").write_text(index)  # newer than the FASTA, so dates do not tell
    with Fasta(path) as fasta:
        assert decode(fasta.codes("chr1", 0, 4)) == "ACGT"
    assert (tmp_path / "genome.fa.fai").read_text() != index


def test_a_replaced_fasta_with_an_older_date_is_not_read_by_the_old_index(tmp_path: Path) -> None:
    path = written(tmp_path / "genome.fa", TWO_CONTIGS)
    Fasta(path).close()
    path.write_bytes(b">new\nGGGGGGGG\n" + TWO_CONTIGS)
    os.utime(path, (0, 0))
    with Fasta(path) as fasta:
        assert next(iter(fasta.contigs)) == "new"
        assert decode(fasta.codes("chr1", 0, 4)) == "ACGT"


def test_codes_are_new_arrays_that_may_be_changed(path: Path) -> None:
    with Fasta(written(path, TWO_CONTIGS)) as fasta:
        fasta.codes("chr1", 0, 4)[:] = 0
        assert np.array_equal(fasta.codes("chr1", 0, 4), [0, 1, 2, 3])


def test_a_name_that_says_compressed_of_a_file_that_is_not_is_told(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa.gz"
    path.write_text(">a\nACGT\n")
    with pytest.raises(DataError, match=r"genome\.fa\.gz: its name says that it is compressed, it is not"):
        Fasta(path)


def test_a_record_that_the_index_cannot_hold_is_told(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_bytes(b">chrI nirsiTTTt\nACGTst\nA\x02\x00\x00\x00\x00\x00\x00\x00c nirsiTTTt\nACGTst\nA")
    with pytest.raises(
        DataError, match=r"genome\.fa: it cannot be indexed: a record's lines differ in length"
    ):
        Fasta(path)


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_link_to_the_index_of_another_file_gives_way(tmp_path: Path, is_dangling: bool) -> None:
    """Workflows link what they need into a folder of their own: what others own is not written to."""
    for name, text in (("shared", ">chr1\nACGT\n>chr2\nACGT\n"), ("mine", ">mychrom\nACGTACGT\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "g.fa").write_text(text)
    Fasta(tmp_path / "shared" / "g.fa").close()
    index = tmp_path / "shared" / "g.fa.fai"
    before = index.read_text()
    link = tmp_path / "mine" / "g.fa.fai"
    link.symlink_to(tmp_path / "nowhere" / "g.fa.fai" if is_dangling else index)
    with Fasta(tmp_path / "mine" / "g.fa") as mine:
        assert dict(mine.contigs) == {"mychrom": 8}
    assert index.read_text() == before
    assert not link.is_symlink()
