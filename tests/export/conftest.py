"""Tiny networks that are exported once for all tests of this room, and a model whose answers are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genotools.export import ExportReport, export_onnx
from genotools.genotype import GENOME_NAS, Layer, Macro, Task, TaskKind
from genotools.nn import GenomeNet, build

LAYERS = (Layer("reduce", 4), Layer("normal"), Layer("reduce", 3))
CARD = {"summary": "for tests", "metrics": {"auroc": 0.75}}


def make_network(seed: int, *, length: int = 60, kind: TaskKind = TaskKind.MULTILABEL) -> GenomeNet:
    """Return a tiny network whose batch norms and outputs are far from those of a fresh one."""
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(seed))
    macro = Macro(length=length, channels=2, layers=LAYERS, head_hidden=8, recurrent=seed != 2)
    network = build(genotype, macro, Task(3, kind, names=("start_plus", "start_minus", "ARS")), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.3, generator=generator)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2, generator=generator)
        network.head.hidden.weight.mul_(20)
        network.head.output.weight.mul_(4)
    return network


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A network, its file, and what the export said."""

    network: GenomeNet
    path: Path
    report: ExportReport


@pytest.fixture(scope="session", name="make_network")
def make_network_fixture() -> Callable[..., GenomeNet]:
    return make_network


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return one network with its file, which no test changes."""
    network = make_network(0)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    report = export_onnx(network, path, card=CARD)
    return Exported(network=network, path=path, report=report)


class CountingModel:
    """Outputs that can be worked out by hand: share of A, share of T, and of G or C, in a window."""

    names: Sequence[str] = ("base_plus", "base_minus", "gc")
    digest = "0" * 64

    def __init__(self, length: int = 10) -> None:
        self.length = length

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        counts = [(codes == 0), (codes == 3), (codes == 1) | (codes == 2)]
        return np.stack([count.mean(axis=1) for count in counts], axis=1).astype(np.float32)


@pytest.fixture
def counting() -> CountingModel:
    return CountingModel()


@pytest.fixture
def codes() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 5, size=(17, 60), dtype=np.uint8)
