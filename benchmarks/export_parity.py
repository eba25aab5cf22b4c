"""Random genotypes, exported and run in a fresh process that has no PyTorch: the largest difference to the network.

    python benchmarks/export_parity.py [--genotypes 50] [--lengths 200 501 1000] [--seed 0]

Small macro, batches of 1, 2 and 17 windows, some bases unknown; the network is run module by module, in evaluation
mode, its batch norms moved away from those of a fresh one.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from genotools import GENOME_NAS, Macro, Task, build
from genotools.export import export_onnx
from genotools.nn import GenomeNet, activate

BATCHES = (1, 2, 17)

READER = """
import sys
for name in ("torch", "onnx", "onnxscript", "safetensors"):
    sys.modules[name] = None  # an import raises ImportError
import numpy as np
from genotools.export.runtime import OnnxPredictor
with np.load(sys.argv[2]) as known:
    model = OnnxPredictor(sys.argv[1], threads=1)
    codes = known["codes"]
    print(max(
        float(np.abs(model.predict(codes[:n]) - known["expected"][:n]).max()) for n in map(int, sys.argv[3:])
    ))
"""


def main() -> None:
    """Print the largest difference of every length."""
    parser = argparse.ArgumentParser(description="Exported files beside their networks.")
    parser.add_argument("--genotypes", type=int, default=50)
    parser.add_argument("--lengths", type=int, nargs="+", default=[200, 501, 1000])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    genotypes = [GENOME_NAS.sample(rng=rng) for _ in range(arguments.genotypes)]
    for length in arguments.lengths:
        differences = []
        for number, genotype in enumerate(genotypes):
            network = build(genotype, Macro.small(length), Task(20), seed=number)
            spread(network, number)
            differences.append(difference(network.eval(), number))
        print(
            f"{length} bp: {len(differences)} genotypes, largest difference {max(differences):.1e}, "
            f"median {np.median(differences):.1e}",
            flush=True,
        )


def spread(network: GenomeNet, seed: int) -> None:
    """Move statistics and outputs away from those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3, generator=generator)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)
    with torch.no_grad():
        network.head.hidden.weight.mul_(10)
        network.head.output.weight.mul_(4)


def difference(network: GenomeNet, seed: int) -> float:
    """Export a network, and compare it in a process of its own."""
    codes = np.random.default_rng(seed).integers(
        0, 5, size=(max(BATCHES), network.macro.length), dtype=np.uint8
    )
    with torch.inference_mode():
        logits = network.forward_plain(torch.from_numpy(codes))[0]
        expected = activate(logits, network.task.kind).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path, known = Path(folder) / "m.onnx", Path(folder) / "known.npz"
        export_onnx(network, path)
        np.savez(known, codes=codes, expected=expected)
        command = [sys.executable, "-c", READER, str(path), str(known), *map(str, BATCHES)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
