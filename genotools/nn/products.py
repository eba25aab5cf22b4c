"""Products with one matrix many times over, on the faster of the machine's two libraries.

PyTorch multiplies in float32 with MKL (or what it was built with); oneDNN, which it has too, lays a matrix out once
and is then up to 2.4 times as fast on AMD cores, where MKL does not use all they have. Which one is taken is measured
once a process, see :func:`prefers_onednn`.
"""

import os
import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from genotools.errors import DataError

__all__ = ["GEMM_VARIABLE", "MIN_PACKED", "linear", "outer_product", "packed_product", "prefers_onednn"]

GEMM_VARIABLE = "GENOTOOLS_GEMM"
"""Environment variable that decides instead of the measurement: ``onednn`` or ``torch``."""

MARGIN = 1.5
"""How many times as fast PyTorch's own product must be to be taken.

Far from 1, so that a disturbed measurement does not change the last bits of a result from one process to the next.
"""

MIN_PACKED = 2**17
"""Numbers in a matrix from which on it is laid out: a call of oneDNN's product costs 12 us more (batch 1 to 100)."""

Product = Callable[[Tensor], Tensor]


def packed_product(weight: Tensor, dtype: torch.dtype | None = None) -> Product:
    """Return the function ``x -> x @ weight`` for ``x`` of shape ``(..., K)`` and ``weight`` ``(K, M)``.

    In float32 and bfloat16 on a CPU a large matrix is laid out once the way oneDNN wants it, at the cost of about one
    product with 32 rows; whether later changes of the matrix are seen is not said. Not differentiable.

    Parameters
    ----------
    weight
        The matrix; the result has its precision.
    dtype
        The precision to multiply in, e.g. bfloat16; None is that of the matrix.
    """
    if dtype is not None and dtype != weight.dtype:
        product, result_dtype = packed_product(weight.to(dtype)), weight.dtype
        return lambda x: product(x.to(dtype)).to(result_dtype)
    if weight.numel() >= MIN_PACKED and _is_packed(weight):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.t())
        pointwise = torch.ops.mkldnn._linear_pointwise
        return lambda x: pointwise(x.contiguous(), packed, None, "none", [], "")
    return lambda x: x @ weight


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T``, plus ``bias``, for ``(..., K)`` and a ``weight`` ``(L, K)`` used once.

    Faster than PyTorch's own product for small matrices: by half for 8,000 rows of 8. Not differentiable.
    """
    if _is_packed(x):
        output: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return output
    return torch.nn.functional.linear(x, weight, bias)


def outer_product(inputs: Tensor, gradients: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return ``inputs.T @ gradients`` for ``(M, K)`` and ``(M, L)`` with many rows: a matrix's gradient.

    ``dtype`` is the precision to multiply in. Not differentiable.
    """
    if dtype is not None and dtype != inputs.dtype:
        return outer_product(inputs.to(dtype), gradients.to(dtype)).to(inputs.dtype)
    return linear(inputs.t(), gradients.t())


def _is_packed(matrix: Tensor) -> bool:
    if matrix.device.type != "cpu" or matrix.dtype not in (torch.float32, torch.bfloat16):
        return False
    return prefers_onednn() and (matrix.dtype == torch.float32 or _has_bfloat16())


@lru_cache(maxsize=1)
def _has_bfloat16() -> bool:
    """Return whether oneDNN multiplies in bfloat16 on this CPU."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@lru_cache(maxsize=1)
def prefers_onednn() -> bool:
    """Return whether products in float32 on the CPU go to oneDNN: measured at the first call, in about 20 ms.

    Raises
    ------
    DataError
        If the environment variable ``GENOTOOLS_GEMM`` is neither ``onednn`` nor ``torch``.
    """
    choice = os.environ.get(GEMM_VARIABLE)
    if choice not in (None, "", "onednn", "torch"):
        raise DataError(f"{GEMM_VARIABLE} is {choice!r}, it must be onednn or torch.")
    if choice == "torch" or not _has_onednn():
        return False
    return choice == "onednn" or _onednn_seconds() < MARGIN * _torch_seconds()


def _has_onednn() -> bool:
    """Return whether this build of PyTorch has oneDNN and the ops that its own compiler packs weights with."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return has_onednn and all(hasattr(torch.ops.mkldnn, name) for name in names)


def _onednn_seconds() -> float:
    x, weight = torch.ones(32, 512), torch.ones(512, 1024)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.t())
    return _fastest(lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))


def _torch_seconds() -> float:
    x, weight = torch.ones(32, 512), torch.ones(512, 1024)
    return _fastest(lambda: torch.mm(x, weight))


def _fastest(product: Callable[[], object], repeats: int = 20) -> float:
    """Return the seconds of the fastest of some calls; the first ones warm up."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
