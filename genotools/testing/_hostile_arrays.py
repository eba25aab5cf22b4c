"""Readers of arrays: HDF5, MATLAB, numpy, and tables and stores in the making."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.testing._hostile_documents import NAMES
from genotools.testing._hostile_reader import Reader, as_bytes, as_document, folder_of

__all__ = ["LENGTH_BP", "READERS", "write_small_store"]

LENGTH_BP = 60


def write_small_store(path: Path) -> None:
    """Write a store of twelve windows, four a split."""
    from genotools.data.write import write_store

    codes = np.random.default_rng(0).integers(0, 5, size=(12, LENGTH_BP), dtype=np.uint8)
    labels = np.random.default_rng(1).integers(0, 2, size=(12, 2), dtype=np.uint8)
    splits = np.repeat([0, 1, 2], 4)
    write_store(path, codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})


def _read_store(path: Path) -> object:
    from genotools.data.store import SequenceStore

    with SequenceStore.open(path) as store:
        rows = store.rows("train")
        return store.task, store.codes(rows), store.labels(rows), store.coordinates(rows)


def _one_hot(*, row_axis: int) -> NDArray[np.uint8]:
    """Return eight windows of 1000 bp, rows first ``(8, 4, 1000)`` or last ``(1000, 4, 8)``."""
    bases = np.random.default_rng(2).integers(0, 4, size=(8, 1000))
    one_hot: NDArray[np.uint8] = (bases[:, None, :] == np.arange(4)[None, :, None]).astype(np.uint8)
    return one_hot if row_axis == 0 else one_hot.transpose(2, 1, 0)


def _labels() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 2, size=(8, 3), dtype=np.uint8)


def _write_mat73(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("trainxdata", data=_one_hot(row_axis=2), chunks=(1000, 4, 2), compression="gzip")
        file["traindata"] = _labels().T


def _write_mat5(path: Path) -> None:
    import scipy.io

    arrays = {"validxdata": _one_hot(row_axis=0), "validdata": _labels()}
    scipy.io.savemat(path, arrays, do_compression=True)


def _write_plain_mat5(path: Path) -> None:
    import scipy.io

    scipy.io.savemat(path, {"validxdata": _one_hot(row_axis=0)[:, :, :40], "validdata": _labels()})


def _read_mat(path: Path) -> object:
    from genotools.data.from_deepsea import from_deepsea

    output = path.with_name(f"{path.stem}.store.h5")
    try:
        return from_deepsea({"train": path}, output, channel_order="AGCT", force=True)
    finally:
        for left in path.parent.glob(f"{output.name}*"):
            left.unlink()


def _write_background(path: Path) -> None:
    from genotools.variants.background import Background, write_background

    effects = np.sort(np.random.default_rng(4).random((2, 20), dtype=np.float32), axis=1)
    how = {"model_digest": "0" * 64, "strands": "both", "average": "probability", "odds": "plain"}
    background = Background(names=NAMES, effects=effects, rms=np.ones(2), how=how)
    write_background(path, background, source="twenty variants", force=True)


def _read_background(path: Path) -> object:
    from genotools.variants.background import read_background

    background = read_background(path)
    return background.evalues(np.ones((1, len(background.names))))


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, _labels())
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, codes=_one_hot(row_axis=0)[:, 0], labels=_labels())
    return file.getvalue()


def _write_other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["group/numbers"] = np.arange(6.0)
        file.attrs["note"] = "neither a store nor MATLAB's"


def _inspect(path: Path) -> object:
    from genotools.data.inspect import inspect_file

    return json.dumps(inspect_file(path).to_json())


def _store_progress() -> object:
    import genotools

    return {"identity": {"from": "here", "genotools": genotools.__version__}, "n_rows": 4, "n_unknown": 2}


def _read_store_progress(path: Path) -> object:
    from genotools.data._partial import PartialStore

    output = folder_of(path) / "store.h5"
    partial = PartialStore(output, {"from": "here"})
    partial.data.write_bytes(b"x" * 100)
    partial.unknown.write_bytes(b"x" * 16)
    output.with_name("store.h5.partial.json").write_bytes(path.read_bytes())
    return partial.begin(resume=True), partial.n_unknown


def _table_progress() -> object:
    tally = {
        "statuses": {"ok": 2, "no_contig": 1},
        "missing_contigs": {"chr9": 1},
        "numbers": [1, 1, 2, 0, 2, 0],
    }
    header = {"format": "genotools/variants-progress", "version": 1, "identity": {"of": "this"}}
    return {**header, "lengths": {"": 10}, "n_done": 2, "tally": tally}


def _read_table_progress(path: Path) -> object:
    from genotools.variants.partial import PartialTable
    from genotools.variants.run import restored
    from genotools.variants.summary import Tally

    output = folder_of(path) / "table.tsv"
    output.with_name("table.tsv.partial").write_bytes(b"x" * 20)
    output.with_name("table.tsv.partial.json").write_bytes(path.read_bytes())
    partial = PartialTable(output, ("",), {"of": "this"})
    return restored(partial.begin(resume=True, force=False), Tally(), where=partial.progress_path)


_INSPECT = ("data.inspect", "data.mat", "data.mat5", "data.signal")
_MAT = ("data.from_deepsea", "data.mat", "data.mat5", "data.hdf5")

READERS = (
    Reader("store", ".h5", write_small_store, _read_store, ("data.store", "data._layout", "data.hdf5")),
    Reader("store, told", ".h5", write_small_store, _inspect, _INSPECT),
    Reader("mat 7.3", ".mat", _write_mat73, _read_mat, _MAT),
    Reader("mat 5", ".mat", _write_mat5, _read_mat, _MAT, is_slow=True),
    Reader("mat 5, plain", ".mat", _write_plain_mat5, _read_mat, _MAT),
    Reader("mat 5, told", ".mat", _write_plain_mat5, _inspect, (*_INSPECT, *_MAT)),
    Reader("background", ".h5", _write_background, _read_background, ("variants.background", "data.hdf5")),
    Reader("hdf5, told", ".h5", _write_other_hdf5, _inspect, _INSPECT),
    Reader("npy", ".npy", as_bytes(_npy), _inspect, _INSPECT),
    Reader("npz", ".npz", as_bytes(_npz), _inspect, _INSPECT),
    Reader("store progress", ".json", as_document(_store_progress), _read_store_progress, ("data._partial",)),
    Reader(
        "table progress",
        ".json",
        as_document(_table_progress),
        _read_table_progress,
        ("variants.partial", "variants.run"),
    ),
)
