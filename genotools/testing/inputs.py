"""Small inputs of every command: what drills and tests of whole command lines start from."""

from pathlib import Path

import numpy as np

__all__ = ["LENGTH_BP", "write_inputs"]

LENGTH_BP = 60


def write_inputs(folder: Path, *, n_variants: int = 4000, n_mat_rows: int = 30_000) -> None:
    """Write a store, genotype, macro, model, genome, variants and a MATLAB file, all small.

    Parameters
    ----------
    folder
        There already. It gets ``store.h5``, ``macro.json``, ``genotype.json``, ``model/`` (genotype and untrained
        weights), ``model.onnx``, ``genome.fa``, ``calls.vcf`` and ``train.mat``.
    n_variants, n_mat_rows
        At most 19,800 variants; rows of the MATLAB file, 4 kB each.
    """
    from genotools.data.write import write_store
    from genotools.export import export_onnx
    from genotools.files import write_json
    from genotools.genotype import GENOME_NAS, Layer, Macro, Task
    from genotools.nn import build
    from genotools.training import save_weights

    rng = np.random.default_rng(0)
    names = ("first", "second")
    codes = rng.integers(0, 4, size=(160, LENGTH_BP), dtype=np.uint8)
    labels = rng.integers(0, 2, size=(160, 2), dtype=np.uint8)
    splits = np.repeat([0, 1, 2], [112, 24, 24])
    write_store(folder / "store.h5", codes=codes, labels=labels, names=names, splits=splits, provenance={})
    macro = Macro(
        length=LENGTH_BP, channels=2, layers=(Layer("reduce", 4), Layer("reduce", 3)), head_hidden=8
    )
    write_json(folder / "macro.json", macro.to_document())
    genotype = GENOME_NAS.sample(rng=rng)
    genotype.save(folder / "genotype.json")
    network = build(genotype, macro, Task(2, names=names), seed=0)
    (folder / "model").mkdir()
    save_weights(folder / "model" / "weights.safetensors", network)
    genotype.save(folder / "model" / "genotype.json")
    export_onnx(network, folder / "model.onnx")
    _write_genome_and_variants(folder, n_variants, rng)
    _write_mat(folder / "train.mat", n_mat_rows, rng)


def _write_genome_and_variants(folder: Path, n_variants: int, rng: np.random.Generator) -> None:
    from genotools.data.encoding import decode

    genome = rng.integers(0, 4, size=20_000, dtype=np.uint8)
    (folder / "genome.fa").write_text(f">chrI\n{decode(genome)}\n")
    places = np.sort(rng.choice(np.arange(100, 19_900), size=n_variants, replace=False))
    rows = [f"chrI\t{at + 1}\t.\t{'ACGT'[genome[at]]}\t{'CGTA'[genome[at]]}\t.\t.\t." for at in places]
    header = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    (folder / "calls.vcf").write_text("\n".join([*header, *rows]) + "\n")


def _write_mat(path: Path, n_rows: int, rng: np.random.Generator) -> None:
    """Write one-hot windows of 1000 bp and 3 labels as MATLAB does, v7.3."""
    import h5py

    with h5py.File(path, "w") as file:
        bases = rng.integers(0, 4, size=(1000, n_rows), dtype=np.uint8)
        chunks = (1000, 4, min(200, n_rows))
        windows = file.create_dataset("trainxdata", shape=(1000, 4, n_rows), dtype=np.uint8, chunks=chunks)
        for start in range(0, n_rows, 1000):
            block = bases[:, start : start + 1000]
            windows[:, :, start : start + 1000] = block[:, None] == np.arange(4, dtype=np.uint8)[:, None]
        file["traindata"] = rng.integers(0, 2, size=(3, n_rows), dtype=np.uint8)
