"""Known answers in the card: made when a model is added, run again by `zoo verify`, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.genotype.documents import space_to_document
from genotools.nn import build
from genotools.training.weights import save_weights
from genotools.zoo import add_entry, load, load_entry, verify_answers
from genotools.zoo.card import KnownAnswers
from genotools.zoo.entry import Entry
from genotools.zoo.known_answers import ask, check_answers
from genotools.zoo.sources import facts_of


@pytest.fixture(autouse=True)
def own_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zoo = tmp_path / "zoo"
    monkeypatch.setenv("GENOTOOLS_ZOO", str(zoo))
    return zoo


def added(source: Path) -> Entry:
    add_entry("mine", source, summary="a test", origin="a test", facts=facts_of(source))
    return load_entry("mine")


@pytest.fixture
def weights_only(model_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("genotype.json", "weights.safetensors"):
        (folder / name).write_bytes((model_folder / name).read_bytes())
    return folder


def test_a_model_is_asked_when_it_is_added(model_folder: Path) -> None:
    card = added(model_folder).card
    assert card.inputs is not None
    assert (card.inputs.bases, card.inputs.length, card.inputs.variant_index) == ("ACGT", 60, 29)
    known = card.known_answers
    assert known is not None
    assert [len(window) for window in known.windows] == [60, 60]
    assert [len(outputs) for outputs in known.outputs] == [3, 3]


@pytest.mark.parametrize("source", ["model_folder", "weights_only"])
def test_verify_runs_the_model_and_says_how_far_it_is_off(
    source: str, request: pytest.FixtureRequest
) -> None:
    entry = added(request.getfixturevalue(source))
    assert verify_answers(entry).startswith("2 known answers, ")
    result = CliRunner().invoke(app, ["zoo", "verify", "mine"])
    assert result.exit_code == 0
    assert "2 known answers" in result.stdout


def test_weights_answer_as_the_onnx_file_that_was_asked(model_folder: Path) -> None:
    entry = added(model_folder)
    (entry.path / "model.onnx").unlink()
    assert "known answers" in verify_answers(entry)


def change(entry: Entry, edit: Callable[[dict[str, Any]], None]) -> Entry:
    card = json.loads((entry.path / "card.json").read_text())
    edit(card["known_answers"])
    (entry.path / "card.json").write_text(json.dumps(card))
    return load_entry("mine")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda known: known["outputs"][0].__setitem__(1, 0.99), "differs from its known answers by 0"),
        (lambda known: known["outputs"][0].__setitem__(1, 1e308), "differs from its known answers by 1,"),
        (lambda known: [outputs.pop() for outputs in known["outputs"]], "2 outputs, the model has 3"),
        (lambda known: known.__setitem__("windows", ["ACGT", "ACGT"]), "windows of 60 bp"),
        (lambda known: known["windows"].pop(), "an answer to each are needed"),
    ],
)
def test_other_answers_are_refused(model_folder: Path, edit: Any, message: str) -> None:
    entry = change(added(model_folder), edit)
    with pytest.raises(DataError, match=message):
        verify_answers(entry)


@pytest.mark.parametrize(
    "edit",
    [
        lambda known: known.__setitem__("outputs", [[float("nan")] * 3] * 2),
        lambda known: known["outputs"].__setitem__(0, ["x"]),
        lambda known: known.__setitem__("tolerance", 1),
        lambda known: known.__setitem__("windows", ["ACGT; rm"]),
        lambda known: known.__setitem__("windows", ["A" * 60] * 17),
    ],
)
def test_a_card_with_answers_of_another_shape_is_damaged(model_folder: Path, edit: Any) -> None:
    entry = added(model_folder)
    with pytest.raises(DataError, match=r"card\.json"):
        change(entry, edit)


def test_answers_of_different_lengths_are_refused(model_folder: Path) -> None:
    entry = added(model_folder)
    with pytest.raises(DataError, match="known_answers"):
        verify_answers(change(entry, lambda known: known["outputs"][0].pop()))


def test_a_card_that_says_otherwise_how_windows_are_given_is_refused(model_folder: Path) -> None:
    entry = added(model_folder)
    card = json.loads((entry.path / "card.json").read_text())
    card["inputs"]["bases"] = "TGCA"
    (entry.path / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match="inputs: the model takes its windows otherwise"):
        verify_answers(load_entry("mine"))


class FakeModel:
    """A predictor whose outputs are given."""

    digest = "0" * 64

    def __init__(self, n_outputs: int, *, length: int = 60, value: float = 0.5, metadata: str = "{}") -> None:
        self.names, self.length, self._value = [f"o{index}" for index in range(n_outputs)], length, value
        self.metadata = {"known_answers": metadata}

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(codes), len(self.names)), self._value, dtype=np.float32)


def test_of_very_many_outputs_the_first_are_kept_and_of_very_long_windows_none() -> None:
    known = ask(FakeModel(20_000))
    assert known is not None
    assert [len(row) for row in known["outputs"]] == [1000, 1000]
    assert check_answers(KnownAnswers(**known), FakeModel(20_000), where="x") == 0
    assert ask(FakeModel(1, length=200_000)) is None


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_answers_that_are_no_numbers_are_not_kept(value: float) -> None:
    assert ask(FakeModel(3, value=value)) is None


@pytest.mark.parametrize(
    ("metadata", "tolerance"),
    [
        ("[1]", 1e-4),
        ('{"tolerance": null}', 1e-4),
        ('{"tolerance": 0.02}', 0.02),
        ('{"tolerance": 9.0}', 0.5),
    ],
)
def test_a_file_of_fewer_bits_says_how_far_it_is_off(metadata: str, tolerance: float) -> None:
    known = ask(FakeModel(3, metadata=metadata))
    assert known is not None
    assert known["tolerance"] == tolerance


def test_what_is_no_json_in_a_file_is_told() -> None:
    with pytest.raises(DataError, match="known_answers of the ONNX file: not valid JSON"):
        ask(FakeModel(3, metadata="x"))


def test_a_network_with_outputs_per_position_is_added_without_answers(tmp_path: Path) -> None:
    macro = Macro(length=60, channels=2, layers=(Layer("normal"),), head_hidden=8)
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(3))
    network = build(genotype, macro, Task(2, per_position=True), seed=3)
    genotype.save(tmp_path / "genotype.json")
    save_weights(tmp_path / "weights.safetensors", network)
    entry = added(tmp_path)
    assert entry.card.known_answers is None
    assert verify_answers(entry) == "no known answers"


def test_a_genotype_alone_has_nothing_to_answer(genotype_file: Path) -> None:
    entry = added(genotype_file)
    assert entry.card.known_answers is None
    assert verify_answers(entry) == "no model"


def test_the_card_of_a_training_has_its_settings_and_that_of_a_search_its_engine(
    model_folder: Path, genotype_file: Path, tmp_path: Path
) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    config |= {"settings": {"epochs": 3, "lr": 0.1}, "seed": 7, "genotools": "0.1.0"}
    config["data"]["genome"] = "sacCer3"
    source = tmp_path / "training"
    source.mkdir()
    for path in model_folder.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    (source / "config.json").write_text(json.dumps(config))
    card = added(source).card
    assert card.training == {"settings": {"epochs": 3, "lr": 0.1}, "seed": 7, "genotools": "0.1.0"}
    assert card.data == {"digest": "sha256:" + "f" * 64, "path": "store.h5", "genome": "sacCer3"}
    search = tmp_path / "search"
    search.mkdir()
    (search / "best.genotype.json").write_bytes(genotype_file.read_bytes())
    head = {"format": "genotools/search", "version": 2, "engine": "evolution", "seed": 5}
    evaluator = {"store_digest": "sha256:1", "macro": {"length": 9}, "training": {"epochs": 2}}
    more = {"settings": {"population": 4}, "space": space_to_document(GENOME_NAS), "evaluator": evaluator}
    (search / "config.json").write_text(json.dumps({**head, **more}))
    (search / "result.json").write_text(json.dumps({**head, "n_trials": 4, "score": 0.5}))
    add_entry("found", search, summary="a test", origin="a test", facts=facts_of(search))
    card = load_entry("found").card
    assert card.search == {
        **{"engine": "evolution", "seed": 5, "space": "genome-nas", "score": 0.5, "n_trials": 4},
        **{"settings": {"population": 4}, "training": {"epochs": 2}},
    }
    assert (card.data, card.macro) == ({"digest": "sha256:1"}, {"length": 9})


def test_what_a_search_wrote_into_a_genotype_is_in_the_card(genotype_file: Path, tmp_path: Path) -> None:
    document = json.loads(genotype_file.read_text())
    document["meta"] = {"search": {"engine": "random", "seed": 1}}
    path = tmp_path / "found.json"
    path.write_text(json.dumps(document))
    assert added(path).card.search == {"engine": "random", "seed": 1}


def test_what_a_card_says_freely_cannot_take_over_a_terminal(genotype_file: Path) -> None:
    facts: dict[str, dict[str, Any]] = {
        "search": {"engine": "\x1b[2Jgone"},
        "metrics": {"test": [1], "validation": "x"},
    }
    add_entry("mine", genotype_file, summary="a test", origin="a test", facts=facts)
    result = CliRunner().invoke(app, ["zoo", "show", "mine"])
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "engine �[2Jgone" in result.stdout


def test_the_model_of_an_entry_is_asked_by_name(model_folder: Path) -> None:
    added(model_folder)
    assert load("mine").length == 60
