"""Condense golden files of the published implementation to what parity tests need in every clone.

    python tools/condense_golden.py SOURCE_FOLDER [NAME ...] [-o tests/golden] [--force]

Inputs, targets and parameters are left out: tests draw them again from the integer hash of the golden files (see
tests/golden/README.md). Logits, loss terms and the norm of every gradient are kept whole; of every other tensor
evenly spaced entries are. Works for every kind of golden file: discrete networks, supernets, hand-designed ones.

A condensed file holds ``meta`` (JSON), the whole tensors under their names, and
``gradnorm/name``, ``gradnorm/value``
    one entry a parameter;
``sample/name``
    names of the sampled tensors;
``sample/owner``, ``sample/index``, ``sample/value``
    one entry a sample: which name, which row-major index, which value.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError, GenotoolsError
from genotools.files import check_output, replacing

DISCRETE = ("final_cover_small", "final_random1_small", "final_random1_full")
SUPERNETS = ("search0_small", "search1_edp_small")
OUTPUT = Path(__file__).resolve().parent.parent / "tests/golden"
WHOLE = {"meta", "eval/logits", "train/logits", "train/bce", "train/slow", "train/loss"}
SAMPLED = ("eval/", "train/", "grad/", "after/")
N_ACTIVATION_SAMPLES = 256
N_TENSOR_SAMPLES = 8
"""Samples of each gradient and each running statistic."""
ALPHAS = {"grad/alphas_normal", "grad/alphas_reduce", "grad/weights"}
"""Gradients of a supernet's alphas, kept whole."""
DOUBLE = ("train64/out", "train64/bce")
"""What a supernet gives in float64; its float32 numbers are mostly noise from the fourth digit on."""


def condense(golden: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the condensed file for those of a golden file."""
    missing = sorted(WHOLE - golden.keys())
    if missing:
        raise DataError(f"not a golden file: {', '.join(missing)} missing.")
    norms = {
        key.removeprefix("gradnorm/"): value for key, value in golden.items() if key.startswith("gradnorm/")
    }
    sampled = [key for key in golden if key.startswith(SAMPLED) and key not in WHOLE]
    indices = {key: sample_indices(key, golden[key].size) for key in sampled}
    double = DOUBLE if golden.keys() >= ALPHAS else ()
    return {
        **{key: golden[key] for key in sorted(WHOLE)},
        **{key: golden[key] for key in double},
        "gradnorm/name": np.array(list(norms)),
        "gradnorm/value": np.array(list(norms.values()), dtype=np.float64),
        "sample/name": np.array(sampled),
        "sample/owner": np.concatenate(
            [np.full(indices[key].size, owner, np.int32) for owner, key in enumerate(sampled)]
        ),
        "sample/index": np.concatenate([indices[key] for key in sampled]),
        "sample/value": np.concatenate([golden[key].reshape(-1)[indices[key]] for key in sampled]),
    }


def sample_indices(key: str, size: int) -> NDArray[np.int32]:
    """Return the evenly spaced row-major indices that are kept of a stored tensor."""
    wanted = N_ACTIVATION_SAMPLES if key.startswith(("eval/", "train/")) else N_TENSOR_SAMPLES
    wanted = size if key in ALPHAS else wanted
    return np.unique(np.linspace(0, size - 1, min(size, wanted)).astype(np.int32))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of the golden files")
    parser.add_argument(
        "names", nargs="*", default=DISCRETE + SUPERNETS, help="files to condense, without .npz"
    )
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="folder to write to")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    arguments = parser.parse_args()
    try:
        for name in arguments.names:
            output = check_output(arguments.output / f"{name}.npz", force=arguments.force)
            with np.load(arguments.source / f"{name}.npz", allow_pickle=False) as golden:
                condensed = condense(dict(golden))
            with replacing(output) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, allow_pickle=False, **condensed)
            print(f"{output}: {output.stat().st_size:,} bytes", file=sys.stderr)
    except (GenotoolsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
