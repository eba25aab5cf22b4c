"""Zoo entries: the shipped ones, adding one's own, and what verification notices."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError, OutputExistsError
from genotools.genotype import GENOME_NAS, Genotype
from genotools.zoo import add_entry, entry_path, list_entries, load_entry, verify_entry


@pytest.fixture(autouse=True)
def own_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zoo = tmp_path / "zoo"
    monkeypatch.setenv("GENOTOOLS_ZOO", str(zoo))
    return zoo


@pytest.fixture
def genotype_file(tmp_path: Path) -> Path:
    path = tmp_path / "g.json"
    GENOME_NAS.sample(rng=np.random.default_rng(0)).save(path)
    return path


def test_shipped_entries_verify_and_lie_in_the_published_space() -> None:
    entries = list_entries()
    assert len(entries) >= 5
    for entry in entries:
        assert entry.is_shipped
        assert verify_entry(entry)[0].startswith("sha256 of")
        assert GENOME_NAS.contains(entry.genotype)
    assert len({entry.genotype.digest for entry in entries}) == len(entries)


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
    assert [path.name for path in (tmp_path / "zoo").iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", ".hidden", "a..b", "x" * 65, "a b", "v1.0"])
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
    with pytest.raises(DataError, match="version 2 is newer"):
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
