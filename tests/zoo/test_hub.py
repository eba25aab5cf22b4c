"""A repository of the Hugging Face Hub as a zoo; a local server stands for the Hub."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genotools.errors import DataError, MissingExtraError
from genotools.zoo import add_entry, load_entry
from genotools.zoo.places import open_zoo
from genotools.zoo.web import UnreachableError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return what stands for huggingface_hub, with the names and signatures that are used of it."""

    def hf_hub_url(repo_id: str, filename: str, *, revision: str | None = None) -> str:
        return f"{module.endpoint}/{repo_id}/resolve/{revision or 'main'}/{filename}"

    module = SimpleNamespace(
        endpoint="", hf_hub_url=hf_hub_url, get_token=lambda: "secret", constants=SimpleNamespace()
    )
    module.constants.HF_HUB_OFFLINE = False
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return module


@pytest.fixture
def repository(tmp_path: Path, genotype_file: Path) -> Path:
    """Return the folder of all repositories, one of which is a zoo."""
    zoo = tmp_path / "hub" / "lab" / "zoo" / "resolve" / "main"
    add_entry("plain", genotype_file, summary="on the hub", origin="a test", zoo=zoo)
    return tmp_path / "hub"


def test_an_entry_is_fetched_from_a_repository_with_the_persons_token(
    hub: Any, repository: Path, serve: Callable[[Path], Any]
) -> None:
    server = serve(repository)
    hub.endpoint = server.url
    tokens: list[str | None] = []

    def index(handler: Any) -> None:
        tokens.append(handler.headers["Authorization"])
        handler.path += "?"
        handler.do_GET()

    server.answers["/lab/zoo/resolve/main/index.json"] = index
    assert load_entry("plain", zoo="hf:lab/zoo").card.summary == "on the hub"
    assert tokens == ["Bearer secret"]
    with pytest.raises(DataError, match="the server answers 404"):
        load_entry("plain", zoo="hf:lab/zoo@v2")


def test_the_real_package_has_the_names_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    url = hub.hf_hub_url("lab/zoo", "plain/card.json", revision=None)
    assert url.endswith("/lab/zoo/resolve/main/plain/card.json")
    assert hub.hf_hub_url("lab/zoo", "index.json", revision="v2").endswith("/resolve/v2/index.json")
    assert isinstance(hub.constants.HF_HUB_OFFLINE, bool)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert hub.get_token() == "secret"


def test_offline_means_offline(hub: Any) -> None:
    hub.constants.HF_HUB_OFFLINE = True
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE forbids asking"):
        load_entry("plain", zoo="hf:lab/zoo")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'genotools\[hub\]'"):
        open_zoo("hf:lab/zoo")


@pytest.mark.parametrize(
    "text", ["hf:", "hf:lab", "hf:lab/../zoo", "hf:/lab/zoo", "hf:lab/zoo/x", "hf:lab/zoo@", "hf:a b/c"]
)
def test_what_is_no_repository_is_refused(hub: Any, text: str) -> None:
    with pytest.raises(DataError, match="is no repository"):
        open_zoo(text)
