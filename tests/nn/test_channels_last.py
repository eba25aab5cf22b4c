"""The products of a convolution against PyTorch's own."""

import itertools

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from genotools.nn.channels_last import ConvGeometry, from_channels_last, is_dense, to_channels_last


def errors(conv: nn.Conv1d, geometry: ConvGeometry, x: Tensor, *, every: int) -> list[float]:
    """Return relative errors of output and both gradients; ``geometry`` sees every ``every``-th position."""
    x = x.requires_grad_()
    y = conv(x)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    d_x, d_weight = torch.autograd.grad(y, (x, conv.weight), gradient)
    with torch.no_grad():
        seen = x[..., ::every].unsqueeze(2).contiguous(memory_format=torch.channels_last)
        behind = to_channels_last(gradient)
        pairs = [
            (from_channels_last(geometry.forward(seen, conv.weight)), y),
            (from_channels_last(geometry.d_x(behind, seen.shape, conv.weight)), d_x[..., ::every]),
            (geometry.d_weight(behind, seen, conv.weight), d_weight),
        ]
        return [
            float((ours - right).abs().max() / right.abs().max().clamp_min(1e-6)) for ours, right in pairs
        ]


def make(kernel: int, stride: int, dilation: int, groups: int) -> nn.Conv1d:
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv1d(
        4, 4, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=False
    )
    with torch.no_grad():
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0)))
    return conv


@settings(max_examples=40)
@given(
    kernel=st.sampled_from([1, 5, 9, 15, 17]),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    length=st.integers(1, 130),
    n=st.integers(1, 20),
)
def test_all_products_equal_pytorchs(
    kernel: int, stride: int, dilation: int, groups: int, length: int, n: int
) -> None:
    conv = make(kernel, stride, dilation, groups)
    x = torch.randn(n, 4, length, generator=torch.Generator().manual_seed(2))
    assert max(errors(conv, ConvGeometry.of(conv), x, every=1)) < 1e-5


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(15, 2, 2), (9, 2, 2), (1, 2, 1), (1, 3, 1), (7, 3, 3)]
)
def test_a_subsampled_convolution_sees_all_it_needs(kernel: int, stride: int, dilation: int) -> None:
    for length, groups in itertools.product((42, 45), (1, 4)):
        conv = make(kernel, stride, dilation, groups)
        geometry = ConvGeometry.of(conv).subsampled(kernel)
        assert geometry is not None
        x = torch.randn(3, 4, length, generator=torch.Generator().manual_seed(2))
        assert max(errors(conv, geometry, x, every=stride)) < 1e-5


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(15, 1, 1), (15, 2, 1), (9, 3, 2)])
def test_a_convolution_that_reads_other_positions_is_not_subsampled(
    kernel: int, stride: int, dilation: int
) -> None:
    assert ConvGeometry.of(make(kernel, stride, dilation, 4)).subsampled(kernel) is None


def test_only_plain_convolutions_count_as_dense() -> None:
    assert is_dense(nn.Conv1d(2, 2, 3, padding=1, bias=False))
    assert not is_dense(nn.Conv1d(2, 2, 3))
    assert not is_dense(nn.Conv1d(2, 2, 3, padding=1, bias=False, padding_mode="circular"))
    assert not is_dense(nn.Conv1d(2, 2, 3, padding="same", bias=False))
