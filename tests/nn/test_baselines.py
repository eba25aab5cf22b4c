"""Hand-designed networks: sizes, and outputs against the published implementation's."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.errors import DataError
from genotools.genotype import Task
from genotools.nn.baselines import BASELINES, build_baseline
from genotools.testing.golden import uniform

N_PARAMS = {"deepsea": 52_843_119, "danq": 46_929_039, "ncnet-rr": 57_583_119, "ncnet-brr": 47_693_359}
GOLDEN = {"deepsea": "DeepSEA", "danq": "DanQ", "ncnet-rr": "NCNet_RR", "ncnet-brr": "NCNet_bRR"}


def parameter(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if name.endswith("running_mean") or "bias" in name:
        low, high = -0.1, 0.1
    elif name.endswith("running_var"):
        low, high = 0.5, 1.5
    elif len(shape) == 1:
        low, high = 0.75, 1.25
    else:
        high = math.sqrt(3 / math.prod(shape[1:]))
        low = -high
    values = low + (high - low) * uniform(name, math.prod(shape), seed)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


@pytest.mark.parametrize("name", BASELINES)
def test_sizes_are_the_published_ones(name: str) -> None:
    network = build_baseline(name, 1000, Task(919), seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == N_PARAMS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_outputs_and_gradients_equal_the_published_implementations(name: str, shared: Path) -> None:
    with np.load(shared / "golden" / f"baseline_{GOLDEN[name]}.npz", allow_pickle=False) as file:
        golden = dict(file)
    seed = json.loads(str(golden["meta"]))["seed"]
    network = build_baseline(name, 1000, Task(919), seed=0)
    network.load_state_dict(
        {
            key: parameter(key, tuple(tensor.shape), seed) if tensor.dim() else tensor
            for key, tensor in network.state_dict().items()
        }
    )
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = golden["x"]
    codes = torch.from_numpy(np.where(x.any(axis=1), x.argmax(axis=1), 4).astype(np.uint8))
    with torch.no_grad():
        logits = network.eval()(codes)
    np.testing.assert_allclose(logits.numpy(), golden["eval/logits"], rtol=0, atol=1e-5)
    logits = network.train()(codes)
    np.testing.assert_allclose(logits.detach().numpy(), golden["train/logits"], rtol=0, atol=1e-5)
    F.binary_cross_entropy_with_logits(logits, torch.from_numpy(golden["t"]).float()).backward()  # type: ignore[no-untyped-call]
    whole = math.sqrt(sum(float(golden[f"gradnorm/{key}"]) ** 2 for key, _ in network.named_parameters()))
    for key, weight in network.named_parameters():
        assert weight.grad is not None
        norm = float(golden[f"gradnorm/{key}"])
        assert float(weight.grad.double().norm()) == pytest.approx(norm, rel=1e-4, abs=1e-6 * whole), key


@pytest.mark.parametrize("name", BASELINES)
def test_other_lengths_and_outputs_are_taken(name: str) -> None:
    network = build_baseline(name, 300, Task(7), seed=0).eval()
    assert network(torch.zeros(2, 300, dtype=torch.uint8)).shape == (2, 7)


@pytest.mark.parametrize("name", BASELINES)
def test_windows_that_are_too_short_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="has nothing left of windows of 20 bp"):
        build_baseline(name, 20, Task(7), seed=0)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (build_baseline("danq", 100, Task(2), seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])
