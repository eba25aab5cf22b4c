import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from genotools.errors import DataError
from genotools.nn import GenomeNet
from genotools.testing.golden import uniform
from genotools.training.weights import load_network, model_digest, save_weights


@pytest.fixture
def saved(network: GenomeNet, tmp_path: Path) -> Path:
    """Return a weight file of a network whose batch norms have seen data."""
    network.train()
    network(torch.randint(0, 4, (8, network.macro.length), dtype=torch.uint8))
    path = tmp_path / "weights.safetensors"
    save_weights(path, network)
    return path


def rewrite(path: Path, *, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Change tensors (an empty one is left out) and metadata."""
    with safe_open(path, framework="pt") as file:
        before = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        header = dict(file.metadata())
    kept = {name: tensor for name, tensor in (before | tensors).items() if tensor.numel()}
    save_file(kept, path, metadata=header | metadata)


def test_the_file_alone_rebuilds_a_network_with_equal_outputs(network: GenomeNet, saved: Path) -> None:
    codes = torch.randint(0, 5, (4, network.macro.length), dtype=torch.uint8)
    loaded = load_network(saved)
    assert isinstance(loaded, GenomeNet)
    assert not loaded.training
    assert loaded.genotype.to_json() == network.genotype.to_json()  # the numbering too, not just equality
    assert (loaded.macro, loaded.task) == (network.macro, network.task)
    torch.testing.assert_close(loaded(codes), network.eval()(codes), rtol=0, atol=0)


def test_files_of_genotypes_stay_what_they_are(network: GenomeNet, tmp_path: Path) -> None:
    """Written by the first version that had weight files; its digests stand in results, cards and ONNX files."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            values = uniform(name, tensor.numel(), 3).astype(np.float32).reshape(tensor.shape)
            tensor.copy_(torch.from_numpy(values))
    save_weights(tmp_path / "weights.safetensors", network, notes={"epoch": 3})
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        header = json.dumps(file.metadata(), sort_keys=True)
    expected = "03856556988a6d58bf17bba3f95aadcbdb7d7edfb9afad53d2d060be483104eb"
    assert model_digest(network) == expected
    expected = "4ff52fda3075816a9d490a87775b0637dd2706a526bf7c7cd0a51fe41f9cc6d1"
    assert hashlib.sha256(header.encode()).hexdigest() == expected
    assert model_digest(load_network(tmp_path / "weights.safetensors")) == model_digest(network)


def test_digest_depends_on_every_weight(network: GenomeNet, saved: Path) -> None:
    loaded = load_network(saved)
    assert model_digest(loaded) == model_digest(network)
    with torch.no_grad():
        loaded.get_parameter("head.output.bias")[0] += 1e-6
    assert model_digest(loaded) != model_digest(network)


def test_tensors_that_do_not_fit_are_all_listed(saved: Path) -> None:
    wrong = {
        "head.output.bias": torch.zeros(7),
        "head.hidden.bias": torch.zeros(0),  # left out
        "extra": torch.zeros(1),
    }
    rewrite(saved, tensors=wrong, metadata={})
    with pytest.raises(DataError, match="3 faults") as caught:
        load_network(saved)
    for part in ("head.hidden.bias is missing", "extra is not in", "head.output.bias is (7,) torch.float32"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "other"}, "format: 'genotools/weights' is expected, found 'other'"),
        ({"version": "9"}, "version: 9 is newer than this genotools reads"),
        ({"genotype": "{"}, "genotype: not valid JSON"),
        ({"macro": "[]"}, "macro: a JSON object is expected"),
        ({"digest": "0" * 64}, "digest: the genotype has"),
    ],
)
def test_a_wrong_header_is_named(saved: Path, metadata: dict[str, str], message: str) -> None:
    rewrite(saved, tensors={}, metadata=metadata)
    with pytest.raises(DataError, match=message):
        load_network(saved)


def test_a_cut_off_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-50])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        load_network(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.safetensors: no such file"):
        load_network(tmp_path / "none.safetensors")


def test_equal_networks_give_equal_files(network: GenomeNet, saved: Path, tmp_path: Path) -> None:
    for notes in ({}, {"labels": 'µ "quoted" \x07'}):
        save_weights(saved, network, notes=notes)
        save_weights(tmp_path / "again.safetensors", network, notes=notes)
        load_network(saved)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_a_safetensors_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata={"format": "pt"})
    with pytest.raises(DataError, match="format: 'genotools/weights' is expected, found 'pt'"):
        load_network(path)


def test_a_flipped_bit_in_the_weights_is_found(network: GenomeNet, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, network)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"w\.safetensors: damaged or changed since it was written"):
        load_network(path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_by_name(
    network: GenomeNet, tmp_path: Path, value: float
) -> None:
    path = tmp_path / "w.safetensors"
    with torch.no_grad():
        network.head.output.bias[1] = value
        network.head.hidden.weight[0, 0] = value
    save_weights(path, network)
    with pytest.raises(
        DataError, match=r"w\.safetensors: weights .* not finite, in head\.hidden\.weight and 1 more tensors"
    ):
        load_network(path)
