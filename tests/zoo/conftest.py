"""Zoos of one's own, a tiny model with weights and ONNX file, and a server whose answers a test can change."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.export import export_onnx
from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.nn import build
from genotools.training import save_weights


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that holds all the person's data and caches, no variable that names a zoo, no proxy."""
    folder = tmp_path / "home"
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    monkeypatch.delenv("GENOTOOLS_ZOO", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def genotype_file(tmp_path: Path) -> Path:
    path = tmp_path / "g.json"
    GENOME_NAS.sample(rng=np.random.default_rng(0)).save(path)
    return path


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like that of a training with its export: genotype, weights, ONNX file, facts."""
    folder = tmp_path_factory.mktemp("model")
    macro = Macro(
        length=60,
        channels=2,
        layers=(Layer("reduce", 4), Layer("normal"), Layer("reduce", 3)),
        head_hidden=8,
    )
    task = Task(3, names=("start", "end", "ARS"))
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(3))
    network = build(genotype, macro, task, seed=3)
    genotype.save(folder / "genotype.json")
    save_weights(folder / "weights.safetensors", network)
    export_onnx(network, folder / "model.onnx")
    config = {
        "format": "genotools/training",
        "version": 1,
        "task": task.to_document(),
        "macro": macro.to_document(),
        "data": {"digest": "sha256:" + "f" * 64, "path": "/data/somebody/store.h5"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    result = {
        "format": "genotools/training-result",
        "version": 1,
        "n_params": 4321,
        "test": {"mean_auroc": 0.75, "mean_auprc": 0.5, "labels": [{"name": "start"}]},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return folder


class Server(ThreadingHTTPServer):
    """A server of a folder.

    Attributes
    ----------
    asked
        Paths that were asked for, in order.
    answers
        By path, what writes the answer instead of the file.
    """

    daemon_threads = True
    asked: list[str]
    answers: dict[str, Callable[[Any], None]]

    @property
    def url(self) -> str:
        """Address of the folder."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        try:
            if answer := self.server.answers.get(self.path):
                answer(self)
            else:
                super().do_GET()
        except OSError:  # nobody listens any more
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """Return what starts a server of a folder."""
    servers: list[Server] = []

    def start(folder: Path) -> Server:
        server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        server.asked, server.answers = [], {}
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
