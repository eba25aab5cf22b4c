"""What ``genotools variants`` costs beside the bare model on the same windows, and how it scales.

    python benchmarks/variants.py MODEL --vcf calls.vcf.gz --fasta genome.fa [--copies 1 10]

prints, taking turns in one run: seconds of the bare model on all distinct windows of the file's variants, both
strands, in batches as large; seconds of the whole command's work (reading, checking, windows, scoring, writing
``.tsv.gz``); their ratio; and for each number of copies of the file the rate and the peak memory of a process that
does nothing else.
"""

import argparse
import gzip
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from genotools.cli._models import load_predictor
from genotools.data.encoding import reverse_complement
from genotools.data.twobit import open_sequences
from genotools.variants import Checker, read_variants, score_to_file
from genotools.variants.window_pool import WindowPool

WHOLE = (
    "import resource, sys, time; from genotools.cli._models import load_predictor\n"
    "from genotools.variants import score_to_file\n"
    "model = load_predictor(sys.argv[1], batch_size=int(sys.argv[5])); started = time.perf_counter()\n"
    "summary = score_to_file(model, sys.argv[2], sys.argv[3], sys.argv[4], batch_size=int(sys.argv[5]))\n"
    "seconds = time.perf_counter() - started\n"
    "print(summary.n_variants, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--vcf", type=Path, required=True)
    parser.add_argument("--fasta", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--records", type=int, help="Of the file's first, for the ratio.")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--copies", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        few = shortened(arguments.vcf, folder / "few.vcf", arguments.records)
        ratio(arguments, few, folder)
        for n_copies in arguments.copies:
            scaled(arguments, few, n_copies, folder)


def ratio(arguments: argparse.Namespace, vcf: Path, folder: Path) -> None:
    """Print what the command costs over the model alone."""
    model = load_predictor(arguments.model, batch_size=arguments.batch_size)
    windows = batches(vcf, arguments.fasta, model.length, arguments.batch_size // 2)
    bare, whole = [], []
    for turn in range(arguments.turns + 1):
        started = time.perf_counter()
        for batch in windows:
            model.predict(np.concatenate([batch, reverse_complement(batch)]))
        middle = time.perf_counter()
        output, size = folder / "scores.tsv.gz", arguments.batch_size
        n = score_to_file(model, vcf, arguments.fasta, output, batch_size=size, force=True).n_variants
        if turn:  # the first is for warming up
            bare.append(middle - started)
            whole.append(time.perf_counter() - middle)
    n_windows = sum(map(len, windows))
    print(f"{n:,} variants, {n_windows:,} distinct windows, both strands, batches of {arguments.batch_size}")
    print(f"model alone  {np.median(bare):7.2f} s  {2 * n_windows / np.median(bare):7,.0f} windows a second")
    print(f"command      {np.median(whole):7.2f} s  {n / np.median(whole):7,.0f} variants a second")
    ratios = np.array(whole) / np.array(bare)
    print(f"ratio        {np.median(ratios):7.3f}  ({', '.join(f'{one:.3f}' for one in ratios)})", flush=True)


def batches(vcf: Path, fasta: Path, length: int, n_windows: int) -> list[NDArray[np.uint8]]:
    """Return the windows that the command predicts, in batches as full."""
    found, pool = [], WindowPool()
    with open_sequences(fasta) as genome:
        checker = Checker(genome, length=length)
        for variant in read_variants(vcf):
            _, windows = checker.check(variant)
            if windows is None:
                continue
            if len(pool) + 2 > n_windows:
                found.append(pool.codes())
                pool = WindowPool()
            pool.add(windows.ref)
            pool.add(windows.alt)
    return [*found, pool.codes()]


def scaled(arguments: argparse.Namespace, few: Path, n_copies: int, folder: Path) -> None:
    """Print rate and memory for some copies of the file, in a process of their own."""
    vcf, output = folder / "copies.vcf", folder / f"copies{n_copies}.tsv.gz"
    with vcf.open("w") as file:
        for copy in range(n_copies):
            file.writelines(line for line in lines_of(few) if copy == 0 or not line.startswith("#"))
    words = [arguments.model, vcf, arguments.fasta, output, arguments.batch_size]
    command = [sys.executable, "-c", WHOLE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n, seconds, peak = done.stdout.split()
    rate = int(n) / float(seconds)
    print(
        f"{n_copies:>4} copies  {int(n):>9,} variants  {float(seconds):8.1f} s  {rate:6,.0f} a s  peak {peak} MiB",
        flush=True,
    )


def shortened(vcf: Path, path: Path, n_records: int | None) -> Path:
    """Write the first records of a VCF; return the file itself where all are wanted."""
    if n_records is None:
        return vcf
    with path.open("w") as file:
        n = 0
        for line in lines_of(vcf):
            n += not line.startswith("#")
            if n > n_records:
                break
            file.write(line)
    return path


def lines_of(vcf: Path) -> list[str]:
    """Return the lines of a VCF, plain or gzip."""
    data = vcf.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().splitlines(keepends=True)


if __name__ == "__main__":
    main()
