"""Stores of classes, values and counts: what goes in comes out, and nothing else goes in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.data.export import export_store
from genotools.data.inspect import inspect_file
from genotools.data.merge import merge_stores, split_store
from genotools.data.stats import store_stats
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.genotype.task import TaskKind

KINDS = list(TaskKind)
Opener = Callable[..., SequenceStore]


def labels_of(kind: TaskKind, n: int = 23, k: int = 11) -> NDArray[Any]:
    rng = np.random.default_rng(3)
    match kind:
        case TaskKind.MULTILABEL:
            return rng.integers(0, 2, size=(n, k), dtype=np.uint8)
        case TaskKind.MULTICLASS:
            return np.eye(k, dtype=np.uint8)[rng.integers(0, k, size=n)]
    values = rng.gamma(2.0, size=(n, k)).astype(np.float32)
    values[rng.random((n, k)) < 0.2] = np.nan
    return values if kind is TaskKind.COUNTS else -values


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> TaskKind:
    return TaskKind(request.param)


def test_labels_come_out_as_they_went_in(open_store: Opener, kind: TaskKind) -> None:
    labels = labels_of(kind)
    with open_store(labels=labels, kind=kind) as store:
        rows = np.array([5, 0, 22, 5])
        np.testing.assert_array_equal(store.labels(rows), labels[rows])
        assert store.labels(rows).dtype == labels.dtype
        assert store.labels([]).shape == (0, 11)
        assert (store.task.kind, store.task.names, store.task.one_strand) == (kind, store.names, False)
        store.verify()


def test_the_digest_tells_kinds_and_values_apart(tmp_path: Path, content: dict[str, Any]) -> None:
    zeros = {**content, "labels": np.zeros((23, 11), dtype=np.float32)}
    digests = {
        write_store(tmp_path / f"{kind}-{strand}.h5", **zeros, kind=kind, one_strand=strand)
        for kind in (TaskKind.MULTILABEL, TaskKind.REGRESSION, TaskKind.COUNTS)
        for strand in (False, True)
    }
    zeros["labels"] = zeros["labels"] + np.float32(1e-6)
    digests.add(write_store(tmp_path / "other.h5", **zeros, kind=TaskKind.REGRESSION))
    assert len(digests) == 7


def test_only_what_version_1_cannot_hold_is_version_2(open_store: Opener, kind: TaskKind) -> None:
    with open_store(labels=labels_of(kind), kind=kind) as store, h5py.File(store.path) as file:
        assert file.attrs["version"] == (1 if kind is TaskKind.MULTILABEL else 2)
    with open_store(one_strand=True) as store, h5py.File(store.path) as file:
        assert file.attrs["version"] == 2
        assert store.task.one_strand


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (TaskKind.MULTICLASS, 1, "a row is of one class"),
        (TaskKind.MULTICLASS, 0, "a row is of one class"),
        (TaskKind.REGRESSION, np.inf, "an infinite value"),
        (TaskKind.COUNTS, -2, "counts are 0 or more, found -2"),
    ],
)
def test_labels_of_another_kind_are_refused(
    tmp_path: Path, content: dict[str, Any], kind: TaskKind, value: float, message: str
) -> None:
    labels = np.full((23, 11), value, dtype=np.float32)
    with pytest.raises(DataError, match=message):
        write_store(tmp_path / "s.h5", **{**content, "labels": labels}, kind=kind)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("attribute", ["task", "one_strand"])
def test_a_version_2_that_does_not_say_its_task_is_refused(open_store: Opener, attribute: str) -> None:
    with open_store(labels=labels_of(TaskKind.COUNTS), kind=TaskKind.COUNTS) as store:
        path = store.path
    with h5py.File(path, "r+") as file:
        del file.attrs[attribute]
    with pytest.raises(DataError, match=f"attribute '{attribute}' is missing"):
        SequenceStore.open(path)


def test_an_unknown_task_is_refused(open_store: Opener) -> None:
    with open_store(labels=labels_of(TaskKind.COUNTS), kind=TaskKind.COUNTS) as store:
        path = store.path
    with h5py.File(path, "r+") as file:
        file.attrs["task"] = "ranking"
    with pytest.raises(DataError, match="'task' is 'ranking', one of multilabel, multiclass"):
        SequenceStore.open(path)


def test_a_store_that_was_cut_off_is_refused(open_store: Opener) -> None:
    with open_store(labels=labels_of(TaskKind.REGRESSION), kind=TaskKind.REGRESSION) as store:
        path = store.path
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="cut off"):
        SequenceStore.open(path)


def test_stores_of_a_kind_are_merged_split_and_exported(
    tmp_path: Path, content: dict[str, Any], kind: TaskKind
) -> None:
    labels = labels_of(kind)
    whole = {
        **content,
        "labels": labels,
        "kind": kind,
        "contigs": np.arange(23) % 2,
        "splits": np.zeros(23, int),
    }
    for name in ("a", "b"):
        write_store(tmp_path / f"{name}.h5", **whole)
    merge_stores([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "ab.h5")
    split_store(tmp_path / "a.h5", tmp_path / "split.h5", valid_contigs=["chrI"], test_contigs=[])
    with SequenceStore.open(tmp_path / "ab.h5") as both, SequenceStore.open(tmp_path / "split.h5") as split:
        np.testing.assert_array_equal(both.labels(range(46)), np.concatenate([labels, labels]))
        np.testing.assert_array_equal(split.labels(range(23)), labels)
        assert both.task.kind is split.task.kind is kind
        export_store(both, tmp_path / "out.npz", "npz")
        export_store(both, tmp_path / "out.h5", "h5")
        export_store(both, tmp_path / "out.fa", "fasta")
    archive = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(archive["labels"], np.concatenate([labels, labels]))
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["y"][:23], labels)
    assert (tmp_path / "out.fa").read_text().count(">") == 46
    assert f"labels: {kind}" in "\n".join(
        f"{a}: {b}" for a, b in inspect_file(tmp_path / "ab.h5").facts.items()
    )


def test_stores_of_two_kinds_are_not_merged(tmp_path: Path, content: dict[str, Any]) -> None:
    write_store(tmp_path / "a.h5", **content)
    write_store(tmp_path / "b.h5", **content, kind=TaskKind.REGRESSION)
    with pytest.raises(DataError, match=r"labels of kind regression, .*multilabel"):
        merge_stores([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "ab.h5")


def test_stats_of_values_are_those_of_what_was_measured(open_store: Opener) -> None:
    values = labels_of(TaskKind.REGRESSION)
    with open_store(labels=values, kind=TaskKind.REGRESSION) as store:
        stats = store_stats(store)
        for split, part in stats.splits.items():
            ours = values[store.rows(split)]
            np.testing.assert_array_equal(part.positives, (~np.isnan(ours)).sum(axis=0))
            np.testing.assert_allclose(part.means, np.nanmean(ours, axis=0), rtol=1e-6)
            np.testing.assert_allclose(part.deviations, np.nanstd(ours, axis=0), rtol=1e-4)
    assert stats.to_json()["kind"] == "regression"
