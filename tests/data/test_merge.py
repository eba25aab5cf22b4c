"""Stores put together, split anew, and written for other tools."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from genotools.data.encoding import decode, one_hot
from genotools.data.export import export_store
from genotools.data.merge import merge_stores, split_store
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError, OutputExistsError

LENGTH = 20
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what writes a store of windows at given places."""

    def write(
        name: str,
        places: Sequence[tuple[str, int, str]],
        *,
        names: Sequence[str] = ("a", "b"),
        length: int = LENGTH,
        genome: str = "g1",
    ) -> Path:
        rng = np.random.default_rng(len(places))
        contig_names = sorted({contig for contig, _, _ in places})
        write_store(
            tmp_path / name,
            codes=rng.integers(0, 5, (len(places), length)).astype(np.uint8),
            labels=rng.integers(0, 2, (len(places), len(names))).astype(np.uint8),
            names=names,
            splits=np.array([("train", "valid", "test").index(split) for _, _, split in places]),
            contig_names=contig_names,
            contigs=np.array([contig_names.index(contig) for contig, _, _ in places]),
            starts=np.array([start for _, start, _ in places]),
            provenance={"genome": genome},
        )
        return tmp_path / name

    return write


def rows_of(path: Path) -> list[tuple[str, int, str, str, tuple[int, ...]]]:
    """Return place, split, sequence and labels of every row."""
    with SequenceStore.open(path) as store:
        store.verify()
        everything = np.arange(len(store))
        where, codes, labels = (
            store.coordinates(everything),
            store.codes(everything),
            store.labels(everything),
        )
        split = {int(row): name for name in ("train", "valid", "test") for row in store.rows(name)}
        return [
            (
                str(where.contigs[i]),
                int(where.starts[i]),
                split[i],
                decode(codes[i]),
                tuple(labels[i].tolist()),
            )
            for i in range(len(store))
        ]


ONE = [("chr2", 0, "train"), ("chr1", 100, "test"), ("chr1", 10, "train")]
TWO = [("chr3", 5, "valid"), ("chr1", 50, "train")]


def test_merged_stores_keep_rows_places_and_splits(make: Make, tmp_path: Path) -> None:
    one, two = make("one.h5", ONE), make("two.h5", TWO)
    merge_stores([one, two], tmp_path / "m.h5")
    assert rows_of(tmp_path / "m.h5") == rows_of(one) + rows_of(two)
    with SequenceStore.open(tmp_path / "m.h5") as store:
        assert [source["name"] for source in store.provenance["merged"]] == ["one.h5", "two.h5"]


@pytest.mark.parametrize(("start", "is_apart"), [(80, True), (81, False), (119, False), (120, True)])
def test_windows_of_other_splits_must_not_overlap(
    make: Make, tmp_path: Path, start: int, is_apart: bool
) -> None:
    one, two = make("one.h5", ONE), make("two.h5", [("chr1", start, "train")])
    if is_apart:
        merge_stores([one, two], tmp_path / "m.h5")
        return
    with pytest.raises(DataError, match="chr1: 1 test windows overlap train windows"):
        merge_stores([one, two], tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()
    merge_stores([one, two], tmp_path / "m.h5", allow_overlap=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "c")}, "two.h5 has 2 labels, .*one.h5 2; they differ, label 1 first"),
        ({"length": 22}, "two.h5 has windows of 22 bp, .*one.h5 of 20"),
        ({"genome": "g2"}, "two.h5 is of genome g2, .*one.h5 of g1"),
    ],
)
def test_stores_that_do_not_fit_are_refused(
    make: Make, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        merge_stores([make("one.h5", ONE), make("two.h5", TWO, **changes)], tmp_path / "m.h5")


def test_merging_takes_two_and_overwrites_nothing(make: Make, tmp_path: Path) -> None:
    one = make("one.h5", ONE)
    with pytest.raises(DataError, match="two stores or more"):
        merge_stores([one], tmp_path / "m.h5")
    with pytest.raises(OutputExistsError):
        merge_stores([one, one], one)


def test_a_store_is_split_by_contig(make: Make, tmp_path: Path) -> None:
    one = make("one.h5", [*ONE, *TWO])
    split_store(one, tmp_path / "s.h5", valid_contigs=["chr2"], test_contigs=["chr3"])
    new = {"chr1": "train", "chr2": "valid", "chr3": "test"}
    assert rows_of(tmp_path / "s.h5") == [(row[0], row[1], new[row[0]], *row[3:]) for row in rows_of(one)]


@pytest.mark.parametrize(
    ("valid", "test", "message"),
    [(["chrX"], [], "contig 'chrX' has no windows"), (["chr1"], ["chr1"], "contig 'chr1' is given twice")],
)
def test_contigs_that_are_not_there_are_refused(
    make: Make, tmp_path: Path, valid: list[str], test: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split_store(make("one.h5", ONE), tmp_path / "s.h5", valid_contigs=valid, test_contigs=test)


def test_windows_without_places_cannot_be_split(tmp_path: Path) -> None:
    codes, labels = np.zeros((3, 4), np.uint8), np.zeros((3, 1), np.uint8)
    write_store(
        tmp_path / "a.h5", codes=codes, labels=labels, names=["x"], splits=np.zeros(3, int), provenance={}
    )
    with pytest.raises(DataError, match="no coordinates"):
        split_store(tmp_path / "a.h5", tmp_path / "b.h5", valid_contigs=["chr1"], test_contigs=[])


def test_hdf5_has_one_hots_and_labels(make: Make, tmp_path: Path) -> None:
    with SequenceStore.open(make("one.h5", ONE)) as store:
        assert export_store(store, tmp_path / "x.h5", "h5") == 3
        rows = np.arange(3)
        with h5py.File(tmp_path / "x.h5") as file:
            np.testing.assert_array_equal(file["x"][...], one_hot(store.codes(rows)))
            np.testing.assert_array_equal(file["y"][...], store.labels(rows))
            assert list(file["names"].asstr()) == ["a", "b"]
            assert file.attrs["channels"] == "ACGT"


def test_numpy_archives_have_codes_and_labels(make: Make, tmp_path: Path) -> None:
    with SequenceStore.open(make("one.h5", ONE)) as store:
        assert export_store(store, tmp_path / "x.npz", "npz", split="train") == 2
        with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
            np.testing.assert_array_equal(found["codes"], store.codes(store.rows("train")))
            np.testing.assert_array_equal(found["labels"], store.labels(store.rows("train")))
            assert found["names"].tolist() == ["a", "b"]


@pytest.mark.parametrize("name", ["x.fa", "x.fa.gz"])
def test_fasta_has_places_and_labels(make: Make, tmp_path: Path, name: str) -> None:
    path = make("one.h5", ONE)
    with SequenceStore.open(path) as store:
        export_store(store, tmp_path / name, "fasta")
    data = (tmp_path / name).read_bytes()
    lines = (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()
    assert lines[1::2] == [row[3] for row in rows_of(path)]
    heads = [f"{row[0]}:{row[1]}-{row[1] + LENGTH}" for row in rows_of(path)]
    assert [line[1:].split(" ")[0] for line in lines[::2]] == heads
    labels = [
        ";".join(name for name, is_set in zip("ab", row[4], strict=True) if is_set) for row in rows_of(path)
    ]
    assert [line.partition(" ")[2] for line in lines[::2]] == labels


def test_an_empty_split_is_written_empty(make: Make, tmp_path: Path) -> None:
    with SequenceStore.open(make("one.h5", ONE)) as store:
        for kind in ("h5", "npz", "fasta"):
            assert export_store(store, tmp_path / f"x.{kind}", kind, split="valid") == 0
        with pytest.raises(OutputExistsError):
            export_store(store, tmp_path / "x.npz", "npz")
