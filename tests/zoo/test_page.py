"""The gallery of a zoo: what it says, that it replaces nothing else, and that it is a zoo itself."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError, MissingExtraError, OutputExistsError
from genotools.zoo import add_entry, entry_names, list_entries, verify_entry
from genotools.zoo._page_views import make_view, sort_choices
from genotools.zoo.index import check_index
from genotools.zoo.page import write_page
from genotools.zoo.sources import facts_of

EVIL = "</script><script>document.title = 'taken'</script><img src=x onerror=\"alert(1)\"> \" onload='x"


class NoDrawings:
    """Drawings of a machine without Graphviz, which tests need not wait for."""

    lack = "no Graphviz."

    def __init__(self, *_: object) -> None:
        """Draw nothing."""

    def of(self, _: object) -> list[Any]:
        return []


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genotools.zoo.page.Drawings", NoDrawings)


@pytest.fixture
def zoo(tmp_path: Path, genotype_file: Path, model_folder: Path) -> Path:
    folder = tmp_path / "zoo"
    facts = facts_of(model_folder)
    add_entry("plain", genotype_file, summary=EVIL, origin=EVIL, zoo=folder)
    add_entry("trained", model_folder, summary="a model", origin="a test", zoo=folder, facts=facts)
    return folder


@pytest.mark.usefixtures("undrawn")
def test_the_site_is_a_zoo_with_every_file(zoo: Path, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    site = write_page(tmp_path / "site", zoo=zoo).parent
    check_index(site)
    for entry in list_entries(site):
        verify_entry(entry)
    for name in ("genotype.json", "weights.safetensors", "model.onnx", "card.json"):
        assert (site / "trained" / name).read_bytes() == (zoo / "trained" / name).read_bytes()
    assert entry_names(serve(site).url) == ["plain", "trained"]
    assert sorted(path.name for path in site.iterdir()) == ["index.html", "index.json", "plain", "trained"]


@pytest.mark.usefixtures("undrawn")
def test_every_link_of_the_page_leads_to_a_file_of_the_site(zoo: Path, tmp_path: Path) -> None:
    page = write_page(tmp_path / "site", zoo=zoo)
    html = page.read_text()
    links = [link for link in re.findall(r'(?:href|src)="([^"]*)"', html) if not link.startswith("#")]
    assert "trained/model.onnx" in links
    assert all((page.parent / link).is_file() for link in links)
    assert "http://" not in html
    assert "https://" not in html


@pytest.mark.usefixtures("undrawn")
def test_texts_of_cards_stay_texts(zoo: Path, tmp_path: Path) -> None:
    html = write_page(tmp_path / "site", zoo=zoo).read_text()
    assert "<script>document" not in html
    assert "<img" not in html
    assert "&lt;script&gt;document.title" in html


def test_the_same_zoo_gives_the_same_bytes(zoo: Path, tmp_path: Path) -> None:
    code = "import sys; from genotools.zoo.page import write_page; write_page(sys.argv[1], zoo=sys.argv[2])"
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(tmp_path / f"site{seed}"), str(zoo)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    files = [path.relative_to(tmp_path / "site1") for path in sorted((tmp_path / "site1").rglob("*"))]
    assert files == [path.relative_to(tmp_path / "site2") for path in sorted((tmp_path / "site2").rglob("*"))]
    for file in files:
        pair = [tmp_path / site / file for site in ("site1", "site2")]
        assert pair[0].is_dir() or pair[0].read_bytes() == pair[1].read_bytes(), file
    assert (tmp_path / "site1" / "index.html").read_text().count("<svg") == 6


@pytest.mark.usefixtures("undrawn")
def test_a_gallery_is_replaced_with_force_only(zoo: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_page(site, zoo=zoo)
    shutil.rmtree(zoo / "plain")
    with pytest.raises(OutputExistsError, match="site exists already"):
        write_page(site, zoo=zoo)
    assert (site / "plain").is_dir()
    write_page(site, zoo=zoo, force=True)
    assert not (site / "plain").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if "site" in path.name) == ["site"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_gallery_is_never_replaced(zoo: Path, tmp_path: Path, force: bool) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<title>my own page</title>")
    with pytest.raises(DataError, match=r"holds index\.html, which is not of a gallery"):
        write_page(site, zoo=zoo, force=force)
    (site / "index.html").unlink()
    write_page(site, zoo=zoo)  # an empty folder may become one
    (site / "thesis").mkdir()
    (site / "CNAME").write_text("host")
    with pytest.raises(DataError, match="holds CNAME, thesis, which is not of a gallery"):
        write_page(site, zoo=zoo, force=force)
    with pytest.raises(DataError, match="is no folder"):
        write_page(site / "CNAME", zoo=zoo, force=force)
    with pytest.raises(DataError, match="which is not of a gallery"):
        write_page(zoo, zoo=zoo, force=force)
    assert (site / "CNAME").read_text() == "host"
    assert (zoo / "plain").is_dir()


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_entry_is_not_published(zoo: Path, tmp_path: Path) -> None:
    (zoo / "trained" / "model.onnx").write_bytes(b"?")
    with pytest.raises(DataError, match=r"model\.onnx: sha256 is"):
        write_page(tmp_path / "site", zoo=zoo)
    assert not list(tmp_path.glob("*site*"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no entries in this zoo"):
        write_page(tmp_path / "site", zoo=tmp_path / "empty")


def test_without_graphviz_the_page_says_so(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MissingExtraError("pygraphviz", "draw")

    monkeypatch.setattr("genotools.genotype.svg.draw", refuse)
    html = write_page(tmp_path / "site", zoo=zoo).read_text()
    assert "The cells are not drawn: pygraphviz is needed" in html
    assert "Node 2 is" in html


def test_a_view_of_a_model_has_its_figures_task_data_licences_and_commands(zoo: Path) -> None:
    view = make_view(list_entries(zoo)[1], NoDrawings())  # type: ignore[arg-type]
    figures = {figure.label: (figure.value, figure.note) for figure in view.figures}
    assert figures["parameters"] == ("4.32 k", "as trained")
    assert figures["AUROC"] == ("0.7500", "test split")
    facts = dict(view.facts)
    assert facts["task"] == "multilabel, 3 outputs: start, end, ARS"
    assert facts["data"].endswith("path store.h5")
    assert facts["licences"] == "genotype: Apache-2.0, weights: not stated, data: not stated"
    assert [command.split()[1] for _, command in view.commands] == ["variants", "predict", "train"]
    assert [download.href for download in view.downloads] == [
        "trained/genotype.json",
        "trained/weights.safetensors",
        "trained/model.onnx",
    ]
    assert view.keys == {"parameters": 4321, "trained": 1, "AUROC": 0.75, "AUPRC": 0.5}
    assert "ars" in view.text
    assert sort_choices([view])[-1] == ("AUPRC:down", "best AUPRC")


@pytest.mark.parametrize(
    "facts",
    [
        {"metrics": {"params": "many", "test": {"mean_auroc": "high", "mean_auprc": True}}},
        {"metrics": {"params": -1, "test": [1], "validation": {"valid_auroc": None}}},
        {"task": {"names": 7}, "macro": {"length": "long"}, "data": {"a": [1, {"b": None}], "c": "x" * 5000}},
    ],
)
def test_cards_with_anything_in_their_free_parts_are_shown(
    genotype_file: Path, tmp_path: Path, facts: dict[str, Any]
) -> None:
    add_entry("odd", genotype_file, summary="odd", origin="a test", zoo=tmp_path / "zoo", facts=facts)
    view = make_view(list_entries(tmp_path / "zoo")[0], NoDrawings())  # type: ignore[arg-type]
    assert set(view.keys) == {"parameters", "trained"}
    assert view.keys["parameters"] > 1e6
    assert all(len(value) < 1000 for _, value in view.facts)
    json.dumps(view.keys, allow_nan=False)


@pytest.mark.usefixtures("undrawn")
def test_the_command_prints_the_page(zoo: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["zoo", "page", "-o", str(tmp_path / "site"), "--zoo", str(zoo)])
    assert result.stdout == f"{tmp_path / 'site' / 'index.html'}\n"


@pytest.mark.usefixtures("undrawn")
def test_no_two_parts_of_the_page_share_an_id_whatever_entries_are_called(
    genotype_file: Path, tmp_path: Path
) -> None:
    for name in ("find", "entries", "a", "a-title", "title-a", "cells-a", "none"):
        add_entry(name, genotype_file, summary="a test", origin="a test", zoo=tmp_path / "zoo")
    ids = re.findall(r'\bid="([^"]*)"', write_page(tmp_path / "site", zoo=tmp_path / "zoo").read_text())
    assert len(ids) == len(set(ids))
