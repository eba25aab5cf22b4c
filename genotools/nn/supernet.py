"""The supernet: one network that holds every candidate architecture, with shared weights.

Its parameters are weights only; the alphas that mix the ops are an argument. One forward pass runs either everything
that is live, weighted by the softmax of the alphas, or a part of it as an unweighted sum: a subset, or a single path.

Names of parameters and statistics, as in :mod:`genotools.nn.weights` but for

===================================  ==================================================================
``cells.K.edges.A_to_B.OP.*``        op OP on the edge from node A to node B of cell K
``cells.K.edges.A_to_B.POOL.norm``   statistics of the batch norm behind a pool
``recurrent.norm``                   statistics of the batch norm that all states share
===================================  ==================================================================

Reference: Scheppach et al., section III; Liu et al., DARTS (2019); layer by layer equal to the published supernet.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn.alphas import Alphas
from genotools.nn.channels_last import ConvGeometry, from_channels_last, to_channels_last
from genotools.nn.conv_blocks import standardise
from genotools.nn.live_ops import ROLES, LiveOps, Role
from genotools.nn.mixed_cell import MixedCell
from genotools.nn.mixed_recurrent import MixedRecurrentCell
from genotools.nn.mixing import Mix
from genotools.nn.network import Head
from genotools.nn.one_hot import all_bases, one_hot
from genotools.nn.ops import stem
from genotools.randomness import forked_torch

__all__ = ["Supernet", "build_supernet", "frozen_statistics", "without_dropout"]


class Supernet(nn.Module):
    """The supernet of what is live, in one macro-architecture for one task.

    Made by :func:`build_supernet`, which seeds the initialisation. Dropout is off except in the head until
    :meth:`set_dropout` is called. In training mode at least 2 sequences are needed: batch norms take their
    statistics over them.

    Attributes
    ----------
    live, macro, task
        What it was built for.
    checkpoint_cells
        Whether training computes the inside of a conv cell again in the backward pass instead of keeping it:
        a fraction of the memory, a forward pass more.

    Examples
    --------
    >>> import torch
    >>> from genotools import GENOME_NAS, Macro, Task
    >>> live = LiveOps.full(GENOME_NAS)
    >>> supernet = build_supernet(live, Macro(length=60, channels=2), Task(3), seed=0)
    >>> alphas = Alphas(live, generator=torch.Generator().manual_seed(0))
    >>> supernet(torch.zeros(2, 60, dtype=torch.uint8), alphas).shape
    torch.Size([2, 3])
    """

    cell_type: ClassVar[type[MixedCell]] = MixedCell
    recurrent_type: ClassVar[type[MixedRecurrentCell]] = MixedRecurrentCell
    bases: Tensor

    def __init__(self, live: LiveOps, macro: Macro, task: Task, *, checkpoint_cells: bool = False) -> None:
        super().__init__()
        self.live = live
        self.macro = macro
        self.task = task
        self.checkpoint_cells = checkpoint_cells
        self.register_buffer("bases", all_bases(), persistent=False)
        self.stem = stem(macro.stem_channels, macro.stem_kernel)
        stages = macro.stages(live.n_nodes("normal"), live.n_nodes("reduce"))
        self.roles: list[Role] = [stage.layer.cell for stage in stages]
        self.cells = nn.ModuleList(
            self.cell_type(live.edges(stage.layer.cell), stage, shifted=macro.shifted_reduction)
            for stage in stages
        )
        channels = stages[-1].channels * live.n_nodes(self.roles[-1])
        self.recurrent = self.recurrent_type(live.edges("recurrent"), channels) if macro.recurrent else None
        self.head = Head(stages[-1].out_length, channels, macro, task)

    def forward(self, codes: Tensor, alphas: Alphas) -> Tensor:
        """Return logits ``(N, K)``, or ``(N, P, K)`` for a task per position, of all that is live.

        Parameters
        ----------
        codes
            Base codes, uint8, ``(N, macro.length)``.
        alphas
            Logits of the mixture; their :attr:`~genotools.nn.alphas.Alphas.live` is the supernet's.

        Raises
        ------
        ValueError
            If the codes are of another type or shape, the alphas belong to other ops, or a single sequence is to
            be trained on.
        """
        return self.forward_with_states(codes, alphas)[0]

    def forward_with_states(self, codes: Tensor, alphas: Alphas) -> tuple[Tensor, Tensor | None]:
        """Return the logits and the recurrent states ``(T, N, H)``, None without a recurrent cell.

        The states are what the slowness penalty is taken of.
        """
        if alphas.live != self.live:
            raise ValueError("the alphas belong to other live ops than the supernet; carry them over first.")
        # Once for all cells of a role: they share their alphas.
        return self._run(codes, {role: Mix(self.live.edges(role), alphas.softmax(role)) for role in ROLES})

    def forward_subset(self, codes: Tensor, subset: LiveOps) -> Tensor:
        """Return the logits of a part of the supernet, its ops summed without weights.

        Raises
        ------
        ValueError
            If an op of ``subset`` is not live here, a node is missing, or the codes are of another type or shape.
        """
        if not self.live.contains(subset):
            raise ValueError("the subset has an op that is not live in the supernet.")
        if any(subset.n_nodes(role) != self.live.n_nodes(role) for role in ROLES):
            raise ValueError("the subset has fewer nodes than the supernet; each needs an edge.")
        return self._run(codes, {role: Mix(subset.edges(role)) for role in ROLES})[0]

    def forward_path(self, codes: Tensor, genotype: Genotype) -> Tensor:
        """Return the logits of one architecture: exactly one op runs on each of its edges.

        Raises
        ------
        ValueError
            As :meth:`forward_subset`.
        """
        return self.forward_subset(codes, LiveOps.of(genotype))

    def _run(self, codes: Tensor, mixes: Mapping[Role, Mix]) -> tuple[Tensor, Tensor | None]:
        before = last = self._enter(self.one_hot(codes))
        for role, cell in zip(self.roles, self.cells, strict=True):
            before, last = last, self._run_cell(cast(MixedCell, cell), before, last, mixes[role])
        sequence = self._leave(last).permute(2, 0, 1)  # (T, N, H)
        if self.recurrent is None:
            return self.head(sequence), None
        states = self.recurrent(sequence, mixes["recurrent"])
        return self.head(states), states

    def _run_cell(self, cell: MixedCell, before: Tensor, last: Tensor, mix: Mix) -> Tensor:
        if not (self.checkpoint_cells and self.training and torch.is_grad_enabled()):
            output: Tensor = cell(before, last, mix)
            return output
        # The second pass must not count the batch a second time.
        return cast(
            Tensor,
            checkpoint(
                cell,
                before,
                last,
                mix,
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), frozen_statistics(cell)),
            ),
        )

    def _enter(self, x: Tensor) -> Tensor:
        """Return what the stem makes of a one-hot ``(N, 4, L)``, in the layout of the cells."""
        conv, norm = self.stem
        assert isinstance(conv, nn.Conv1d)
        assert isinstance(norm, nn.BatchNorm1d)
        return standardise(ConvGeometry.of(conv).differentiable(to_channels_last(x), conv.weight), norm)

    def _leave(self, x: Tensor) -> Tensor:
        """Return a cell's output as ``(N, C, L)``."""
        return from_channels_last(x)

    def one_hot(self, codes: Tensor) -> Tensor:
        """Return base codes ``(N, L)`` as ``(N, 4, L)`` in the precision of the weights."""
        return one_hot(codes, self.bases, length=self.macro.length, dtype=self.head.output.weight.dtype)

    @contextmanager
    def frozen(self) -> Iterator[Self]:
        """Take no gradient of any weight inside the block: for alpha steps."""
        before = [(weight, weight.requires_grad) for weight in self.parameters()]
        for weight, _ in before:
            weight.requires_grad_(False)
        try:
            yield self
        finally:
            for weight, required in before:
                weight.requires_grad_(required)

    @torch.no_grad()
    def load_from(self, other: "Supernet") -> None:
        """Take over the weights and statistics of ``other``, by (edge, op); what it lacks stays as it is.

        ``other`` may be larger, e.g. of the stage before, or a plain supernet.

        Raises
        ------
        DataError
            If a tensor has another shape: the macro-architecture or the task differs.
        """
        theirs = other.state_dict()
        for name, tensor in self.state_dict().items():
            if name not in theirs:
                continue
            if theirs[name].shape != tensor.shape:
                raise DataError(
                    f"{name}: shape {tuple(theirs[name].shape)}, {tuple(tensor.shape)} was expected. "
                    "Weights can be carried between supernets of one macro-architecture and task only."
                )
            tensor.copy_(theirs[name])

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are trained with the recurrent cell's learning rate."""
        return [] if self.recurrent is None else list(self.recurrent.parameters())

    def set_dropout(
        self,
        *,
        skip: float | None = None,
        dropout_x: float | None = None,
        dropout_h: float | None = None,
        head: float | None = None,
    ) -> None:
        """Set the rates that act in training; what is None stays as it is.

        Parameters
        ----------
        skip
            Element-wise dropout of skip connections that keep the length (P-DARTS).
        dropout_x, dropout_h
            Variational dropout of the recurrent cell's inputs and states.
        head
            Dropout in front of the head.

        Raises
        ------
        ValueError
            If a rate is not in [0, 1).
        """
        rates = {"skip": skip, "dropout_x": dropout_x, "dropout_h": dropout_h, "head": head}
        for name, rate in rates.items():
            if rate is not None and not 0 <= rate < 1:
                raise ValueError(f"{name} is {rate}, it must be in [0, 1).")
        if skip is not None:
            for cell in self.cells:
                cast(MixedCell, cell).skip_dropout = skip
        if self.recurrent is not None:
            if dropout_x is not None:
                self.recurrent.dropout_x = dropout_x
            if dropout_h is not None:
                self.recurrent.dropout_h = dropout_h
        if head is not None:
            self.head.dropout.p = head


def build_supernet(
    live: LiveOps,
    macro: Macro,
    task: Task,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    checkpoint_cells: bool = False,
) -> Supernet:
    """Return the supernet of ``live`` in training mode, its weights drawn from ``seed``.

    The weights are drawn on the CPU, so they are the same for every device. The global random state is left alone.
    """
    with forked_torch(seed):
        supernet = Supernet(live, macro, task, checkpoint_cells=checkpoint_cells)
    return supernet.to(device)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Leave the running statistics of all batch norms alone inside the block, also in training mode.

    The block works on copies.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm1d)]
    before = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, before, strict=True):
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)


@contextmanager
def without_dropout(supernet: Supernet) -> Iterator[None]:
    """Turn all dropout off inside the block, also in training mode."""
    recurrent, head = supernet.recurrent, supernet.head.dropout.p
    before = cast(MixedCell, supernet.cells[0]).skip_dropout
    rates = (0.0, 0.0) if recurrent is None else (recurrent.dropout_x, recurrent.dropout_h)
    supernet.set_dropout(skip=0.0, dropout_x=0.0, dropout_h=0.0, head=0.0)
    try:
        yield
    finally:
        supernet.set_dropout(skip=before, dropout_x=rates[0], dropout_h=rates[1], head=head)
