from pathlib import Path

import numpy as np
import pytest
import torch

from genotools.errors import DataError
from genotools.genotype import Genotype, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.predictor import Predictor
from genotools.training.predictor import TorchPredictor, load_predictor_from_run
from genotools.training.weights import save_weights


def test_a_network_is_a_predictor(network: GenomeNet) -> None:
    predictor = TorchPredictor(network)
    assert isinstance(predictor, Predictor)
    assert predictor.names == network.task.names
    assert predictor.length == 60
    assert len(predictor.digest) == 64


def test_predictions_are_the_evaluation_mode_probabilities(network: GenomeNet) -> None:
    codes = np.random.default_rng(0).integers(0, 5, size=(9, 60)).astype(np.uint8)
    codes.flags.writeable = False
    network.train()
    found = TorchPredictor(network, batch_size=4).predict(codes)
    assert network.training
    expected = torch.sigmoid(network.eval()(torch.from_numpy(codes.copy()))).detach().numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_windows_give_no_rows(network: GenomeNet) -> None:
    assert TorchPredictor(network).predict(np.zeros((0, 60), dtype=np.uint8)).shape == (0, 4)


@pytest.mark.parametrize(
    "codes", [np.zeros((2, 59), np.uint8), np.zeros(60, np.uint8), np.zeros((2, 60), int)]
)
def test_codes_of_another_shape_or_type_are_refused(network: GenomeNet, codes: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 codes of shape \(N, 60\)"):
        TorchPredictor(network).predict(codes)


def test_a_network_per_position_is_refused(genotype: Genotype, macro: Macro) -> None:
    with pytest.raises(DataError, match="per position"):
        TorchPredictor(build(genotype, macro, Task(2, per_position=True), seed=0))


def test_the_digest_of_a_loaded_run_is_that_of_its_network(network: GenomeNet, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", network)
    assert load_predictor_from_run(tmp_path).digest == TorchPredictor(network).digest


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training folder"):
        load_predictor_from_run(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="--resume"):
        load_predictor_from_run(tmp_path)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_logit_that_is_no_number_or_has_overflowed_is_no_certain_answer(
    network: GenomeNet, bad: float
) -> None:
    """The sigmoid of infinity is 1."""
    codes = np.random.default_rng(0).integers(0, 4, size=(5, 60)).astype(np.uint8)
    expected = TorchPredictor(network).predict(codes)
    with torch.no_grad():
        network.head.output.bias[2] = bad
    found = TorchPredictor(network).predict(codes)
    assert np.isnan(found[:, 2]).all()
    np.testing.assert_array_equal(found[:, [0, 1, 3]], expected[:, [0, 1, 3]])
