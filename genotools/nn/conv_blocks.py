"""Rows of blocks, each ReLU, convolutions and a batch norm: what nearly every op of a network or supernet is.

A row is one function with a backward pass of its own. It keeps the input of every batch norm, and in a weight step
that of every convolution; it takes no gradient that is not asked for; in a supernet, whose batch norms have no
parameters, the weight of the op is the scale of its last batch norm. On other devices and under autocast PyTorch
differentiates instead.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from genotools.nn.channels_last import ConvGeometry, is_dense

__all__ = [
    "Block",
    "Standardised",
    "blocks_of",
    "pool",
    "run_blocks",
    "standardise",
    "standardise_batch",
]


class Block(NamedTuple):
    """Convolutions, one after the other, and the batch norm behind them; a ReLU comes before."""

    convs: tuple[nn.Conv1d, ...]
    norm: nn.BatchNorm1d


def blocks_of(op: nn.Module) -> tuple[Block, ...] | None:
    """Return ``op`` as a row of blocks, None if it is anything else."""
    if not isinstance(op, nn.Sequential):
        return None
    blocks: list[Block] = []
    convs: list[nn.Conv1d] | None = None
    for layer in op:
        if isinstance(layer, nn.ReLU) and convs is None:
            convs = []
        elif isinstance(layer, nn.Conv1d) and convs is not None and is_dense(layer):
            convs.append(layer)
        elif isinstance(layer, nn.BatchNorm1d) and convs:
            blocks.append(Block(tuple(convs), layer))
            convs = None
        else:
            return None
    return tuple(blocks) if convs is None and blocks else None


class _Norm(NamedTuple):
    """What a batch norm does in this pass."""

    mean: Tensor | None
    variance: Tensor | None
    in_training: bool
    momentum: float
    eps: float

    @classmethod
    def of(cls, norm: nn.BatchNorm1d) -> "_Norm":
        """Read a module, and count the batch as it does; running statistics where they are used or updated."""
        if norm.training and norm.track_running_stats and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        uses = not norm.training or norm.track_running_stats
        mean, variance = (norm.running_mean, norm.running_var) if uses else (None, None)
        return cls(mean, variance, norm.training, 0.0 if norm.momentum is None else norm.momentum, norm.eps)


def pool(x: Tensor, op: nn.MaxPool1d | nn.AvgPool1d) -> Tensor:
    """Return what a pool makes of ``(N, C, 1, L)``."""
    kernel, stride, padding = (
        value if isinstance(value, int) else value[0] for value in (op.kernel_size, op.stride, op.padding)
    )
    if isinstance(op, nn.AvgPool1d):
        return F.avg_pool2d(x, (1, kernel), (1, stride), (0, padding), op.ceil_mode, op.count_include_pad)
    dilation = op.dilation if isinstance(op.dilation, int) else op.dilation[0]
    return F.max_pool2d(x, (1, kernel), (1, stride), (0, padding), (1, dilation), op.ceil_mode)


def standardise(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Return the batch norm of ``(N, C, 1, L)``.

    As in the module, running statistics are used in evaluation mode and updated in training mode; there only while
    the module tracks them.
    """
    mean, variance, in_training, momentum, eps = _Norm.of(norm)
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, in_training, momentum, eps)


class Standardised(NamedTuple):
    """A batch with mean 0 and variance 1, and the statistics ``(C,)`` it had; the variance is the unbiased one."""

    value: Tensor
    mean: Tensor
    variance: Tensor

    def count_in(self, norm: nn.BatchNorm1d) -> None:
        """Update the running statistics of a batch norm as if it had seen this batch."""
        if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
            return
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        momentum = 0.0 if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(self.mean.to(norm.running_mean.dtype), momentum)
        norm.running_var.lerp_(self.variance.to(norm.running_var.dtype), momentum)


def standardise_batch(x: Tensor, eps: float) -> Standardised:
    """Return the batch norm of ``(N, C, 1, L)`` by its own statistics, for several modules at once."""
    mean, variance = x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1])
    # With a momentum of 1 the running statistics are those of the batch.
    value = F.batch_norm(x, mean, variance, None, None, True, 1.0, eps)
    return Standardised(value, mean, variance)


def run_blocks(
    x: Tensor,
    convs: Sequence[Sequence[tuple[Tensor, ConvGeometry]]],
    norms: Sequence[nn.BatchNorm1d],
    weight: Tensor | None = None,
) -> Tensor:
    """Return ``weight`` times what a row of blocks makes of ``x``, in memory of its own.

    Parameters
    ----------
    x
        ``(N, C, 1, L)`` in channels_last memory, behind the first ReLU.
    convs
        For each block the weights ``(C_out, C / groups, k)`` and geometries of its convolutions.
    norms
        The batch norm of each block; all have parameters, or none.
    weight
        A scalar; None is 1. Only for batch norms without parameters.
    """
    plan = _Plan([[geometry for _, geometry in block] for block in convs], [_Norm.of(norm) for norm in norms])
    matrices = [matrix for block in convs for matrix, _ in block]
    scales: list[Tensor | None] = [norm.weight for norm in norms]
    biases: list[Tensor | None] = [norm.bias for norm in norms]
    assert weight is None or scales[-1] is None
    if x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        output: Tensor = _Row.apply(plan, x, weight, *matrices, *scales, *biases)  # type: ignore[no-untyped-call]
        return output
    if weight is not None:
        scales[-1] = weight.repeat(len(matrices[-1]))  # not expanded: see _Row
    rest = iter(matrices)
    for number, (geometries, norm, scale, bias) in enumerate(zip(*plan, scales, biases, strict=True)):
        for geometry in geometries:
            x = geometry.differentiable(x, next(rest))
        x = F.batch_norm(x, norm.mean, norm.variance, scale, bias, norm.in_training, norm.momentum, norm.eps)
        if number < len(norms) - 1:
            x = F.relu(x, inplace=True)
    return x


class _Plan(NamedTuple):
    geometries: list[list[ConvGeometry]]
    norms: list[_Norm]


class _Row(torch.autograd.Function):
    """A row of blocks on a CPU: ``parameters`` are matrices, scales and biases."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, x: Tensor, weight: Tensor | None, *parameters: Tensor | None
    ) -> Tensor:
        n_blocks = len(plan.norms)
        n = len(parameters) - 2 * n_blocks
        matrices, scales, biases = (
            parameters[:n],
            list(parameters[n : n + n_blocks]),
            parameters[n + n_blocks :],
        )
        # An alpha step takes no gradient of matrices, so it need not keep what goes into them.
        keeps_inputs = any(ctx.needs_input_grad[3 : 3 + n]) or any(s is not None for s in scales[:-1])
        if weight is not None:
            assert matrices[-1] is not None
            # Laid out: PyTorch 2.13 gives a wrong input gradient for an expanded scale in channels_last memory.
            scales[-1] = weight.expand(len(matrices[-1])).contiguous()
        inputs: list[Tensor | None] = []
        statistics: list[Tensor] = []
        shapes = []
        for number, (geometries, norm) in enumerate(zip(*plan, strict=True)):
            for geometry in geometries:
                matrix = matrices[len(inputs)]
                assert matrix is not None
                inputs.append(x if keeps_inputs else None)
                shapes.append(x.shape)
                x = geometry.forward(x, matrix)
            before = x
            x, mean, rstd = torch.native_batch_norm(
                before,
                scales[number],
                biases[number],
                norm.mean,
                norm.variance,
                norm.in_training,
                norm.momentum,
                norm.eps,
            )
            statistics += [before, mean, rstd]
            if number < n_blocks - 1:
                x.relu_()
        ctx.plan, ctx.shapes, ctx.n_matrices = plan, shapes, n
        ctx.save_for_backward(*scales, *matrices, *inputs, *statistics)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        n, plan, n_blocks = ctx.n_matrices, ctx.plan, len(ctx.plan.norms)
        saved = ctx.saved_tensors  # once: a checkpoint computes them again
        scales, rest = saved[:n_blocks], saved[n_blocks:]
        matrices, inputs, statistics = rest[:n], rest[n : 2 * n], rest[2 * n :]
        _, needs_x, needs_weight, *needs = ctx.needs_input_grad
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        d_weight: Tensor | None = None
        d_parameters: list[Tensor | None] = [None] * len(needs)
        index = n
        for number in reversed(range(n_blocks)):
            norm, geometries = plan.norms[number], plan.geometries[number]
            before, mean, rstd = statistics[3 * number : 3 * number + 3]
            if number < n_blocks - 1:
                zero = mean if norm.in_training else norm.mean
                behind = inputs[index] if inputs[index] is not None else before - zero.view(1, -1, 1, 1)
                gradient = torch.ops.aten.threshold_backward(gradient, behind, 0)
            at_scale, at_bias = n + number, n + n_blocks + number
            is_weighted = needs_weight and number == n_blocks - 1
            needs_norm = needs[at_scale] or is_weighted, needs[at_bias]
            gradient, d_scale, d_parameters[at_bias] = _d_norm(
                gradient, before, scales[number], (mean, rstd), norm, needs_norm
            )
            if is_weighted:
                assert d_scale is not None
                d_weight = d_scale.sum()
            else:
                d_parameters[at_scale] = d_scale
            for geometry in reversed(geometries):
                index -= 1
                if needs[index]:
                    d_parameters[index] = geometry.d_weight(gradient, inputs[index], matrices[index])
                if index > 0 or needs_x:
                    gradient = geometry.d_x(gradient, ctx.shapes[index], matrices[index])
        return None, gradient if needs_x else None, d_weight, *d_parameters


def _d_norm(
    gradient: Tensor,
    before: Tensor,
    scale: Tensor | None,
    statistics: tuple[Tensor, Tensor],
    norm: _Norm,
    needs: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of a batch norm's input, and of its scale and bias where they are needed."""
    mask = [True, *needs]
    d_x, d_scale, d_bias = torch.ops.aten.native_batch_norm_backward(
        gradient, before, scale, norm.mean, norm.variance, *statistics, norm.in_training, norm.eps, mask
    )
    return d_x, d_scale if needs[0] else None, d_bias if needs[1] else None
