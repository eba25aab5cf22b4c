"""Every op against its formula in numpy, and the rules all ops obey."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genotools.genotype import Cost, get_primitive, known_primitives
from genotools.nn.ops import FactorizedReduce, identity, preprocess, stem

PUBLISHED = [
    "max_pool_5",
    "avg_pool_5",
    "skip_connect",
    "sep_conv_15",
    "sep_conv_9",
    "dil_conv_15",
    "dil_conv_9",
    "conv_15",
]
Array = NDArray[np.float64]


def op(name: str, channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    module = get_primitive(name, "conv").builder()(channels, stride, affine=affine, shifted=False)
    assert isinstance(module, nn.Module)
    return module.double()


def random_input(channels: int, length: int, *, batch: int = 2) -> Tensor:
    return torch.randn(
        batch, channels, length, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


def conv(x: Array, weight: Array, stride: int = 1, dilation: int = 1, depthwise: bool = False) -> Array:
    """Return the convolution of ``(N, C, L)``, one output position after the other."""
    batch, _, length = x.shape
    kernel = weight.shape[2]
    padding = dilation * (kernel - 1) // 2
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    output = np.zeros((batch, weight.shape[0], -(-length // stride)))
    for position in range(output.shape[2]):
        window = padded[:, :, position * stride :][:, :, : dilation * (kernel - 1) + 1 : dilation]
        spec = "nck,ck->nc" if depthwise else "nck,dck->nd"
        output[:, :, position] = np.einsum(spec, window, weight[:, 0] if depthwise else weight)
    return output


def norm(x: Array) -> Array:
    mean, variance = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def separable(x: Array, w: list[Array], stride: int) -> Array:
    x = norm(conv(conv(relu(x), w[0], stride, depthwise=True), w[1]))
    return norm(conv(conv(relu(x), w[2], depthwise=True), w[3]))


def dilated(x: Array, w: list[Array], stride: int) -> Array:
    return norm(conv(conv(relu(x), w[0], stride, dilation=2, depthwise=True), w[1]))


def dense(x: Array, w: list[Array], stride: int) -> Array:
    return norm(conv(relu(norm(conv(relu(x), w[0], stride))), w[1]))


def pool(x: Array, reduce: Callable[[Array], Array], stride: int) -> Array:
    places = range(0, x.shape[2], stride)
    return np.stack([reduce(x[:, :, max(0, place - 2) : place + 3]) for place in places], axis=2)


def factorized(x: Array, w: list[Array], stride: int) -> Array:
    kept = relu(x)[:, :, ::stride]
    return norm(np.concatenate([conv(kept, w[0]), conv(kept, w[1])], axis=1))


ORACLES: dict[str, Callable[[Array, list[Array], int], Array]] = {
    "max_pool_5": lambda x, w, stride: pool(x, lambda part: part.max(axis=2), stride),
    "avg_pool_5": lambda x, w, stride: pool(x, lambda part: part.mean(axis=2), stride),
    "skip_connect": lambda x, w, stride: x if stride == 1 else factorized(x, w, stride),
    "sep_conv_15": separable,
    "sep_conv_9": separable,
    "dil_conv_15": dilated,
    "dil_conv_9": dilated,
    "conv_15": dense,
}


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", PUBLISHED)
def test_op_equals_its_formula(name: str, stride: int) -> None:
    module = op(name, 4, stride)
    x = random_input(4, 23)
    weights = [weight.detach().numpy() for weight in module.parameters() if weight.dim() == 3]
    np.testing.assert_allclose(
        module(x).detach().numpy(), ORACLES[name](x.numpy(), weights, stride), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("length", [1, 2, 7, 30])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("name", PUBLISHED)
def test_op_keeps_channels_and_gives_the_registered_length(name: str, stride: int, length: int) -> None:
    output = op(name, 4, stride).eval()(random_input(4, length))
    assert output.shape == (2, 4, get_primitive(name, "conv").out_length(length, stride))
    assert output.shape[2] == -(-length // stride)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", PUBLISHED)
def test_op_has_the_registered_number_of_parameters(name: str, stride: int) -> None:
    module = op(name, 6, stride)
    assert (
        sum(p.numel() for p in module.parameters()) == get_primitive(name, "conv").cost(6, 50, stride).params
    )


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", PUBLISHED)
def test_one_output_position_sees_as_many_input_positions_as_its_registered_reach(
    name: str, stride: int
) -> None:
    module = op(name, 2, stride).eval()
    for weight in module.parameters():
        if weight.dim() == 3:
            nn.init.ones_(weight)
    # Row i of the input is zero but for a spike at position i.
    output = module(torch.eye(150, dtype=torch.float64).unsqueeze(1).expand(-1, 2, -1))
    seen = output[:, 0, 24].nonzero().flatten()
    assert int(seen[-1] - seen[0]) == get_primitive(name, "conv").reach(stride)


@pytest.mark.parametrize("name", PUBLISHED)
def test_without_affine_only_convolutions_have_parameters(name: str) -> None:
    assert all(weight.dim() == 3 for weight in op(name, 4, 2, affine=False).parameters())


def test_published_ops_are_registered_in_order_and_only_two_pools_and_the_skip_are_free() -> None:
    assert known_primitives("conv")[:8] == PUBLISHED
    free = [name for name in PUBLISHED if get_primitive(name, "conv").cost(8, 100, 1) == Cost()]
    assert free == ["max_pool_5", "avg_pool_5", "skip_connect"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_op_does_not_change_its_input(name: str) -> None:
    x = random_input(4, 20)
    before = x.clone()
    op(name, 4, 2)(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("shifted", "seen"), [(False, [0, 2, 4, 6, 8]), (True, list(range(9)))])
def test_factorized_reduction_sees_every_position_only_when_shifted(shifted: bool, seen: list[int]) -> None:
    reduction = FactorizedReduce(2, 4, 2, shifted=shifted).double().eval()
    x = random_input(2, 9).abs().requires_grad_()
    reduction(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum(dim=(0, 1)).nonzero().flatten().tolist() == seen


def test_shifted_factorized_reduction_reads_one_position_later_and_zero_behind_the_end() -> None:
    reduction = FactorizedReduce(1, 2, 2, shifted=True).eval()
    nn.init.ones_(reduction.first.weight)
    nn.init.ones_(reduction.second.weight)
    output = reduction(torch.arange(1.0, 6.0).view(1, 1, 5)) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(output, torch.tensor([[[1.0, 3.0, 5.0], [2.0, 4.0, 0.0]]]))


def test_factorized_reduction_of_odd_channels_keeps_their_number() -> None:
    assert FactorizedReduce(3, 5, 2)(torch.randn(2, 3, 8)).shape == (2, 5, 4)


def test_preprocessing_is_a_relu_before_a_pointwise_convolution() -> None:
    module = preprocess(3, 2, 1).eval()
    torch.testing.assert_close(module(torch.full((1, 3, 5), -1.0)), torch.zeros(1, 2, 5))
    assert isinstance(preprocess(3, 2, 2), FactorizedReduce)


def test_stem_has_no_relu() -> None:
    output = stem(6, 13)(torch.randn(4, 4, 30))
    assert output.shape == (4, 6, 30)
    assert (output < 0).any()


def test_identity_gives_back_the_very_tensor() -> None:
    x = torch.randn(3)
    assert identity(x) is x
