"""DeepSEA's files to a store: both kinds, both channel orders, kills, and damage."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from typer.testing import CliRunner

from genotools.cli.data import app
from genotools.data.encoding import decode, reverse_complement
from genotools.data.from_deepsea import from_deepsea, read_label_names
from genotools.data.inspect import inspect_file
from genotools.data.mat import open_mat
from genotools.data.store import SequenceStore
from genotools.errors import DataError, OutputExistsError

LENGTH, N_LABELS = 53, 11
Array = NDArray[np.uint8]


def human_like(n: int, *, seed: int) -> tuple[Array, Array]:
    """Return codes in which CpG is rare, some bases unknown, and labels."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, LENGTH)).astype(np.uint8)
    is_cpg = (codes[:, :-1] == 1) & (codes[:, 1:] == 2) & (rng.random((n, LENGTH - 1)) < 0.8)
    codes[:, 1:][is_cpg] = 0
    codes[rng.random(codes.shape) < 0.01] = 4
    return codes, rng.integers(0, 2, (n, N_LABELS)).astype(np.uint8)


def one_hot(codes: Array, order: str) -> Array:
    """Return ``(N, 4, L)`` with channels in the given order."""
    return np.stack([codes == "ACGT".index(base) for base in order], axis=1).astype(np.uint8)


def doubled(codes: Array, labels: Array) -> tuple[Array, Array]:
    return np.concatenate([codes, reverse_complement(codes)]), np.concatenate([labels, labels])


def write_v73(path: Path, codes: Array, labels: Array, *, order: str = "AGCT", **options: object) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("trainxdata", data=one_hot(codes, order).transpose(2, 1, 0), **options)
        file.create_dataset("traindata", data=labels.T)
    return path


def write_v5(
    path: Path, codes: Array, labels: Array, *, order: str = "AGCT", compress: bool = True, dtype: str = "u1"
) -> Path:
    arrays = {"validxdata": one_hot(codes, order).astype(dtype), "validdata": labels.astype(dtype)}
    scipy.io.savemat(path, arrays, do_compression=compress)
    return path


@pytest.mark.parametrize("order", ["AGCT", "ACGT"])
def test_files_become_a_store_in_our_order_without_the_other_strand(tmp_path: Path, order: str) -> None:
    train, valid, test = (human_like(n, seed=n) for n in (700, 300, 200))
    summary = from_deepsea(
        {
            "train": write_v73(tmp_path / "train.mat", *doubled(*train), order=order),
            "valid": write_v5(tmp_path / "valid.mat", *doubled(*valid), order=order),
            "test": write_v5(tmp_path / "test.mat", *test, order=order),
        },
        tmp_path / "s.h5",
    )
    assert summary.channel_order == order
    assert summary.n_rows == {"train": 700, "valid": 300, "test": 200}
    assert summary.both_strands == ("train", "valid")
    assert summary.n_verified >= 300
    with SequenceStore.open(tmp_path / "s.h5") as store:
        store.verify()
        for split, (codes, labels) in {"train": train, "valid": valid, "test": test}.items():
            np.testing.assert_array_equal(store.codes(store.rows(split)), codes)
            np.testing.assert_array_equal(store.labels(store.rows(split)), labels)
        assert store.names[3] == "label_3"


def test_both_strands_are_kept_on_request(tmp_path: Path) -> None:
    codes, labels = doubled(*human_like(100, seed=0))
    path = write_v73(tmp_path / "train.mat", codes, labels)
    summary = from_deepsea({"train": path}, tmp_path / "s.h5", keep_both_strands=True)
    assert summary.n_rows == {"train": 200}


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (53, 4, 16), "compression": "gzip"}, {"dtype": "f4"}, {"dtype": "bool"}]
)
def test_v73_files_of_every_layout_are_read(tmp_path: Path, options: dict[str, object]) -> None:
    codes, labels = human_like(90, seed=1)
    rows = open_mat(write_v73(tmp_path / "t.mat", codes, labels, order="ACGT", **options))
    np.testing.assert_array_equal(rows.codes(slice(13, 77)), codes[13:77])
    np.testing.assert_array_equal(rows.labels(slice(13, 77)), labels[13:77])


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "f8", "i4"])
def test_v5_files_of_every_kind_are_read(tmp_path: Path, compress: bool, dtype: str) -> None:
    codes, labels = human_like(90, seed=2)
    path = write_v5(tmp_path / "v.mat", codes, labels, order="ACGT", compress=compress, dtype=dtype)
    rows = open_mat(path)
    np.testing.assert_array_equal(rows.codes(slice(0, 90)), codes)
    np.testing.assert_array_equal(rows.codes(slice(13, 77)), codes[13:77])
    np.testing.assert_array_equal(rows.labels(slice(13, 77)), labels[13:77])


def test_an_order_that_cannot_be_told_must_be_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 4, (200, LENGTH)).astype(np.uint8), np.zeros((200, 2), np.uint8)
    path = write_v73(tmp_path / "t.mat", codes, labels)
    with pytest.raises(DataError, match=r"order of the channels is not to be told.*--channel-order AGCT"):
        from_deepsea({"train": path}, tmp_path / "s.h5")
    from_deepsea({"train": path}, tmp_path / "s.h5", channel_order="AGCT")
    with SequenceStore.open(tmp_path / "s.h5") as store:
        np.testing.assert_array_equal(store.codes(np.arange(200)), codes)


def test_names_lose_their_odd_spaces_and_may_repeat(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("A|X|None\nMonocytes\xa0CD14\xa0|Y\nA|X|None\n\n", encoding="utf-8")
    assert read_label_names(path, 3) == ("A|X|None", "Monocytes CD14 |Y", "A|X|None")
    path.write_bytes("A\xa0\nB\nC".encode("latin-1"))
    assert read_label_names(path, 3) == ("A", "B", "C")
    with pytest.raises(DataError, match="3 names, the files have 4 labels"):
        read_label_names(path, 4)


def two_bases(codes: Array, labels: Array) -> tuple[Array, Array]:
    x = one_hot(codes, "AGCT")
    x[70, :2, 5] = 1
    return x, labels


def faulty(tmp_path: Path, what: str) -> dict[str, Path]:
    codes, labels = human_like(100, seed=3)
    path = tmp_path / "bad.mat"
    if what == "cut v73":
        whole = write_v73(path, codes, labels).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "cut v5":
        whole = write_v5(path, codes, labels, compress=False).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "damaged v5":
        whole = write_v5(path, codes, labels).read_bytes()
        path.write_bytes(whole[:800] + bytes(100) + whole[900:])
    elif what == "axes":
        with h5py.File(path, "w") as file:
            file["trainxdata"], file["traindata"] = np.zeros((5, 100), "u1"), np.zeros((N_LABELS, 100), "u1")
    elif what == "channels":
        with h5py.File(path, "w") as file:
            file["trainxdata"], file["traindata"] = np.zeros((5, 3, 9), "u1"), np.zeros((2, 9), "u1")
    elif what == "rows":
        with h5py.File(path, "w") as file:
            file["trainxdata"], file["traindata"] = np.zeros((5, 4, 9), "u1"), np.zeros((2, 8), "u1")
    elif what == "two bases":
        x = one_hot(codes, "AGCT")
        x[70, :2, 5] = 1
        with h5py.File(path, "w") as file:
            file["trainxdata"], file["traindata"] = x.transpose(2, 1, 0), labels.T
    elif what == "values":
        write_v73(path, codes, labels * 2)
    elif what == "other lengths":
        write_v73(path, codes, labels)
        return {"train": path, "valid": write_v5(tmp_path / "v.mat", codes[:, :50], labels)}
    elif what == "text":
        path.write_text("no MATLAB file")
    return {"train": path}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut v73", r"bad.mat: the HDF5 file is damaged or cut off"),
        ("cut v5", r"bad.mat: cut off: the array at byte"),
        ("damaged v5", r"bad.mat: a compressed array is damaged|bad.mat: cut off or damaged"),
        (
            "axes",
            r"one array of windows \(3 axes\) and one of labels \(2 axes\) expected: .*trainxdata \(5, 100\)",
        ),
        ("channels", r"trainxdata \(5, 3, 9\): axis 1 should have the 4 bases"),
        ("rows", r"trainxdata \(5, 4, 9\) and traindata \(2, 8\) have different numbers of rows"),
        ("two bases", r"two bases at one position: the windows are no one-hot"),
        ("values", r"bad.mat: labels, rows 0 to 99: values other than 0 and 1"),
        ("other lengths", r"v.mat: windows of 50 bp and 11 labels, .*bad.mat has 53 bp and 11"),
        ("text", r"neither a MATLAB v5 nor a v7.3 \(HDF5\) file"),
        ("missing", r"bad.mat: no such file"),
    ],
)
def test_bad_files_are_refused_and_nothing_is_left(tmp_path: Path, what: str, message: str) -> None:
    sources = faulty(tmp_path, what)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        from_deepsea(sources, tmp_path / "s.h5", channel_order="AGCT")
    assert [path for path in sorted(tmp_path.iterdir()) if path not in before] == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = write_v73(tmp_path / "t.mat", *human_like(100, seed=0))
    (tmp_path / "s.h5").write_text("mine")
    with pytest.raises(OutputExistsError):
        from_deepsea({"train": path}, tmp_path / "s.h5", channel_order="AGCT")
    assert (tmp_path / "s.h5").read_text() == "mine"


# Kills itself after some blocks.
KILLED = """
import os, signal, sys
from pathlib import Path
import genotools.data.write as write
from genotools.data.from_deepsea import from_deepsea
write._BLOCK_ROWS = 64
train, valid, output = map(Path, sys.argv[1:4])
n_blocks, resume = int(sys.argv[4]), sys.argv[5]
blocks = []
def on_rows(n_done, n_rows):
    blocks.append(n_done)
    if len(blocks) == n_blocks:
        os.kill(os.getpid(), signal.SIGKILL)
from_deepsea({"train": train, "valid": valid}, output, resume=resume == "resume", on_rows=on_rows)
print(blocks[0])
"""


def converted(
    files: list[Path], output: Path, n_blocks: int, *, resume: bool
) -> subprocess.CompletedProcess[str]:
    arguments = [str(path) for path in (*files, output)]
    command = [sys.executable, "-c", KILLED, *arguments, str(n_blocks), "resume" if resume else "new"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_killed_conversion_goes_on_and_ends_byte_for_byte_the_same(tmp_path: Path) -> None:
    files = [
        write_v73(tmp_path / "t.mat", *doubled(*human_like(700, seed=0))),
        write_v5(tmp_path / "v.mat", *human_like(200, seed=1)),
    ]
    assert converted(files, tmp_path / "whole.h5", 0, resume=False).returncode == 0
    output = tmp_path / "s.h5"
    for n_blocks in (3, 4, 2):
        assert (
            converted(files, output, n_blocks, resume=output.with_name("s.h5.partial").exists()).returncode
            < 0
        )
        assert not output.exists()
    again = converted(files, output, 0, resume=False)
    assert "s.h5.partial is half of a store: go on with --resume" in again.stderr
    last = converted(files, output, 0, resume=True)
    assert last.stdout == f"{64 * 10}\n"  # 9 blocks were done
    assert output.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob("s.h5.partial*"))


def test_a_conversion_of_other_files_is_not_gone_on_with(tmp_path: Path) -> None:
    files = [write_v73(tmp_path / "t.mat", *human_like(300, seed=0)), tmp_path / "v.mat"]
    write_v5(files[1], *human_like(100, seed=1))
    assert converted(files, tmp_path / "s.h5", 2, resume=False).returncode < 0
    write_v5(files[1], *human_like(120, seed=2))
    done = converted(files, tmp_path / "s.h5", 0, resume=True)
    assert "s.h5.partial was begun from other files or with other options; remove it" in done.stderr


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    path = write_v73(tmp_path / "t.mat", *doubled(*human_like(300, seed=0)))
    output = tmp_path / "s.h5"
    done = CliRunner().invoke(app, ["from-deepsea", "--train", str(path), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "train 300" in done.stdout
    assert "53 bp, 11 labels" in done.stdout
    assert "channels are A, G, C, T (told by the rarity of CpG)" in done.stderr
    assert "train: rows 300 on are the other strand and left out" in done.stderr
    again = CliRunner().invoke(
        app, ["from-deepsea", "--train", str(path), "-o", str(output), "--force", "--json"]
    )
    assert json.loads(again.stdout)["n_rows"] == {"train": 300}


def test_inspection_tells_kind_order_strands_and_rates(tmp_path: Path) -> None:
    codes, labels = doubled(*human_like(300, seed=0))
    for path, kind in (
        (write_v73(tmp_path / "t.mat", codes, labels), "v7.3"),
        (write_v5(tmp_path / "v.mat", codes, labels), "v5"),
    ):
        report = inspect_file(path)
        assert report.kind == "mat"
        assert report.title == f"MATLAB file ({kind}) of 600 one-hot windows of 53 bp with 11 labels"
        assert report.facts["channel order"] == "AGCT"
        assert report.facts["strands"] == "second half is the other strand"
        assert report.facts["labels set, first 600 rows"] == f"{labels.mean():.2%}"
        assert report.preview[0] == decode(codes[0])


def test_inspection_lists_the_arrays_of_other_v5_files(tmp_path: Path) -> None:
    scipy.io.savemat(
        tmp_path / "o.mat", {"a": np.zeros((2, 30)), "text": "hello", "b": np.ones((4, 5), np.int16)}
    )
    report = inspect_file(tmp_path / "o.mat")
    assert report.title == "MATLAB v5 file with 2 numeric arrays, not windows and labels"
    assert [part[:2] for part in report.parts] == [("a", "(2, 30)"), ("b", "(4, 5)")]
