"""A linear layer on the faster products of the machine."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genotools.nn.products import linear

__all__ = ["Dense"]


class Dense(nn.Linear):
    """``nn.Linear``, a third faster with many inputs on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., out_features)`` for ``(..., in_features)``."""
        is_own = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if not is_own or torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return F.linear(x, self.weight, self.bias)
        output: Tensor = _Linear.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(x.contiguous(), weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        rows = gradient.reshape(-1, gradient.shape[-1])
        # PyTorch's own where the gradient itself is to be differentiated.
        product = F.linear if torch.is_grad_enabled() else linear
        d_x = product(rows, weight.t()).view_as(x) if needs_x else None
        # Few rows: PyTorch's own product writes this large result as fast as memory takes it.
        d_weight = rows.t() @ x.reshape(len(rows), -1) if needs_weight else None
        return d_x, d_weight, rows.sum(0) if needs_bias else None
