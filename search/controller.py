"""The controller: an LSTM that writes a genotype decision by decision.

The cells are written in the order normal, reduction, recurrent, and nodes in topological order. For every in-edge
of a node a source is chosen, then an op; for a state of the recurrent cell its predecessor, then its activation.
Then the node becomes an anchor: an LSTM step whose output stands for it when later nodes choose their sources by
attention. Sources that a node has taken already are masked. Where a node takes all of its predecessors, or there is
one op only, nothing is decided and no column of the decisions is spent on it.

As in the released code of ENAS, but for three things: the inputs of a cell have anchors of their own instead of
zeros; a source is followed by its op, not by the second source; no op has a head start (the released code favours
the two separable convolutions by constants). The three cells share all weights but the ops' embeddings and heads.

Reference: Pham et al., Efficient Neural Architecture Search via Parameter Sharing (2018), sections 2.2 to 2.4.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.randomness import forked_torch

__all__ = ["Controller"]

INIT_RANGE = 0.1
"""Weights start uniform in -0.1 to 0.1, which makes all options nearly equally likely."""

MASKED = -1e9
"""Logit of what cannot be chosen: its probability is 0, and unlike that of -inf its share of the entropy is 0."""

Choose = Callable[[Tensor], Tensor]
"""From logits ``(N, K)`` to choices ``(N,)``, int64."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """What there is to write of a cell: inputs, in-degrees of its nodes, ops (of a recurrent cell: activations)."""

    n_inputs: int
    degrees: tuple[int, ...]
    ops: tuple[str, ...]

    def nodes(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each node, which is also that of its predecessors, and its in-degree."""
        yield from enumerate(self.degrees, start=self.n_inputs)


@dataclass(frozen=True, slots=True)
class _Slot:
    """One value of a written genotype: a source or an op; ``forced`` where nothing is to be decided."""

    cell: int
    node: int
    forced: int | None


class Controller(nn.Module):
    """A policy over the genotypes of a space.

    Edges of a node can be written in any order, so that several sequences of decisions give the same genotype;
    :meth:`decisions_of` gives the one whose sources ascend.

    Parameters
    ----------
    space
        Whose genotypes it writes.
    seed
        Of the initial weights.
    hidden
        Width of the LSTM.
    temperature
        Divides all logits.
    tanh_constant
        Logits are then squashed into minus to plus this, so that no option's probability goes to 0; None leaves
        them as they are.
    op_tanh_reduce
        The logits of ops are squashed into a range so many times smaller.

    Attributes
    ----------
    space
        As given.
    n_decisions
        Length of a sequence of decisions.

    Examples
    --------
    >>> from genotools.genotype import GENOME_NAS
    >>> controller = Controller(GENOME_NAS, seed=0)
    >>> genotypes, decisions = controller.sample(2, generator=torch.Generator().manual_seed(0))
    >>> GENOME_NAS.contains(genotypes[0]), decisions.shape
    (True, torch.Size([2, 43]))
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        hidden: int = 64,
        temperature: float = 1.0,
        tanh_constant: float | None = 2.5,
        op_tanh_reduce: float = 1.0,
    ) -> None:
        super().__init__()
        self.space = space
        self._cells = _cells_of(space)
        self._slots = list(_slots_of(self._cells))
        self._open = [index for index, slot in enumerate(self._slots) if slot.forced is None]
        self.n_decisions = len(self._open)
        self._temperature = temperature
        self._source_limit = math.inf if tanh_constant is None else tanh_constant
        self._op_limit = self._source_limit / op_tanh_reduce
        with forked_torch(seed):
            self.start = nn.Parameter(torch.empty(hidden))
            self.lstm = nn.LSTMCell(hidden, hidden)
            self.key = nn.Linear(hidden, hidden, bias=False)
            self.query = nn.Linear(hidden, hidden, bias=False)
            self.attention = nn.Linear(hidden, 1, bias=False)
            self.heads = nn.ModuleList(nn.Linear(hidden, len(cell.ops)) for cell in self._cells)
            self.embeddings = nn.ModuleList(nn.Embedding(len(cell.ops), hidden) for cell in self._cells)
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -INIT_RANGE, INIT_RANGE)

    def sample(self, n: int, *, generator: torch.Generator) -> tuple[list[Genotype], Tensor]:
        """Draw genotypes.

        Returns
        -------
        tuple
            ``n`` genotypes in topological numbering, and their decisions, int64 ``(n, n_decisions)``.
        """
        if n == 0:
            return [], torch.empty(0, self.n_decisions, dtype=torch.int64)
        drawn: list[Tensor] = []

        def choose(logits: Tensor) -> Tensor:
            drawn.append(torch.multinomial(logits.softmax(dim=-1), 1, generator=generator).squeeze(1))
            return drawn[-1]

        with torch.no_grad():
            self._write(n, choose)
        decisions = torch.stack(drawn, dim=1) if drawn else torch.empty(n, 0, dtype=torch.int64)
        return [self.genotype_of(row) for row in decisions.tolist()], decisions

    def log_prob_and_entropy(self, decisions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of sequences of decisions and the entropies met on the way.

        Gradients flow into the weights.

        Parameters
        ----------
        decisions
            int64, ``(N, n_decisions)``.

        Returns
        -------
        tuple
            Both float32 ``(N,)``, in nats, summed over the decisions of a sequence.
        """
        columns = iter(decisions.unbind(dim=1))
        walk = self._write(len(decisions), lambda logits: next(columns))
        zeros = torch.zeros(len(decisions))
        return sum(walk.log_probs, zeros), sum(walk.entropies, zeros)

    def genotype_of(self, decisions: Sequence[int]) -> Genotype:
        """Return the genotype that a sequence of ``n_decisions`` decisions writes, in topological numbering."""
        decided = iter(decisions)
        values = [next(decided) if slot.forced is None else slot.forced for slot in self._slots]
        edges: list[list[tuple[int, int, str]]] = [[] for _ in self._cells]
        for slot, source, op in zip(self._slots[::2], values[::2], values[1::2], strict=True):
            edges[slot.cell].append((slot.node, source, self._cells[slot.cell].ops[op]))
        normal, reduce, recurrent = (sorted(found) for found in edges)
        return Genotype(
            ConvCell((source, node, op) for node, source, op in normal),
            ConvCell((source, node, op) for node, source, op in reduce),
            RecurrentCell((source, activation) for _, source, activation in recurrent),
            space=self.space.name,
        )

    def decisions_of(self, genotype: Genotype) -> Tensor:
        """Return the decisions that write ``genotype``, int64 ``(n_decisions,)``.

        Nodes come in topological order, the lowest number first among those that are ready, and the edges of a node
        with ascending sources.

        Raises
        ------
        DataError
            If it is not of this controller's space.
        """
        if faults := self.space.faults(genotype):
            where = f"genotype {genotype.digest[:12]} in space {self.space.name!r}"
            raise DataError.from_faults(where, faults)
        values: list[int] = []
        for cell, found in zip(self._cells, (genotype.normal, genotype.reduce), strict=False):
            ordered = found.in_topological_numbering()
            for node in ordered.nodes:
                for edge in sorted(ordered.in_edges(node)):
                    values += [edge.source, cell.ops.index(edge.op)]
        activations = self._cells[-1].ops
        for state in genotype.recurrent.in_topological_numbering().states:
            values += [state.predecessor, activations.index(state.activation)]
        return torch.tensor([values[index] for index in self._open], dtype=torch.int64)

    def _write(self, n: int, choose: Choose) -> "_Walk":
        """Write ``n`` genotypes side by side; ``choose`` decides."""
        walk = _Walk(self.lstm, n, choose)
        start = self.start.expand(n, -1)  # (N, H)
        for cell, head, embedding in zip(self._cells, self.heads, self.embeddings, strict=True):
            anchors = [walk.step(start) for _ in range(cell.n_inputs)]
            for node, degree in cell.nodes():
                x = start
                choose_source = self._attention(walk, anchors) if degree < node else None
                for edge in range(degree):
                    x = anchors[edge] if choose_source is None else choose_source(x)
                    if len(cell.ops) > 1:
                        logits = self._squashed(head(walk.step(x)), self._op_limit)
                        x = embedding(walk.decide(logits))
                anchors.append(walk.step(x))
        return walk

    def _attention(self, walk: "_Walk", anchors: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
        """Return a function from the input of the LSTM ``(N, H)`` to the anchor of the next source, ``(N, H)``."""
        stacked = torch.stack(list(anchors), dim=1)  # (N, P, H)
        keys = self.key(stacked)
        taken = torch.zeros(stacked.shape[:2], dtype=torch.bool)

        def choose_source(x: Tensor) -> Tensor:
            nonlocal taken
            query = self.query(walk.step(x))[:, None]
            logits = self.attention(torch.tanh(keys + query)).squeeze(-1)  # (N, P)
            logits = self._squashed(logits, self._source_limit).masked_fill(taken, MASKED)
            source = walk.decide(logits)
            taken = taken.scatter(1, source[:, None], True)
            return stacked[torch.arange(len(source)), source]

        return choose_source

    def _squashed(self, logits: Tensor, limit: float) -> Tensor:
        logits = logits / self._temperature
        return logits if math.isinf(limit) else limit * torch.tanh(logits)


class _Walk:
    """The LSTM's state while it writes, and what the decisions so far amount to.

    Attributes
    ----------
    log_probs, entropies
        One tensor ``(N,)`` for each decision.
    """

    def __init__(self, lstm: nn.LSTMCell, n: int, choose: Choose) -> None:
        self._lstm, self._choose = lstm, choose
        self._state = (torch.zeros(n, lstm.hidden_size), torch.zeros(n, lstm.hidden_size))
        self.log_probs: list[Tensor] = []
        self.entropies: list[Tensor] = []

    def step(self, x: Tensor) -> Tensor:
        """Return the output ``(N, H)`` for the next input."""
        self._state = self._lstm(x, self._state)
        return self._state[0]

    def decide(self, logits: Tensor) -> Tensor:
        """Return the choices ``(N,)`` and count them in."""
        log_probs = logits.log_softmax(dim=-1)
        choices = self._choose(logits)
        self.log_probs.append(log_probs.gather(1, choices[:, None]).squeeze(1))
        self.entropies.append(-(log_probs.exp() * log_probs).sum(dim=-1))
        return choices


def _cells_of(space: SearchSpace) -> list[_Cell]:
    conv = [_Cell(2, tuple(cell.in_degrees()), cell.ops) for cell in (space.normal, space.reduce)]
    return [*conv, _Cell(1, (1,) * space.recurrent.n_states, space.recurrent.activations)]


def _slots_of(cells: Sequence[_Cell]) -> Iterator[_Slot]:
    """Yield source and op of every edge, in the order in which they are written."""
    for number, cell in enumerate(cells):
        for node, degree in cell.nodes():
            for edge in range(degree):
                yield _Slot(number, node, edge if degree == node else None)
                yield _Slot(number, node, 0 if len(cell.ops) == 1 else None)
