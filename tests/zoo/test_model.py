"""Entries that predict: by their ONNX file, by their weights, or not at all."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.export import OnnxPredictor
from genotools.predictor import Predictor
from genotools.training.predictor import load_predictor_from_run
from genotools.zoo import add_entry, load
from genotools.zoo.places import user_zoo

CODES = np.random.default_rng(0).integers(0, 5, (7, 60)).astype(np.uint8)


def test_an_entry_with_both_predicts_as_its_onnx_file_and_as_its_weights(model_folder: Path) -> None:
    add_entry("mine", model_folder, summary="a test", origin="a test")
    model = load("mine")
    assert isinstance(model, Predictor)
    np.testing.assert_array_equal(
        model.predict(CODES), OnnxPredictor(model_folder / "model.onnx").predict(CODES)
    )
    torch_predictor = load_predictor_from_run(model_folder, device="cpu")
    np.testing.assert_allclose(model.predict(CODES), torch_predictor.predict(CODES), atol=1e-5)
    assert (tuple(model.names), model.length) == (("start", "end", "ARS"), 60)
    assert model.digest == torch_predictor.digest
    assert (model.name, model.card.summary) == ("mine", "a test")
    assert model.genotype.digest == model.card.digest


def test_an_entry_with_weights_alone_predicts_by_pytorch(model_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(model_folder, source, ignore=shutil.ignore_patterns("model.onnx"))
    add_entry("mine", source, summary="a test", origin="a test")
    model = load("mine", device="cpu")
    expected = OnnxPredictor(model_folder / "model.onnx")
    np.testing.assert_allclose(model.predict(CODES), expected.predict(CODES), atol=1e-5)
    assert model.digest == expected.digest


def test_a_genotype_alone_is_an_entry_that_says_how_to_train_it() -> None:
    model = load("dense-heavy")
    assert model.genotype.digest == model.card.digest
    assert "Dense" in model.card.summary
    for use in (
        lambda: model.predict(CODES),
        lambda: model.names,
        lambda: model.length,
        lambda: model.digest,
    ):
        with pytest.raises(
            DataError, match=r"dense-heavy: a genotype only, without weights\..*train dense-heavy"
        ):
            use()


def test_an_onnx_file_of_other_weights_is_refused(model_folder: Path) -> None:
    entry = add_entry("mine", model_folder, summary="a test", origin="a test")
    from genotools.nn import GenomeNet, build
    from genotools.training import save_weights
    from genotools.training.weights import load_network

    trained = load_network(entry.path / "weights.safetensors")
    assert isinstance(trained, GenomeNet)
    other = build(trained.genotype, trained.macro, trained.task, seed=9)
    save_weights(entry.path / "weights.safetensors", other)
    with pytest.raises(DataError, match="exported from other weights"):
        load("mine")


def test_an_entry_with_an_onnx_file_needs_no_pytorch(model_folder: Path, root: Path) -> None:
    add_entry("mine", model_folder, summary="a test", origin="a test")
    code = (
        "import sys, json, numpy\n"
        "from genotools import zoo\n"
        "model = zoo.load('mine')\n"
        "values = model.predict(numpy.zeros((2, model.length), dtype=numpy.uint8))\n"
        "print(json.dumps([values.shape, sorted({'torch', 'onnx'} & sys.modules.keys())]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[2, 3], []]
    assert (user_zoo() / "mine").is_dir()
