"""A training step: by hand on the CPU, and captured on CUDA devices."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.training.optimiser import make_optimiser, set_learning_rates
from genotools.training.precision import Precision, autocast, tensor_cores
from genotools.training.ranks import Ranks
from genotools.training.settings import TrainingSettings
from genotools.training.step import CapturedStep, TrainingStep, make_step

SETTINGS = TrainingSettings(
    lr=0.05, recurrent_lr=1.0, drop_path=0.0, dropout_x=0.0, dropout_h=0.0, clip_norm=0.3
)
CPU = torch.device("cpu")


@pytest.fixture
def network() -> GenomeNet:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(1))
    network = build(genotype, Macro(length=60, channels=4, head_dropout=0.0), Task(5), seed=0, compile=False)
    network.set_dropout(drop_path=0, dropout_x=0, dropout_h=0, head=0)
    return network


def batches(n_steps: int, device: str, n: int = 8) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randint(5, (n, 60), generator=generator, dtype=torch.uint8).to(device),
            torch.randint(2, (n, 5), generator=generator).float().to(device),
        )
        for _ in range(n_steps)
    ]


def trained(
    network: GenomeNet, kind: type[TrainingStep], device: str, settings: TrainingSettings
) -> list[float]:
    """Train for two epochs of six steps, with another rate in each; return the losses."""
    network.to(device).train()
    optimiser = make_optimiser(network, settings)
    step = kind(network, optimiser, settings, ranks=Ranks())
    losses = []
    for epoch in range(2):
        set_learning_rates(optimiser, settings, epoch=epoch)
        step.start_epoch()
        losses += [float(step(*batch).loss) for batch in batches(6, device)]
    return losses


def test_a_step_equals_one_written_out(network: GenomeNet) -> None:
    twin = copy.deepcopy(network)
    (codes, targets), *_ = batches(1, "cpu")
    optimiser = make_optimiser(network, SETTINGS)
    losses = TrainingStep(network, optimiser, SETTINGS, ranks=Ranks())(codes, targets)
    logits, states = twin.forward_plain(codes)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert states is not None
    slow = (states[1:] - states[:-1]).square().mean()
    (loss + SETTINGS.slowness * slow).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(twin.parameters(), SETTINGS.clip_norm)
    theirs = make_optimiser(twin, SETTINGS)
    theirs.step()
    torch.testing.assert_close(losses.loss, loss.detach())
    torch.testing.assert_close(losses.slowness, slow.detach())
    for (name, mine), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5, msg=name)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the names of all operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        chosen = args[1] if func.overloadpacket.__name__ in ("index", "index_put_") else ()
        is_by_mask = any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in chosen)
        self.names.add("masked_select" if is_by_mask else func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_copies_no_number_of_pythons_and_waits_for_none(
    network: GenomeNet, precision: Precision
) -> None:
    network.set_dropout(drop_path=0.5, dropout_x=0.5, dropout_h=0.5, head=0.5)
    network.stem.register_forward_hook(lambda *_: None)  # so cells run as modules, as on a CUDA device
    settings = SETTINGS.changed(precision=precision)
    step = TrainingStep(network.train(), make_optimiser(network, settings), settings, ranks=Ranks())
    (batch,) = batches(1, "cpu")
    step(*batch)
    with Watch() as watch:
        step(*batch)
    # A tensor of Python's numbers is copied to the device; a value of a tensor, or their number, is waited for.
    assert sorted(watch.names & {"lift_fresh", "_local_scalar_dense", "nonzero", "masked_select"}) == []
    assert {"sigmoid_", "_fused_sgd_"} <= watch.names


def test_a_cpu_step_is_not_captured(network: GenomeNet) -> None:
    optimiser = make_optimiser(network, SETTINGS)
    assert type(make_step(network, optimiser, SETTINGS, device=CPU, ranks=Ranks())) is TrainingStep


def test_only_a_single_cuda_device_captures(network: GenomeNet) -> None:
    optimiser, cuda = make_optimiser(network, SETTINGS), torch.device("cuda")
    assert type(make_step(network, optimiser, SETTINGS, device=cuda, ranks=Ranks())) is CapturedStep
    assert type(make_step(network, optimiser, SETTINGS, device=cuda, ranks=Ranks(0, 2))) is TrainingStep
    step = make_step(network, optimiser, SETTINGS, device=cuda, ranks=Ranks(), capture=False)
    assert type(step) is TrainingStep


@pytest.mark.gpu
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # the compiler uses what PyTorch itself has deprecated
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("tf32", 2e-2), ("bf16", 5e-2)])
@pytest.mark.parametrize("kind", [TrainingStep, CapturedStep])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_cuda_device_trains_as_the_cpu_does(
    network: GenomeNet, precision: Precision, tolerance: float, kind: type[TrainingStep], is_compiled: bool
) -> None:
    twin = copy.deepcopy(network)
    expected = trained(network, TrainingStep, "cpu", SETTINGS)
    twin.to("cuda")
    if is_compiled:
        twin.compile_parts()
    found = trained(twin, kind, "cuda", SETTINGS.changed(precision=precision))
    np.testing.assert_allclose(found, expected, rtol=tolerance)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_draws_other_dropout_every_time(network: GenomeNet) -> None:
    network.set_dropout(drop_path=0.5, dropout_x=0.5, head=0.5)
    network.to("cuda").train()
    settings = SETTINGS.changed(lr=0.0, recurrent_lr=0.0)
    step = CapturedStep(network, make_optimiser(network, settings), settings, ranks=Ranks())
    step.start_epoch()
    (batch,) = batches(1, "cuda")
    losses = [float(step(*batch).loss) for _ in range(8)]
    assert len(set(losses[4:])) == 4


def allowed() -> tuple[bool, bool]:
    """Return whether matrix products and convolutions may use TF32."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_precisions_are_put_back() -> None:
    before, cuda = allowed(), torch.device("cuda")
    with tensor_cores(cuda, "tf32"):
        assert allowed() == (True, True)
    with tensor_cores(cuda, "fp32"):
        assert allowed() == (False, False)
    assert allowed() == before
    with autocast(CPU, "bf16"):
        assert torch.is_autocast_enabled("cpu")
    with autocast(CPU, "tf32"):
        assert not torch.is_autocast_enabled("cpu")
