"""Converting DeepSEA's files, and random batches from what comes out.

    python benchmarks/data.py [--rows 200000] [--v5-rows 50000] [--folder DIR]

A synthetic ``train.mat`` in the true layout (v7.3, sample axis last, both strands) and a v5 file are converted, each
in a process of its own whose peak memory is taken; time and size are extrapolated to all 4.4 million rows of DeepSEA.
Then batches of 100 random rows come from the store, from the ``.mat``, and from HDF5 with the sample axis first and
gzip, the way other tools keep them. One core; the files of some gigabytes are removed at the end.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

LENGTH, N_LABELS, BATCH = 1000, 919, 100
ALL_ROWS = 4_400_000
BLOCK = 10_000


def main() -> None:
    """Run the benchmark and print both tables."""
    parser = argparse.ArgumentParser(description="Conversion and random batches.")
    parser.add_argument("--rows", type=int, default=200_000, help="of train.mat, both strands together")
    parser.add_argument("--v5-rows", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="where the files are made; a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        train, valid = folder / "train.mat", folder / "valid.mat"
        make_v73(train, arguments.rows)
        make_v5(valid, arguments.v5_rows)
        print(
            "| source | rows | s | rows a second | peak MiB | kB a kept row | 4.4 M rows: min | GB both strands |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        store = folder / "train.h5"
        convert("v7.3", train, store, arguments.rows)
        convert("v5, compressed", valid, folder / "valid.h5", arguments.v5_rows)
        batches(train, store, folder / "gzip.h5")


def windows(rng: np.random.Generator, n: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return codes in which CpG is rare, as in human DNA, and labels of which 2 % are set."""
    codes = rng.integers(0, 4, (n, LENGTH), dtype=np.uint8)
    codes[:, 1:][(codes[:, :-1] == 1) & (codes[:, 1:] == 2)] = 0
    return codes, (rng.random((n, N_LABELS), dtype=np.float32) < 0.02).astype(np.uint8)


def make_v73(path: Path, n_rows: int) -> None:
    """Write ``trainxdata (1000, 4, N)`` and ``traindata (919, N)``, the second half the other strand of the first."""
    from genotools.data.encoding import reverse_complement

    half = n_rows // 2
    with h5py.File(path, "w", userblock_size=512) as file:
        x = file.create_dataset("trainxdata", (LENGTH, 4, n_rows), "u1")
        y = file.create_dataset("traindata", (N_LABELS, n_rows), "u1")
        for start in range(0, half, BLOCK):
            codes, labels = windows(np.random.default_rng(start), min(BLOCK, half - start))
            for first, strand in ((start, codes), (half + start, reverse_complement(codes))):
                here = slice(first, first + len(codes))
                one_hot = np.stack([strand == code for code in (0, 2, 1, 3)])  # (4, n, L): A, G, C, T
                x[..., here] = one_hot.transpose(2, 0, 1)
                y[:, here] = labels.T


def make_v5(path: Path, n_rows: int) -> None:
    """Write ``validxdata (N, 4, 1000)`` and ``validdata (N, 919)``."""
    codes, labels = windows(np.random.default_rng(1), n_rows)
    one_hot = np.stack([codes == code for code in (0, 2, 1, 3)], axis=1).astype(np.uint8)
    scipy.io.savemat(path, {"validxdata": one_hot, "validdata": labels}, do_compression=True)


def convert(title: str, source: Path, output: Path, n_rows: int) -> None:
    """Convert in a process of its own and print what it took."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_convert, args=(theirs, source, output))
    process.start()
    seconds, peak_bytes, n_kept = ours.recv()
    process.join()
    kept_bytes = output.stat().st_size / n_kept
    print(
        f"| {title} | {n_rows:,} | {seconds:.1f} | {n_rows / seconds:,.0f} | {peak_bytes / 2**20:.0f} | "
        f"{kept_bytes / 1e3:.3f} | {ALL_ROWS / n_rows * seconds / 60:.1f} | {kept_bytes * ALL_ROWS / 1e9:.2f} |",
        flush=True,
    )


def _convert(pipe: Any, source: Path, output: Path) -> None:
    from genotools.data.from_deepsea import from_deepsea

    started = time.perf_counter()
    summary = from_deepsea({"train": source}, output)
    seconds = time.perf_counter() - started
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, summary.n_rows["train"]))


def batches(mat: Path, store_path: Path, gzip_path: Path) -> None:
    """Print how fast batches of random rows come from each file."""
    from genotools.data.encoding import one_hot
    from genotools.data.store import SequenceStore

    with SequenceStore.open(store_path) as store, h5py.File(mat) as file, h5py.File(gzip_path, "w") as other:
        n_rows = len(store)
        x = other.create_dataset(
            "x", (n_rows, 4, LENGTH), "u1", chunks=(64, 4, LENGTH), compression="gzip", compression_opts=4
        )
        y = other.create_dataset("y", (n_rows, N_LABELS), "u1", chunks=(64, N_LABELS), compression="gzip")
        for start in range(0, n_rows, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n_rows))
            x[rows[0] : rows[-1] + 1] = one_hot(store.codes(rows))
            y[rows[0] : rows[-1] + 1] = store.labels(rows)
        rates = {
            "store": rate(lambda rows: (store.codes(rows), store.labels(rows)), n_rows, 2000),
            "HDF5, sample first, gzip": rate(lambda rows: (x[rows], y[rows]), n_rows, 10),
            "train.mat": rate(
                lambda rows: (file["trainxdata"][..., rows], file["traindata"][:, rows]), n_rows, 3
            ),
        }
    print(f"\n| batches of {BATCH} random rows from | sequences a second | store / this |")
    print("| --- | ---: | ---: |")
    for name, one in rates.items():
        print(f"| {name} | {one:,.0f} | {rates['store'] / one:,.0f} |")


def rate(read: Callable[[Any], object], n_rows: int, n_batches: int) -> float:
    """Return rows a second over batches of sorted random rows."""
    rng = np.random.default_rng(0)
    chosen = [np.sort(rng.choice(n_rows, BATCH, replace=False)) for _ in range(n_batches)]
    read(chosen[0])
    started = time.perf_counter()
    for rows in chosen:
        read(rows)
    return BATCH * n_batches / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
