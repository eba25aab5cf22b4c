"""What is too large is refused, with its size or its line and the limit, and before it costs memory."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from genotools import files
from genotools.data import _layout, bed, fasta, hdf5
from genotools.data.bed import read_bed
from genotools.data.fasta import Fasta
from genotools.data.store import SequenceStore
from genotools.data.tsv import read_table
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import read_bytes
from genotools.genotype import TaskKind
from genotools.search import journal
from genotools.search.journal import Journal
from genotools.training import history
from genotools.training.history import read_history
from genotools.variants.vcf import count_variants, read_variants

BED = "chrI\t1\t5\tfirst\nchrI\t3\t9\tsecond, longer\n"
VCF = "#CHROM\tPOS\tID\tREF\tALT\nchrI\t3\t.\tA\tC\nchrI\t4\t.\tACGTACGTACGTACGTACGT\tC\n"


def packed(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def plain(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_files_are_read_up_to_their_limit(tmp_path: Path) -> None:
    path = plain(tmp_path / "x", "12345")
    assert read_bytes(path, max_bytes=5) == b"12345"
    with pytest.raises(DataError, match=r"x: 5 bytes, at most 4 are read\."):
        read_bytes(path, max_bytes=4)
    with pytest.raises(DataError, match="No such file"):
        read_bytes(tmp_path / "none", max_bytes=4)


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(DataError, match=r"/dev/zero: more than 1,000 bytes, at most 1,000 are read\."):
        read_bytes("/dev/zero", max_bytes=1000)


@pytest.mark.parametrize("write", [plain, packed])
def test_long_lines_are_refused(
    write: Callable[[Path, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 22)
    too_long = "longer than 22 characters, which is no text"
    path = write(tmp_path / "x.bed", BED)
    with pytest.raises(DataError, match=rf"x\.bed, line 2: {too_long}"):
        read_bed(path)
    with pytest.raises(DataError, match=rf"x\.bed, line 2: {too_long}"):
        read_table(path)
    path = write(tmp_path / "x.vcf", VCF)
    with pytest.raises(DataError, match=rf"x\.vcf, line 3: {too_long}"):
        count_variants(path)
    with pytest.raises(DataError, match=rf"x\.vcf, line 3: {too_long}"):
        list(read_variants(path))


def test_lines_of_the_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", len(BED.splitlines()[1]) + 1)
    assert read_bed(plain(tmp_path / "x.bed", BED)).intervals.tolist() == [[1, 5], [3, 9]]
    monkeypatch.setattr(files, "MAX_LINE_BYTES", len(VCF.splitlines()[2]) + 1)
    assert [variant.position for variant in read_variants(plain(tmp_path / "x.vcf", VCF))] == [2, 3]


def test_a_line_that_never_ends_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    monkeypatch.setattr(files, "MAX_LINE_BYTES", 1 << 16)
    path = tmp_path / "bomb.vcf.gz"
    path.write_bytes(gzip.compress(bytes(1 << 26)))
    tracemalloc.start()
    with pytest.raises(DataError, match="line 1: longer than 65,536 characters"):
        count_variants(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 23


def test_too_many_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bed, "MAX_LINES", 1)
    with pytest.raises(DataError, match=r"x\.bed: more than 1 lines, at most that many are read"):
        read_bed(plain(tmp_path / "x.bed", BED))


@pytest.mark.parametrize("write", [plain, packed])
def test_too_many_contigs_are_refused(
    write: Callable[[Path, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.fa", ">a\nACGT\n>b\nACGT\n>c\nACGT\n")
    monkeypatch.setattr(fasta, "MAX_CONTIGS", 3)
    with Fasta(path) as opened:
        assert list(opened.contigs) == ["a", "b", "c"]
    monkeypatch.setattr(fasta, "MAX_CONTIGS", 2)
    with pytest.raises(DataError, match=r"x\.fa: 3 contigs, at most 2 are read"):
        Fasta(path)


def test_a_fasta_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "x.fa.gz", ">a\nACGT\n")
    monkeypatch.setattr(fasta, "MAX_UNPACKED_BYTES", 8)
    with Fasta(path) as opened:
        assert opened.codes("a", 0, 4).tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(fasta, "MAX_UNPACKED_BYTES", 7)
    with pytest.raises(DataError, match=r"more than 7 bytes when unpacked\. Unpack it to a file"):
        Fasta(path)


def test_journals_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Journal(tmp_path / "journal.jsonl")
    written.append("one", {"x": 1})
    written.append("two", {"x": "a" * 50})
    assert len(written.read()) == 2
    monkeypatch.setattr(journal, "MAX_JSON_BYTES", 50)
    with pytest.raises(DataError, match=r"journal\.jsonl, line 2: 75 bytes, at most 50 are read"):
        written.read()
    monkeypatch.setattr(journal, "MAX_BYTES", 60)
    with pytest.raises(DataError, match=r"journal\.jsonl: \d+ bytes, at most 60 are read"):
        written.read()


def test_histories_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 3)
    with pytest.raises(DataError, match="4 bytes, at most 3 are read"):
        read_history(plain(tmp_path / "history.jsonl", "{}\n\n"))


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    write_store(
        tmp_path / "store.h5",
        codes=np.zeros((5, 8), dtype=np.uint8),
        labels=np.eye(5, 3, dtype=np.uint8) + np.array([[0, 0, 0]] * 3 + [[1, 0, 0]] * 2, dtype=np.uint8),
        names=("first", "second", "third"),
        splits=np.array([0, 0, 0, 1, 2]),
        contig_names=("chrI", "chrII"),
        kind=TaskKind.MULTICLASS,
        provenance={"note": "x" * 100},
    )
    return tmp_path / "store.h5"


@pytest.mark.parametrize(
    ("name", "limit", "message"),
    [
        ("MAX_ROWS", 4, "5 rows, at most 4 are read"),
        ("MAX_CLASSES", 2, "3 labels, at most 2 are read"),
        ("MAX_CONTIGS", 1, "2 contigs, at most 1 are read"),
        ("MAX_LENGTH_BP", 7, "attribute 'length' is 8, a whole number of bases up to 7 was expected"),
        ("MAX_TEXT_BYTES", 17, "names hold more than 17 bytes"),
        ("MAX_JSON_BYTES", 100, r"provenance has more than 100 bytes"),
    ],
)
def test_stores_are_limited(
    name: str, limit: int, message: str, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = hdf5 if name == "MAX_TEXT_BYTES" else _layout
    monkeypatch.setattr(module, name, {"MAX_JSON_BYTES": 500}.get(name, limit + 1))
    SequenceStore.open(store_path).close()
    monkeypatch.setattr(module, name, limit)
    with pytest.raises(DataError, match=message):
        SequenceStore.open(store_path)


def test_one_long_text_that_is_pointed_to_often_is_not_copied(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "MAX_TEXT_BYTES", 1000)
    with h5py.File(store_path, "r+") as file:
        del file["contig_names"]
        texts: Any = np.array(["chr" * 200] * 1000, dtype=object)
        file.create_dataset("contig_names", data=texts, dtype=h5py.string_dtype())
    with pytest.raises(DataError, match="contig_names hold more than 1,000 bytes"):
        SequenceStore.open(store_path)


def test_an_attribute_of_a_kind_that_numpy_lacks_is_damage(store_path: Path) -> None:
    with h5py.File(store_path, "r+") as file:
        del file.attrs["version"]
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file.id, b"version", h5py.h5t.UNIX_D32LE, space)
    with pytest.raises(DataError, match="attribute 'version' is neither a number nor a text"):
        SequenceStore.open(store_path)


def test_an_onnx_file_beyond_protobuf_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genotools.export import runtime

    monkeypatch.setattr(runtime, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="11 bytes, at most 10 are read"):
        runtime.OnnxPredictor(plain(tmp_path / "model.onnx", "x" * 11))


def test_a_protocol_with_an_endless_number_is_refused(tmp_path: Path) -> None:
    from genotools.search.study.protocol import load_protocol

    text = f'format = "genotools/study"\nversion = {"9" * 5000}\n'
    with pytest.raises(DataError, match="not TOML"):
        load_protocol(str(plain(tmp_path / "p.toml", text)))
    text = f'format = "genotools/study"\nversion = 0x{"f" * 5000}\n'
    with pytest.raises(DataError, match="found a number of more than 60 digits"):
        load_protocol(str(plain(tmp_path / "p.toml", text)))


def test_json_keeps_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "x.json", json.dumps(["x" * 100]))
    assert files.read_json(path, max_bytes=104) == ["x" * 100]
    with pytest.raises(DataError, match="104 bytes, at most 103 are read"):
        files.read_json(path, max_bytes=103)
