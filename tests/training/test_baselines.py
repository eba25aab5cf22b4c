"""Hand-designed networks are trained, resumed, kept and asked as those of genotypes are."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from genotools.data.encoding import encode
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.genotype import BaselineName, Genotype, Macro, Task
from genotools.nn import WindowNetwork
from genotools.nn.baselines import BASELINES, DanQ, build_baseline
from genotools.training.attribution import attribute
from genotools.training.evaluate import evaluate
from genotools.training.interruption import TrainingInterrupted
from genotools.training.metrics import MultilabelMetrics
from genotools.training.predictor import load_predictor_from_run
from genotools.training.run import TrainingResult, train
from genotools.training.settings import TrainingSettings
from genotools.training.weights import load_network, model_digest, save_weights

LENGTH_BP = 40
MOTIF = "TATATATATA"
SETTINGS = TrainingSettings(
    epochs=2,
    steps_per_epoch=3,
    batch_size=8,
    lr=0.1,
    patience=None,
    reverse_complement_rate=0.5,
    shift_bp=2,
)


@pytest.fixture(scope="module")
def short_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose one label says whether a motif lies in the window; 320 windows to train on."""
    rng = np.random.default_rng(0)
    splits = np.repeat([0, 1, 2], [320, 80, 80])
    codes = rng.integers(0, 4, size=(len(splits), LENGTH_BP)).astype(np.uint8)
    labels = (rng.random((len(splits), 1)) < 0.5).astype(np.uint8)
    for row in np.flatnonzero(labels[:, 0]):
        at = int(rng.integers(0, LENGTH_BP - len(MOTIF)))
        codes[row, at : at + len(MOTIF)] = encode(MOTIF)
    path = tmp_path_factory.mktemp("short") / "motif.h5"
    write_store(path, codes=codes, labels=labels, names=("motif",), splits=splits, provenance={})
    return path


Train = Callable[..., TrainingResult]


@pytest.fixture
def train_danq(short_store: Path) -> Train:
    def call(output: Path, **changes: object) -> TrainingResult:
        arguments = {"settings": SETTINGS, "seed": 5, "device": "cpu"} | changes
        return train(BaselineName.DANQ, short_store, output, **arguments)  # type: ignore[arg-type]

    return call


def test_training_learns_a_planted_motif(train_danq: Train, tmp_path: Path, short_store: Path) -> None:
    settings = SETTINGS.changed(epochs=5, steps_per_epoch=20, batch_size=16, shift_bp=0)
    result = train_danq(tmp_path / "run", settings=settings)
    assert result.test is not None
    assert result.test["mean_auroc"] > 0.8
    predictor = load_predictor_from_run(tmp_path / "run")
    with SequenceStore.open(short_store) as store:
        metrics = evaluate(predictor, store, "test")
    assert isinstance(metrics, MultilabelMetrics)
    assert metrics.mean_auroc == pytest.approx(result.test["mean_auroc"])
    assert result.model_digest == predictor.digest


def test_the_folder_says_which_network_it_is(train_danq: Train, tmp_path: Path) -> None:
    result = train_danq(tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"baseline.json", "config.json", "history.jsonl", "weights.safetensors", "result.json"} <= names
    assert "genotype.json" not in names
    assert BaselineName.load(tmp_path / "run" / "baseline.json") == "danq"
    config, found = (
        json.loads((tmp_path / "run" / f"{name}.json").read_text()) for name in ("config", "result")
    )
    assert (config["baseline"], config["length"]) == ("danq", LENGTH_BP)
    assert "genotype" not in config
    assert "macro" not in config
    assert found["baseline"] == "danq"
    assert "genotype_digest" not in found
    assert TrainingResult.load(tmp_path / "run") == result
    assert np.isfinite([result.validation["valid_loss"], result.validation["train_loss"]]).all()


def test_a_training_resumed_anywhere_ends_with_the_same_bytes(train_danq: Train, tmp_path: Path) -> None:
    calls = iter([False] * 4 + [True] + [False] * 99)
    with pytest.raises(TrainingInterrupted, match="a checkpoint was saved"):
        train_danq(tmp_path / "stopped", should_stop=lambda: next(calls))
    train_danq(tmp_path / "stopped", resume=True)
    train_danq(tmp_path / "whole")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("stopped", "whole")]
    assert weights[0] == weights[1]


def test_another_network_is_not_resumed(
    train_danq: Train, tmp_path: Path, short_store: Path, genotype: Genotype, macro: Macro
) -> None:
    train_danq(tmp_path / "run")
    with pytest.raises(DataError, match='baseline: started with "danq", now "ncnet-rr"'):
        train(BaselineName.NCNET_RR, short_store, tmp_path / "run", settings=SETTINGS, seed=5, resume=True)
    with pytest.raises(DataError, match='baseline: started with "danq", now "nothing"'):
        train(
            genotype,
            short_store,
            tmp_path / "run",
            macro=Macro(length=LENGTH_BP, channels=2),
            settings=SETTINGS,
            seed=5,
            resume=True,
        )
    (tmp_path / "other").mkdir()
    BaselineName.DEEPSEA.save(tmp_path / "other" / "baseline.json")
    with pytest.raises(DataError, match=r"baseline\.json is another network"):
        train_danq(tmp_path / "other", resume=True)
    with pytest.raises(DataError, match="danq is hand-designed"):
        train_danq(tmp_path / "third", macro=macro)


def test_force_discards_what_the_other_kind_left(
    train_danq: Train, tmp_path: Path, short_store: Path, genotype: Genotype
) -> None:
    train_danq(tmp_path / "run")
    macro = Macro(length=LENGTH_BP, channels=2, head_hidden=4)
    train(genotype, short_store, tmp_path / "run", macro=macro, settings=SETTINGS, seed=5, force=True)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "genotype.json" in names
    assert "baseline.json" not in names


@pytest.fixture
def danq(tmp_path: Path) -> WindowNetwork:
    return build_baseline("danq", LENGTH_BP, Task(2, names=("a_plus", "a_minus")), seed=1)


@pytest.fixture
def saved(danq: WindowNetwork, tmp_path: Path) -> Path:
    save_weights(tmp_path / "weights.safetensors", danq, notes={"epoch": 1})
    return tmp_path / "weights.safetensors"


def test_the_file_alone_rebuilds_the_network(danq: WindowNetwork, saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        header = dict(file.metadata())
    assert (header["baseline"], header["length"], header["digest"]) == (
        "danq",
        "40",
        BaselineName.DANQ.digest,
    )
    assert "genotype" not in header
    assert "macro" not in header
    loaded = load_network(saved)
    assert isinstance(loaded, DanQ)
    assert not loaded.training
    assert (loaded.length, loaded.task) == (danq.length, danq.task)
    assert model_digest(loaded) == model_digest(danq) == header["model_digest"]
    codes = torch.randint(0, 5, (4, LENGTH_BP), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(codes), danq.eval()(codes), rtol=0, atol=0)


def test_equal_weights_of_other_networks_have_other_digests() -> None:
    digests = {name: model_digest(build_baseline(name, 170, Task(1), seed=0)) for name in BASELINES}
    assert len(set(digests.values())) == len(BASELINES)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"baseline": "alexnet"}, "weights.safetensors: baseline: 'alexnet' is no hand-designed network"),
        ({"length": "{"}, "weights.safetensors: length: not valid JSON"),
        ({"length": '"40"'}, "weights.safetensors: length: a whole number of bp is expected"),
        ({"length": "100000000"}, "weights.safetensors: length: danq would have .* parameters"),
        ({"length": "1e3"}, "length: a whole number of bp is expected, found '1000.0'"),
        ({"length": "100"}, "fc1.weight"),
        ({"baseline": "ncnet-rr"}, "digest: the baseline has"),
        ({"digest": "0" * 64}, "digest: the baseline has"),
    ],
)
def test_a_hostile_header_is_named(saved: Path, metadata: dict[str, str], message: str) -> None:
    with safe_open(saved, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        header = dict(file.metadata())
    save_file(tensors, saved, metadata=header | metadata)
    with pytest.raises(DataError, match=message):
        load_network(saved)


def test_a_header_without_length_is_refused(saved: Path) -> None:
    with safe_open(saved, framework="pt") as file:
        header = dict(file.metadata())
    del header["length"]
    save_file({"a": torch.ones(1)}, saved, metadata=header)
    with pytest.raises(DataError, match="its header lacks length"):
        load_network(saved)


@pytest.mark.parametrize("document", [{}, {"format": "genotools/baseline", "version": 1, "name": "x"}, []])
def test_a_wrong_document_of_a_baseline_is_refused(document: object, tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"baseline\.json: (format|name|a JSON object is expected)"):
        BaselineName.load(tmp_path / "baseline.json")


def test_attributions_are_the_slope_of_the_logit(danq: WindowNetwork) -> None:
    danq.double().train()
    window = np.random.default_rng(1).integers(0, 4, LENGTH_BP).astype(np.uint8)
    found = attribute(danq, window, [0], strands="forward")
    assert danq.training
    danq.eval()
    x = danq.one_hot(torch.from_numpy(window[None])).detach()
    at, step = 17, 1e-6
    slopes = []
    for base in range(4):
        moved = x.clone()
        moved[0, base, at] += step
        slopes.append((danq.forward_one_hot(moved) - danq.forward_one_hot(x))[0, 0].item() / step)
    assert found[at] == pytest.approx(slopes[window[at]] - np.mean(slopes), rel=1e-3, abs=1e-7)
    assert np.abs(attribute(danq, window, [0])).sum() > 0
