"""Search for files that a reader does not survive, guided by coverage; needs ``pip install atheris``.

    python tools/fuzz.py READER [--seconds 60] [--corpus FOLDER]
    python tools/fuzz.py --list

Readers are those of :mod:`genotools.testing.hostile`. Inputs that reach new code are kept in the corpus, beside the
valid file; one that lets anything but our errors out, takes more than 20 seconds or 2 GB ends the run and is left in
the corpus folder as ``crash-*``, ``timeout-*`` or ``oom-*``. Native code (HDF5, zlib, onnxruntime) is not
instrumented.
"""

import argparse
import atexit
import importlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["genotools", "pyfaidx"]):
    from genotools.testing.hostile import (
        MAX_MEMORY_BYTES,
        MAX_SECONDS,
        READERS,
        Reader,
        only_ours,
        with_another_value,
    )

MAX_BYTES = 1 << 20
HDF5 = (".h5", ".mat")
"""Files of which the valid one is changed: HDF5 itself does not survive to write into a damaged one."""

SEED = """
import sys
from pathlib import Path
from genotools.testing.hostile import READERS
READERS[int(sys.argv[1])].seed(Path(sys.argv[2]))
"""


def main() -> None:
    """Fuzz one reader; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(description="Fuzz a reader.")
    parser.add_argument("reader", nargs="?", choices=[reader.name for reader in READERS])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list or arguments.reader is None:
        print("\n".join(reader.name for reader in READERS))
        return
    (reader,) = [one for one in READERS if one.name == arguments.reader]
    corpus = arguments.corpus or Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus.mkdir(parents=True, exist_ok=True)
    # In a process of its own: PyTorch cannot translate instrumented code.
    index, valid = READERS.index(reader), corpus / f"valid{reader.suffix}"
    valid.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-c", SEED, str(index), str(valid)], check=True)
    with atheris.instrument_imports(include=["genotools", "pyfaidx"]):
        for module in reader.modules:  # they are imported when a file is read, which would be too late
            importlib.import_module(f"genotools.{module}")
    run(reader, corpus, arguments.seconds)


def run(reader: Reader, corpus: Path, seconds: int) -> None:
    """Start libFuzzer on one reader."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / f"input{reader.suffix}"
    whole = (corpus / f"valid{reader.suffix}").read_bytes()

    def once(data: bytes) -> None:
        path.write_bytes(data)
        with only_ours():
            reader.read(path)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """Change a value of the file half of the time, where it has such, else bytes as libFuzzer likes."""
        changed = None
        if seed % 2:
            base = whole if reader.suffix in HDF5 else data
            changed = with_another_value(base, reader.suffix, np.random.default_rng(seed))
        if changed is None or len(changed) > max_size:
            return bytes(atheris.Mutate(data, max_size))
        return changed

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={MAX_SECONDS}",
        f"-rss_limit_mb={MAX_MEMORY_BYTES >> 20}",
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], once, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
