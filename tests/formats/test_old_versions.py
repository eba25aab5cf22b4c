"""Files of every version are read to what was written into them; see the README beside this."""

import ast
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import read_json
from genotools.formats import FORMATS
from genotools.genotype import Genotype, Macro, SearchSpace, TaskKind
from genotools.genotype.baselines import BaselineName
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps

DATA = "sha256:4a3d7640ae85476d046159290eaa5a6d81967b66d25d036f79f2578a1c3acf9b"
DIGEST = "e5b0c2352d240c4474c681113d05c794129e08e867fc1a60fa9329ef8123068a"
MODEL_DIGEST = "8abb238d76b1ae96e481c726a652d59c0f3036410b46f860afbd0fe24d74e2ef"
PREDICTIONS = [[0.1975822449, 0.5437632799], [0.1849596202, 0.5546983480]]
"""Of the first two windows of the store, by the weights and the ONNX file of the same network."""

KEPT = Path(__file__).parent
VERSIONS = [
    f"{file_format.name.removeprefix('genotools/')}/v{version}"
    for file_format in FORMATS
    if file_format.is_read
    for version in range(1, file_format.version + 1)
]


@pytest.mark.parametrize("name", VERSIONS)
def test_every_version_that_is_read_has_its_files_and_a_test(name: str) -> None:
    assert any((KEPT / name).rglob("*.*")), (
        f"tests/formats/{name} is missing: after a change of genotools/formats.py run "
        "`python tools/freeze_formats.py` and add a test of what the new files are read to."
    )
    folder, version = name.split("/")
    tests = Path(__file__).read_text(encoding="utf-8")
    assert f'"{folder}" / "{version}"' in tests, f"no test here reads tests/formats/{name}; add one."


def test_no_files_are_kept_of_what_is_not_read() -> None:
    found = {f"{path.parent.name}/{path.name}" for path in KEPT.glob("*/v*")}
    assert found - set(VERSIONS) == set()


def test_every_format_that_the_code_names_is_registered(root: Path) -> None:
    known = {file_format.name for file_format in FORMATS}
    assert len(known) == len(FORMATS)
    others = []
    for top in ("genotools", "search", "export", "zoo"):
        for path in sorted((root / top).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            named = {
                text for text in texts if isinstance(text, str) and re.fullmatch("genotools/[a-z-]+", text)
            }
            others += [f"{path.name}: {text}" for text in named - known]
    assert others == []


def test_genotypes() -> None:
    genotype = Genotype.load(KEPT / "genotype" / "v1" / "genotype.json")
    assert genotype.digest == "5ca08333d0600d7418032b825cd75ff5b1c7490fef2b3b14565e0241751f7445"
    assert (genotype.space, genotype.meta) == ("genome-nas", {"note": "kept"})
    assert genotype.normal.edges[0] == (0, 2, "dil_conv_15")


def test_hand_designed_networks() -> None:
    assert BaselineName.load(KEPT / "baseline" / "v1" / "baseline.json") is BaselineName.DANQ


def test_search_spaces() -> None:
    space = SearchSpace.load(KEPT / "space" / "v1" / "space.json")
    assert (space.name, space.normal.n_nodes, space.reduce.in_degree) == ("frozen", 2, 2)
    assert space.normal.ops == ("max_pool_5", "skip_connect", "dil_conv_9")
    assert space.recurrent.activations == ("tanh", "relu")


def test_macros(macro: Macro) -> None:
    assert Macro.from_document(read_json(KEPT / "macro" / "v1" / "macro.json")) == macro


def test_live_ops(space: SearchSpace) -> None:
    live = LiveOps.from_document(read_json(KEPT / "live-ops" / "v1" / "live-ops.json"))
    assert [len(list(live.each(role))) for role in ROLES] == [19, 20, 9]
    assert next(iter(live.each("normal"))) == LiveOp(0, 2, "none")
    assert live == LiveOps.full(space).drop("normal", [LiveOp(2, 3, "dil_conv_9")])


def test_stores_of_version_1() -> None:
    with SequenceStore.open(KEPT / "store" / "v1" / "store.h5") as store:
        store.verify()
        assert (store.digest, len(store), store.length) == (DATA, 48, 60)
        assert (store.names, store.groups) == (("first", "second"), ("one", ""))
        assert (store.task.kind, store.task.one_strand) == (TaskKind.MULTILABEL, False)
        assert store.provenance == {"note": "kept", "channel_order": "ACGT", "genotools": "0.1.0"}
        assert [len(store.rows(split)) for split in ("train", "valid", "test")] == [32, 8, 8]
        assert store.codes([0])[0, :12].tolist() == [2, 1, 4, 4, 3, 1, 0, 3, 2, 2, 0, 3]
        assert store.labels([0, 3]).tolist() == [[0, 0], [1, 1]]
        where = store.coordinates([30])
        assert (where.contigs[0], where.starts[0], where.ends[0]) == ("chrII", 3000, 3060)


def test_stores_of_version_2() -> None:
    with SequenceStore.open(KEPT / "store" / "v2" / "store.h5") as store:
        store.verify()
        assert store.digest == "sha256:ace9aa2376738f60df49cd8d8b2000c39e0c8b168a00594ce056efc528a2e38e"
        assert (store.task.kind, store.task.one_strand) == (TaskKind.COUNTS, True)
        assert store.codes([0])[0, :12].tolist() == [4, 4, 0, 4, 1, 4, 1, 4, 0, 3, 1, 2]
        np.testing.assert_array_equal(store.labels([0, 3]), [[4, 1], [0, math.nan]])


def test_weights(store_path: Path) -> None:
    from genotools.training.predictor import TorchPredictor
    from genotools.training.weights import load_network
    from genotools.training.weights_header import read_weights_header

    path = KEPT / "weights" / "v1" / "weights.safetensors"
    predictor = TorchPredictor(load_network(path), device="cpu")
    assert predictor.digest == read_weights_header(path)["model_digest"] == MODEL_DIGEST
    assert predictor.names == ("first", "second")
    with SequenceStore.open(store_path) as store:
        np.testing.assert_allclose(predictor.predict(store.codes([0, 1])), PREDICTIONS, rtol=0, atol=1e-6)


def test_onnx_files(store_path: Path, macro: Macro) -> None:
    from genotools.export import verify_onnx
    from genotools.export.runtime import OnnxPredictor

    path = KEPT / "onnx" / "v1" / "model.onnx"
    predictor = OnnxPredictor(path, threads=1)
    assert (predictor.digest, predictor.genotype.digest) == (MODEL_DIGEST, DIGEST)
    assert (predictor.names, predictor.macro) == (("first", "second"), macro)
    assert (predictor.precision, predictor.averages_strands, predictor.variant_index) == ("fp32", False, 29)
    with SequenceStore.open(store_path) as store:
        np.testing.assert_allclose(predictor.predict(store.codes([0, 1])), PREDICTIONS, rtol=0, atol=1e-6)
    verify_onnx(path)


CHECKPOINTS = [
    (KEPT / "checkpoint" / "v1", 0.7975283861160278),
    (KEPT / "checkpoint" / "v2", 0.7975283861160278),
]


@pytest.mark.parametrize(("folder", "loss"), CHECKPOINTS)
def test_checkpoints_of_trainings(folder: Path, loss: float) -> None:
    from genotools.training.checkpoint import load_checkpoint

    found = load_checkpoint(folder / "state.safetensors")
    assert (found.epoch, found.step, found.identity["seed"]) == (1, 0, 7)
    assert found.identity["data"] == {"digest": DATA}
    assert found.history[0].valid_loss == loss
    assert {name.partition("/")[0] for name in found.tensors} == {"best", "meter", "momentum", "network"}
    total = sum(float(tensor.double().sum()) for tensor in found.part("network").values())
    assert total == pytest.approx(216.58422322472688, rel=1e-12)


def test_folders_of_trainings() -> None:
    from genotools.training.history import read_history
    from genotools.training.run import TrainingResult
    from genotools.zoo.sources import facts_of

    folder = KEPT / "training" / "v1"
    facts = facts_of(folder)
    assert facts["data"] == {"digest": DATA, "path": "store.h5"}
    assert facts["task"]["names"] == ["first", "second"]
    assert facts["metrics"]["params"] == 1286
    assert Genotype.load(folder / "genotype.json").digest == DIGEST
    history = read_history(folder / "history.jsonl")
    assert [record.valid_loss for record in history] == [0.7845993638038635, 0.7826778888702393]
    assert TrainingResult.load(folder).best_epoch == 2


def test_results_of_trainings() -> None:
    from genotools.training.run import TrainingResult

    result = TrainingResult.load(KEPT / "training-result" / "v1")
    assert (result.genotype_digest, result.baseline, result.n_params) == (DIGEST, None, 1286)
    assert result.validation["valid_auprc"] == 0.41607142857142854
    assert result.test is not None
    assert result.test["labels"][1]["auroc"] == 0.59375


def first_digits(genotypes: list[Genotype]) -> list[str]:
    return [genotype.digest[:12] for genotype in genotypes]


def test_searches_of_version_1(space: SearchSpace) -> None:
    from genotools.search.report.data import SamplingRun, read_run
    from genotools.search.warm_start import genotypes_of_run

    folder = KEPT / "search" / "v1" / "sampling"
    best_first = ["f21ec7560ba6", "faa06d9dfcfc", "6aae444fc972"]
    assert first_digits(genotypes_of_run(folder, 9, space)[0]) == best_first
    run = read_run(folder)
    assert isinstance(run, SamplingRun)
    assert [trial.scores for trial in run.trials] == [
        (0.4916666666666667,),
        None,
        (0.5714285714285714,),
        (0.26041666666666663,),
    ]
    assert run.best is not None
    assert (run.best.number, run.best.genotype.digest[:12]) == (2, "f21ec7560ba6")
    assert "trial 1 fails" in str(run.trials[1].error)
    assert [str(objective) for objective in run.objectives] == ["valid_auprc:max"]
    assert Genotype.load(folder / "best.genotype.json") == run.best.genotype


def test_searches_of_version_2(space: SearchSpace) -> None:
    from genotools.search.report.data import SamplingRun, read_run
    from genotools.search.warm_start import genotypes_of_run

    folder = KEPT / "search" / "v2" / "sampling"
    best_first = ["9e5dd66c1f80", "b768de6cb615", "faa06d9dfcfc"]
    assert first_digits(genotypes_of_run(folder, 9, space)[0]) == best_first
    run = read_run(folder)
    assert isinstance(run, SamplingRun)
    assert [trial.scores for trial in run.trials] == [(0.3125,), (0.3214285714285714,), (0.6416666666666666,)]
    assert run.best is not None
    assert (run.best.number, run.best.origin["parent"]) == (2, run.trials[1].genotype.digest)
    assert run.config["settings"] == {"population": 2, "tournament": 2, "children": 1}
    assert run.result is not None
    assert run.result["objectives"] == {"valid_auprc": 0.6416666666666666}


@pytest.mark.parametrize("source", [KEPT / "search" / "v2" / "sampling", KEPT / "engine-state" / "v1"])
def test_engines_go_on_from_their_states(source: Path, tmp_path: Path, space: SearchSpace) -> None:
    """The first is from before the states of engines had a format, the same search as the second."""
    from genotools.search import Job, search

    config = json.loads((source / "config.json").read_text())

    class Counts:
        def describe(self) -> Any:
            return config["evaluator"]

        def __call__(self, job: Job) -> dict[str, float]:
            return {"valid_auprc": len({edge.op for edge in job.genotype.normal.edges}) / 4}

    def goes_on(folder: Path) -> list[str]:
        options = {"seed": 7, "n_trials": 6, "settings": config["settings"], "resume": True}
        found = search("evolution", space, Counts(), folder, **options)
        return [trial.genotype.digest for trial in found.trials]

    replayed, folder = (
        shutil.copytree(source, tmp_path / "replayed"),
        shutil.copytree(source, tmp_path / "run"),
    )
    (replayed / "checkpoint" / "engine.json").unlink()  # the engine is told the journal from its beginning
    assert json.loads((folder / "checkpoint" / "engine.json").read_text())["n_told"] == 3
    assert goes_on(folder) == goes_on(replayed)
    states = [(one / "checkpoint" / "engine.json").read_bytes() for one in (folder, replayed)]
    assert states[0] == states[1]


@pytest.mark.parametrize("kind", ["sampling", "one-shot"])
def test_a_search_goes_on_with_a_later_genotools_and_says_so(kind: str, tmp_path: Path) -> None:
    from genotools.search.folder import opened

    folder = shutil.copytree(KEPT / "search" / "v2" / kind, tmp_path / "run")
    before = json.loads((folder / "config.json").read_text())
    for later in ({**before, "genotools": "8.0"}, {**before, "genotools": "9.0"}):
        with opened(folder, later, resume=True):
            assert json.loads((folder / "config.json").read_text()) == later
    with (
        pytest.raises(DataError, match=r"config\.json \(a run is resumed .*: seed: was 7, now 8\.$"),
        opened(folder, {**before, "seed": 8}, resume=True),
    ):
        pass


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_searches_with_a_supernet(version: str, space: SearchSpace) -> None:
    from genotools.search.one_shot_run import read_candidates
    from genotools.search.report.data import OneShotRun, read_run
    from genotools.search.warm_start import genotypes_of_run

    folder = KEPT / "search" / version / "one-shot"
    latest_first = ["b66ced4a241a", "c1384e3b9d07", "e1637bf27f2c", "bc315de3d8e5"]
    assert first_digits(genotypes_of_run(folder, 9, space)[0]) == latest_first
    candidates = read_candidates(folder, space=space)
    places = [(found.stage, found.epoch, found.max_skips, found.is_choice) for found in candidates]
    assert places[:2] == [(1, 1, None, False), (1, 2, None, False)]
    assert (len(places), places[-1]) == (6, (1, 2, None, True))
    run = read_run(folder)
    assert isinstance(run, OneShotRun)
    assert run.choice is not None
    assert (run.engine, run.n_steps, run.choice.genotype.digest[:12]) == ("darts", 4, "b66ced4a241a")
    assert run.epochs[1].losses["alpha_loss"] == pytest.approx(0.69812156, abs=1e-7)
    assert run.alphas[0].values["normal"][LiveOp(0, 2, "none")] == 0.00020446989219635725


SUPERNETS = [KEPT / "one-shot-checkpoint" / "v1", KEPT / "one-shot-checkpoint" / "v2"]


@pytest.mark.parametrize("folder", SUPERNETS)
def test_checkpoints_of_searches_with_a_supernet(
    folder: Path, tmp_path: Path, store_path: Path, macro: Macro, space: SearchSpace
) -> None:
    from genotools.search.one_shot import OneShotEngine
    from genotools.search.one_shot_settings import OneShotSettings, SearchStage
    from genotools.training.settings import TrainingSettings

    path = tmp_path / "supernet.safetensors"
    shutil.copy(folder / path.name, path)
    weights = TrainingSettings(epochs=2, steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0)
    settings = OneShotSettings(stages=(SearchStage(epochs=2),), weights=weights, alpha_lr=0.0)
    with SequenceStore.open(store_path) as store:
        engine = OneShotEngine(settings, space, store, macro, seed=7, checkpoint_path=path)
        found = next(engine.candidates(resume=True))
    assert (found.stage, found.epoch) == (1, 2)  # the first is done
    assert found.epoch_end is not None
    alphas = found.epoch_end.alphas  # at a rate of 0 they are those of the checkpoint
    assert alphas["normal"][LiveOp(0, 2, "none")] == pytest.approx(0.00020446989219635725, rel=1e-6)


@pytest.mark.parametrize("folder", [KEPT / "shared-weights" / "v1", KEPT / "shared-weights" / "v2"])
def test_states_of_shared_weights(folder: Path, space: SearchSpace) -> None:
    from genotools.search.path_training import SavedTraining

    saved = SavedTraining.read(folder / "supernet.safetensors")
    assert saved is not None
    assert (saved.round, saved.epoch, saved.step, len(saved.tensors)) == (0, 1, 0, 71)
    assert saved.live == LiveOps.of(*(space.sample(rng=np.random.default_rng(seed)) for seed in (0, 1)))
    assert {name.partition("/")[0] for name in saved.tensors} == {"supernet", "momentum"}
    assert all(torch.isfinite(tensor).all() for tensor in saved.tensors.values())


def test_descriptions_of_data(store_path: Path) -> None:
    from genotools.search.warm_start import descriptors, most_similar

    folder = KEPT / "data-descriptors" / "v1"
    with SequenceStore.open(store_path) as store:
        own = descriptors(store)
    assert most_similar(own, [folder]) == (folder, 0.0)
    assert own["gc"] == 0.501314


def test_protocols_of_studies() -> None:
    from genotools.search.study.protocol import load_protocol

    protocol = load_protocol(str(KEPT / "study" / "v1" / "study.toml"))
    assert (protocol.title, protocol.seed, protocol.reference) == ("Kept", 7, "kmer-6")
    assert protocol.entrants() == ["genotype", "kmer-6"]
    assert protocol.training_plan("genotype", is_selection=False).given() == {
        "epochs": 2,
        "steps": 2,
        "batch_size": 8,
        "lr": 0.1,
    }


def test_folders_of_studies(study: Callable[[Path], Any], tmp_path: Path) -> None:
    shutil.copytree(KEPT / "study-folder" / "v1", tmp_path / "study")
    before = json.loads((tmp_path / "study" / "study.json").read_text())
    results = study(tmp_path / "study")  # nothing is run: both tasks are done
    assert not (tmp_path / "study" / "journal.jsonl").exists()
    values = {entrant.name: entrant.values("auroc") for entrant in results.entrants}
    assert values == {"genotype": [0.4375], "kmer-6": [0.6197916666666667]}
    after = json.loads((tmp_path / "study" / "study.json").read_text())
    assert {**after, "genotools": None} == {**before, "genotools": None}


def test_results_of_regressions() -> None:
    from genotools.search.study.outcomes import read_training

    found = read_training(KEPT / "kmer-result" / "v1")
    assert (found.n_params, found.digest, found.valid["auroc"]) == (8194, None, 1.0)
    assert found.by_label["auprc"] == [0.875, 0.6178571428571429]


def test_entries_of_zoos() -> None:
    from genotools.zoo.entry import read_entry
    from genotools.zoo.verify import verify_entry

    entry = read_entry(KEPT / "card" / "v1" / "kept")
    verify_entry(entry)
    assert (entry.card.summary, entry.card.digest) == ("A file that is kept", DIGEST)
    assert entry.card.metrics is not None
    assert entry.card.metrics["params"] == 1286


def test_indexes_of_zoos(kept: Path, tmp_path: Path) -> None:
    from genotools.zoo.index import INDEX, check_index

    shutil.copytree(kept / "card" / "v1" / "kept", tmp_path / "kept")
    shutil.copy(KEPT / "zoo-index" / "v1" / INDEX, tmp_path)
    check_index(tmp_path)


def test_backgrounds() -> None:
    from genotools.variants.background import read_background

    found = read_background(KEPT / "background" / "v1" / "background.h5")
    assert (found.names, found.n, found.how["strands"]) == (("first", "second"), 5, "both")
    np.testing.assert_allclose(found.rms, [0.303032427, 0.278425612], rtol=1e-8)
    np.testing.assert_allclose(found.evalues(np.array([[0.5, 0.9]])), [[0.6, 1 / 6]])


def test_half_tables_of_variants(tmp_path: Path) -> None:
    from genotools.variants.partial import PartialTable
    from genotools.variants.summary import Tally

    for path in (KEPT / "variants-progress" / "v1").iterdir():
        shutil.copy(path, tmp_path)
    table = PartialTable(tmp_path / "effects.tsv", ("",), {"variants": "kept", "top_k": None})
    progress = table.begin(resume=True, force=False)
    assert progress is not None
    assert progress["n_done"] == 1
    Tally(max_mismatch=0.2).restore(progress["tally"])
    assert table.paths[""].read_text() == "##kept\nchrom\tpos\nchrI\t5\n"  # what came behind is cut off
