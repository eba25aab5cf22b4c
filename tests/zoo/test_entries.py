"""Zoo entries: the shipped ones, adding one's own, and what verification notices."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError, OutputExistsError
from genotools.genotype import GENOME_NAS, Genotype
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.registry import ENGINES
from genotools.zoo import (
    add_entry,
    entry_names,
    entry_path,
    list_entries,
    load,
    load_entry,
    verify_answers,
    verify_entry,
)
from genotools.zoo.index import check_index
from genotools.zoo.places import shipped_zoo, user_zoo
from genotools.zoo.sources import facts_of


@pytest.fixture(autouse=True)
def own_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zoo = tmp_path / "zoo"
    monkeypatch.setenv("GENOTOOLS_ZOO", str(zoo))
    return zoo


def test_shipped_entries_verify_and_lie_in_the_published_space() -> None:
    entries = list_entries()
    assert len(entries) >= 5
    for entry in entries:
        assert entry.is_shipped
        assert verify_entry(entry)[0].startswith("sha256 of")
        assert GENOME_NAS.contains(entry.genotype)
    untrained = [entry for entry in entries if entry.parts == ["genotype"]]
    assert len({entry.genotype.digest for entry in untrained}) == len(untrained)


@pytest.mark.parametrize("name", ["yeast-dilated-wide", "yeast-local-search"])
def test_shipped_models_predict_and_are_what_their_cards_say(name: str) -> None:
    entry = load_entry(name)
    assert entry.parts == ["genotype", "weights", "onnx"]
    assert "onnx belong to the genotype" in verify_entry(entry)[-1]
    assert verify_answers(entry).startswith("2 known answers")
    assert all(path.stat().st_size <= 8_000_000 for path in entry.path.iterdir())
    card = entry.card
    assert None not in (card.task, card.macro, card.training, card.metrics, card.inputs)
    assert card.data is not None
    assert card.data["genome"] == "sacCer3"
    model = load(name)
    codes = np.random.default_rng(0).integers(0, 4, size=(2, 1000), dtype=np.uint8)
    assert model.predict(codes).shape == (2, 240)
    assert "Reb1" in model.names


def test_a_genotype_of_every_engine_ships_and_says_which_search_found_it() -> None:
    for engine in [*ENGINES, *ONE_SHOT_ENGINES]:
        search = load_entry(f"yeast-{engine}").card.search
        assert search is not None
        assert search["engine"] == engine


def test_an_added_entry_is_found_by_name(genotype_file: Path) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    assert load_entry("mine").genotype == Genotype.load(genotype_file)
    assert not load_entry("mine").is_shipped
    assert entry.parts == ["genotype"]
    assert "mine" in [other.name for other in list_entries()]


def test_a_taken_name_needs_force(genotype_file: Path, tmp_path: Path) -> None:
    add_entry("mine", genotype_file, summary="first", origin="a test")
    with pytest.raises(OutputExistsError, match="mine exists already"):
        add_entry("mine", genotype_file, summary="second", origin="a test")
    assert load_entry("mine").card.summary == "first"
    add_entry("mine", genotype_file, summary="second", origin="a test", force=True)
    assert load_entry("mine").card.summary == "second"
    assert sorted(path.name for path in (tmp_path / "zoo").iterdir()) == [".lock", "index.json", "mine"]


NO_NAMES = ["../up", "a/b", "", "A", ".hidden", "a..b", "x" * 65, "a b", "v1.0"]
NO_NAMES += ["/etc", "a\0b", "..", "nul", "com1", "ä", "a\n", "-a"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_cannot_leave_the_zoo(genotype_file: Path, name: str, own_zoo: Path) -> None:
    with pytest.raises(DataError, match="cannot be a name"):
        add_entry(name, genotype_file, summary="", origin="")
    assert not own_zoo.exists()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean 'pooling-only'"):
        entry_path("pooling-onyl")


def test_verification_names_every_changed_missing_and_unlisted_file(genotype_file: Path) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    (entry.path / "genotype.json").write_text("{}")
    (entry.path / "extra.txt").write_text("?")
    with pytest.raises(DataError, match=r"2 faults\n.*genotype.json: sha256 is .*\n.*extra.txt: not listed"):
        verify_entry(entry)


def test_a_card_of_another_genotype_is_refused(genotype_file: Path) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    card = json.loads((entry.path / "card.json").read_text())
    (entry.path / "card.json").write_text(json.dumps({**card, "digest": "0" * 64}))
    with pytest.raises(DataError, match="digest: not that of the genotype beside it"):
        load_entry("mine")


def test_a_newer_card_says_so(genotype_file: Path) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    card = json.loads((entry.path / "card.json").read_text())
    (entry.path / "card.json").write_text(json.dumps({**card, "version": 2}))
    with pytest.raises(DataError, match="version: 2 is newer"):
        load_entry("mine")


def test_a_source_without_genotype_is_refused(tmp_path: Path, own_zoo: Path) -> None:
    with pytest.raises(DataError, match=r"no genotype\.json in it"):
        add_entry("mine", tmp_path, summary="", origin="")
    assert not (own_zoo / "mine").exists()


def test_a_shipped_name_is_not_hidden_unasked(genotype_file: Path) -> None:
    with pytest.raises(DataError, match="is the name of a shipped entry"):
        add_entry("pooling-only", genotype_file, summary="", origin="")
    add_entry("pooling-only", genotype_file, summary="", origin="", force=True)
    assert not load_entry("pooling-only").is_shipped


def test_the_old_entry_comes_back_if_the_new_one_cannot_be_put_in_its_place(
    genotype_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entry("mine", genotype_file, summary="first", origin="a test")
    rename = Path.rename

    def fails_for_new(self: Path, target: Path) -> Path:
        if self.name == "mine" and Path(target).name == "mine":
            raise OSError("the disk is gone")
        return rename(self, target)

    monkeypatch.setattr("genotools.files._exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", fails_for_new)
    with pytest.raises(OSError, match="the disk is gone"):
        add_entry("mine", genotype_file, summary="second", origin="a test", force=True)
    assert load_entry("mine").card.summary == "first"


def test_a_summary_that_is_too_long_is_one_clear_error(genotype_file: Path) -> None:
    with pytest.raises(DataError, match="mine: summary: String should have at most 300 characters"):
        add_entry("mine", genotype_file, summary="x" * 301, origin="a test")


def test_the_list_shows_what_can_be_read_and_names_what_cannot(genotype_file: Path) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    (entry.path / "card.json").write_text("{}")
    result = CliRunner().invoke(app, ["zoo", "list"])
    assert result.exit_code == 1
    assert "pooling-only" in result.stdout
    assert "card.json: " in result.stderr


def test_the_index_names_every_entry_with_the_sums_of_its_files(genotype_file: Path, own_zoo: Path) -> None:
    for name in ("b", "a"):
        add_entry(name, genotype_file, summary=f"the {name}", origin="a test")
    index = json.loads((own_zoo / "index.json").read_text())
    assert list(index["entries"]) == ["a", "b"]
    entry = index["entries"]["a"]
    assert entry["summary"] == "the a"
    assert entry["digest"] == Genotype.load(genotype_file).digest
    card = (own_zoo / "a" / "card.json").read_bytes()
    assert entry["card"] == {"sha256": hashlib.sha256(card).hexdigest(), "size_bytes": len(card)}
    assert entry["files"]["genotype.json"]["size_bytes"] == genotype_file.stat().st_size
    check_index(own_zoo)


def test_an_index_that_is_not_as_the_entries_are_is_noticed(genotype_file: Path, own_zoo: Path) -> None:
    add_entry("mine", genotype_file, summary="a test", origin="a test")
    (own_zoo / "copy").mkdir()
    for path in (own_zoo / "mine").iterdir():
        text = path.read_text().replace('"name": "mine"', '"name": "copy"')
        (own_zoo / "copy" / path.name).write_text(text)
    result = CliRunner().invoke(app, ["zoo", "verify", "--zoo", str(own_zoo)])
    assert "copy: sha256 of 1 files" in result.stdout
    assert isinstance(result.exception, DataError)
    assert "copy: not as the entry is" in str(result.exception)


def test_the_index_of_the_shipped_entries_is_as_they_are() -> None:
    check_index(shipped_zoo())


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "two\nlines", "\u202egnirts", "\x9b31m", "a\x7f"],
    ids=["escape", "line", "bidi", "c1", "del"],
)
def test_texts_that_could_take_over_a_terminal_are_refused(genotype_file: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"mine: summary: .*control characters"):
        add_entry("mine", genotype_file, summary=text, origin="a test")
    with pytest.raises(DataError, match=r"mine: origin: .*control characters"):
        add_entry("mine", genotype_file, summary="a test", origin=text)


@pytest.mark.parametrize(
    "file", ["../x", "a/b", "/etc/passwd", "", ".hidden", "card.json", "NUL.txt", "a\\b"]
)
def test_a_card_whose_files_leave_its_folder_is_refused(genotype_file: Path, file: str) -> None:
    entry = add_entry("mine", genotype_file, summary="a test", origin="a test")
    card = json.loads((entry.path / "card.json").read_text())
    card["files"][file] = "0" * 64
    (entry.path / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"card\.json: files\."):
        load_entry("mine")


def test_places_are_searched_in_their_order(
    genotype_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, shipped = tmp_path / "team", entry_path("pooling-only")
    for zoo in (user_zoo(), team):
        add_entry("pooling-only", genotype_file, summary="a test", origin="a test", zoo=zoo)
    monkeypatch.setenv("GENOTOOLS_ZOO", str(team))
    assert entry_path("pooling-only") == team / "pooling-only"
    monkeypatch.delenv("GENOTOOLS_ZOO")
    assert entry_path("pooling-only") == user_zoo() / "pooling-only"
    assert shipped.parent == shipped_zoo()
    assert load_entry("pooling-only", zoo=shipped_zoo()).is_shipped


def test_a_zoo_that_is_named_is_searched_alone(genotype_file: Path, tmp_path: Path) -> None:
    add_entry("mine", genotype_file, summary="a test", origin="a test", zoo=tmp_path / "team")
    assert entry_names(tmp_path / "team") == ["mine"]
    with pytest.raises(DataError, match="'pooling-only' is neither a file nor the name"):
        entry_path("pooling-only", zoo=tmp_path / "team")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        entry_names(tmp_path / "nowhere")


def test_any_command_takes_a_zoo_before_its_name(genotype_file: Path, tmp_path: Path) -> None:
    add_entry("mine", genotype_file, summary="a test", origin="a test", zoo=tmp_path / "team")
    digest = Genotype.load(genotype_file).digest
    result = CliRunner().invoke(app, ["--zoo", str(tmp_path / "team"), "hash", "mine"])
    assert digest in result.stdout
    assert os.environ["GENOTOOLS_ZOO"] == str(tmp_path / "zoo")
    assert isinstance(CliRunner().invoke(app, ["hash", "mine"]).exception, DataError)


def test_the_card_does_not_say_where_the_data_lay(model_folder: Path) -> None:
    entry = add_entry("mine", model_folder, summary="a test", origin="a test", facts=facts_of(model_folder))
    assert entry.card.data == {"digest": "sha256:" + "f" * 64, "path": "store.h5"}
    assert "somebody" not in (entry.path / "card.json").read_text()


def test_licences_are_given_on_the_command_line(genotype_file: Path) -> None:
    options = ["--summary", "a test", "--weights-licence", "CC-BY-4.0", "--data-licence", "CC0-1.0"]
    result = CliRunner().invoke(app, ["zoo", "add", "mine", str(genotype_file), *options])
    assert result.exit_code == 0, result.output
    licences = load_entry("mine").card.licences
    assert (licences.weights, licences.data) == ("CC-BY-4.0", "CC0-1.0")
    options[3] = "two\nlines"
    result = CliRunner().invoke(app, ["zoo", "add", "other", str(genotype_file), *options])
    assert "licences.weights" in str(result.exception)


def test_a_card_that_could_not_be_read_again_is_not_written(genotype_file: Path, own_zoo: Path) -> None:
    facts = {"data": {"note": "x" * 1_000_001}}
    with pytest.raises(DataError, match=r"card\.json: 1,000,\d\d\d bytes, at most 1,000,000 are read"):
        add_entry("mine", genotype_file, summary="a test", origin="a test", facts=facts)
    assert not (own_zoo / "mine").exists()
