"""What the fault drill disturbs: commands that can go on, and what has to be the same at their end."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Scenario", "contents", "scenarios"]

TIMES = frozenset({"seconds", "elapsed", "sequences_per_s", "started", "path", "search_seconds"})
"""Keys whose values differ from run to run."""

PICTURES = {".png", ".svg", ".pdf"}
PASSING = (".lock", "worker.log", ".before")
"""Ends of names: the state before the last one is that of the moment when a run was stopped."""


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
    """Return the commands of the drill: on what :func:`genotools.testing.inputs.write_inputs` has written."""
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


def contents(folder: Path, *, in_order: bool = True) -> dict[str, bytes]:
    """Return every file below a folder but pictures, locks and what passes; without times, and the folder's name.

    Without ``in_order`` lines of journals count as sorted: trials of several workers are in the order they end.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_hidden = any(part.startswith(".") for part in name.split("/"))  # what goes when it is written next
        if not path.is_file() or path.suffix in PICTURES or is_hidden or path.name.endswith(PASSING):
            continue
        data = path.read_bytes()
        if path.suffix in (".json", ".jsonl"):
            lines = data.decode("utf-8").splitlines() if path.suffix == ".jsonl" else [data.decode("utf-8")]
            texts = [json.dumps(_without_times(json.loads(line))) for line in lines]
            data = "\n".join(texts if in_order else sorted(texts)).encode()
        if (
            path.suffix == ".safetensors"
        ):  # a checkpoint's history has the seconds of its epochs, its sum is over all
            size = int.from_bytes(data[:8], "little")
            header = re.sub(rb'seconds\\": [0-9.]+|"sha256":"[0-9a-f]+"', b"", data[8 : 8 + size])
            data = header.rstrip() + data[8 + size :]
        found[name] = re.sub(re.escape(str(folder)).encode(), b"FOLDER", data)
    return found


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value
