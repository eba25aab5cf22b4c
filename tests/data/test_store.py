import fcntl
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import genotools
from genotools.data.inspect import inspect_file
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError, OutputExistsError

Opener = Callable[..., SequenceStore]


@st.composite
def codes_and_labels(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n_rows, length, n_labels = draw(st.integers(0, 9)), draw(st.integers(1, 13)), draw(st.integers(0, 18))
    return (
        draw(arrays(np.uint8, (n_rows, length), elements=st.integers(0, 4))),
        draw(arrays(np.uint8, (n_rows, n_labels), elements=st.integers(0, 1))),
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=codes_and_labels(), data=st.data())
def test_codes_and_labels_come_back_for_any_rows(
    tmp_path: Path, drawn: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    codes, labels = drawn
    path = tmp_path / "store.h5"
    write_store(
        path,
        codes=codes,
        labels=labels,
        names=[str(index) for index in range(labels.shape[1])],
        splits=np.zeros(len(codes), dtype=np.uint8),
        provenance={},
        force=True,
    )
    rows = data.draw(st.lists(st.integers(0, len(codes) - 1), max_size=12)) if len(codes) else []
    with SequenceStore.open(path) as store:
        assert len(store) == len(codes)
        assert np.array_equal(store.codes(rows), codes[rows] if rows else codes[:0])
        assert np.array_equal(store.labels(rows), labels[rows] if rows else labels[:0])
        store.verify()


def test_everything_written_is_read(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store:
        assert (len(store), store.length) == (23, 10)
        assert store.names == tuple(content["names"])
        assert store.groups == tuple(content["groups"])
        assert store.rows("valid").tolist() == list(range(1, 23, 3))
        assert store.provenance == {
            "genome": "test",
            "sources": [],
            "channel_order": "ACGT",
            "genotools": genotools.__version__,
        }
        where = store.coordinates([0, 1, 2])
        assert where.contigs.tolist() == ["", "chrI", "chrII"]
        assert where.starts.tolist() == [-4, 96, 196]
        assert where.ends.tolist() == [6, 106, 206]


def test_store_of_many_blocks_keeps_rows_and_unknown_bases_apart(open_store: Opener) -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(5, size=(20_000, 9), p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8)
    labels = rng.integers(0, 2, size=(20_000, 3), dtype=np.uint8)
    zeros = np.zeros(20_000, dtype=np.int64)
    with open_store(
        codes=codes, labels=labels, names="abc", groups=None, splits=zeros, contigs=None, starts=None
    ) as store:
        rows = rng.permutation(20_000)
        assert np.array_equal(store.codes(rows), codes[rows])
        assert np.array_equal(store.labels(rows), labels[rows])


def test_equal_content_gives_equal_bytes_and_digest(tmp_path: Path, content: dict[str, Any]) -> None:
    digests = [write_store(tmp_path / name, **content) for name in ("one.h5", "two.h5")]
    assert digests[0] == digests[1]
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


@pytest.mark.parametrize("part", ["codes", "labels", "names", "groups", "splits", "contigs", "starts"])
def test_digest_depends_on_every_part(tmp_path: Path, content: dict[str, Any], part: str) -> None:
    before = write_store(tmp_path / "one.h5", **content)
    changed = content[part].copy()
    if isinstance(changed, list):
        changed[0] = "another"
    else:
        changed.flat[0] = 0 if changed.flat[0] else 1
    assert write_store(tmp_path / "two.h5", **{**content, part: changed}) != before


def test_digest_does_not_depend_on_provenance(tmp_path: Path, content: dict[str, Any]) -> None:
    one = write_store(tmp_path / "one.h5", **content)
    assert write_store(tmp_path / "two.h5", **{**content, "provenance": {"genome": "other"}}) == one


def test_bases_take_two_bits_and_labels_one(open_store: Opener) -> None:
    with open_store() as store, h5py.File(store.path) as file:
        assert file["bases"].shape == (23, 3)
        assert file["labels"].shape == (23, 2)


@pytest.mark.parametrize("rows", [[23], [-1], [0, 99]])
def test_rows_outside_the_store_are_refused(open_store: Opener, rows: list[int]) -> None:
    with open_store() as store:
        for read in (store.codes, store.labels, store.coordinates):
            with pytest.raises(IndexError, match="has 23"):
                read(rows)


def test_unknown_split_is_refused(open_store: Opener) -> None:
    with (
        open_store() as store,
        pytest.raises(ValueError, match="no split 'tset'; there are train, valid, test"),
    ):
        store.rows("tset")


def test_closed_store_says_so(open_store: Opener) -> None:
    store = open_store()
    store.close()
    with pytest.raises(ValueError, match="is closed"):
        store.codes([0])


def test_reading_codes_never_changes_the_file(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store:
        store.codes([0, 1])[:] = 0
        store.labels([0, 1])[:] = 1
        assert np.array_equal(store.codes([0, 1]), content["codes"][:2])
        assert np.array_equal(store.labels([0, 1]), content["labels"][:2])


def test_pickled_store_opens_the_same_file(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store, pickle.loads(pickle.dumps(store)) as other:  # noqa: S301
        assert other.digest == store.digest
        assert np.array_equal(other.codes([3]), content["codes"][[3]])


def test_other_processes_read_the_same_rows(open_store: Opener, content: dict[str, Any]) -> None:
    with open_store() as store, multiprocessing.get_context("spawn").Pool(2) as pool:
        for rows, codes in zip([[0, 5], [7]], pool.map(store.codes, [[0, 5], [7]]), strict=True):
            assert np.array_equal(codes, content["codes"][rows])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": np.full((23, 10), 5, np.uint8)}, "base codes are 0 to 4, found 5"),
        ({"labels": np.full((23, 11), 2, np.uint8)}, "labels are 0 or 1, found 2"),
        ({"codes": np.zeros((22, 10), np.uint8)}, r"codes have shape \(22, 10\), \(23, length\)"),
        ({"codes": np.zeros((23, 0), np.uint8)}, r"codes have shape \(23, 0\)"),
        ({"names": ["a"]}, "1 names for 11 labels"),
        ({"groups": ["a"]}, "1 groups for 11 labels"),
        ({"starts": np.zeros(4, np.int64)}, r"shape \(4,\), \(23,\) was expected"),
        ({"splits": np.full(23, 3)}, "splits are 0 to 2, found 3"),
        ({"contigs": np.full(23, 2)}, "contigs point outside the 2 contig names"),
    ],
)
def test_wrong_content_is_refused_and_nothing_is_left(
    tmp_path: Path, content: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_store(tmp_path / "store.h5", **{**content, **change})
    assert list(tmp_path.iterdir()) == []


def test_existing_output_stays_without_force(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "store.h5"
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="--force"):
        write_store(path, **content)
    assert path.read_text() == "precious"


def test_full_disk_is_told_and_leaves_the_old_file(
    tmp_path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "store.h5"
    path.write_text("precious")
    monkeypatch.setattr("genotools.data.write._write_rest", refuse)
    with pytest.raises(DataError, match=r"store\.h5: it could not be written: No space left on device"):
        write_store(path, **content, force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["store.h5"]
    assert path.read_text() == "precious"


def edited(tmp_path: Path, store: SequenceStore, edit: Callable[[h5py.File], None]) -> Path:
    path = tmp_path / "edited.h5"
    shutil.copyfile(store.path, path)
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


def replaced(name: str, value: Any, **options: Any) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=value, **options)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda file: file.attrs.update(format="other"), "not a sequence store"),
        (
            lambda file: file.attrs.update(version=99),
            "version: 99 is newer than this genotools reads: .* up to version 2. Update genotools",
        ),
        (lambda file: file.attrs.update(format=[1, 2]), "not a sequence store"),
        (
            lambda file: file.attrs.update(version=[1, 1]),
            "version: a positive whole number is expected, found a value of type ndarray",
        ),
        (replaced("names", h5py.Empty("i8")), "datasets without a shape"),
        (lambda file: file.attrs.update(length=-3), "attribute 'length' is -3"),
        (lambda file: file.attrs.__delitem__("digest"), "attribute 'digest' is missing"),
        (lambda file: file.__delitem__("labels"), "dataset 'labels' is missing"),
        (replaced("bases", np.zeros((23, 4), np.uint8)), r"bases has shape \(23, 4\), \(23, 3\)"),
        (replaced("starts", np.zeros(23, np.float64)), "starts is float64, int64 was expected"),
        (replaced("labels", np.zeros((23, 2), np.uint8), chunks=True), "labels is not contiguous"),
        (replaced("names", np.zeros(11)), "names is float64, text was expected"),
        (replaced("splits", np.full(23, 9, np.uint8)), "splits holds 9"),
        (replaced("contigs", np.full(23, 7, np.int32)), "contigs points outside the 2 contig names"),
        (replaced("unknown", np.array([5, 3])), "unknown is not ascending"),
        (replaced("unknown", np.array([5, 999])), "unknown is not ascending, or points outside"),
        (replaced("provenance", "[1]"), "provenance is not a JSON object"),
        (replaced("provenance", "{"), "provenance: not valid JSON"),
    ],
)
def test_faulty_store_is_refused(
    tmp_path: Path, open_store: Opener, edit: Callable[[h5py.File], None], message: str
) -> None:
    with open_store() as store:
        path = edited(tmp_path, store, edit)
    with pytest.raises(DataError, match=message):
        SequenceStore.open(path)


def test_all_structural_faults_are_told_at_once(tmp_path: Path, open_store: Opener) -> None:
    def edit(file: h5py.File) -> None:
        replaced("starts", np.zeros(5, np.float64))(file)
        replaced("unknown", np.zeros(5, np.int32))(file)

    with open_store() as store:
        path = edited(tmp_path, store, edit)
    with pytest.raises(
        DataError, match=r"(?s)3 faults.*unknown is int32.*starts has shape.*starts is float64"
    ):
        SequenceStore.open(path)


def test_changed_bases_are_found_by_verify(tmp_path: Path, open_store: Opener) -> None:
    with open_store() as store:
        path = edited(
            tmp_path, store, lambda file: file["bases"].__setitem__((0, 0), file["bases"][0, 0] ^ 1)
        )
    with SequenceStore.open(path) as store, pytest.raises(DataError, match="damaged: its content has digest"):
        store.verify()


def test_cut_off_file_is_refused_at_any_length(tmp_path: Path, open_store: Opener) -> None:
    with open_store() as store:
        data = store.path.read_bytes()
    path = tmp_path / "cut.h5"
    for share in (0.01, 0.3, 0.6, 0.99):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(DataError, match="damaged or cut off"):
            SequenceStore.open(path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        SequenceStore.open(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(DataError, match="not an HDF5 file"):
        SequenceStore.open(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["traindata"] = np.zeros(3)
    with pytest.raises(DataError, match=r"HDF5, but not a sequence store .*it holds traindata"):
        SequenceStore.open(tmp_path / "other.h5")


def test_a_store_opens_where_its_file_cannot_be_locked_or_written_to(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    """As on a file system that refuses locks: HDF5's own way of opening waits for nobody and fails."""
    path = tmp_path / "folder" / "store.h5"
    path.parent.mkdir()
    digest = write_store(path, **content)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(BlockingIOError, match="unable to lock file"):
                h5py.File(path, "r")
            with SequenceStore.open(path) as store:
                store.verify()
                assert store.digest == digest
            assert inspect_file(path).kind == "store"
        assert [one.name for one in path.parent.iterdir()] == ["store.h5"]
    finally:
        path.parent.chmod(0o755)
