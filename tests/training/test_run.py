import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from genotools.data.store import SequenceStore
from genotools.errors import DataError, OutputExistsError
from genotools.genotype import GENOME_NAS, Genotype, Macro
from genotools.nn import GenomeNet
from genotools.training import run as run_module
from genotools.training.evaluate import evaluate
from genotools.training.history import EpochRecord, read_history
from genotools.training.interruption import TrainingInterrupted, stop_on_signals
from genotools.training.metrics import MultilabelMetrics
from genotools.training.predictor import load_predictor_from_run
from genotools.training.run import Reporter, TrainingResult, train
from genotools.training.settings import TrainingSettings
from genotools.training.weights import load_network

Train = Callable[..., TrainingResult]


class Diary(Reporter):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.messages: list[str] = []

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record.epoch)

    def on_message(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def run_training(store_path: Path, genotype: Genotype, macro: Macro, settings: TrainingSettings) -> Train:
    def call(output: Path, **changes: object) -> TrainingResult:
        arguments = {"macro": macro, "settings": settings, "seed": 5, "device": "cpu"} | changes
        return train(genotype, store_path, output, **arguments)  # type: ignore[arg-type]

    return call


def test_the_folder_holds_everything(
    run_training: Train, tmp_path: Path, store: SequenceStore, genotype: Genotype
) -> None:
    diary = Diary()
    result = run_training(tmp_path / "run", reporter=diary)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "genotype.json", "history.jsonl", "weights.safetensors", "result.json"} <= names
    assert "checkpoint" not in names  # of use only until the training is over
    assert Genotype.load(tmp_path / "run" / "genotype.json").to_json() == genotype.to_json()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["format"], config["version"], config["seed"]) == ("genotools/training", 1, 5)
    assert config["data"]["digest"] == store.digest
    assert (
        diary.epochs == [1, 2, 3] == [record.epoch for record in read_history(tmp_path / "run/history.jsonl")]
    )
    assert TrainingResult.load(tmp_path / "run") == result


def test_the_result_is_that_of_the_weights_in_the_folder(
    run_training: Train, tmp_path: Path, store: SequenceStore
) -> None:
    result = run_training(tmp_path / "run")
    predictor = load_predictor_from_run(tmp_path / "run")
    metrics = evaluate(predictor, store, "test")
    assert result.test is not None
    assert isinstance(metrics, MultilabelMetrics)
    assert result.test["mean_auroc"] == pytest.approx(metrics.mean_auroc)
    assert "1 pairs of stranded labels exchanged" in result.test["strands"]
    assert result.model_digest == predictor.digest
    assert result.validation["epoch"] == result.best_epoch
    assert result.n_params == sum(p.numel() for p in predictor.network.parameters())


def test_the_picture_of_the_curves_is_drawn(run_training: Train, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run_training(tmp_path / "run")
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_seed_decides_the_weights(run_training: Train, tmp_path: Path) -> None:
    digests = [run_training(tmp_path / str(i), seed=seed).model_digest for i, seed in enumerate((5, 5, 6))]
    assert digests[0] == digests[1] != digests[2]


def test_a_folder_with_something_in_it_is_left_alone(run_training: Train, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        run_training(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_place_of_the_folder_is_refused(run_training: Train, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(DataError, match="is a file, a folder was expected"):
        run_training(tmp_path / "run", force=True)


def test_force_discards_a_training_and_nothing_else(run_training: Train, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    run_training(tmp_path, force=True)
    result = run_training(tmp_path, force=True, seed=6)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 6
    assert len(read_history(tmp_path / "history.jsonl")) == result.n_epochs == 3


def test_force_and_resume_together_are_refused(run_training: Train, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give one of them"):
        run_training(tmp_path, force=True, resume=True)


def test_a_finished_training_is_only_read_by_resume(run_training: Train, tmp_path: Path) -> None:
    first = run_training(tmp_path / "run")
    diary = Diary()
    assert run_training(tmp_path / "run", resume=True, reporter=diary) == first
    assert diary.epochs == []
    assert "nothing is left to do" in diary.messages[0]


def test_resume_where_nothing_is_yet_starts(run_training: Train, tmp_path: Path) -> None:
    assert run_training(tmp_path / "run", resume=True).n_epochs == 3


def test_resume_leaves_a_folder_alone_that_holds_no_training(run_training: Train, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("weights.safetensors", "history.jsonl"):
        (tmp_path / "run" / name).write_text("precious")
    with pytest.raises(OutputExistsError, match="holds no training that could be continued"):
        run_training(tmp_path / "run", resume=True)
    assert {path.name: path.read_text() for path in (tmp_path / "run").iterdir()} == {
        "weights.safetensors": "precious",
        "history.jsonl": "precious",
    }


def test_resume_with_other_choices_is_refused_and_changes_nothing(
    run_training: Train, tmp_path: Path, settings: TrainingSettings, genotype: Genotype
) -> None:
    run_training(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(DataError, match="cannot be resumed") as caught:
        run_training(tmp_path / "run", resume=True, settings=settings.changed(batch_size=8), seed=7)
    assert "settings.batch_size: started with 16, now 8" in str(caught.value)
    assert "seed: started with 5, now 7" in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    del genotype


def test_resume_of_a_folder_of_another_kind_is_refused(run_training: Train, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format": "genotools/search"}')
    with pytest.raises(DataError, match="format: 'genotools/training' is expected, found 'genotools/search'"):
        run_training(tmp_path, resume=True)


def test_two_processes_do_not_train_in_one_folder(run_training: Train, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / run_module.LOCK),
        pytest.raises(DataError, match="another process is training in this folder"),
    ):
        run_training(tmp_path, resume=True)


def test_a_store_without_test_split_trains_without_testing(
    run_training: Train, tmp_path: Path, store: SequenceStore, genotype: Genotype, macro: Macro
) -> None:
    from genotools.data.write import write_store

    rows = np.concatenate([store.rows("train"), store.rows("valid")])
    splits = np.repeat([0, 1], [240, 80])
    path = tmp_path / "no_test.h5"
    write_store(
        path,
        codes=store.codes(rows),
        labels=store.labels(rows),
        names=store.names,
        splits=splits,
        provenance={},
    )
    settings = TrainingSettings(epochs=1, steps_per_epoch=1, batch_size=8)
    result = train(genotype, path, tmp_path / "run", macro=macro, settings=settings, seed=0, device="cpu")
    assert result.test is None
    assert TrainingResult.load(tmp_path / "run").test is None


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from genotools.genotype import Genotype, Macro
from genotools.files import read_json
from genotools.training import Reporter, TrainingSettings, train

torch.set_num_threads(1)
folder, store, macro, settings, genotype = map(Path, sys.argv[1:])

class Killer(Reporter):
    def on_step(self, report):
        if (report.epoch, report.step) == (2, report.n_steps):
            os.kill(os.getpid(), signal.SIGKILL)

train(
    Genotype.load(genotype), store, folder, macro=Macro.from_document(read_json(macro)), seed=5, device="cpu",
    settings=TrainingSettings.from_document(read_json(settings)), reporter=Killer(),
)
"""


def test_a_killed_training_resumes_to_the_same_weights(
    run_training: Train,
    tmp_path: Path,
    store_path: Path,
    genotype: Genotype,
    macro: Macro,
    settings: TrainingSettings,
) -> None:
    documents = {"macro": macro.to_document(), "settings": settings.to_document()}
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
    genotype.save(tmp_path / "genotype")
    paths: list[str | Path] = ["killed", store_path, "macro", "settings", "genotype"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *(str(tmp_path / path) for path in paths)], check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    assert len(read_history(tmp_path / "killed" / "history.jsonl")) == 1

    diary = Diary()
    run_training(tmp_path / "killed", resume=True, reporter=diary)
    assert diary.epochs == [2, 3]
    run_training(tmp_path / "whole")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("killed", "whole")]
    assert weights[0] == weights[1]


def test_a_history_ahead_of_its_checkpoint_is_cut_back(run_training: Train, tmp_path: Path) -> None:
    def stop() -> bool:
        return len(read_history(history)) == 1 if history.exists() else False

    history = tmp_path / "run" / "history.jsonl"
    with pytest.raises(TrainingInterrupted, match="epoch 2 after step 0"):
        run_training(tmp_path / "run", should_stop=stop)
    history.write_text(history.read_text() * 2)
    run_training(tmp_path / "run", resume=True)
    assert [record.epoch for record in read_history(history)] == [1, 2, 3]


@pytest.mark.parametrize("damaged", ["tensors", "step", "history"])
def test_a_damaged_checkpoint_costs_the_work_since_the_one_before(
    run_training: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    history = tmp_path / "run" / "history.jsonl"

    def stop() -> bool:
        return len(read_history(history)) == 2 if history.exists() else False

    with pytest.raises(TrainingInterrupted, match="epoch 3 after step 0"):
        run_training(tmp_path / "run", should_stop=stop)
    (checkpoint,) = (tmp_path / "run" / "checkpoint").glob("*.safetensors")
    data = bytearray(checkpoint.read_bytes())
    at = {
        "tensors": len(data) - 1,
        "step": data.index(b'"step":"0"') + len('"step":"'),
        "history": data.index(b"train_loss") + len('train_loss\\": 0.'),
    }
    data[at[damaged]] ^= 1
    checkpoint.write_bytes(data)
    run_training(tmp_path / "run", resume=True)
    assert "It goes on from the state before" in caplog.text
    run_training(tmp_path / "whole")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]
    assert [record.epoch for record in read_history(history)] == [1, 2, 3]


@pytest.fixture
def python_handles_ctrl_c() -> Iterator[None]:
    """Hold Python's own SIGINT handler, which it leaves out where a shell started it in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handles_ctrl_c")
def test_a_signal_becomes_a_request_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        assert stop.signal_number == signal.SIGTERM
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_weights_keep_the_numbering_of_the_genotype(
    tmp_path: Path, store_path: Path, genotype: Genotype, macro: Macro
) -> None:
    settings = TrainingSettings(epochs=1, steps_per_epoch=1, batch_size=8)
    for name, written in (("as_is", genotype), ("canonical", genotype.canonical())):
        train(written, store_path, tmp_path / name, macro=macro, settings=settings, seed=0, device="cpu")
        loaded = load_network(tmp_path / name / "weights.safetensors")
        assert isinstance(loaded, GenomeNet)
        assert loaded.genotype.to_json() == written.to_json()


def test_another_genotype_of_equal_digest_but_other_numbering_is_not_resumed(
    run_training: Train, tmp_path: Path, store_path: Path, macro: Macro, settings: TrainingSettings
) -> None:
    rng = np.random.default_rng(0)
    drawn = (GENOME_NAS.sample(rng=rng) for _ in range(100))
    genotype = next(found for found in drawn if found.to_json() != found.canonical().to_json())
    stop = {"should_stop": lambda: True}
    with pytest.raises(TrainingInterrupted, match="epoch 1 after step 0"):
        train(genotype, store_path, tmp_path / "run", macro=macro, settings=settings, seed=0, **stop)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"genotype\.cells\."):
        train(
            genotype.canonical(),
            store_path,
            tmp_path / "run",
            macro=macro,
            settings=settings,
            seed=0,
            resume=True,
        )
    assert torch.get_num_threads() == 1


def test_force_does_not_discard_what_is_no_training(run_training: Train, tmp_path: Path) -> None:
    folder = tmp_path / "search"
    folder.mkdir()
    (folder / "config.json").write_text('{"format": "genotools/search", "version": 1}')
    with pytest.raises(DataError, match="holds something else than a training"):
        run_training(folder, force=True)
    assert (folder / "config.json").read_text() == '{"format": "genotools/search", "version": 1}'


def test_resume_does_not_replace_another_genotype(run_training: Train, tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    other = GENOME_NAS.sample(rng=np.random.default_rng(77))
    other.save(folder / "genotype.json")
    with pytest.raises(DataError, match=r"genotype\.json is another genotype"):
        run_training(folder, resume=True)
    assert Genotype.load(folder / "genotype.json") == other
