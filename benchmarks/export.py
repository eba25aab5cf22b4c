"""Exported files of the published network: size, export, load, and windows a second, beside PyTorch.

    python benchmarks/export.py [--batch 1 16 64] [--threads 1 2] [--repeats 7]

``plain`` is the network module by module, ``packed`` what PyTorch predicts with here. ``fp32`` is the default file,
``unrolled`` the same without a loop, ``fp16`` and ``int8`` have fewer bits. The ratio is to ``plain`` in the same
run. One thread: all take turns, CPU seconds; more: three rounds, each version alone, wall time. Weights are random;
int8 is calibrated on random windows.
What int8 costs a trained network: `genotools export MODEL -o FILE --precision int8 --data STORE`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _turns import Step, Taken, gemm_peak, take_turns

LENGTH, OUTPUTS = 1000, 919
TORCH, FILES = ("plain", "packed"), ("fp32", "unrolled", "fp16", "int8")


def main() -> None:
    """Export, then print two tables."""
    parser = argparse.ArgumentParser(description="Exported files beside PyTorch.")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        export_all(Path(folder))
        print(f"\npeak of a large product on one thread: {gemm_peak():.0f} GFLOP/s")
        print("| threads | batch | version | ms | windows a second | times plain |")
        print("| ---: | ---: | --- | ---: | ---: | ---: |")
        for threads in arguments.threads:
            for batch in arguments.batch:
                setups = {name: partial(set_up, name, folder, batch, threads) for name in (*TORCH, *FILES)}
                taken = measure(setups, arguments.repeats, threads)
                for name, times in taken.items():
                    ratio = taken["plain"].median / times.median
                    print(
                        f"| {threads} | {batch} | {name} | {times.median * 1e3:.1f} | {batch / times.median:.0f} | "
                        f"{ratio:.2f} |",
                        flush=True,
                    )


def measure(setups: dict[str, Callable[[], Step]], repeats: int, threads: int) -> dict[str, Taken]:
    """Return what every version took; with several threads one after the other, for idle ones would wait busily."""
    if threads == 1:
        return take_turns(setups, repeats, warm_up=2)
    rounds = [
        {name: take_turns({name: setup}, repeats, warm_up=2, threads=threads)[name]}
        for _ in range(3)
        for name, setup in setups.items()
    ]
    return {
        name: Taken([second for one in rounds if name in one for second in one[name].seconds], 0)
        for name in setups
    }


def export_all(folder: Path) -> None:
    """Write every file, and print what it took."""
    import numpy as np

    from genotools.data.store import SequenceStore
    from genotools.data.write import write_store
    from genotools.export import OnnxPredictor, export_onnx
    from genotools.training import save_weights

    network = published_network()
    save_weights(folder / "weights.safetensors", network)
    weights = (folder / "weights.safetensors").stat().st_size / 1e6
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size=(96, LENGTH), dtype=np.uint8)
    labels = rng.integers(0, 2, size=(96, OUTPUTS), dtype=np.uint8)
    splits, names = np.repeat([0, 2], [64, 32]), network.task.names
    write_store(folder / "s.h5", codes=codes, labels=labels, names=names, splits=splits, provenance={})
    print(f"weights.safetensors {weights:.1f} MB")
    print("| file | MB | export s | load s | largest difference |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with SequenceStore.open(folder / "s.h5") as store:
        for name in FILES:
            path = folder / f"{name}.onnx"
            precision = "fp32" if name == "unrolled" else name
            report = export_onnx(
                network,
                path,
                precision=precision,  # type: ignore[arg-type]
                store=store if name == "int8" else None,
                unrolled=name == "unrolled",
                force=True,
            )
            started = time.perf_counter()
            OnnxPredictor(path, threads=1)
            load = time.perf_counter() - started
            size = report.size_bytes / 1e6
            print(
                f"| {name} | {size:.1f} | {report.export_s:.1f} | {load:.2f} | {report.max_difference:.0e} |"
            )


def published_network():  # type: ignore[no-untyped-def]
    """Return a random genotype at the published size."""
    import numpy as np

    from genotools import GENOME_NAS, Macro, Task, build

    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    return build(genotype, Macro.paper(LENGTH), Task(OUTPUTS), seed=0).eval()


def set_up(name: str, folder: str, batch_size: int, threads: int) -> Step:
    """Return a prediction."""
    import numpy as np
    import torch

    codes = np.random.default_rng(1).integers(0, 4, size=(batch_size, LENGTH), dtype=np.uint8)
    if name in FILES:
        from genotools.export import OnnxPredictor

        model = OnnxPredictor(Path(folder) / f"{name}.onnx", threads=threads, batch_size=batch_size)
        return lambda: model.predict(codes)
    from genotools.nn.inference import PackedNetwork
    from genotools.training.allocator import keep_freed_memory

    network, on_torch = published_network(), torch.from_numpy(codes)
    if name == "packed":
        keep_freed_memory()
        packed = PackedNetwork(network)
        return lambda: packed(on_torch)
    return torch.inference_mode()(lambda: network.forward_plain(on_torch))


if __name__ == "__main__":
    main()
