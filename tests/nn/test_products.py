import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from genotools.errors import DataError
from genotools.nn.dense import Dense
from genotools.nn.products import MIN_PACKED, linear, outer_product, packed_product, prefers_onednn


@pytest.fixture(params=["onednn", "torch"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Products of one library and then of the other."""
    monkeypatch.setenv("GENOTOOLS_GEMM", request.param)
    prefers_onednn.cache_clear()
    yield str(request.param)
    prefers_onednn.cache_clear()


def matrices(dtype: torch.dtype = torch.float32, *, n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(7, n, generator=generator, dtype=dtype),
        torch.randn(n, 20, generator=generator, dtype=dtype),
    )


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("n", [12, MIN_PACKED // 20 + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_products_are_products(dtype: torch.dtype, n: int) -> None:
    x, weight = matrices(dtype, n=n)
    x /= n**0.5
    torch.testing.assert_close(packed_product(weight)(x), x @ weight)
    torch.testing.assert_close(packed_product(weight)(x.expand(3, 7, n)), (x @ weight).expand(3, 7, 20))
    torch.testing.assert_close(linear(x, weight.t().contiguous(), weight[0]), x @ weight + weight[0])
    gradient = x @ weight
    torch.testing.assert_close(outer_product(x, gradient), x.t() @ gradient)


def test_products_in_bfloat16_come_back_in_the_precision_of_the_matrix() -> None:
    x, weight = matrices(n=MIN_PACKED // 20 + 1)
    x /= MIN_PACKED**0.5
    product = packed_product(weight, torch.bfloat16)(x)
    assert product.dtype == torch.float32
    torch.testing.assert_close(product, x @ weight, rtol=0.05, atol=0.1)
    outer = outer_product(x, product, torch.bfloat16)
    assert outer.dtype == torch.float32
    torch.testing.assert_close(outer, x.t() @ product, rtol=0.05, atol=0.5)


def test_the_environment_decides(library: str) -> None:
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    assert prefers_onednn() is (library == "onednn" and has_onednn)


def test_another_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOTOOLS_GEMM", "blas")
    prefers_onednn.cache_clear()
    with pytest.raises(DataError, match="GENOTOOLS_GEMM is 'blas', it must be onednn or torch"):
        prefers_onednn()
    prefers_onednn.cache_clear()


def test_two_processes_choose_alike() -> None:
    command = [
        sys.executable,
        "-c",
        "from genotools.nn.products import prefers_onednn; print(prefers_onednn())",
    ]
    answers = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(answers) == 1


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (7,)])
def test_dense_layers_equal_pytorchs_and_can_be_differentiated_twice(shape: tuple[int, ...]) -> None:
    layer, x = Dense(7, 4), torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    other = torch.nn.Linear(7, 4)
    other.load_state_dict(layer.state_dict())
    ours, theirs = layer(x), other(x)
    torch.testing.assert_close(ours, theirs)
    for mine, right in zip(
        torch.autograd.grad(ours.square().sum(), [x, *layer.parameters()]),
        torch.autograd.grad(theirs.square().sum(), [x, *other.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)
    double = layer.double()
    assert torch.autograd.gradgradcheck(lambda z: double(z).tanh(), x.detach().double().requires_grad_())
