"""A network for predictions; on a CPU its weights are read once, folded and laid out for it.

Batch norms are folded into the convolutions before them, the matrices of recurrent cell and head are laid out for the
faster product of the machine, and cells run in channels_last memory. Its numbers differ from those of the network in
evaluation mode by rounding only.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from genotools.nn.captured import CapturedNetwork
from genotools.nn.channels_last import ConvGeometry, from_channels_last, to_channels_last
from genotools.nn.conv_cell import ConvCellModule
from genotools.nn.conv_cell_fast import run_cell
from genotools.nn.network import GenomeNet
from genotools.nn.node_value import NodeValue, row_of
from genotools.nn.products import packed_product
from genotools.nn.recurrent_unroll import PackedWeights, unroll_packed

__all__ = ["PackedCells", "PackedNetwork", "fastest_inference", "weights_version"]


def fastest_inference(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what predicts as ``network`` in evaluation mode, and as fast as can be while its weights stay.

    Of a genotype's network a :class:`PackedNetwork` on a CPU in float32, a :class:`CapturedNetwork` on a CUDA device
    where no op is the user's (it might wait for the device, which cannot be recorded) and nobody listens to a module;
    otherwise the module itself.
    In evaluation mode and without gradients, which the caller sees to.
    """
    if not isinstance(network, GenomeNet):  # a hand-designed one, or a path of a supernet
        return network
    if (network.device.type, network.dtype) == ("cpu", torch.float32):
        return PackedNetwork(network)
    return CapturedNetwork(network) if network.device.type == "cuda" and _has_own_ops(network) else network


def _has_own_ops(network: GenomeNet) -> bool:
    """Return whether all modules, hooks and activations of a network are PyTorch's or genotools'."""
    is_own = all(
        type(module).__module__.startswith(("torch.", "genotools."))
        and not (module._forward_hooks or module._forward_pre_hooks)
        for module in network.modules()
    )
    return is_own and (network.recurrent is None or network.recurrent.families is not None)


def weights_version(network: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return what changes when a weight or statistic does: place in memory and number of changes of each."""
    return tuple((tensor.data_ptr(), tensor._version) for tensor in network.state_dict().values())


class PackedNetwork:
    """What predicts as ``network`` does in evaluation mode; later changes of its weights are not seen.

    Ops of the user's run as they are, so the network must be in evaluation mode when it is called.

    Parameters
    ----------
    network
        On a CPU, in float32.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from genotools import GENOME_NAS, Macro, Task, build
    >>> network = build(GENOME_NAS.sample(rng=np.random.default_rng(0)), Macro.small(200), Task(3), seed=0)
    >>> PackedNetwork(network.eval())(torch.zeros(2, 200, dtype=torch.uint8)).shape
    torch.Size([2, 3])
    """

    @torch.no_grad()
    def __init__(self, network: GenomeNet) -> None:
        self._network = network
        self._cells = PackedCells(network)
        self._recurrent = None
        if network.recurrent is not None and network.recurrent.families is not None:
            weights = [weight.clone() for weight in network.recurrent.weights]
            self._recurrent = PackedWeights(weights, network.recurrent.families)
        self._hidden, self._output = _affine(network.head.hidden), _affine(network.head.output)

    @torch.inference_mode()
    def __call__(self, codes: Tensor) -> Tensor:
        """Return logits ``(N, K)``, or ``(N, P, K)`` for a task per position, for base codes ``(N, length)``.

        Raises
        ------
        ValueError
            If type or shape of the codes is another.
        """
        network = self._network
        states = self._cells(network.one_hot(codes)).permute(2, 0, 1)  # (T, N, H)
        if self._recurrent is not None:
            states = unroll_packed(states, self._recurrent)
        elif network.recurrent is not None:
            states = network.recurrent.unroll_plain(states)
        x = states.transpose(0, 1)
        return self._output(self._hidden(x if network.head.per_position else x.flatten(1)).relu_())


class PackedCells:
    """Stem and convolutional cells of a network, batch norms folded."""

    @torch.no_grad()
    def __init__(self, network: GenomeNet) -> None:
        conv, norm = cast(nn.Conv1d, network.stem.conv), cast(nn.BatchNorm1d, network.stem.norm)
        self._stem = _fold([(conv.weight, ConvGeometry.of(conv))], norm)[0]
        self._cells = [_PackedCell(cast(ConvCellModule, cell)) for cell in network.cells]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the last cell's output ``(N, C, T)`` for a one-hot ``(N, 4, L)``; without gradients."""
        before = last = NodeValue(self._stem.run(to_channels_last(x)))
        for cell in self._cells:
            before, last = last, cell.run(before, last)
        return from_channels_last(last.x)


class _Conv(NamedTuple):
    weight: Tensor
    bias: Tensor | None
    geometry: ConvGeometry

    def run(self, x: Tensor) -> Tensor:
        return self.geometry.forward(x, self.weight, self.bias)


def _fold(convs: list[tuple[Tensor, ConvGeometry]], norm: nn.BatchNorm1d) -> list[_Conv]:
    """Return a block's convolutions, the batch norm behind them in the last one's weight and bias."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt() * norm.weight
    *first, (weight, geometry) = convs
    folded = _Conv(weight * scale[:, None, None], norm.bias - norm.running_mean * scale, geometry)
    return [*[_Conv(matrix.clone(), None, inner) for matrix, inner in first], folded]


def _affine(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    product, bias = packed_product(layer.weight.detach().clone().t()), layer.bias.detach().clone()
    return lambda x: product(x).add_(bias)


class _PackedCell:
    """A convolutional cell whose ops are folded."""

    def __init__(self, cell: ConvCellModule) -> None:
        self._cell = cell
        self._packed = {op: _pack(op) for op in (cell.input0, cell.input1, *cell.edges.values())}

    def run(self, s0: NodeValue, s1: NodeValue) -> NodeValue:
        """Return ``(N, n_nodes * C, 1, out_length)`` for the outputs of the two cells before."""
        return run_cell(self._cell, s0, s1, lambda op, source: self._packed[op](source))


def _pack(op: nn.Module) -> Callable[[NodeValue], Tensor]:
    """Return what an op makes of a source, in memory of its own."""
    row = row_of(op)
    if row is None or not all(norm.affine and norm.track_running_stats for norm in row.norms):
        return lambda source: to_channels_last(op(from_channels_last(source.x))).clone()
    blocks = [_fold(convs, norm) for convs, norm in zip(row.convs, row.norms, strict=True)]

    def run(source: NodeValue) -> Tensor:
        x = row.input(source)
        for index, block in enumerate(blocks):
            if index:
                x.relu_()
            for conv in block:
                x = conv.run(x)
        return x

    return run
