"""A network laid out for a deployed file: what its modules compute, in the form that other runtimes are fast with.

Batch norms are folded into the convolutions before them. Values are images ``(N, C, 1, L)``: onnxruntime has fast
code for convolutions and pools of two dimensions only, 2.5 times as fast as for one. States of the
recurrent cell that have one predecessor are made by one product, and inputs of all positions go through their part of
``W_0`` before the loop. Numbers differ from those of the network in evaluation mode by rounding.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn import functional as F

from genotools.data.strands import Strands, opposite_labels
from genotools.genotype.primitives import get_primitive
from genotools.genotype.task import TaskKind
from genotools.nn.baselines import Baseline
from genotools.nn.channels_last import ConvGeometry
from genotools.nn.conv_blocks import blocks_of, pool
from genotools.nn.conv_cell import ConvCellModule, edge_name
from genotools.nn.network import GenomeNet
from genotools.nn.ops import FactorizedReduce
from genotools.nn.recurrent_cell import RecurrentCellModule
from genotools.nn.recurrent_unroll import Family, families_of
from genotools.nn.window_network import WindowNetwork, activate

__all__ = ["Deployed", "Product", "deploy", "plain_loops"]


def deploy(network: WindowNetwork, *, strands: Strands = "forward", unrolled: bool = False) -> "Deployed":
    """Return what predicts as a network in evaluation mode; later changes of its weights are not seen.

    Parameters
    ----------
    network
        On the CPU, in float32 and evaluation mode. It is left alone.
    strands
        ``both`` predicts for a window and its reverse complement and returns the mean; labels of a strand pair change
        places on the reverse complement.
    unrolled
        Write a searched recurrent cell out position by position, instead of as one loop.
    """
    with torch.no_grad():
        if isinstance(network, GenomeNet):
            return _DeployedGenomeNet(network, strands, unrolled=unrolled).eval()
        assert isinstance(network, Baseline)
        return _DeployedBaseline(network, strands).eval()


class Deployed(nn.Module):
    """From base codes to predictions; a subclass gives ``predict``, from a one-hot ``(N, 4, 1, L)``."""

    bases: Tensor
    opposite: Tensor

    def __init__(self, network: WindowNetwork, strands: Strands) -> None:
        super().__init__()
        self.kind = network.task.kind
        self.strands = strands
        self.register_buffer("bases", network.bases.clone().view(-1, 1))
        self.register_buffer("opposite", torch.from_numpy(opposite_labels(tuple(network.task.names))))

    def forward(self, sequence: Tensor) -> Tensor:
        """Return predictions ``(N, K)`` for base codes ``(N, L)``."""
        one_hot = (sequence[:, None, :] == self.bases).to(torch.float32)[:, :, None]
        if self.strands == "forward":
            return self.predict(one_hot)
        # In the order A, C, G, T the complement of a base is the base as far from the other end.
        both = self.predict(torch.cat([one_hot, one_hot.flip(1, 3)]))
        forward, reverse = both.view(2, -1, both.shape[1]).unbind(0)
        return (forward + reverse.index_select(1, self.opposite)) / 2

    @abstractmethod
    def predict(self, one_hot: Tensor) -> Tensor:
        """Return predictions ``(N, K)`` for a one-hot ``(N, 4, 1, L)``."""


def _predictions(logits: Tensor, kind: TaskKind) -> Tensor:
    """Return what :func:`~genotools.nn.window_network.activate` does.

    The sigmoid is written out: onnxruntime's is right to 5e-7, of a probability of 5e-5 to 0.2 %, and log odds of
    rare labels would carry that.
    """
    if kind is TaskKind.MULTILABEL:
        return torch.reciprocal(1 + torch.exp(-logits))
    return activate(logits, kind)


class _DeployedBaseline(Deployed):
    """A hand-designed network: as it is, but for its last layers, which can be quantised."""

    def __init__(self, network: Baseline, strands: Strands) -> None:
        super().__init__(network, strands)
        self.hidden, self.output = Product.of(network.fc1), Product.of(network.fc2)
        self.network = copy.deepcopy(network)
        del self.network.fc1, self.network.fc2

    def predict(self, one_hot: Tensor) -> Tensor:
        features = self.network.features(one_hot.squeeze(2))
        return _predictions(self.output(torch.relu(self.hidden(features))), self.kind)


class _DeployedGenomeNet(Deployed):
    """The network of a genotype, folded."""

    def __init__(self, network: GenomeNet, strands: Strands, *, unrolled: bool) -> None:
        super().__init__(network, strands)
        conv, norm = cast(nn.Conv1d, network.stem.conv), cast(nn.BatchNorm1d, network.stem.norm)
        self.stem = _folded([(conv.weight, ConvGeometry.of(conv))], norm)
        self.cells = nn.ModuleList(_Cell(cast(ConvCellModule, cell)) for cell in network.cells)
        recurrent = network.recurrent
        self.recurrent = None if recurrent is None else _Recurrent(recurrent, unrolled=unrolled)
        self.hidden, self.output = Product.of(network.head.hidden), Product.of(network.head.output)

    def predict(self, one_hot: Tensor) -> Tensor:
        before = last = self.stem(one_hot)
        for cell in self.cells:
            before, last = last, cell(before, last)
        states = last.squeeze(2).permute(2, 0, 1)  # (T, N, H)
        if self.recurrent is not None:
            states = self.recurrent(states)
        x = states.transpose(0, 1).flatten(1)  # (N, T * H)
        return _predictions(self.output(torch.relu(self.hidden(x))), self.kind)


class Product(nn.Module):
    """The product with a matrix ``(K, M)``, plus a bias ``(M,)``; the part of a network that can be quantised."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone().contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    @classmethod
    def of(cls, layer: nn.Linear) -> "Product":
        """Return the product of a layer."""
        return cls(layer.weight.t(), layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., M)`` for ``(..., K)``."""
        product = x @ self.weight
        return product if self.bias is None else product + self.bias


@contextmanager
def plain_loops(network: nn.Module) -> Iterator[None]:
    """Let the loops of a network be Python's, so that what happens in them can be watched."""
    loops = [module for module in network.modules() if isinstance(module, _Recurrent)]
    before = [loop.unrolled for loop in loops]
    try:
        for loop in loops:
            loop.unrolled = True
        yield
    finally:
        for loop, unrolled in zip(loops, before, strict=True):
            loop.unrolled = unrolled


class _Conv(nn.Module):
    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.register_buffer("weight", weight.detach().unsqueeze(2).clone())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        stride, padding, dilation, groups = self.geometry
        return F.conv2d(x, self.weight, self.bias, (1, stride), (0, padding), (1, dilation), groups)


def _folded(convs: Sequence[tuple[Tensor, ConvGeometry]], norm: nn.BatchNorm1d) -> nn.Sequential:
    """Return convolutions, the batch norm behind them in the last one's weight and bias."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale, shift = (norm.running_var + norm.eps).rsqrt(), torch.zeros_like(norm.running_mean)
    if norm.affine:
        scale, shift = scale * norm.weight, norm.bias
    *first, (weight, geometry) = convs
    inner = [_Conv(matrix, None, walk) for matrix, walk in first]
    return nn.Sequential(
        *inner, _Conv(weight * scale[:, None, None], shift - norm.running_mean * scale, geometry)
    )


class _LateConv(nn.Module):
    """The convolutions of a shifted reduction as one of width 2, which reads a zero behind the end."""

    def __init__(self, reduction: FactorizedReduce) -> None:
        super().__init__()
        early, late = F.pad(reduction.first.weight, (0, 1)), F.pad(reduction.second.weight, (1, 0))
        geometry = ConvGeometry(stride=reduction.first.stride[0])
        self.convs = _folded([(torch.cat([early, late]), geometry)], reduction.norm)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.convs(F.pad(x, (0, 1)))
        return output


def _op(op: nn.Module) -> nn.Module:
    """Return what an edge computes, on images."""
    if isinstance(op, nn.Identity):
        return op
    if isinstance(op, nn.MaxPool1d | nn.AvgPool1d):
        return _Pool(op)
    if isinstance(op, FactorizedReduce):
        if op.shifted:
            return nn.Sequential(nn.ReLU(), _LateConv(op))
        both = torch.cat([op.first.weight, op.second.weight])
        return nn.Sequential(nn.ReLU(), _folded([(both, ConvGeometry.of(op.first))], op.norm))
    blocks = blocks_of(op)
    if blocks is None or not all(block.norm.track_running_stats for block in blocks):
        return _OnSequences(op)
    layers: list[nn.Module] = []
    for block in blocks:
        convs = [(conv.weight, ConvGeometry.of(conv)) for conv in block.convs]
        layers += [nn.ReLU(), _folded(convs, block.norm)]
    return nn.Sequential(*layers)


class _Pool(nn.Module):
    def __init__(self, op: nn.MaxPool1d | nn.AvgPool1d) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor) -> Tensor:
        return pool(x, self.op)


class _OnSequences(nn.Module):
    """An op of the user's, which is written for ``(N, C, L)``."""

    def __init__(self, op: nn.Module) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.op(x.squeeze(2))
        return output.unsqueeze(2)


class _Cell(nn.Module):
    """A convolutional cell, see :class:`~genotools.nn.conv_cell.ConvCellModule`."""

    def __init__(self, cell: ConvCellModule) -> None:
        super().__init__()
        self.plan, self.nodes = cell.plan, cell.cell.nodes
        self.input0, self.input1 = _op(cell.input0), _op(cell.input1)
        self.edges = nn.ModuleDict({name: _op(op) for name, op in cell.edges.items()})

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        values: dict[int, Tensor] = {0: self.input0(s0), 1: self.input1(s1)}
        for node, in_edges in self.plan:
            first, *others = [self.edges[edge_name(edge)](values[edge.source]) for edge in in_edges]
            values[node] = sum(others, start=first)
        return torch.cat([values[node] for node in self.nodes], dim=1)


class _Recurrent(nn.Module):
    """A recurrent cell from ``(T, N, H)`` to its hidden states, see :mod:`genotools.nn.recurrent_cell`."""

    def __init__(self, cell: RecurrentCellModule, *, unrolled: bool) -> None:
        super().__init__()
        hidden = self.n_hidden = cell.hidden
        self.unrolled = unrolled
        self.n_states = cell.cell.n_states
        self.from_input, self.from_hidden = (Product(part) for part in cell.weights[0].split(hidden))
        families = families_of(cell.cell)
        with_children = {family.predecessor for family in families}
        self.families = nn.ModuleList(_Family(f, cell, with_children) for f in families)

    def forward(self, sequence: Tensor) -> Tensor:
        inputs = self.from_input(sequence)
        h = sequence.new_zeros(sequence.shape[1:])
        if not self.unrolled:
            _, states = scan(self.step, h, inputs)
            return cast(Tensor, states)
        hidden = []
        for x in inputs.unbind(0):
            h, _ = self.step(h, x)
            hidden.append(h)
        return torch.stack(hidden)

    def step(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next hidden state ``(N, H)`` twice, for that before and an input behind its product."""
        gate, candidate = (x + self.from_hidden(h)).chunk(2, dim=1)
        states = {0: h + torch.sigmoid(gate) * (torch.tanh(candidate) - h)}
        totals = [family(states) for family in self.families]
        h = sum(totals[1:], start=totals[0]) * (1 / self.n_states)
        return h, h.clone()  # scan wants carry and output apart in memory


class _Family(nn.Module):
    """The states of one predecessor: ``(N, k, H)``, and their gates and candidates from one product."""

    def __init__(self, family: Family, cell: RecurrentCellModule, with_children: set[int]) -> None:
        super().__init__()
        self.family, self.n_hidden = family, cell.hidden
        self.with_children = [place for place in range(family.first, family.stop) if place in with_children]
        matrices = [cell.weights[number] for number in family.numbers]
        gates = [matrix[:, : cell.hidden] for matrix in matrices]
        candidates = [matrix[:, cell.hidden :] for matrix in matrices]
        self.product = Product(torch.cat([*gates, *candidates], dim=1))
        self.widths = [family.size * cell.hidden, *((b - a) * cell.hidden for _, a, b in family.runs)]
        self.activations: list[Callable[[Tensor], Tensor]] = [
            get_primitive(name, "activation").builder() for name, _, _ in family.runs
        ]

    def forward(self, states: dict[int, Tensor]) -> Tensor:
        """Return the sum of the states; those that have children are put into ``states``, by place."""
        before = states[self.family.predecessor]
        gates, *candidates = self.product(before).split(self.widths, dim=1)
        activated = [run(part) for run, part in zip(self.activations, candidates, strict=True)]
        candidate = activated[0] if len(activated) == 1 else torch.cat(activated, dim=1)
        if self.family.size == 1:
            state = before + torch.sigmoid(gates) * (candidate - before)
            states |= dict.fromkeys(self.with_children, state)
            return state
        shape = (-1, self.family.size, self.n_hidden)
        one = before[:, None]
        together = one + torch.sigmoid(gates).view(shape) * (candidate.view(shape) - one)
        states |= {place: together[:, place - self.family.first] for place in self.with_children}
        return together.sum(dim=1)
