"""Zoos on a web server: fetched, checked, used offline; and servers that are slow, broken or hostile."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError
from genotools.genotype import Genotype
from genotools.zoo import add_entry, entry_path, list_entries, load, load_entry, verify_entry
from genotools.zoo.entries import fetch_entry
from genotools.zoo.remote import cache_folder
from genotools.zoo.web import UnreachableError, download

Serve = Callable[[Path], Any]


@pytest.fixture
def server(serve: Serve, model_folder: Path, genotype_file: Path, tmp_path: Path) -> Any:
    """Return a server of a zoo with a genotype and a model."""
    folder = tmp_path / "served"
    add_entry("plain", genotype_file, summary="a genotype", origin="a test", zoo=folder)
    add_entry("trained", model_folder, summary="a model", origin="a test", zoo=folder)
    return serve(folder)


def rest_of_cache() -> list[str]:
    """Return what lies in the cache but whole entries, indexes and locks."""
    paths = [path for zoo in cache_folder().glob("*") for path in zoo.iterdir()]
    known = ("index.json", "location.txt")
    return [
        path.name
        for path in paths
        if path.name not in known and path.suffix != ".lock" and not (path / "card.json").is_file()
    ]


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the card of a served entry, and the index so that both agree."""
    card = folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))
    index = json.loads((folder.parent / "index.json").read_text())
    entry = index["entries"][folder.name]
    data = card.read_bytes()
    entry["card"] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    entry["files"] = {
        name: {"sha256": sha, "size_bytes": 10_000_000} for name, sha in json.loads(data)["files"].items()
    }
    (folder.parent / "index.json").write_text(json.dumps(index))


def test_a_model_is_fetched_once_and_then_used_offline(server: Any, genotype_file: Path) -> None:
    model = load("trained", zoo=server.url)
    assert tuple(model.names) == ("start", "end", "ARS")
    assert verify_entry(model.entry)
    assert sorted(path.rpartition("/")[2] for path in server.asked) == [
        "card.json",
        "genotype.json",
        "index.json",
        "model.onnx",
        "weights.safetensors",
    ]
    fetched = load_entry("plain", zoo=server.url)
    server.shutdown()
    server.server_close()
    assert load("trained", zoo=server.url).digest == model.digest
    assert load("trained").digest == model.digest
    assert fetched.genotype == Genotype.load(genotype_file)
    assert CliRunner().invoke(app, ["zoo", "list"]).stdout.count("(fetched)") == 2
    assert rest_of_cache() == []


def test_a_name_that_leaves_the_cache_is_not_looked_for_there(
    server: Any, genotype_file: Path, tmp_path: Path
) -> None:
    fetch_entry("plain", zoo=server.url)
    (zoo,) = [path for path in cache_folder().iterdir() if path.is_dir()]
    add_entry("outside", genotype_file, summary="not of it", origin="a test", zoo=cache_folder().parent)
    name = "../../outside"
    assert (zoo / name / "card.json").is_file()
    with pytest.raises(DataError, match="is neither a file nor the name of a zoo entry"):
        entry_path(name, zoo=server.url)


def test_the_list_of_a_zoo_elsewhere_takes_one_request(server: Any) -> None:
    result = CliRunner().invoke(app, ["zoo", "list", "--zoo", server.url])
    assert result.stdout.splitlines() == [
        "plain    genotype  a genotype",
        "trained  genotype+weights+onnx  a model",
    ]
    assert server.asked == ["/index.json"]
    listed = json.loads(CliRunner().invoke(app, ["zoo", "list", "--json", "--zoo", server.url]).stdout)
    assert [(entry["name"], entry["path"]) for entry in listed] == [("plain", None), ("trained", None)]


def test_get_brings_the_newest_state_and_fetches_nothing_twice(server: Any, tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = Path(run(app, ["zoo", "get", "plain", "--zoo", server.url]).stdout.strip())
    assert path.parent.parent == cache_folder()
    server.asked.clear()
    run(app, ["zoo", "get", "plain", "--zoo", server.url])
    assert server.asked == ["/index.json"]
    add_entry(
        "plain",
        path / "genotype.json",
        summary="a newer one",
        origin="a test",
        zoo=tmp_path / "served",
        force=True,
    )
    assert load_entry("plain", zoo=server.url).card.summary == "a genotype"
    assert run(app, ["zoo", "get", "plain", "--zoo", server.url]).exit_code == 0
    assert load_entry("plain", zoo=server.url).card.summary == "a newer one"


def test_what_was_fetched_hides_no_shipped_entry_and_get_says_so(
    serve: Serve, genotype_file: Path, tmp_path: Path
) -> None:
    add_entry(
        "pooling-only", genotype_file, summary="another", origin="a test", zoo=tmp_path / "served", force=True
    )
    server = serve(tmp_path / "served")
    result = CliRunner().invoke(app, ["zoo", "get", "pooling-only", "--zoo", server.url])
    assert "pooling-only alone does not mean this one" in result.stderr
    assert load_entry("pooling-only").is_shipped
    assert not load_entry("pooling-only", zoo=server.url).is_shipped


def test_a_name_that_two_zoos_gave_differently_has_to_be_told_apart(
    server: Any, serve: Serve, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "served", tmp_path / "same")
    first, same = fetch_entry("plain", zoo=server.url), serve(tmp_path / "same")
    fetch_entry("plain", zoo=same.url)
    assert entry_path("plain").name == first.name
    rewrite(tmp_path / "same" / "plain", summary="not the same")
    fetch_entry("plain", zoo=same.url)
    with pytest.raises(
        DataError, match=r"fetched from several zoos and is not the same: http.*, http.*GENOTOOLS_ZOO"
    ):
        entry_path("plain")


def test_the_variable_names_a_zoo_elsewhere(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOTOOLS_ZOO", server.url)
    assert entry_path("plain").parent.parent == cache_folder()
    assert load_entry("pooling-only").is_shipped
    with pytest.raises(DataError, match="Did you mean 'trained'"):
        entry_path("traind")


def test_an_unreachable_zoo_is_remembered_or_told(
    server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fetch_entry("plain", zoo=server.url)
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("GENOTOOLS_ZOO", server.url)
    assert load_entry("pooling-only").is_shipped
    assert "Going by the index of the last visit" in caplog.text
    with pytest.raises(UnreachableError, match=r"trained/card\.json: cannot be reached"):
        entry_path("trained")
    monkeypatch.setenv("GENOTOOLS_ZOO", "http://127.0.0.1:9/never")
    result = CliRunner().invoke(app, ["zoo", "list"])
    assert result.exit_code == 1
    assert "pooling-only" in result.stdout
    assert "http://127.0.0.1:9/never/index.json: cannot be reached" in result.stderr


def test_a_file_that_is_not_what_the_card_says_is_not_kept(server: Any, tmp_path: Path) -> None:
    model = tmp_path / "served" / "trained" / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"trained/model\.onnx: sha256 is .*nothing was kept"):
        fetch_entry("trained", zoo=server.url)
    assert rest_of_cache() == []
    assert not list(cache_folder().glob("*/trained"))


def test_a_card_that_the_index_does_not_mean_is_not_kept(server: Any, tmp_path: Path) -> None:
    card = tmp_path / "served" / "plain" / "card.json"
    card.write_text(card.read_text().replace("a genotype", "a surprise"))
    with pytest.raises(DataError, match=r"plain/card\.json: sha256 is"):
        fetch_entry("plain", zoo=server.url)


@pytest.mark.parametrize("file", ["../../escaped", "/etc/escaped", "a/b", "card.json", "nul"])
def test_a_card_whose_files_leave_their_folder_is_refused(server: Any, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "served" / "plain"
    files = json.loads((folder / "card.json").read_text())["files"]
    rewrite(folder, files=files | {file: "0" * 64})
    index = json.loads((tmp_path / "served" / "index.json").read_text())
    del index["entries"]["plain"]["files"][file]
    (tmp_path / "served" / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"card\.json: files\."):
        fetch_entry("plain", zoo=server.url)
    assert rest_of_cache() == []


@pytest.mark.parametrize("name", ["../up", "/etc", "A", "", "con", "a\x1b[2J", "x" * 1000])
def test_an_index_with_a_hostile_name_is_refused(server: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / "served" / "index.json"
    index = json.loads(path.read_text())
    index["entries"][name] = index["entries"]["plain"]
    path.write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"index\.json: entries\.") as caught:
        list_entries(server.url)
    assert "\x1b" not in str(caught.value)
    assert not list(cache_folder().glob("*/plain"))


def test_an_index_with_a_hostile_file_is_refused(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "served" / "index.json"
    path.write_text(path.read_text().replace('"genotype.json"', '"../genotype.json"'))
    with pytest.raises(DataError, match=r"index\.json: 2 faults\n.*plain\.files"):
        list_entries(server.url)


def test_what_is_no_zoo_says_so(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    server = serve(tmp_path / "empty")
    with pytest.raises(DataError, match=r"index\.json: the server answers 404 Not Found"):
        list_entries(server.url)
    (tmp_path / "empty" / "index.json").write_text("<html>")
    with pytest.raises(DataError, match="not valid JSON"):
        list_entries(server.url)
    (tmp_path / "empty" / "index.json").write_text('{"format": "genotools/zoo-index", "version": 2}')
    with pytest.raises(DataError, match="version: 2 is newer than this genotools reads"):
        list_entries(server.url)


def test_large_files_are_refused_before_and_while_they_come(server: Any, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["zoo", "get", "trained", "--zoo", server.url])
    assert result.exit_code == 0
    with pytest.raises(
        DataError, match=r"trained: genotype\.json has [\d,]+ bytes, at most 1,000 are fetched.*--max-mb"
    ):
        fetch_entry("trained", zoo=server.url, max_file_bytes=1000)

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    server.answers["/endless"] = endless
    with pytest.raises(DataError, match=r"endless: [\d,]+ bytes or more, at most 1,000,000 are fetched"):
        download(f"{server.url}/endless", tmp_path / "x", max_bytes=1_000_000)
    server.answers["/plain/card.json"] = endless
    with pytest.raises(DataError, match=r"card\.json: [\d,]+ bytes or more, at most 1,000,000"):
        fetch_entry("plain", zoo=server.url)
    assert rest_of_cache() == []


def test_a_zoo_elsewhere_is_not_added_to(server: Any, genotype_file: Path) -> None:
    with pytest.raises(DataError, match="only folders are written to"):
        add_entry("mine", genotype_file, summary="a test", origin="a test", zoo=server.url)


FETCH = """
import sys
from genotools.zoo.entries import fetch_entry
print(fetch_entry(sys.argv[1], zoo=sys.argv[2]))
"""


def test_a_killed_download_leaves_nothing_that_counts_and_the_next_clears_it(server: Any) -> None:
    gate, began = threading.Event(), threading.Event()

    def half(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)
        began.set()
        gate.wait(30)

    server.answers["/trained/model.onnx"] = half
    process = subprocess.Popen([sys.executable, "-c", FETCH, "trained", server.url])
    assert began.wait(30)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gate.set()
    with pytest.raises(DataError, match="neither a file nor the name"):
        entry_path("trained")
    assert rest_of_cache() == [".trained.part"]
    del server.answers["/trained/model.onnx"]
    verify_entry(load_entry("trained", zoo=server.url))
    assert rest_of_cache() == []


def test_several_processes_that_want_one_entry_fetch_it_once(server: Any) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, "trained", server.url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    paths = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(paths) == 1
    assert server.asked.count("/trained/model.onnx") == 1
    verify_entry(load_entry("trained"))


def test_errors_are_one_line_at_the_command_line(server: Any, root: Path) -> None:
    command = [sys.executable, "-m", "genotools", "zoo", "get", "nothing", "--zoo", server.url]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {server.url}: no entry 'nothing'.")
    assert len(done.stderr.splitlines()) == 1
    server.shutdown()
    server.server_close()
    command = [sys.executable, "-m", "genotools", "--zoo", server.url, "hash", "pooling-only"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0
    assert re.fullmatch(
        r"Warning: .*cannot be reached.*Going by the index of the last visit\.\n", done.stderr
    )
