import subprocess
import sys

import numpy as np
import pytest
import torch

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, Genotype, Macro, RecurrentCell, Task
from genotools.nn import GenomeNet, build

SMALL = Macro(length=50, channels=2, head_hidden=8)


def genotype() -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(0))


def weights(network: GenomeNet) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    first, again, other = (build(genotype(), SMALL, Task(3), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    build(genotype(), SMALL, Task(3), seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_have_the_published_ranges() -> None:
    network = build(genotype(), SMALL, Task(3), seed=1)
    assert network.recurrent is not None
    for weight in (*network.recurrent.weights, network.head.hidden.weight):
        assert 0.038 < weight.abs().max() <= 0.04
    assert not network.head.hidden.bias.any()
    assert 0 < network.head.output.bias.abs().max() <= 8**-0.5
    assert network.training


def test_dropout_is_off_but_for_the_head() -> None:
    network = build(genotype(), Macro(length=50, channels=2, head_dropout=0.3), Task(3), seed=1)
    assert network.recurrent is not None
    assert (network.recurrent.dropout_x, network.recurrent.dropout_h, network.head.dropout.p) == (0, 0, 0.3)
    assert {cell.drop_path for cell in network.cells} == {0.0}


def test_a_network_that_no_machine_holds_is_refused_before_it_is_built() -> None:
    cell = ConvCell((0, node, "max_pool_5") for node in range(2, 66))
    huge = Genotype(cell, cell, RecurrentCell([(0, "tanh")] * 64))
    with pytest.raises(DataError, match=r"would have [\d,]+ parameters, at most 2,000,000,000"):
        build(huge, Macro.paper(), Task(919), seed=0)


@pytest.mark.parametrize(("position", "name"), [(0, "genotype"), (1, "macro"), (2, "task")])
def test_arguments_of_another_kind_are_named(position: int, name: str) -> None:
    arguments: list[object] = [genotype(), SMALL, Task(3)]
    arguments[position] = "text"
    with pytest.raises(TypeError, match=f"{name} must be a"):
        build(*arguments, seed=0)  # type: ignore[arg-type]


# The compiler uses what PyTorch itself has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compilation_is_off_on_a_cpu_unless_asked_for() -> None:
    assert build(genotype(), SMALL, Task(3), seed=0).cells[0]._compiled_call_impl is None
    assert build(genotype(), SMALL, Task(3), seed=0, compile=True).cells[0]._compiled_call_impl is not None


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_network_is_compiled_and_agrees_with_the_cpu() -> None:
    plain = build(genotype(), SMALL, Task(3), seed=0).eval()
    compiled = build(genotype(), SMALL, Task(3), seed=0, device="cuda").eval()
    assert compiled.cells[0]._compiled_call_impl is not None
    codes = torch.arange(100, dtype=torch.uint8).view(2, 50) % 5
    torch.testing.assert_close(compiled(codes.cuda()).cpu(), plain(codes), rtol=1e-3, atol=1e-4)


def test_cost_is_imported_without_pytorch_and_build_with_it_on_demand() -> None:
    code = (
        "import sys; from genotools.nn import cost; assert callable(cost); assert 'torch' not in sys.modules;"
        "from genotools.nn import build, cost; assert callable(build) and callable(cost)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
