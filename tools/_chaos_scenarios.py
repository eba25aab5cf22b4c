"""What the fault drill disturbs: commands that can go on, and what has to be the same at their end."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Scenario", "make_inputs", "scenarios"]

TIMES = frozenset({"seconds", "elapsed", "sequences_per_s", "started", "path", "search_seconds"})
"""Keys whose values differ from run to run."""

PICTURES = {".png", ".svg", ".pdf"}
PASSING = {".lock", "worker.log"}

LENGTH_BP = 60


@dataclass(frozen=True, slots=True)
class Scenario:
    """A command line that writes below a folder, and goes on when it is given again with --resume."""

    name: str
    arguments: Callable[[Path], Sequence[str]]
    resumes: bool = True
    has_workers: bool = False

    def command(self, folder: Path, *, again: bool) -> list[str]:
        """Return the command line; ``again`` after a fault."""
        go_on = (["--resume"] if self.resumes else ["--force"]) if again else []
        return [*self.arguments(folder), *go_on]


def scenarios(inputs: Path) -> list[Scenario]:
    """Return the commands of the drill: on what :func:`make_inputs` has written."""
    store, macro = str(inputs / "store.h5"), str(inputs / "macro.json")
    short = ["--data", store, "--macro", macro, "--batch-size", "8", "--device", "cpu", "--seed", "1"]

    def search(folder: Path) -> list[str]:
        settings = ["--set", "population=4", "--set", "tournament=2", "--set", "children=2"]
        run = ["search", "evolution", "-o", str(folder / "run"), *short, *settings]
        return [*run, "--trials", "8", "--epochs", "2", "--steps", "12"]

    def workers(folder: Path) -> list[str]:
        run = ["search", "random", "-o", str(folder / "run"), *short, "--executor", "processes"]
        return [*run, "--workers", "2", "--trials", "6", "--epochs", "2", "--steps", "12"]

    def one_shot(folder: Path) -> list[str]:
        return ["search", "darts", "-o", str(folder / "run"), *short, "--epochs", "3", "--steps", "3"]

    def training(folder: Path) -> list[str]:
        run = ["train", str(inputs / "genotype.json"), "-o", str(folder / "run"), *short]
        return [*run, "--preset", "quick", "--epochs", "6", "--steps", "20"]

    def deepsea(folder: Path) -> list[str]:
        files = ["--train", str(inputs / "train.mat"), "--channel-order", "AGCT"]
        return ["data", "from-deepsea", *files, "-o", str(folder / "deepsea.h5")]

    def variants(folder: Path) -> list[str]:
        files = ["--vcf", str(inputs / "calls.vcf"), "--fasta", str(inputs / "genome.fa")]
        run = ["variants", str(inputs / "model.onnx"), *files, "-o", str(folder / "effects.tsv.gz")]
        return [*run, "--batch-size", "8"]

    def zoo(folder: Path) -> list[str]:
        add = ["zoo", "add", "mine", str(inputs / "model"), "--zoo", str(folder / "zoo")]
        return [*add, "--summary", "a drill", "--origin", "a drill"]

    return [
        Scenario("search evolution", search),
        Scenario("search random, 2 workers", workers, has_workers=True),
        Scenario("search darts", one_shot),
        Scenario("train", training),
        Scenario("data from-deepsea", deepsea),
        Scenario("variants", variants),
        Scenario("zoo add", zoo, resumes=False),
    ]


def make_inputs(folder: Path) -> None:
    """Write a store, genotype, macro, model, genome, variants and a MATLAB file, all small."""
    import h5py

    from genotools.data.encoding import decode
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
    genome = rng.integers(0, 4, size=20_000, dtype=np.uint8)
    (folder / "genome.fa").write_text(f">chrI\n{decode(genome)}\n")
    places = np.sort(rng.choice(np.arange(100, 19_900), size=4000, replace=False))
    rows = [f"chrI\t{at + 1}\t.\t{'ACGT'[genome[at]]}\t{'CGTA'[genome[at]]}\t.\t.\t." for at in places]
    header = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    (folder / "calls.vcf").write_text("\n".join([*header, *rows]) + "\n")
    with h5py.File(folder / "train.mat", "w") as file:
        n_rows = 30_000
        bases = rng.integers(0, 4, size=(1000, n_rows), dtype=np.uint8)
        windows = file.create_dataset(
            "trainxdata", shape=(1000, 4, n_rows), dtype=np.uint8, chunks=(1000, 4, 200)
        )
        for start in range(0, n_rows, 1000):
            block = bases[:, start : start + 1000]
            windows[:, :, start : start + 1000] = block[:, None] == np.arange(4, dtype=np.uint8)[:, None]
        file["traindata"] = rng.integers(0, 2, size=(3, n_rows), dtype=np.uint8)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder but pictures, locks and what passes; without times, and the folder's name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix in PICTURES or path.name.startswith(".") or path.name in PASSING:
            continue
        data = path.read_bytes()
        if path.suffix in (".json", ".jsonl"):
            lines = data.decode("utf-8").splitlines() if path.suffix == ".jsonl" else [data.decode("utf-8")]
            data = "\n".join(json.dumps(_without_times(json.loads(line))) for line in lines).encode()
        if path.suffix == ".safetensors":  # a checkpoint's history has the seconds of its epochs
            size = int.from_bytes(data[:8], "little")
            data = re.sub(rb'seconds\\": [0-9.]+', b"seconds", data[8 : 8 + size]).rstrip() + data[8 + size :]
        found[name] = re.sub(re.escape(str(folder)).encode(), b"FOLDER", data)
    return found


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value
