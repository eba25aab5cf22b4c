"""The files that pages speak of, small: a store, a genotype, a trained model, its ONNX file, a genome, a VCF."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genotools.data.encoding import decode
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.export import export_onnx
from genotools.genotype import GENOME_NAS, Genotype, Layer, Macro
from genotools.search import search
from genotools.search.evaluator import TrainingEvaluator
from genotools.training.run import train
from genotools.training.settings import get_preset
from genotools.training.weights import load_network
from genotools.zoo.adding import add_entry

ROOT = Path(__file__).parents[2]
LENGTH_BP = 200
NAMES = ("Abf1", "Reb1")

RunPython = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def files_of_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with everything."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size=(96, LENGTH_BP), dtype=np.uint8)
    labels = rng.integers(0, 2, size=(96, len(NAMES)), dtype=np.uint8)
    splits = np.repeat([0, 1, 2], [48, 24, 24])
    write_store(folder / "store.h5", codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    _make_models(folder)

    genome = decode(rng.integers(0, 4, size=1000, dtype=np.uint8))
    (folder / "genome.fa").write_text(f">chrI\n{genome}\n")
    alt = "C" if genome[499] != "C" else "G"
    (folder / "calls.vcf.gz").write_bytes(gzip.compress(f"chrI\t500\t.\t{genome[499]}\t{alt}\n".encode()))
    (folder / "windows.txt").write_text("".join(f"{decode(row)}\n" for row in codes[:3]))
    return folder


def _make_models(folder: Path) -> None:
    shutil.copy(ROOT / "docs" / "assets" / "example.genotype.json", folder / "genotype.json")
    settings = get_preset("quick").changed(epochs=1, steps_per_epoch=2, batch_size=4)
    layers = (Layer("reduce", 4), Layer("reduce", 4))
    macro = Macro(length=LENGTH_BP, channels=2, layers=layers, head_hidden=8)
    with SequenceStore.open(folder / "store.h5") as store:
        evaluator = TrainingEvaluator(store, macro, settings)
        search("random", GENOME_NAS, evaluator, folder / "demo" / "search", seed=0, n_trials=1)
    genotype = Genotype.load(folder / "genotype.json")
    model = folder / "demo" / "model"
    train(genotype, folder / "store.h5", model, macro=macro, settings=settings, seed=0)
    export_onnx(load_network(model / "weights.safetensors"), folder / "model.onnx")
    add_entry("mine", model, summary="for pages", origin="trained", zoo=str(folder / "zoo"))


@pytest.fixture
def run_python(files_of_pages: Path, tmp_path: Path) -> RunPython:
    """Return what runs code among copies of these files, every warning an error."""
    place = tmp_path / "place"
    shutil.copytree(files_of_pages, place)
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"GENOTOOLS_ZOO": str(place / "zoo"), "PYTHONPATH": paths}

    def run(code: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", code, "model.onnx"],
            input=(place / "windows.txt").read_text(),
            capture_output=True,
            text=True,
            cwd=place,
            env=environment,
        )

    return run
