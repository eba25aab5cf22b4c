"""Files that a fuzzer made, or somebody who means harm might: what each did, and that it is told now."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from genotools.data._partial import PartialStore
from genotools.data.build import BinRecipe
from genotools.data.fasta import Fasta
from genotools.data.from_deepsea import from_deepsea
from genotools.data.from_signal import from_signal
from genotools.data.from_table import from_table
from genotools.data.inspect import inspect_file
from genotools.data.mat import open_mat
from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import TaskKind
from genotools.testing._hostile_arrays import write_small_store

FASTA = b">chrI first\nACGTACGTAC\nACGTACGTAC\n>chrII\nTTTTGGGGCCCCAAAA\n"
INDEX = "chrI\t20\t12\t10\t11\nchrII\t16\t41\t16\t17\n"


@pytest.mark.parametrize(
    "index",
    [
        "",
        INDEX.replace("\t10\t11", "\t0\t11"),  # a division by zero
        INDEX.replace("\t10\t11", "\t0\t0"),
        INDEX.replace("\t10\t11", "\t10\t9"),
        INDEX.replace("\t10\t11", "\t10\t99"),  # bases of the next contig
        INDEX.replace("\t20\t", "\t-20\t"),
        INDEX.replace("\t20\t", "\t40\t"),  # overlaps the next: memory for any number of contigs
        INDEX.replace("\t12\t", "\t1170000000000000000000000000\t"),  # no place in any file
        INDEX.replace("\t16\t17", "\t16"),
        INDEX.replace("chrII", "chrI"),
    ],
)
def test_an_index_that_does_not_describe_its_fasta_is_made_anew(index: str, tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_bytes(FASTA)
    path.with_name("g.fa.fai").write_text(index)
    with Fasta(path) as fasta:
        assert dict(fasta.contigs) == {"chrI": 20, "chrII": 16}
        assert fasta.codes("chrII", 2, 6).tolist() == [3, 3, 2, 2]
    assert path.with_name("g.fa.fai").read_text() == INDEX


def test_an_index_that_describes_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_bytes(FASTA)
    path.with_name("g.fa.fai").write_text(INDEX)
    before = path.with_name("g.fa.fai").stat().st_ino
    with Fasta(path) as fasta:
        assert fasta.codes("chrI", 8, 12).tolist() == [0, 1, 0, 1]
    assert path.with_name("g.fa.fai").stat().st_ino == before


def write_mat73(path: Path, windows: tuple[int, ...], labels: tuple[int, ...], **options: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("trainxdata", shape=windows, dtype=np.uint8, **options)
        file.create_dataset("traindata", shape=labels, dtype=np.uint8)
    return path


def test_matlab_files_of_no_window_are_refused(tmp_path: Path) -> None:
    """Their rows took no bytes, and were divided by."""
    path = write_mat73(tmp_path / "x.mat", (0, 4, 5), (3, 5))
    with pytest.raises(
        DataError, match=r"trainxdata \(0, 4, 5\) and traindata \(3, 5\): one of them is empty"
    ):
        open_mat(path)


def test_rows_that_are_packed_together_must_fit_in_memory(tmp_path: Path) -> None:
    n = 2**21
    path = write_mat73(tmp_path / "x.mat", (200, 4, n), (1, n), chunks=(1, 1, n), compression="gzip")
    with path.open("ab") as file:
        file.truncate(10 << 20)  # else it would hold more than its bytes allow
    with pytest.raises(
        DataError, match=r"trainxdata: 2,097,152 rows are packed together, 1,677,721,600 bytes"
    ):
        open_mat(path).codes(slice(0, 1))


def write_mat5(path: Path, change: Callable[[bytearray], None]) -> None:
    scipy.io.savemat(path, {"x": np.zeros((2, 4, 30), np.uint8), "y": np.zeros((2, 3), np.uint8)})
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def put(offset: int, kind: str, *values: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(f"<{kind}", data, offset, *values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put(168, "I", 2**31 - 1),
            r"array 'x' \(2, 4, 2147483647\): 17,179,869,176 bytes are not in the file",
        ),
        (put(160, "i", -1), r"array 'x' \(4294967295, 4, 30\): .* bytes are not in the file"),
        (put(156, "I", 2**20), "the head of an array would have 1,048,576 bytes"),
    ],
)
def test_sizes_that_a_matlab_file_cannot_have_are_refused(
    change: Callable[[bytearray], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.mat"
    write_mat5(path, change)
    with pytest.raises(DataError, match=message):
        from_deepsea({"train": path}, tmp_path / "s.h5")


def test_numpy_heads_that_are_no_literals_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((8, 3)))
    for before, after in (
        (b"(8, 3)", b"((8, 3)"),
        (b"(8, 3)", b"8, 3)  "),
        (b"'<f8'", b"[[[[["),
        (b"8", b"\0"),
    ):
        broken = tmp_path / "broken.npy"
        broken.write_bytes(path.read_bytes().replace(before, after))
        with pytest.raises(DataError, match="the numpy file is damaged"):
            inspect_file(broken)


def test_no_more_of_a_packed_array_is_unpacked_than_its_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of zip is a gigabyte of head, if one asks for it."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 50 << 20) + b" " * (50 << 20))
    asked: list[int] = []
    read = zipfile.ZipExtFile.read

    def noted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        asked.append(-1 if n is None else n)
        return read(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", noted)
    with pytest.raises(DataError, match="the zip file is damaged or no numpy archive"):
        inspect_file(path)
    assert asked == [20_000]


def test_hdf5_files_whose_tables_are_damaged_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["group/numbers"] = np.arange(6.0)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"SNOD", b"SNOX"))
    with pytest.raises(DataError, match=r"x\.h5: the HDF5 file is damaged or cut off"):
        inspect_file(path)


def test_names_in_hdf5_files_that_are_no_text_are_shown_as_well_as_may_be(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["numbers"], file.attrs["note"] = np.arange(6.0), "x"
    path.write_bytes(path.read_bytes().replace(b"numbers", b"n\xffmbers").replace(b"note", b"n\xffte"))
    report = json.loads(json.dumps(inspect_file(path).to_json()))
    assert report["facts"] == {"n\ufffdte": "x"}
    assert [part["dataset"] for part in report["parts"]] == ["n\ufffdmbers"]


def set_odd(file: h5py.File, name: str) -> None:
    """Set an attribute to rows of numbers of any length."""
    rows = np.empty(2, dtype=object)
    rows[:] = [np.arange(2), np.arange(3)]
    file.attrs.create(name, rows, dtype=h5py.vlen_dtype("i4"))


def test_attributes_of_other_kinds_are_named_and_not_read(tmp_path: Path) -> None:
    """A damaged one took the program down with it."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(6.0)
        file.attrs["plain"], file.attrs["flag"] = "text", True
        set_odd(file, "odd")
    facts = {"plain": "text", "flag": "True", "odd": "neither a number nor a text"}
    assert inspect_file(path).facts == facts


def test_a_store_with_an_attribute_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    write_small_store(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["length"]
        set_odd(file, "length")
    with pytest.raises(DataError, match="attribute 'length' is neither a number nor a text"):
        SequenceStore.open(path)


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_bytes(FASTA)
    return path


def test_columns_of_thousands_of_digits_are_refused(genome: Path, tmp_path: Path) -> None:
    table = tmp_path / "tracks.tsv"
    table.write_text(f"name\tpath\tcolumn\nx\tx.bed\t{'9' * 5000}\n")
    recipe = BinRecipe(bin_bp=4, window_bp=4)
    with pytest.raises(DataError, match="must be the number of a column"):
        from_signal(genome, table, tmp_path / "s.h5", recipe=recipe)


def test_places_of_thousands_of_digits_are_faults(genome: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.tsv"
    table.write_text(f"contig\tstart\tend\tvalue\nchrI\t{'9' * 5000}\t8\t1\n")
    with pytest.raises(DataError, match=r"line 2: start '9{30}' and end '8' must be whole numbers"):
        from_table(
            table,
            tmp_path / "s.h5",
            kind=TaskKind.REGRESSION,
            targets=("value",),
            window_bp=4,
            fasta=genome,
        )


def test_as_many_classes_as_rows_are_no_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte for every row and class: of a hundred thousand rows ten gigabytes."""
    monkeypatch.setattr("genotools.data.from_table.MAX_CLASS_LABELS", 99)
    table = tmp_path / "rows.tsv"
    table.write_text("sequence\tkind\n" + "".join(f"ACGT\t{index}\n" for index in range(10)))
    with pytest.raises(DataError, match="10 classes in 10 rows; are they names of classes"):
        from_table(table, tmp_path / "s.h5", kind=TaskKind.MULTICLASS, targets=("kind",), window_bp=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_rows": "4"}, "it does not say how many rows are done"),
        ({"n_rows": -4}, "it does not say how many rows are done"),
        ({"n_unknown": None}, "it does not say how many rows are done"),
        ({"n_unknown": 2**60}, "is missing or shorter than was noted"),
    ],
)
def test_the_progress_of_a_store_may_be_damaged(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    """It said how long a file is to be made: a number of 18 digits made one of an exabyte."""
    partial = PartialStore(tmp_path / "s.h5", {"from": "here"})
    partial.data.write_bytes(b"x")
    partial.unknown.write_bytes(b"x" * 16)
    partial.save(4, 2)
    assert partial.begin(resume=True) == 4
    path = tmp_path / "s.h5.partial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(DataError, match=message):
        partial.begin(resume=True)
