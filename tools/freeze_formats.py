"""Write the file of a new version of a format that tests read for ever: ``tests/formats/NAME/vVERSION``.

    python tools/freeze_formats.py [NAME/vVERSION ...]

Without names, what is missing is written. What is there is never written anew: an older genotools left it, and
no later one can make it again. Whoever raises a version in ``genotools/formats.py`` runs this once and adds a test of
what the new files are read to.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from genotools import formats
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import GenotoolsError, OutputExistsError
from genotools.files import write_json
from genotools.formats import FORMATS, Format
from genotools.genotype import (
    GENOME_NAS,
    ConvCellSpace,
    Genotype,
    Layer,
    Macro,
    RecurrentCellSpace,
    SearchSpace,
    Task,
    TaskKind,
    register_space,
)
from genotools.genotype.baselines import BaselineName
from genotools.nn import GenomeNet, build
from genotools.nn.live_ops import LiveOps
from genotools.training.settings import TrainingSettings

if TYPE_CHECKING:
    from genotools.search.one_shot_settings import OneShotSettings

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "formats"

LENGTH_BP, NAMES = 60, ("first", "second")
OPS = ("max_pool_5", "skip_connect", "dil_conv_9")
SPACE = SearchSpace(
    name="frozen",
    description="Three ops, two nodes: for files that are kept.",
    normal=ConvCellSpace(2, 2, OPS),
    reduce=ConvCellSpace(2, 2, OPS),
    recurrent=RecurrentCellSpace(2, ("tanh", "relu")),
)
MACRO = Macro(length=LENGTH_BP, channels=2, layers=(Layer("reduce", 10),), head_hidden=4)
TRAINING = TrainingSettings(epochs=2, steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0)
SEED = 7


def folder_of(file_format: Format) -> Path:
    """Return where the files of the newest version of a format lie."""
    return FOLDER / file_format.name.removeprefix("genotools/") / f"v{file_format.version}"


def store_path() -> Path:
    """Return the store that everything else was made from."""
    return FOLDER / "store" / "v1" / "store.h5"


def genotype() -> Genotype:
    """Return a genotype of the small space."""
    return SPACE.sample(rng=np.random.default_rng(SEED)).with_meta(note="kept")


def network() -> GenomeNet:
    """Return its network, no fresh one: a window's predictions depend on every base, on weights and statistics."""
    register_space(SPACE)
    found = build(genotype(), MACRO, Task(len(NAMES), names=NAMES), seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.mul_(3)
        for name, buffer in found.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(torch.rand(buffer.shape, generator=generator))
    return found


def freeze_genotype(folder: Path) -> None:
    """Write a genotype of the published space with a note."""
    GENOME_NAS.sample(rng=np.random.default_rng(SEED)).with_meta(note="kept").save(folder / "genotype.json")


def freeze_baseline(folder: Path) -> None:
    """Write the document of a hand-designed network."""
    BaselineName.DANQ.save(folder / "baseline.json")


def freeze_space(folder: Path) -> None:
    """Write a search space."""
    (folder / "space.json").write_text(SPACE.to_json(), encoding="utf-8")


def freeze_macro(folder: Path) -> None:
    """Write a macro-architecture."""
    write_json(folder / "macro.json", MACRO.to_document())


def freeze_live_ops(folder: Path) -> None:
    """Write the live ops of a supernet, ``none`` among them, that has lost one."""
    live = LiveOps.full(SPACE)
    write_json(folder / "live-ops.json", live.drop("normal", list(live.each("normal"))[-1:]).to_document())


def freeze_store_2(folder: Path) -> None:
    """Write counts, with one that was not measured, on one strand."""
    rng = np.random.default_rng(SEED)
    counts = rng.poisson(3, size=(12, 2)).astype(np.float32)
    counts[3, 1] = np.nan
    write_store(
        folder / "store.h5",
        codes=rng.integers(0, 5, size=(12, LENGTH_BP), dtype=np.uint8),
        labels=counts,
        names=NAMES,
        splits=np.repeat([0, 1, 2], 4),
        kind=TaskKind.COUNTS,
        one_strand=True,
        provenance={"note": "kept"},
    )


def freeze_store_1(folder: Path) -> None:
    """Write yes-or-no labels, from which the other files are made."""
    rng = np.random.default_rng(SEED)
    write_store(
        folder / "store.h5",
        codes=rng.integers(0, 5, size=(48, LENGTH_BP), dtype=np.uint8),
        labels=rng.integers(0, 2, size=(48, 2), dtype=np.uint8),
        names=NAMES,
        groups=("one", ""),
        splits=np.repeat([0, 1, 2], [32, 8, 8]),
        contig_names=("chrI", "chrII"),
        contigs=np.repeat([0, 1], 24),
        starts=np.arange(48) * 100,
        provenance={"note": "kept"},
    )


def freeze_weights(folder: Path) -> None:
    """Write the weights of a network."""
    from genotools.training import save_weights

    save_weights(folder / "weights.safetensors", network(), notes={"genotools": "0.1.0"})


def freeze_onnx(folder: Path) -> None:
    """Write the same network as an ONNX file."""
    from genotools.export import export_onnx

    export_onnx(network(), folder / "model.onnx")


def freeze_checkpoint(folder: Path) -> None:
    """Write the state of a training after its first epoch."""
    from genotools.training import fit

    with SequenceStore.open(store_path()) as store:
        fit(
            network(), store, TRAINING, seed=SEED, checkpoint_path=folder / "state.safetensors", until_epoch=1
        )


def train_into(folder: Path) -> None:
    """Train the network; without the picture, which is no part of any format."""
    from genotools.training.run import train

    train(genotype(), store_path(), folder, macro=MACRO, settings=TRAINING, seed=SEED, device="cpu")
    remove(folder, "curves.png", ".lock")
    _replace(folder / "config.json", str(store_path()), "store.h5")


def freeze_training(folder: Path) -> None:
    """Write the folder of a finished training, without its weights, which are a format of their own."""
    train_into(folder)
    remove(folder, "weights.safetensors")


def freeze_training_result(folder: Path) -> None:
    """Write the result of a training."""
    train_into(folder)
    keep_only(folder, "result.json")


def freeze_search(folder: Path) -> None:
    """Write the folders of a search by trials and of one with a supernet, both finished."""
    from genotools.search.one_shot_run import search_one_shot

    search_by_trials(folder / "sampling")
    with SequenceStore.open(store_path()) as store:
        search_one_shot(
            "darts", SPACE, store, folder / "one-shot", macro=MACRO, settings=one_shot_settings(), seed=SEED
        )
    for name in ("sampling", "one-shot"):
        remove(folder / name, ".lock", "alphas.png", "checkpoint/supernet.safetensors")
        remove(folder / name, "checkpoint/supernet.safetensors.before", "checkpoint/engine.json.before")


def freeze_engine_state(folder: Path) -> None:
    """Write the state of an engine after three trials, in the folder of its search."""
    search_by_trials(folder)
    keep_only(folder, "config.json", "journal.jsonl", "checkpoint/engine.json")


def search_by_trials(folder: Path) -> None:
    """Search by three trials."""
    from genotools.search import search
    from genotools.search.evaluator import TrainingEvaluator

    settings = {"population": 2, "tournament": 2, "children": 1}
    with SequenceStore.open(store_path()) as store:
        evaluator = TrainingEvaluator(store, MACRO, TRAINING)
        search("evolution", SPACE, evaluator, folder, seed=SEED, n_trials=3, settings=settings)


def one_shot_settings() -> "OneShotSettings":
    """Return the settings of a search with a supernet, two epochs long."""
    from genotools.search.one_shot_settings import OneShotSettings, SearchStage

    stage = SearchStage(epochs=2, weight_only_epochs=1)
    return OneShotSettings(stages=(stage,), weights=TRAINING, alpha_lr=0.05)


def freeze_one_shot_checkpoint(folder: Path) -> None:
    """Write the state of a search with a supernet after its first epoch."""
    from genotools.search.one_shot import OneShotEngine

    path = folder / "supernet.safetensors"
    with SequenceStore.open(store_path()) as store:
        engine = OneShotEngine(one_shot_settings(), SPACE, store, MACRO, seed=SEED, checkpoint_path=path)
        candidates = engine.candidates()
        next(candidates)
        next(candidates)  # the state of an epoch is saved when the next one is asked for


def freeze_shared_weights(folder: Path) -> None:
    """Write the state of a supernet whose parts are trained one a step, after its first epoch."""
    from genotools.nn.supernet import build_supernet
    from genotools.search.path_training import PathTraining

    live = LiveOps.of(*SPACE_GENOTYPES)
    with SequenceStore.open(store_path()) as store:
        supernet = build_supernet(live, MACRO, store.task, seed=SEED)
        training = PathTraining(
            supernet,
            store,
            store.rows("train"),
            TRAINING,
            device=torch.device("cpu"),
            path=folder / "supernet.safetensors",
        )
        training.run_epoch([live, live], seed=SEED, schedule_epoch=0)


SPACE_GENOTYPES = [SPACE.sample(rng=np.random.default_rng(seed)) for seed in (0, 1)]


def freeze_data_descriptors(folder: Path) -> None:
    """Write what the data of a search are like."""
    from genotools.search.warm_start import DESCRIPTORS, write_descriptors

    with SequenceStore.open(store_path()) as store:
        write_descriptors(folder / DESCRIPTORS, store)


PROTOCOL = """\
format = "genotools/study"
version = 1
title = "Kept"
seed = 7
searches = 1
evaluations = 1
genotypes = ["genotype.json"]
kmer = true
reference = "kmer-6"

[search]
epochs = 1

[training]
epochs = 2
steps = 2
batch_size = 8

[own_training.genotype]
lr = 0.1

[seconds]
network = 0.01
"""


def freeze_study(folder: Path) -> None:
    """Write a protocol."""
    (folder / "study.toml").write_text(PROTOCOL, encoding="utf-8")


def freeze_study_folder(folder: Path) -> None:
    """Write the folder of a finished study: what it is, and the results of its two tasks."""
    from genotools.search.study.protocol import load_protocol
    from genotools.search.study.runner import run_study
    from genotools.search.study.setup import StudyInputs

    inputs = StudyInputs(
        protocol=load_protocol(str(folder_of(formats.STUDY) / "study.toml")),
        folder=folder,
        store_path=store_path(),
        macro=MACRO,
        space=SPACE,
        genotypes={"genotype": genotype()},
        device="cpu",
    )
    run_study(inputs)
    keep_only(
        folder,
        "study.json",
        "evaluation/genotype/seed-0/result.json",
        "evaluation/kmer-6/seed-0/result.json",
    )


def freeze_kmer_result(folder: Path) -> None:
    """Write the result of a study's 6-mer regression."""
    from genotools.search.study.kmer import run_kmer

    run_kmer(store_path(), folder)


def freeze_card(folder: Path) -> None:
    """Write an entry of a zoo, with facts of a training."""
    _zoo_entry(folder)
    remove(folder, "index.json", ".lock")


def freeze_zoo_index(folder: Path) -> None:
    """Write the index of a zoo of one entry."""
    _zoo_entry(folder)
    keep_only(folder, "index.json")


def _zoo_entry(folder: Path) -> None:
    from genotools.zoo.adding import add_entry
    from genotools.zoo.sources import facts_of

    training = folder_of(formats.TRAINING)
    add_entry(
        "kept",
        training / "genotype.json",
        summary="A file that is kept",
        origin="a draw from the published space",
        zoo=folder,
        facts=facts_of(training),
    )


def freeze_background(folder: Path) -> None:
    """Write a background of five variants on two outputs."""
    from genotools.variants.background import Background, write_background

    rng = np.random.default_rng(SEED)
    effects = np.sort(rng.random((2, 5)).astype(np.float32), axis=1)
    how = {"model_digest": "ab" * 32, "strands": "both", "average": "scores", "odds": "clipped"}
    background = Background(names=NAMES, effects=effects, rms=rng.random(2), how=how)
    write_background(folder / "background.h5", background, source="kept.vcf")


def freeze_variants_progress(folder: Path) -> None:
    """Write half of a table of variants, and how far it is."""
    from genotools.variants.partial import PartialTable
    from genotools.variants.summary import Tally

    table = PartialTable(folder / "effects.tsv", ("",), {"variants": "kept", "top_k": None})
    table.begin(resume=False, force=False)
    table.paths[""].write_text("##kept\nchrom\tpos\nchrI\t5\n")
    table.save({"n_done": 1, "tally": Tally(max_mismatch=0.2).state()})
    with table.paths[""].open("a") as file:
        file.write("chrI\t9")  # behind what was noted: going on cuts it off


FREEZERS: dict[str, Callable[[Path], None]] = {
    "store/v1": freeze_store_1,
    "store/v2": freeze_store_2,
    "genotype/v1": freeze_genotype,
    "baseline/v1": freeze_baseline,
    "space/v1": freeze_space,
    "macro/v1": freeze_macro,
    "live-ops/v1": freeze_live_ops,
    "weights/v1": freeze_weights,
    "onnx/v1": freeze_onnx,
    "checkpoint/v2": freeze_checkpoint,
    "training/v1": freeze_training,
    "training-result/v1": freeze_training_result,
    "search/v2": freeze_search,
    "one-shot-checkpoint/v2": freeze_one_shot_checkpoint,
    "shared-weights/v2": freeze_shared_weights,
    "engine-state/v1": freeze_engine_state,
    "data-descriptors/v1": freeze_data_descriptors,
    "study/v1": freeze_study,
    "study-folder/v1": freeze_study_folder,
    "kmer-result/v1": freeze_kmer_result,
    "card/v1": freeze_card,
    "zoo-index/v1": freeze_zoo_index,
    "background/v1": freeze_background,
    "variants-progress/v1": freeze_variants_progress,
}
"""By folder, in the order of what they are made from; of versions that are still written."""


def remove(folder: Path, *names: str) -> None:
    """Remove files, those that are there."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def keep_only(folder: Path, *names: str) -> None:
    """Remove every file but those, and folders that are empty then."""
    kept = {folder / name for name in names}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path not in kept:
            path.unlink()


def _replace(path: Path, before: str, after: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def freeze(name: str) -> None:
    """Write the files of a version of a format; raises OutputExistsError where there are some."""
    target = FOLDER / name
    if target.exists():
        raise OutputExistsError(target, "What is kept is never written anew: raise the version first.")
    with tempfile.TemporaryDirectory() as work:
        made = Path(work) / "made"
        made.mkdir()
        FREEZERS[name](made)
        shutil.copytree(made, target)
    n_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{name}: {n_bytes:,} bytes")


def main() -> None:
    """Write what is missing, or what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME/vVERSION", help="e.g. store/v2")
    names = parser.parse_args().names
    unknown = [name for name in names if name not in FREEZERS]
    if unknown:
        parser.error(f"nothing here writes {unknown[0]!r}. Known: {', '.join(FREEZERS)}.")
    newest = [folder_of(found).relative_to(FOLDER).as_posix() for found in FORMATS if found.is_read]
    for name in newest:
        if name not in FREEZERS:
            parser.error(f"nothing here writes {name}; add a function that does.")
    torch.set_num_threads(1)
    try:
        for name in names or [name for name in FREEZERS if not (FOLDER / name).exists()]:
            freeze(name)
    except GenotoolsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
