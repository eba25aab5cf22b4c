"""The network of a genotype: stem, cells, recurrent cell, head.

Base codes go in, logits come out; the one-hot is made inside, on the device. Names of parameters are documented in
:mod:`genotools.nn.weights`. Reference: Scheppach et al., section III.
"""

import inspect
from typing import cast

import torch
from torch import Tensor, nn

from genotools.genotype.cells import ConvCell
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro, Stage
from genotools.genotype.task import Task
from genotools.nn.channels_last import ConvGeometry, from_channels_last, to_channels_last
from genotools.nn.conv_blocks import run_blocks
from genotools.nn.conv_cell import ConvCellModule
from genotools.nn.conv_cell_fast import run_cell
from genotools.nn.dense import Dense
from genotools.nn.node_value import NodeValue
from genotools.nn.ops import stem
from genotools.nn.recurrent_cell import INIT_RANGE, RecurrentCellModule
from genotools.nn.window_network import WindowNetwork, activate

__all__ = ["GenomeNet", "Head", "activate"]


class Head(nn.Module):
    """Dropout, hidden layer, ReLU, output layer; on all positions together, or on each alone.

    ``hidden`` starts uniform in -0.04 to 0.04 with zero bias, ``output`` as PyTorch does.
    """

    def __init__(self, n_positions: int, channels: int, macro: Macro, task: Task) -> None:
        super().__init__()
        self.per_position = task.per_position
        self.dropout = nn.Dropout(macro.head_dropout)
        self.hidden = Dense(channels if task.per_position else n_positions * channels, macro.head_hidden)
        self.output = Dense(macro.head_hidden, task.n_outputs)
        nn.init.uniform_(self.hidden.weight, -INIT_RANGE, INIT_RANGE)
        nn.init.zeros_(self.hidden.bias)

    def forward(self, sequence: Tensor) -> Tensor:
        """Return logits ``(N, K)``, or ``(N, P, K)`` per position, for ``sequence`` ``(T, N, H)``."""
        x = sequence.transpose(0, 1)  # (N, T, H)
        if not self.per_position:
            x = x.flatten(1)  # (N, T * H), time-major
        logits: Tensor = self.output(torch.relu(self.hidden(self.dropout(x))))
        return logits


class GenomeNet(WindowNetwork):
    """The network of one genotype in one macro-architecture for one task.

    Made by :func:`genotools.nn.build`, which seeds the initialisation. Dropout is off except in the head until
    :meth:`set_dropout` is called; in evaluation mode it never acts.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from genotools import GENOME_NAS, Macro, Task, build
    >>> genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    >>> network = build(genotype, Macro.small(200), Task(3), seed=0).eval()
    >>> network(torch.zeros(2, 200, dtype=torch.uint8)).shape
    torch.Size([2, 3])
    """

    def __init__(self, genotype: Genotype, macro: Macro, task: Task) -> None:
        super().__init__(macro.length, task)
        self.genotype = genotype
        self.macro = macro
        self.is_compiled = False
        stages = macro.stages(genotype.normal.n_nodes, genotype.reduce.n_nodes)
        self.stem = stem(macro.stem_channels, macro.stem_kernel)
        self.cells = nn.ModuleList(self._make_cell(stage) for stage in stages)
        last = stages[-1]
        channels = last.channels * self._cell_of(last).n_nodes
        self.recurrent = RecurrentCellModule(genotype.recurrent, channels) if macro.recurrent else None
        self.head = Head(last.out_length, channels, macro, task)

    def _cell_of(self, stage: Stage) -> ConvCell:
        return self.genotype.normal if stage.layer.cell == "normal" else self.genotype.reduce

    def _make_cell(self, stage: Stage) -> ConvCellModule:
        return ConvCellModule(self._cell_of(stage), stage, shifted=self.macro.shifted_reduction)

    @property
    def digest(self) -> str:
        """The genotype's."""
        return self.genotype.digest

    def architecture(self) -> dict[str, object]:
        """Return the documents ``genotype``, in the numbering that names of parameters follow, and ``macro``."""
        return {"genotype": genotype_to_document(self.genotype), "macro": self.macro.to_document()}

    def _untrained(self) -> "GenomeNet":
        return GenomeNet(self.genotype, self.macro, self.task)

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the matrices of the recurrent cell."""
        return [] if self.recurrent is None else list(self.recurrent.parameters())

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        sequence = (self._run_cells_fast(x) if self._is_fast_on(x) else self._run_cells(x)).permute(2, 0, 1)
        if self.recurrent is None:
            return self.head(sequence), None
        states = self.recurrent.unroll(sequence)  # (T, N, H)
        return self.head(states), states

    def _is_fast_on(self, x: Tensor) -> bool:
        """Return whether the cells are run by :mod:`genotools.nn.conv_cell_fast`, which calls no module.

        So not where somebody listens to a module, or where PyTorch translates.
        """
        if x.device.type != "cpu" or self.is_compiled or torch.compiler.is_compiling():
            return False
        return not any(
            module._forward_hooks
            or module._forward_pre_hooks
            or module._backward_hooks
            or module._backward_pre_hooks
            for module in self.modules()
        )

    def _run_cells_fast(self, x: Tensor) -> Tensor:
        """Return the last cell's output ``(N, C, T)`` for a one-hot, in channels_last memory from the stem on.

        In the weights' precision also under autocast: cells move more bytes than they compute.
        """
        conv, norm = cast(nn.Conv1d, self.stem.conv), cast(nn.BatchNorm1d, self.stem.norm)
        with torch.autocast("cpu", enabled=False):
            before = last = NodeValue(
                run_blocks(to_channels_last(x), [[(conv.weight, ConvGeometry.of(conv))]], [norm])
            )
            for cell in self.cells:
                before, last = last, run_cell(cast(ConvCellModule, cell), before, last)
        return from_channels_last(last.x)

    def _run_cells(self, x: Tensor) -> Tensor:
        """Return the last cell's output ``(N, C, T)`` for a one-hot, module by module: the ground truth."""
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        output: Tensor = last
        return output

    def forward_plain(self, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what :meth:`forward_with_states` does, by the plain modules alone: what it is compared with."""
        sequence = self._run_cells(self.one_hot(codes).contiguous()).permute(2, 0, 1)
        if self.recurrent is None:
            return self.head(sequence), None
        states = self.recurrent.unroll_plain(sequence)
        return self.head(states), states

    def set_dropout(
        self,
        *,
        drop_path: float | None = None,
        dropout_x: float | None = None,
        dropout_h: float | None = None,
        head: float | None = None,
    ) -> None:
        """Set the rates that act in training; what is None stays as it is.

        Parameters
        ----------
        drop_path
            Probability that an edge of a convolutional cell gives zero for a sequence.
        dropout_x, dropout_h
            Variational dropout of the recurrent cell's inputs and states.
        head
            Dropout in front of the head.

        Raises
        ------
        ValueError
            If a rate is not in [0, 1).
        """
        rates = {"drop_path": drop_path, "dropout_x": dropout_x, "dropout_h": dropout_h, "head": head}
        for name, rate in rates.items():
            if rate is not None and not 0 <= rate < 1:
                raise ValueError(f"{name} is {rate}, it must be in [0, 1).")
        if drop_path is not None:
            for cell in self.cells:
                cast(ConvCellModule, cell).drop_path = drop_path
        if self.recurrent is not None:
            if dropout_x is not None:
                self.recurrent.dropout_x = dropout_x
            if dropout_h is not None:
                self.recurrent.dropout_h = dropout_h
        if head is not None:
            self.head.dropout.p = head

    def compile_parts(self, *, backend: str = "inductor") -> None:
        """Let ``torch.compile`` translate each conv cell, in place; from now on cells run as modules everywhere.

        The parts, not the whole: names of parameters stay as they are. The recurrent cell has a faster way of its
        own; one with an activation of the user's is translated too, one position instead of T times over.
        Translation happens at the first calls; on a CPU it takes minutes and gains nothing.
        """
        self.is_compiled = True
        # Cells share their code, whose compiled forms PyTorch counts together: 8 in all, then it stops compiling.
        # They come in training and evaluation, with and without gradients and dropout, for several batch sizes.
        options = {"isolate_recompiles": True, "recompile_limit": 32}
        known = inspect.signature(torch.compile).parameters  # PyTorch 2.11 has neither
        options = {name: value for name, value in options.items() if name in known}
        if not options:
            config = torch._dynamo.config
            config.recompile_limit = max(config.recompile_limit, 64)
        for part in self._compiled_parts():
            part.compile(backend=backend, **options)

    def uncompile_parts(self) -> None:
        """Undo :meth:`compile_parts`."""
        self.is_compiled = False
        for part in self._compiled_parts():
            part._compiled_call_impl = None

    def _compiled_parts(self) -> list[nn.Module]:
        is_plain = self.recurrent is not None and self.recurrent.families is None
        return [*self.cells, self.recurrent] if is_plain else [*self.cells]  # type: ignore[list-item]
