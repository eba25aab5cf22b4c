"""Search spaces: which cells are legal, as data, and uniform sampling from them.

What changes a genotype into another one is in :mod:`genotools.genotype.variation`, what turns it into arrays in
:mod:`genotools.genotype.encoding`; both are reached through the methods of :class:`SearchSpace`.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from genotools.errors import DataError
from genotools.genotype.cells import MAX_NODES, ConvCell, Edge, RecurrentCell
from genotools.genotype.genotype import MAX_NAME, Genotype
from genotools.genotype.primitives import unknown_primitive_fault

if TYPE_CHECKING:
    import numpy as np

    from genotools.genotype.encoding import GenotypeEncoding

__all__ = ["ConvCellSpace", "RecurrentCellSpace", "SearchSpace", "get_space", "register_space"]


@dataclass(frozen=True, slots=True)
class ConvCellSpace:
    """Convolutional cells of ``n_nodes`` nodes with ``in_degree`` in-edges from distinct sources.

    A node with fewer predecessors than ``in_degree`` takes all of them.
    """

    n_nodes: int
    in_degree: int
    ops: tuple[str, ...]

    def in_degrees(self) -> list[int]:
        """Return the in-degree of each node in topological order."""
        return [min(self.in_degree, 2 + index) for index in range(self.n_nodes)]

    def size(self) -> int:
        """Return the number of cells with ordered nodes, exactly."""
        size = 1
        for index, degree in enumerate(self.in_degrees()):
            size *= math.comb(2 + index, degree) * len(self.ops) ** degree
        return size

    def faults(self, cell: ConvCell) -> list[str]:
        """Return what keeps ``cell`` out of this space."""
        faults = []
        for index, edge in enumerate(cell.edges):
            if fault := unknown_primitive_fault(edge.op, "conv", self.ops):
                faults.append(f"edge {index} ({edge.source} -> {edge.target}): {fault}")
        return faults + self.degree_faults(cell.edges)

    def degree_faults(self, edges: Sequence[Edge]) -> list[str]:
        """Return where the number of nodes or of in-edges is not that of the space; ops do not count."""
        degrees = Counter(edge.target for edge in edges if edge.target > 1)
        n_nodes = max(degrees, default=1) - 1
        if n_nodes != self.n_nodes:
            return [f"{n_nodes} intermediate nodes, the space has {self.n_nodes}."]
        # Only the first nodes in topological order have fewer in-edges, one node of each number: as an acyclic
        # cell cannot have more there, equal counts suffice.
        allowed = Counter(self.in_degrees())
        faults = []
        for node in sorted(degrees):
            allowed[degrees[node]] -= 1
            if allowed[degrees[node]] < 0:
                faults.append(f"node {node}: {degrees[node]} in-edges, {self.in_degree} are needed.")
        return faults

    def sample(self, *, rng: "np.random.Generator") -> ConvCell:
        """Return a cell drawn uniformly from the cells with ordered nodes."""
        edges = []
        for index, degree in enumerate(self.in_degrees()):
            sources = sorted(rng.choice(2 + index, size=degree, replace=False).tolist())
            ops = rng.integers(len(self.ops), size=degree).tolist()
            edges += [(source, 2 + index, self.ops[op]) for source, op in zip(sources, ops, strict=True)]
        return ConvCell(edges)


@dataclass(frozen=True, slots=True)
class RecurrentCellSpace:
    """Recurrent cells of ``n_states`` states, each with one predecessor and one activation."""

    n_states: int
    activations: tuple[str, ...]

    def size(self) -> int:
        """Return the number of cells with ordered states, exactly."""
        return math.factorial(self.n_states) * int(len(self.activations) ** self.n_states)

    def faults(self, cell: RecurrentCell) -> list[str]:
        """Return what keeps ``cell`` out of this space."""
        faults = []
        if cell.n_states != self.n_states:
            faults.append(f"{cell.n_states} states, the space has {self.n_states}.")
        for number, state in enumerate(cell.states, start=1):
            if fault := unknown_primitive_fault(state.activation, "activation", self.activations):
                faults.append(f"state {number}: {fault}")
        return faults

    def sample(self, *, rng: "np.random.Generator") -> RecurrentCell:
        """Return a cell drawn uniformly from the cells with ordered states."""
        return RecurrentCell(
            (int(rng.integers(number)), self.activations[int(rng.integers(len(self.activations)))])
            for number in range(1, self.n_states + 1)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """The genotypes that a search may visit. A space is data: it is read from and written to JSON.

    Parameters
    ----------
    name
        What genotypes call it.
    normal, reduce, recurrent
        The cells that are legal.
    description
        One line for people.

    Raises
    ------
    DataError
        If the name is no name, a number is not in 1 to 64, or a primitive is not registered or named twice.
    """

    name: str
    normal: ConvCellSpace
    reduce: ConvCellSpace
    recurrent: RecurrentCellSpace
    description: str = ""

    def __post_init__(self) -> None:
        faults = []
        if not (1 <= len(self.name) <= MAX_NAME and self.name.isprintable()):
            faults.append(f"name: {self.name[:60]!r}; a name has 1 to {MAX_NAME} printable characters.")
        faults += [
            f"{key}: {value}, it must be 1 to {MAX_NODES}."
            for key, value in (
                ("normal.n_nodes", self.normal.n_nodes),
                ("normal.in_degree", self.normal.in_degree),
                ("reduce.n_nodes", self.reduce.n_nodes),
                ("reduce.in_degree", self.reduce.in_degree),
                ("recurrent.n_states", self.recurrent.n_states),
            )
            if not 1 <= value <= MAX_NODES
        ]
        for role, names, kind in (
            ("normal.ops", self.normal.ops, "conv"),
            ("reduce.ops", self.reduce.ops, "conv"),
            ("recurrent.activations", self.recurrent.activations, "activation"),
        ):
            unknown = [unknown_primitive_fault(name, kind) for name in names]  # type: ignore[arg-type]
            faults += [f"{role}: {fault}" for fault in unknown if fault]
            faults += [] if names else [f"{role}: empty, at least one is needed."]
            faults += [
                f"{role}: {name!r} appears twice." for name in sorted(set(names)) if names.count(name) > 1
            ]
        if faults:
            raise DataError.from_faults(f"search space {self.name!r}", faults)

    def size(self) -> int:
        """Return the number of genotypes with ordered nodes, exactly (2.4e28 for the published space)."""
        return self.normal.size() * self.reduce.size() * self.recurrent.size()

    def faults(self, genotype: Genotype) -> list[str]:
        """Return what keeps ``genotype`` out of this space, each with its key; empty where nothing does."""
        return [
            *(f"cells.normal: {fault}" for fault in self.normal.faults(genotype.normal)),
            *(f"cells.reduce: {fault}" for fault in self.reduce.faults(genotype.reduce)),
            *(f"cells.recurrent: {fault}" for fault in self.recurrent.faults(genotype.recurrent)),
        ]

    def contains(self, genotype: Genotype) -> bool:
        """Return whether ``genotype`` is legal here; the name of its space does not count."""
        return not self.faults(genotype)

    def sample(self, *, rng: "np.random.Generator") -> Genotype:
        """Return a genotype drawn uniformly from those with ordered nodes."""
        return Genotype(
            self.normal.sample(rng=rng),
            self.reduce.sample(rng=rng),
            self.recurrent.sample(rng=rng),
            space=self.name,
        )

    def mutate(self, genotype: Genotype, *, rng: "np.random.Generator") -> Genotype:
        """Return a genotype that differs in one op, source, activation or predecessor; never an equal one.

        Raises
        ------
        DataError
            If ``genotype`` is not of this space, or nothing in it can change.
        """
        from genotools.genotype.variation import mutate

        return mutate(self, genotype, rng=rng)

    def crossover(self, first: Genotype, second: Genotype, *, rng: "np.random.Generator") -> Genotype:
        """Return a legal child whose every node comes with its in-edges from one of the parents."""
        from genotools.genotype.variation import crossover

        return crossover(self, first, second, rng=rng)

    def neighbors(self, genotype: Genotype) -> list[Genotype]:
        """Return all genotypes one change away, each once; ``genotype`` is not among them."""
        from genotools.genotype.variation import neighbors

        return neighbors(self, genotype)

    def encode(self, genotype: Genotype) -> "GenotypeEncoding":
        """Return adjacency and one-hot ops of each cell as arrays; equal genotypes give equal arrays."""
        from genotools.genotype.encoding import encode

        return encode(self, genotype)

    def to_json(self) -> str:
        """Return the space as the text of its JSON file."""
        from genotools.files import to_json
        from genotools.genotype.documents import space_to_document

        return to_json(space_to_document(self))

    @staticmethod
    def load(path: Path | str) -> "SearchSpace":
        """Read a space from a JSON file; raises DataError listing every fault with its key."""
        from genotools.files import read_json
        from genotools.genotype.documents import space_from_document

        return space_from_document(read_json(path), where=str(path))


_SPACES: dict[str, SearchSpace] = {}


def register_space(space: SearchSpace) -> SearchSpace:
    """Make ``space`` known by its name, so that genotype files that name it can be checked.

    Raises
    ------
    DataError
        If another space has the name, a shipped one included.
    """
    is_taken = space.name in _SPACES or space.name in shipped_spaces()
    if is_taken and get_space(space.name) != space:
        raise DataError(
            f"another search space is already called {space.name!r}; give yours a name of its own."
        )
    return _SPACES.setdefault(space.name, space)


def shipped_spaces() -> Iterator[str]:
    """Yield the names of the spaces that come with the package."""
    folder = resources.files("genotools.genotype") / "spaces"
    yield from sorted(
        file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")
    )


def get_space(name: str) -> SearchSpace:
    """Return the registered or shipped space called ``name``.

    Raises
    ------
    DataError
        If there is none; names the known ones.
    """
    if name not in _SPACES:
        shipped = list(shipped_spaces())
        if name not in shipped:
            known = ", ".join(sorted({*_SPACES, *shipped}))
            raise DataError(
                f"unknown search space {name[:60]!r}. Known: {known}. Name its file: "
                "genotools --space FILE COMMAND ..., or register_space(SearchSpace.load(FILE)) in Python."
            )
        from genotools.files import parse_json
        from genotools.genotype.documents import space_from_document

        text = (resources.files("genotools.genotype") / "spaces" / f"{name}.json").read_text(encoding="utf-8")
        _SPACES[name] = space_from_document(parse_json(text, where=name), where=name)
    return _SPACES[name]
