"""A file of a later version is refused by every reader, which says what would read it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import onnx
import pytest

from genotools import __version__
from genotools.data.store import SequenceStore
from genotools.errors import NewerVersionError
from genotools.export.runtime import OnnxPredictor, sealed
from genotools.files import read_json, write_json
from genotools.formats import FORMATS
from genotools.genotype import Genotype, Macro, SearchSpace
from genotools.genotype.baselines import BaselineName
from genotools.nn.live_ops import LiveOps
from genotools.search.engine_state import read_engine_state
from genotools.search.folder import opened
from genotools.search.one_shot import OneShotEngine
from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.search.path_training import SavedTraining
from genotools.search.report.data import read_run
from genotools.search.study.outcomes import read_training
from genotools.search.study.protocol import load_protocol
from genotools.search.warm_start import descriptors, genotypes_of_run, most_similar
from genotools.training.checkpoint import load_checkpoint
from genotools.training.run import TrainingResult, train
from genotools.training.settings import TrainingSettings
from genotools.training.weights import load_network
from genotools.training.weights_header import read_weights_header
from genotools.variants.background import read_background
from genotools.variants.partial import PartialTable
from genotools.zoo.entry import read_entry
from genotools.zoo.index import read_index
from genotools.zoo.sources import facts_of

WRITER = "99.0.1"
WAY = f"It was written by genotools {WRITER}; update genotools to that or a newer one."
SETTINGS = TrainingSettings(epochs=2, steps_per_epoch=2, batch_size=8)


def raise_json(path: Path) -> None:
    write_json(path, {**json.loads(path.read_text()), "version": 99, "genotools": WRITER})


def raise_toml(path: Path) -> None:
    path.write_text(path.read_text().replace("version = 1\n", f'version = 99\ngenotools = "{WRITER}"\n'))


def raise_hdf5(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["version"], file.attrs["genotools_version"] = 99, WRITER


def raise_safetensors(path: Path) -> None:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    kept = header["__metadata__"]
    kept["version"] = "99"
    if "notes" in kept:  # where weights say it
        kept["notes"] = json.dumps({**json.loads(kept["notes"]), "genotools": WRITER})
    else:
        kept["genotools"] = WRITER
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def raise_onnx(path: Path) -> None:
    model = onnx.load(str(path))
    changes = {"version": "99", "genotools_version": WRITER}
    for entry in model.metadata_props:
        entry.value = changes.get(entry.key, entry.value)
    kept = [entry for entry in model.metadata_props if entry.key != "sha256"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    path.write_bytes(sealed(model.SerializeToString()))


RAISE: dict[str, Callable[[Path], None]] = {
    ".json": raise_json,
    ".toml": raise_toml,
    ".h5": raise_hdf5,
    ".safetensors": raise_safetensors,
    ".onnx": raise_onnx,
}


def data_descriptors(path: Path) -> object:
    with SequenceStore.open(Path(__file__).parent / "store" / "v1" / "store.h5") as store:
        return most_similar(descriptors(store), [path.parent])


def progress(path: Path) -> object:
    identity = {"variants": "kept", "top_k": None}
    return PartialTable(path.parent / "effects.tsv", ("",), identity).begin(resume=True, force=False)


def resumed_search(path: Path) -> object:
    with opened(path.parent, {}, resume=True):
        raise AssertionError("it was opened")


READERS: dict[str, list[Callable[[Path], object]]] = {
    "genotype/v1/genotype.json": [Genotype.load],
    "baseline/v1/baseline.json": [BaselineName.load],
    "space/v1/space.json": [SearchSpace.load],
    "macro/v1/macro.json": [lambda path: Macro.from_document(read_json(path), where=str(path))],
    "live-ops/v1/live-ops.json": [lambda path: LiveOps.from_document(read_json(path), where=str(path))],
    "store/v1/store.h5": [SequenceStore.open],
    "store/v2/store.h5": [SequenceStore.open],
    "weights/v1/weights.safetensors": [load_network, read_weights_header],
    "onnx/v1/model.onnx": [OnnxPredictor],
    "checkpoint/v1/state.safetensors": [load_checkpoint],
    "checkpoint/v2/state.safetensors": [load_checkpoint],
    "shared-weights/v1/supernet.safetensors": [SavedTraining.read],
    "shared-weights/v2/supernet.safetensors": [SavedTraining.read],
    "engine-state/v1/checkpoint/engine.json": [
        lambda path: read_engine_state(path, lambda _, state: state),
    ],
    "training/v1/config.json": [lambda path: facts_of(path.parent)],
    "training-result/v1/result.json": [lambda path: TrainingResult.load(path.parent)],
    "kmer-result/v1/result.json": [lambda path: read_training(path.parent)],
    "search/v1/sampling/config.json": [lambda path: read_run(path.parent)],
    "search/v2/sampling/config.json": [lambda path: read_run(path.parent), resumed_search],
    "search/v2/sampling/result.json": [lambda path: read_run(path.parent)],
    "search/v2/one-shot/config.json": [lambda path: read_run(path.parent), resumed_search],
    "data-descriptors/v1/data.json": [data_descriptors],
    "study/v1/study.toml": [lambda path: load_protocol(str(path))],
    "card/v1/kept/card.json": [lambda path: read_entry(path.parent)],
    "zoo-index/v1/index.json": [lambda path: read_index(path, where=str(path.parent))],
    "background/v1/background.h5": [read_background],
    "variants-progress/v1/effects.tsv.partial.json": [progress],
}
"""By file that is kept. Three more formats, which need more than a path, have tests of their own below."""

CASES = [(file, number) for file, readers in READERS.items() for number in range(len(readers))]


def raised(kept: Path, folder: Path, file: str) -> Path:
    """Return a copy of a file that is kept, with what lies beside it, its version raised to 99."""
    shutil.copytree((kept / file).parent, folder / "copy")
    path = folder / "copy" / Path(file).name
    RAISE[path.suffix](path)
    return path


def check_refused(read: Callable[[], object], path: Path, name: str) -> None:
    """Check that a reader says of the file all that a person needs."""
    n = next(kind.version for kind in FORMATS if kind.name == f"genotools/{name}")
    with pytest.raises(NewerVersionError) as caught:
        read()
    text = str(caught.value)
    assert text.startswith(str(path.parent))
    assert path.name in text
    assert text.endswith(
        f"99 is newer than this genotools reads: {__version__} reads genotools/{name} up to version {n}. {WAY}"
    )


@pytest.mark.parametrize(("file", "number"), CASES)
def test_a_newer_file_is_refused(file: str, number: int, kept: Path, tmp_path: Path) -> None:
    path = raised(kept, tmp_path, file)
    check_refused(lambda: READERS[file][number](path), path, file.partition("/")[0])


def test_a_newer_training_is_not_resumed(kept: Path, tmp_path: Path, store_path: Path, macro: Macro) -> None:
    path = raised(kept, tmp_path, "training/v1/config.json")
    genotype = Genotype.load(path.parent / "genotype.json")
    options: dict[str, Any] = {"macro": macro, "settings": SETTINGS, "seed": 7, "device": "cpu"}
    check_refused(lambda: train(genotype, store_path, path.parent, resume=True, **options), path, "training")


def test_a_newer_search_with_a_supernet_is_not_resumed(
    kept: Path, tmp_path: Path, store_path: Path, macro: Macro, space: SearchSpace
) -> None:
    path = raised(kept, tmp_path, "one-shot-checkpoint/v2/supernet.safetensors")
    settings = OneShotSettings(stages=(SearchStage(epochs=2),), weights=SETTINGS)
    with SequenceStore.open(store_path) as store:
        engine = OneShotEngine(settings, space, store, macro, seed=7, checkpoint_path=path)
        check_refused(lambda: next(engine.candidates(resume=True)), path, "one-shot-checkpoint")


def test_a_newer_study_is_not_resumed(study: Callable[[Path], Any], kept: Path, tmp_path: Path) -> None:
    path = raised(kept, tmp_path, "study-folder/v1/study.json")
    check_refused(lambda: study(path.parent), path, "study-folder")


def test_a_newer_journal_starts_no_other_search(kept: Path, tmp_path: Path, space: SearchSpace) -> None:
    path = raised(kept, tmp_path, "search/v2/sampling/config.json")
    check_refused(lambda: genotypes_of_run(path.parent, 9, space), path, "search")


def test_every_format_that_is_read_is_tried() -> None:
    tried = {file.partition("/")[0] for file in READERS} | {"one-shot-checkpoint", "study-folder"}
    assert {f"genotools/{name}" for name in tried} == {kind.name for kind in FORMATS if kind.is_read}


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["validate"], "genotype/v1/genotype.json"),
        (["data", "stats"], "store/v1/store.h5"),
        (["info"], "onnx/v1/model.onnx"),
    ],
)
def test_commands_say_so_in_one_line(command: list[str], file: str, kept: Path, tmp_path: Path) -> None:
    path = raised(kept, tmp_path, file)
    done = subprocess.run(
        [sys.executable, "-m", "genotools", *command, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.removeprefix("Error: ").startswith(str(path))
    assert done.stderr.endswith(f"{WAY}\n")
