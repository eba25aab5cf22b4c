"""Products with one matrix many times over, on the fastest path there is."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["outer_product", "packed_product"]


def packed_product(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the function ``x -> x @ weight`` for ``x`` of shape ``(..., K)`` and ``weight`` ``(K, M)``.

    In float32 on a CPU the matrix is laid out once the way oneDNN wants it, which costs as much as one product with
    32 rows; every product is then 2 to 3 times as fast as ``torch.mm`` on an AMD core. The function keeps the
    numbers the matrix had. Not differentiable.
    """
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and _can_pack():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.t())
        pointwise = torch.ops.mkldnn._linear_pointwise
        return lambda x: pointwise(x.contiguous(), packed, None, "none", [], "")
    return lambda x: x @ weight


def outer_product(inputs: Tensor, gradients: Tensor) -> Tensor:
    """Return ``inputs.T @ gradients`` for ``(M, K)`` and ``(M, L)`` with many rows: a matrix's gradient.

    Twice as fast as ``torch.mm`` on an AMD core. Not differentiable.
    """
    if inputs.device.type == "cpu" and inputs.dtype == torch.float32 and _can_pack():
        x, g = inputs.contiguous().to_mkldnn(), gradients.contiguous().to_mkldnn()
        # Of the weight only the shape matters. It is (L, K) here, and so is its gradient.
        d_weight: Tensor = torch.ops.aten.mkldnn_linear_backward_weights(g, x, x, False)[0]
        return d_weight.to_dense().t()
    return inputs.t() @ gradients


@lru_cache(maxsize=1)
def _can_pack() -> bool:
    """Return whether this build of PyTorch has oneDNN and the ops that its own compiler packs weights with."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return has_onednn and all(hasattr(torch.ops.mkldnn, name) for name in names)
