"""What is switched on in a supernet: for every edge its live primitives. No PyTorch.

A search that prunes goes from one :class:`LiveOps` to a smaller one; weights, statistics and alphas are carried by
(edge, op), never by position. The same type says which part of a supernet a single forward pass runs.

Edges are listed by target, then source: the rows of the alphas. The ops of an edge stand in the order of the space,
``none`` first where it is live (DARTS: it takes its share of the softmax and adds nothing).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast, get_args

from genotools.errors import DataError
from genotools.formats import LIVE_OPS
from genotools.genotype.cells import MAX_NODES, ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.primitives import Kind, known_primitives, unknown_primitive_fault
from genotools.genotype.space import SearchSpace

__all__ = ["NONE", "ROLES", "LiveEdge", "LiveOp", "LiveOps", "Role"]

NONE = "none"
"""The op that is not there: live in gradient-based supernets, never part of a genotype."""

Role = Literal["normal", "reduce", "recurrent"]
ROLES: tuple[Role, ...] = get_args(Role)


class LiveEdge(NamedTuple):
    """An edge and its live ops; in the recurrent cell from a predecessor to a state, with activations."""

    source: int
    target: int
    ops: tuple[str, ...]

    @property
    def pair(self) -> tuple[int, int]:
        """Source and target."""
        return self.source, self.target


class LiveOp(NamedTuple):
    """One op on one edge: what weights, statistics and alphas belong to."""

    source: int
    target: int
    op: str


@dataclass(frozen=True, slots=True)
class LiveOps:
    """The live ops of the three cells.

    Parameters
    ----------
    normal, reduce, recurrent
        Edges ``(source, target, ops)`` in any order; they are sorted by target, then source. Nodes 0 and 1 of a
        conv cell are its inputs, state 0 of the recurrent cell.

    Raises
    ------
    DataError
        Listing every fault: an unknown op, an edge twice or not leading upwards, a node nothing leads to.

    Examples
    --------
    >>> from genotools import GENOME_NAS
    >>> live = LiveOps.full(GENOME_NAS)
    >>> [len(live.edges(role)) for role in ROLES], live.n_ops
    ([14, 14, 36], 432)
    >>> live.ops("recurrent", 0, 1)
    ('none', 'tanh', 'identity', 'sigmoid', 'relu')
    """

    normal: tuple[LiveEdge, ...]
    reduce: tuple[LiveEdge, ...]
    recurrent: tuple[LiveEdge, ...]

    def __post_init__(self) -> None:
        faults = []
        for role in ROLES:
            edges = [
                LiveEdge(int(source), int(target), tuple(ops)) for source, target, ops in self.edges(role)
            ]
            edges.sort(key=lambda edge: (edge.target, edge.source))
            object.__setattr__(self, role, tuple(edges))
            faults += [f"{role}: {fault}" for fault in _faults(edges, role)]
        if faults:
            raise DataError.from_faults("live ops", faults)

    @classmethod
    def full(cls, space: SearchSpace, *, with_none: bool = True) -> "LiveOps":
        """Return every op of ``space`` on every edge, and ``none`` unless ``with_none`` is false."""
        first = (NONE,) if with_none else ()
        conv = [
            [
                LiveEdge(source, target, first + tuple(cell.ops))
                for target in range(2, 2 + cell.n_nodes)
                for source in range(target)
            ]
            for cell in (space.normal, space.reduce)
        ]
        activations = first + tuple(space.recurrent.activations)
        recurrent = [
            LiveEdge(source, target, activations)
            for target in range(1, 1 + space.recurrent.n_states)
            for source in range(target)
        ]
        return cls(tuple(conv[0]), tuple(conv[1]), tuple(recurrent))

    @classmethod
    def of(cls, *genotypes: Genotype) -> "LiveOps":
        """Return what ``genotypes`` use together: the single path of one, the union of several.

        Cells that are not numbered topologically are renumbered first; ops stand in the order of their
        registration.
        """
        found: dict[Role, dict[tuple[int, int], list[str]]] = {role: {} for role in ROLES}
        for genotype in genotypes:
            for role, source, target, op in _genotype_ops(genotype):
                ops = found[role].setdefault((source, target), [])
                if op not in ops:
                    ops.append(op)
        for role in ROLES:
            order = known_primitives("activation" if role == "recurrent" else "conv")
            for ops in found[role].values():
                ops.sort(key=order.index)
        return cls(*(_as_edges(found[role]) for role in ROLES))

    def edges(self, role: Role) -> tuple[LiveEdge, ...]:
        """Return the edges of one cell, in the order of its rows."""
        return cast(tuple[LiveEdge, ...], getattr(self, role))

    def ops(self, role: Role, source: int, target: int) -> tuple[str, ...]:
        """Return the live ops of an edge; empty where the edge is not live."""
        return next((edge.ops for edge in self.edges(role) if edge.pair == (source, target)), ())

    def each(self, role: Role) -> Iterator[LiveOp]:
        """Yield every (edge, op) of one cell, row by row, ``none`` included."""
        for source, target, ops in self.edges(role):
            for op in ops:
                yield LiveOp(source, target, op)

    @property
    def n_ops(self) -> int:
        """Number of live (edge, op) pairs of the three cells: as many alphas."""
        return sum(len(edge.ops) for role in ROLES for edge in self.edges(role))

    def n_nodes(self, role: Role) -> int:
        """Return the number of intermediate nodes of a conv cell, or of states after state 0."""
        return self.edges(role)[-1].target - (0 if role == "recurrent" else 1)

    def contains(self, other: "LiveOps") -> bool:
        """Return whether everything that is live in ``other`` is live here."""
        return all(set(other.each(role)) <= set(self.each(role)) for role in ROLES)

    def merged(self, other: "LiveOps") -> "LiveOps":
        """Return what is live here or in ``other``; ops that only ``other`` has come last on their edge."""
        found: list[dict[tuple[int, int], list[str]]] = []
        for role in ROLES:
            ops: dict[tuple[int, int], list[str]] = {edge.pair: list(edge.ops) for edge in self.edges(role)}
            for source, target, op in other.each(role):
                here = ops.setdefault((source, target), [])
                if op not in here:
                    here.append(op)
            found.append(ops)
        return LiveOps(*map(_as_edges, found))

    def drop(self, role: Role, dropped: Iterable[tuple[int, int, str]]) -> "LiveOps":
        """Return this without the ``(source, target, op)`` of ``dropped``; an edge goes with its last op.

        Raises
        ------
        DataError
            If one of them is not live, or nothing leads to a node any more.
        """
        gone = {LiveOp(*entry) for entry in dropped}
        self._check_live(role, gone)
        kept = [
            LiveEdge(source, target, tuple(op for op in ops if (source, target, op) not in gone))
            for source, target, ops in self.edges(role)
        ]
        return self._with(role, [edge for edge in kept if edge.ops])

    def drop_edges(self, role: Role, dropped: Collection[tuple[int, int]]) -> "LiveOps":
        """Return this without the edges ``(source, target)`` of ``dropped``; raises as :meth:`drop` does."""
        missing = set(dropped) - {edge.pair for edge in self.edges(role)}
        if missing:
            names = ", ".join(f"{source} -> {target}" for source, target in sorted(missing))
            raise DataError(f"{role}: edge {names} is not live.")
        return self._with(role, [edge for edge in self.edges(role) if edge.pair not in set(dropped)])

    def without(self, op: str) -> "LiveOps":
        """Return this with ``op`` (e.g. ``none``) switched off wherever it is live."""
        live = self
        for role in ROLES:
            live = live.drop(role, [entry for entry in self.each(role) if entry.op == op])
        return live

    def keep_best(self, role: Role, scores: Mapping[LiveOp, float], n_ops: int) -> "LiveOps":
        """Return this with the ``n_ops`` best ops on every edge of one cell; of equals the earlier in order.

        Parameters
        ----------
        role
            The cell; the two others stay as they are.
        scores
            A number for every live ``(source, target, op)``, as :meth:`Alphas.probs` gives.
        n_ops
            At least 1; edges that have no more ops stay as they are.

        Raises
        ------
        ValueError
            If ``n_ops`` is below 1.
        DataError
            If a live op has no score.
        """
        if n_ops < 1:
            raise ValueError(f"n_ops is {n_ops}, it must be at least 1.")
        missing = [entry for entry in self.each(role) if entry not in scores]
        if missing:
            raise DataError(f"{role}: no score for {_name(missing[0])} and {len(missing) - 1} more.")
        dropped: list[LiveOp] = []
        for source, target, ops in self.edges(role):
            entries = [LiveOp(source, target, op) for op in ops]
            dropped += sorted(entries, key=lambda entry: -scores[entry])[n_ops:]
        return self.drop(role, dropped)

    def to_document(self) -> dict[str, object]:
        """Return this as JSON values; :meth:`from_document` gives it back."""
        return {
            **LIVE_OPS.header,
            **{
                role: [
                    {"source": source, "target": target, "ops": list(ops)}
                    for source, target, ops in self.edges(role)
                ]
                for role in ROLES
            },
        }

    @classmethod
    def from_document(cls, document: object, *, where: str = "live ops") -> "LiveOps":
        """Read live ops from JSON values.

        Raises
        ------
        DataError
            If it is no such document, or listing what is wrong in it; ``where`` names the source.
        """
        values = LIVE_OPS.check_object(document, where=where)
        if unknown := sorted(map(str, values.keys() - {"format", "version", *ROLES})):
            raise DataError(f"{where}: unknown key {unknown[0]!r}.")
        faults: list[str] = []
        roles = [_edges_from_document(values.get(role), role, faults) for role in ROLES]
        if faults:
            raise DataError.from_faults(where, faults)
        try:
            return cls(*roles)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error

    def _with(self, role: Role, edges: Sequence[LiveEdge]) -> "LiveOps":
        return replace(self, **{role: tuple(edges)})

    def _check_live(self, role: Role, entries: Collection[LiveOp]) -> None:
        missing = sorted(set(entries) - set(self.each(role)))
        if missing:
            raise DataError(f"{role}: {', '.join(map(_name, missing[:5]))} is not live.")


def _name(entry: LiveOp) -> str:
    return f"{entry.op} on {entry.source} -> {entry.target}"


def _as_edges(ops: Mapping[tuple[int, int], Sequence[str]]) -> tuple[LiveEdge, ...]:
    return tuple(LiveEdge(source, target, tuple(names)) for (source, target), names in ops.items())


def _genotype_ops(genotype: Genotype) -> Iterator[tuple[Role, int, int, str]]:
    conv: tuple[tuple[Role, ConvCell], ...] = (("normal", genotype.normal), ("reduce", genotype.reduce))
    for role, cell in conv:
        for source, target, op in cell.in_topological_numbering().edges:
            yield role, source, target, op
    recurrent: RecurrentCell = genotype.recurrent.in_topological_numbering()
    for number, (predecessor, activation) in enumerate(recurrent.states, start=1):
        yield "recurrent", predecessor, number, activation


def _faults(edges: Sequence[LiveEdge], role: Role) -> Iterator[str]:
    kind: Kind = "activation" if role == "recurrent" else "conv"
    first = 1 if role == "recurrent" else 2
    seen: set[tuple[int, int]] = set()
    if edges and edges[-1].target - first >= MAX_NODES:  # sorted by target
        yield f"a cell has at most {MAX_NODES} intermediate nodes."
        return
    for edge in edges:
        where = f"edge {edge.source} -> {edge.target}"
        if not 0 <= edge.source < edge.target or edge.target < first:
            yield f"{where}: an edge leads from a lower number to a higher one, at least {first}."
        if edge.pair in seen:
            yield f"{where} is there twice."
        seen.add(edge.pair)
        if not edge.ops:
            yield f"{where}: no op is live; leave the edge out."
        for op in edge.ops:
            if edge.ops.count(op) > 1:
                yield f"{where}: {op!r} is there twice."
            if op != NONE and (fault := unknown_primitive_fault(op, kind)):
                yield f"{where}: {fault}"
    reached = {edge.target for edge in edges if set(edge.ops) - {NONE}}
    last = max((edge.target for edge in edges), default=first)
    for node in range(first, last + 1):
        if node not in reached:
            yield f"nothing live leads to node {node}; {NONE!r} does not count."


def _edges_from_document(values: object, role: Role, faults: list[str]) -> tuple[LiveEdge, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        faults.append(f"{role}: a list of edges was expected.")
        return ()
    edges = []
    for index, value in enumerate(values):
        match value:
            case {"source": int(source), "target": int(target), "ops": [*ops], **rest} if not rest and all(
                isinstance(op, str) for op in ops
            ):
                edges.append(LiveEdge(source, target, tuple(cast(list[str], ops))))
            case _:
                faults.append(f'{role}.{index}: {{"source": 0, "target": 2, "ops": ["..."]}} was expected.')
    return tuple(edges)
