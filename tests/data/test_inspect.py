import gzip
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from genotools.data.inspect import inspect_file
from genotools.data.store import SequenceStore
from genotools.errors import DataError


def test_store_is_told_with_splits_labels_and_first_rows(open_store: Callable[..., SequenceStore]) -> None:
    with open_store() as store:
        report = inspect_file(store.path)
        assert report.facts["digest"] == store.digest
    assert report.kind == "store"
    assert report.title == "sequence store of 23 windows of 10 bp with 11 labels"
    assert [report.facts[f"{split} rows"] for split in ("train", "valid", "test")] == [8, 8, 7]
    assert report.parts[0] == (0, "label 0", "TF")
    assert report.preview[1].startswith("chrI:96-106  ")


def test_other_hdf5_is_told_with_its_datasets(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "train.mat", "w") as file:
        file.create_dataset("traindata", data=np.zeros((3, 20), np.uint8))
        file.create_dataset("deep/x", data=np.zeros((40, 40)), chunks=(4, 40), compression="gzip")
    report = inspect_file(tmp_path / "train.mat")
    assert report.kind == "hdf5"
    assert report.parts == (
        ("deep/x", "(40, 40)", "float64", "chunks (4, 40) gzip"),
        ("traindata", "(3, 20)", "uint8", "contiguous"),
    )


def test_numpy_files_are_told_from_their_headers(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2, 3), np.float32), y=np.zeros(2, np.int64))
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.uint8))
    assert inspect_file(tmp_path / "a.npz").parts == (("x", "(2, 3)", "float32"), ("y", "(2,)", "int64"))
    assert inspect_file(tmp_path / "a.npy").facts == {"shape": "(2, 3)", "dtype": "uint8"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_fasta_and_bed_are_told_by_content_not_by_name(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "one").write_bytes(compress(b">c1\nACGT\n>c2\nAC\n"))
    (tmp_path / "two").write_bytes(compress(b"track x\nc1\t1\t3\tA\nc1\t5\t15\tB\nc2\t1\t2\tA\n"))
    fasta, bed = inspect_file(tmp_path / "one"), inspect_file(tmp_path / "two")
    assert (fasta.kind, fasta.parts) == ("fasta", (("c1", 4), ("c2", 2)))
    assert fasta.title == "FASTA of 2 contigs, 6 bp"
    assert (bed.kind, bed.parts) == ("bed", (("c1", 2), ("c2", 1)))
    assert bed.facts == {"names in column 4": 2, "shortest bp": 1, "median bp": 2, "longest bp": 10}
    assert bed.preview[0] == "c1\t1\t3\tA"


def test_report_is_json(open_store: Callable[..., SequenceStore]) -> None:
    with open_store() as store:
        document = json.loads(json.dumps(inspect_file(store.path).to_json()))
    assert document["parts"][10] == {"index": 10, "label": "Δ-factor", "group": ""}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"hello\nworld\n", "no kind known here .*it starts with 'hello'"),
        (b"\x00\x01\xff\xfe" * 9, "not text"),
        (b"\x93NUMPY\x01\x00zz", "numpy file is damaged"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 64, "the HDF5 file is damaged or cut off"),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(DataError, match=message):
        inspect_file(tmp_path / "file")


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        inspect_file(tmp_path / "none")
    with pytest.raises(DataError, match="is a folder"):
        inspect_file(tmp_path)


def test_bigwig_is_told_with_contigs_and_values(tmp_path: Path) -> None:
    file = pyBigWig.open(str(tmp_path / "s.bw"), "w")
    file.addHeader([("chrI", 1000), ("chrII", 500)])
    file.addEntries(["chrI", "chrI"], [0, 300], ends=[100, 350], values=[2.0, 7.5])
    file.close()
    report = inspect_file(tmp_path / "s.bw")
    assert (report.kind, report.title) == ("bigwig", "bigWig over 2 contigs, 1,500 bp")
    assert report.parts == (("chrI", 1000), ("chrII", 500))
    assert report.facts["bases with a number"] == 150
