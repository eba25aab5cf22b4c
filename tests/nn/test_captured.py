"""Predictions on a CUDA device, recorded as one graph."""

import numpy as np
import pytest
import torch

from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.nn.captured import MAX_SHAPES, CapturedNetwork
from genotools.nn.inference import fastest_inference
from genotools.training.precision import tensor_cores

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def network() -> GenomeNet:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(1))
    return build(genotype, Macro(length=60, channels=4), Task(5), seed=0).eval()


def windows(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, (n, 60), generator=generator, dtype=torch.uint8)


@pytest.mark.gpu
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # the compiler uses what PyTorch itself has deprecated
@CUDA
def test_a_recording_predicts_as_the_cpu_does(network: GenomeNet) -> None:
    batches = [windows(8, seed) for seed in range(4)]
    with torch.inference_mode():
        expected = [network(codes) for codes in batches]
        network.to("cuda").compile_parts()
        run = fastest_inference(network)
        with tensor_cores(torch.device("cuda"), "fp32"):
            found = [run(codes.cuda()) for codes in batches]
    assert isinstance(run, CapturedNetwork)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@CUDA
def test_a_recording_sees_changed_weights(network: GenomeNet) -> None:
    run, codes = CapturedNetwork(network.cuda()), windows(8).cuda()
    before = [run(codes) for _ in range(3)][-1]
    with torch.no_grad():
        network.head.output.bias.add_(1)
    torch.testing.assert_close(run(codes), before + 1)


@pytest.mark.gpu
@CUDA
def test_no_more_shapes_are_recorded_than_are_kept(network: GenomeNet) -> None:
    run = CapturedNetwork(network.cuda())
    for n in range(1, MAX_SHAPES + 3):
        first, second = run(windows(n).cuda()), run(windows(n).cuda())
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    assert len(run._recordings) == MAX_SHAPES
    assert all(run._recordings.values())
