"""Parts of the fast supernet against plain code: blocks, user's primitives, activations, products."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.genotype import Macro, Primitive, primitives, register
from genotools.nn.activation_mix import activate_each, mixture, mixture_slope_
from genotools.nn.channels_last import ConvGeometry, to_channels_last
from genotools.nn.conv_blocks import blocks_of, run_blocks
from genotools.nn.live_ops import NONE, LiveEdge
from genotools.nn.mixed_cell import MixedCell
from genotools.nn.mixed_recurrent import MixedRecurrentCell
from genotools.nn.mixing import Mix
from genotools.nn.ops import conv_15, dil_conv_9, sep_conv_15
from genotools.nn.supernet_plain import PlainMixedCell, PlainMixedRecurrentCell


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def users_primitives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primitives, "_REGISTRY", dict(primitives._REGISTRY))

    def glu(channels: int, stride: int, *, affine: bool, shifted: bool) -> nn.Module:
        del affine, shifted
        return nn.Sequential(nn.Conv1d(channels, 2 * channels, 3, stride=stride, padding=1), nn.GLU(dim=1))

    register(Primitive(name="glu", kind="conv", label="", description="", colour="#000000", build=glu))
    register(
        Primitive(
            name="softsign", kind="activation", label="", description="", colour="#000000", build=F.softsign
        )
    )


@pytest.mark.parametrize("build", [sep_conv_15, dil_conv_9, conv_15])
@pytest.mark.parametrize("in_training", [True, False])
@pytest.mark.parametrize("wants_matrices", [True, False])
def test_a_row_of_blocks_equals_its_modules(build: object, in_training: bool, wants_matrices: bool) -> None:
    assert callable(build)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        op, twin = (build(6, 2, affine=False, shifted=False) for _ in range(2))
    twin.load_state_dict(op.state_dict())
    x, weight = random(3, 6, 40).requires_grad_(), torch.tensor(0.7, requires_grad=True)
    results = []
    for module in (op, twin):
        module(x.detach())
        module.train(in_training).requires_grad_(wants_matrices)
        if module is op:
            output = module(x) * weight
        else:
            blocks = blocks_of(module)
            assert blocks is not None
            convs = [[(conv.weight, ConvGeometry.of(conv)) for conv in block.convs] for block in blocks]
            norms = [block.norm for block in blocks]
            output = run_blocks(to_channels_last(x.relu()), convs, norms, weight).squeeze(2)
        inputs = [x, weight, *(p for p in module.parameters() if p.requires_grad)]
        found = torch.autograd.grad(output, inputs, random(*output.shape, seed=1))
        results.append([output.detach(), *found, *(buffer.float() for buffer in module.buffers())])
    for ours, expected in zip(*results, strict=True):
        assert torch.allclose(ours, expected, atol=2e-5 * float(expected.abs().max()) + 1e-6, rtol=0)


def test_users_primitives_run_in_both_versions(users_primitives: None) -> None:
    conv = (
        LiveEdge(0, 2, (NONE, "glu", "max_pool_5")),
        LiveEdge(1, 2, ("glu",)),
        LiveEdge(2, 3, ("conv_15", "glu")),
    )
    stage = Macro(length=30, channels=4).stages()[0]
    plain = PlainMixedCell(conv, stage)
    fast = MixedCell(conv, stage)
    fast.load_state_dict(plain.state_dict())
    mix = Mix(conv, torch.softmax(random(3, 3), dim=1))
    x = random(2, 12, 30)
    expected = plain(x, x, mix)
    ours = fast(to_channels_last(x), to_channels_last(x), mix).squeeze(2)
    assert torch.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("in_training", [True, False])
def test_recurrent_cells_agree_on_missing_edges_and_users_activations(
    users_primitives: None, in_training: bool
) -> None:
    edges = (
        LiveEdge(0, 1, (NONE, "tanh", "softsign")),
        LiveEdge(1, 2, ("relu", "sigmoid")),
        LiveEdge(0, 3, ("identity",)),
        LiveEdge(2, 3, ("softsign", NONE, "tanh")),
        LiveEdge(3, 4, ("relu",)),
    )
    plain, fast = (cell(edges, 5).double() for cell in (PlainMixedRecurrentCell, MixedRecurrentCell))
    with torch.no_grad():
        for weight in plain.weights:
            weight.mul_(20)
    fast.load_state_dict(plain.state_dict())
    x = random(6, 4, 5, dtype=torch.float64).requires_grad_()
    alphas = random(5, 3, seed=1, dtype=torch.float64).requires_grad_()
    results = []
    for cell in (plain, fast):
        cell.train(in_training)
        states = cell(x, Mix(edges, torch.softmax(alphas, dim=1)))
        loss = (states * random(*states.shape, seed=2, dtype=torch.float64)).sum()
        found = torch.autograd.grad(loss, [x, alphas, *cell.parameters()])
        results.append([states.detach(), *found, *(buffer.double() for buffer in cell.buffers())])
    for expected, ours in zip(*results, strict=True):
        assert torch.allclose(ours, expected, atol=1e-9, rtol=1e-9)


def test_inference_keeps_nothing_and_gives_the_same() -> None:
    edges = (LiveEdge(0, 1, ("tanh", "relu")),)
    cell = MixedRecurrentCell(edges, 4)
    x = random(3, 2, 4)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor), lambda none: none):
        with torch.no_grad():
            first = cell.eval()(x, Mix(edges))
        assert not kept
        second = cell(x, Mix(edges))
    assert torch.equal(first, second)
    assert kept


@pytest.mark.parametrize("ops", [("tanh", "identity", "sigmoid", "relu"), ("relu",), ("sigmoid", "tanh")])
def test_activations_and_slopes_are_those_of_autograd(ops: tuple[str, ...]) -> None:
    u = random(3, 4, 5, dtype=torch.float64).requires_grad_()
    weight = random(3, len(ops), seed=1, dtype=torch.float64)
    functions = {"tanh": torch.tanh, "identity": lambda x: x, "sigmoid": torch.sigmoid, "relu": torch.relu}
    expected = sum(weight[:, i, None, None] * functions[op](u) for i, op in enumerate(ops))
    assert isinstance(expected, Tensor)
    slope = torch.autograd.grad(expected.sum(), u)[0]
    with torch.no_grad():
        values = activate_each(u, ops)
        assert torch.allclose(mixture(values, weight), expected)
        assert torch.allclose(mixture_slope_(u, values, weight, ops), slope)
