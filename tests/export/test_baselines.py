"""Hand-designed networks as files: parity, what the file says, and the commands that read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import DataError
from genotools.export import OnnxPredictor, export_onnx, export_program
from genotools.genotype import BaselineName, Task
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.nn.baselines import Baseline, build_baseline
from genotools.training import TorchPredictor, save_weights

LENGTH_BP = {"deepsea": 170, "danq": 60, "ncnet-rr": 60, "ncnet-brr": 60}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Baseline]:
    """Return a hand-designed network with small last layers; the rest is as published."""
    monkeypatch.setattr("genotools.nn.baselines.baseline.HIDDEN", 8)

    def make(name: str) -> Baseline:
        network = build_baseline(name, LENGTH_BP[name], Task(3, names=("a_plus", "a_minus", "b")), seed=0)
        network.fc2.weight.data.mul_(20)
        return network

    return make


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_file_predicts_what_the_network_predicts(
    small: Callable[[str], Baseline], name: str, tmp_path: Path
) -> None:
    network = small(name)
    codes = np.random.default_rng(0).integers(0, 5, size=(5, network.length), dtype=np.uint8)
    export_onnx(network, tmp_path / "m.onnx")
    model = OnnxPredictor(tmp_path / "m.onnx", threads=1, batch_size=2)
    expected = TorchPredictor(network).predict(codes)
    assert expected.std(axis=0).min() > 1e-4
    np.testing.assert_allclose(model.predict(codes), expected, atol=1e-5, rtol=0)
    assert model.architecture is BaselineName(name)
    assert model.digest == TorchPredictor(network).digest
    assert (model.length, model.names) == (network.length, ("a_plus", "a_minus", "b"))
    with pytest.raises(DataError, match=f"the hand-designed network {name} has no genotype"):
        _ = model.genotype
    with pytest.raises(DataError, match="has no macro"):
        _ = model.macro


def test_strands_are_averaged_inside_and_programs_agree(
    small: Callable[[str], Baseline], tmp_path: Path
) -> None:
    network = small("danq")
    codes = np.random.default_rng(0).integers(0, 4, size=(4, 60), dtype=np.uint8)
    plain = TorchPredictor(network)
    expected = (plain.predict(codes) + plain.predict(3 - codes[:, ::-1])[:, [1, 0, 2]]) / 2
    report = export_program(network, tmp_path / "m.pt2", strands="both")
    found = torch.export.load(report.path).module()(torch.from_numpy(codes))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5, rtol=0)


def test_the_commands_read_such_a_file(
    small: Callable[[str], Baseline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small("danq")
    save_weights(tmp_path / "weights.safetensors", network)

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    path = tmp_path / "m.onnx"
    done = run("export", tmp_path, "-o", path)
    assert done.exit_code == 0, done.output
    assert run("export", "verify", path, "--weights", tmp_path).exit_code == 0
    document = json.loads(run("info", path, "--json").stdout)
    assert (document["baseline"], document["length_bp"]) == ("danq", 60)
    assert document["params"] == sum(parameter.numel() for parameter in network.parameters())
    assert "danq: a hand-designed network" in run("info", path).stdout
    refused = run("hash", path)
    assert "has no genotype" in str(refused.exception)
    (tmp_path / "s.fa").write_text(">a\n" + "ACGTG" * 12 + "\n")
    predicted = run("predict", path, tmp_path / "s.fa", "-o", tmp_path / "p.tsv")
    assert predicted.exit_code == 0, predicted.output
    assert "a_plus" in (tmp_path / "p.tsv").read_text()
