"""Discrete networks against the published implementation; tests/golden/README.md says what is compared."""

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype import ConvCell, Genotype, Macro, RecurrentCell, Task
from genotools.nn import GenomeNet, build
from genotools.nn.inference import PackedNetwork
from genotools.nn.weights import reference_names
from genotools.testing.golden import hashed, uniform

CONDENSED = Path(__file__).parent.parent / "golden"
FULL = Path(__file__).parents[3] / "shared" / "golden"
NAMES = ("final_cover_small", "final_random1_small", "final_random1_full")
GOLDENS = [(folder, name) for folder in (CONDENSED, FULL) for name in NAMES]
WHOLE = ("eval/logits", "train/logits", "train/bce", "train/slow", "train/loss")
OUTPUT_TOLERANCE = 1e-5
FAST_STATE_TOLERANCE = 2e-5
"""Of states in training mode: PyTorch's batch norm rounds twice as coarsely in channels_last memory, and six cells
follow on one another; values up to 8 come into the recurrent cell. The published states are 4e-6 off float64."""
GRADIENT_TOLERANCE = 1e-4
CANCELLATION = 1e-6  # of the whole gradient's norm


@dataclass(frozen=True)
class Golden:
    """What one golden file holds, in the condensed file's form."""

    meta: dict[str, Any]
    gradnorms: dict[str, float]
    samples: dict[str, tuple[NDArray[np.int64], NDArray[Any]]]

    def group(self, prefix: str) -> dict[str, tuple[NDArray[np.int64], NDArray[Any]]]:
        return {
            key.removeprefix(prefix): value for key, value in self.samples.items() if key.startswith(prefix)
        }


@dataclass(frozen=True)
class Outcome:
    """What our network computes from the same inputs and parameters, by the published names."""

    network: GenomeNet
    values: dict[str, Tensor]


def read_golden(folder: Path, name: str) -> Golden:
    path = folder / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the full golden files are not at {folder}")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    samples = {key: (np.arange(arrays[key].size), arrays[key].ravel()) for key in WHOLE}
    if "sample/name" in arrays:
        for owner, key in enumerate(arrays["sample/name"].tolist()):
            here = arrays["sample/owner"] == owner
            samples[key] = (arrays["sample/index"][here], arrays["sample/value"][here])
        gradnorms = dict(
            zip(arrays["gradnorm/name"].tolist(), arrays["gradnorm/value"].tolist(), strict=True)
        )
    else:
        for key in arrays:
            if key.startswith(("eval/", "train/", "grad/", "after/")):
                samples[key] = (np.arange(arrays[key].size), arrays[key].ravel())
        gradnorms = {
            key.removeprefix("gradnorm/"): float(arrays[key]) for key in arrays if key.startswith("gradnorm/")
        }
    return Golden(json.loads(str(arrays["meta"])), gradnorms, samples)


def parameter(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Return the tensor that the published name stands for."""
    if name.endswith("running_mean") or name.endswith("bias"):
        low, high = -0.1, 0.1
    elif name.endswith("running_var"):
        low, high = 0.5, 1.5
    elif len(shape) == 1:
        low, high = 0.75, 1.25
    else:
        fan_in = shape[0] if name.startswith("rnns.") else math.prod(shape[1:])
        high = math.sqrt(3 / fan_in)
        low = -high
    values = low + (high - low) * uniform(name, math.prod(shape), seed)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def input_codes(meta: dict[str, Any], batch: int) -> Tensor:
    codes = (hashed("input", batch * meta["L"], meta["seed"]) >> np.uint64(62)).astype(np.uint8)
    codes = codes.reshape(batch, meta["L"])
    codes[1, 10:20] = 4
    return torch.from_numpy(codes)


def conv_cell(pairs: list[tuple[str, int]]) -> ConvCell:
    return ConvCell((source, 2 + index // 2, op) for index, (op, source) in enumerate(pairs))


def make_network(meta: dict[str, Any]) -> GenomeNet:
    normal, _, reduce, _, recurrent, _ = meta["genotype"]
    cell = RecurrentCell((state, activation) for activation, state in recurrent)
    genotype = Genotype(conv_cell(normal), conv_cell(reduce), cell)
    macro = Macro(length=meta["L"], channels=meta["C"], head_dropout=0)
    network = build(genotype, macro, Task(meta["classes"]), seed=0)
    names = reference_names(network)
    network.load_state_dict(
        {
            name: parameter(names[name], tuple(tensor.shape), meta["seed"]) if tensor.dim() else tensor
            for name, tensor in network.state_dict().items()
        }
    )
    return network


@functools.cache
def compute(name: str, way: str) -> Outcome:
    """Run one network the way the golden file of this name was made.

    The fast way gives no activation of a cell: who listens to a module gets the plain way. Its gradients are compared
    in double precision (``double``): on two sequences a value of 1e-8 before a ReLU decides about percents of a
    gradient of the large network, and the plain way itself jumps like that when its weights change by 1e-7.
    """
    is_plain = way == "plain"
    golden = read_golden(CONDENSED, name)
    network = make_network(golden.meta)
    if way == "double":
        network.double()
    batch = golden.samples["eval/logits"][1].size // golden.meta["classes"]
    codes = input_codes(golden.meta, batch)
    targets = torch.from_numpy(uniform("target", batch * golden.meta["classes"], golden.meta["seed"]) < 0.1)
    values: dict[str, Tensor] = {}
    with torch.no_grad():
        forward(network.eval(), codes, "eval", values, is_plain=is_plain)
    states = forward(network.train(), codes, "train", values, is_plain=is_plain)
    bce = F.binary_cross_entropy(values["train/out"], targets.view(batch, -1).to(values["train/out"]))
    slow = (states[1:] - states[:-1]).square().mean()
    loss = bce + 1e-3 * slow
    loss.backward()  # type: ignore[no-untyped-call]
    values |= {"train/bce": bce, "train/slow": slow, "train/loss": loss}
    names = reference_names(network)
    for key, weight in network.named_parameters():
        assert weight.grad is not None
        values[f"grad/{names[key]}"] = weight.grad
    for key, buffer in network.named_buffers():
        if key in names:
            values[f"after/{names[key]}"] = buffer
    return Outcome(network, {key: value.detach() for key, value in values.items()})


def forward(
    network: GenomeNet, codes: Tensor, mode: str, values: dict[str, Tensor], *, is_plain: bool
) -> Tensor:
    """Run forward, note every activation in ``values``, return the recurrent states."""

    def note(key: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            values[f"{mode}/{key}"] = output

        return hook

    parts = {"stem": network.stem, **{f"cell{index}": cell for index, cell in enumerate(network.cells)}}
    handles = [part.register_forward_hook(note(key)) for key, part in parts.items() if is_plain]
    logits, states = (network.forward_plain if is_plain else network.forward_with_states)(codes)
    for handle in handles:
        handle.remove()
    assert states is not None
    values |= {f"{mode}/rnn": states, f"{mode}/logits": logits, f"{mode}/out": torch.sigmoid(logits)}
    return states


def largest_difference(golden: Golden, outcome: Outcome, prefix: str) -> float:
    group = {key: value for key, value in golden.group(prefix).items() if prefix + key in outcome.values}
    assert group
    return max(
        float(np.abs(outcome.values[prefix + key].reshape(-1).numpy()[index] - value).max())
        for key, (index, value) in group.items()
    )


every_way = pytest.mark.parametrize("way", ["plain", "fast", "double"])
ways_of_gradients = pytest.mark.parametrize("way", ["plain", "double"])
golden_files = pytest.mark.parametrize(
    ("folder", "name"),
    GOLDENS,
    ids=[f"{name}-{'full' if folder == FULL else 'condensed'}" for folder, name in GOLDENS],
)


@every_way
@golden_files
def test_evaluation_equals_the_published_implementation(folder: Path, name: str, way: str) -> None:
    golden = read_golden(folder, name)
    assert len(golden.group("eval/")) >= 9
    assert largest_difference(golden, compute(name, way), "eval/") < OUTPUT_TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_packed_networks_equal_the_published_implementation(name: str) -> None:
    golden = read_golden(CONDENSED, name)
    network = make_network(golden.meta).eval()
    index, value = golden.samples["eval/logits"]
    codes = input_codes(golden.meta, value.size // golden.meta["classes"])
    logits = PackedNetwork(network)(codes).reshape(-1).numpy()
    assert np.abs(logits[index] - value).max() < OUTPUT_TOLERANCE


@every_way
@golden_files
def test_training_mode_equals_the_published_implementation(folder: Path, name: str, way: str) -> None:
    golden = read_golden(folder, name)
    assert len(golden.group("train/")) >= 12
    tolerance = FAST_STATE_TOLERANCE if way == "fast" else OUTPUT_TOLERANCE
    assert largest_difference(golden, compute(name, way), "train/rnn") < tolerance
    for part in ("train/logits", "train/out", "train/bce", "train/slow", "train/loss"):
        assert largest_difference(golden, compute(name, way), part) < OUTPUT_TOLERANCE
    if way == "plain":
        assert largest_difference(golden, compute(name, way), "train/") < OUTPUT_TOLERANCE


@ways_of_gradients
@golden_files
def test_gradient_norms_equal_the_published_implementations(folder: Path, name: str, way: str) -> None:
    golden, outcome = read_golden(folder, name), compute(name, way)
    ours = {
        key.removeprefix("grad/"): float(value.double().norm())
        for key, value in outcome.values.items()
        if key.startswith("grad/")
    }
    assert ours.keys() == golden.gradnorms.keys()
    slack = CANCELLATION * math.hypot(*golden.gradnorms.values())
    for key, norm in golden.gradnorms.items():
        assert abs(ours[key] - norm) < GRADIENT_TOLERANCE * norm + slack, key


@ways_of_gradients
@golden_files
def test_gradient_entries_equal_the_published_implementations(folder: Path, name: str, way: str) -> None:
    golden, outcome = read_golden(folder, name), compute(name, way)
    group = golden.group("grad/")
    assert group.keys() == golden.gradnorms.keys()
    slack = CANCELLATION * math.hypot(*golden.gradnorms.values())
    for key, (index, value) in group.items():
        ours = outcome.values[f"grad/{key}"].reshape(-1).numpy()[index]
        assert np.abs(ours - value).max() < GRADIENT_TOLERANCE * np.abs(value).max() + slack, key


@pytest.mark.parametrize("folder", [CONDENSED, FULL], ids=["condensed", "full"])
@pytest.mark.parametrize("name", ["final_cover_small", "final_random1_small"])
@every_way
def test_running_statistics_after_one_training_pass_equal_the_published_ones(
    folder: Path, name: str, way: str
) -> None:
    golden = read_golden(folder, name)
    assert len(golden.group("after/")) >= 100
    assert largest_difference(golden, compute(name, way), "after/") < OUTPUT_TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_golden_networks_have_the_published_number_of_parameters(name: str) -> None:
    outcome = compute(name, "fast")
    assert (
        sum(weight.numel() for weight in outcome.network.parameters())
        == read_golden(CONDENSED, name).meta["params"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_parameters_of_the_full_file_come_from_the_hash(name: str) -> None:
    path = FULL / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the full golden files are not at {FULL}")
    outcome = compute(name, "plain")
    names = reference_names(outcome.network)
    with np.load(path, allow_pickle=False) as file:
        meta = json.loads(str(file["meta"]))
        assert np.array_equal(outcome.network.one_hot(input_codes(meta, file["x"].shape[0])), file["x"])
        stored = {key.removeprefix("param/") for key in file.files if key.startswith("param/")}
        assert not stored or stored <= set(names.values())
        for key in sorted(stored):
            if file[f"param/{key}"].ndim:
                shape = file[f"param/{key}"].shape
                assert np.array_equal(parameter(key, shape, meta["seed"]), file[f"param/{key}"]), key
