"""Genotypes as DARTS-style text, the notation of the DARTS family of programs.

``Genotype(normal=[('sep_conv_15', 0), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=[...],
recurrent=[('tanh', 0), ...], concat=range(1, 9))``: of a convolutional cell with in-degree 2, pairs 2i and 2i + 1 are
the in-edges of node 2 + i. The text is parsed as a literal; nothing in it is ever run.
"""

import ast
import warnings
from collections.abc import Sequence

from genotools.errors import DataError
from genotools.genotype.cells import (
    ConvCell,
    Edge,
    RecurrentCell,
    State,
    conv_cell_faults,
    recurrent_cell_faults,
)
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace, get_space

__all__ = ["from_darts", "to_darts"]

MAX_TEXT = 100_000
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat", "rnn", "rnn_concat")
ALIASES = {"recurrent": "rnn", "concat": "rnn_concat", "recurrent_concat": "rnn_concat"}


def to_darts(genotype: Genotype) -> str:
    """Return the genotype as DARTS-style text; every convolutional node must have two in-edges.

    Raises
    ------
    DataError
        If a node has another in-degree: the notation cannot express it.
    """
    parts = []
    for role, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        cell = cell.in_topological_numbering()
        pairs = []
        for node in cell.nodes:
            edges = cell.in_edges(node)
            if len(edges) != 2:
                raise DataError(f"{role} cell, node {node}: {len(edges)} in-edges; DARTS-style text needs 2.")
            pairs += [(edge.op, edge.source) for edge in edges]
        parts += [f"{role}={pairs!r}", f"{role}_concat={list(cell.nodes)!r}"]
    recurrent = genotype.recurrent.in_topological_numbering()
    states = [(state.activation, state.predecessor) for state in recurrent.states]
    parts += [f"rnn={states!r}", f"rnn_concat={list(range(1, recurrent.n_states + 1))!r}"]
    return f"Genotype({', '.join(parts)})"


def from_darts(text: str, *, where: str = "DARTS-style text", space: SearchSpace | None = None) -> Genotype:
    """Read a genotype from DARTS-style text.

    Fields may be given by name or in order (normal, normal_concat, reduce, reduce_concat, rnn, rnn_concat);
    ``recurrent`` is read as ``rnn``, and the concats may be left out.

    Raises
    ------
    DataError
        If the text is not such a literal, or the genotype is not of the space; lists every fault.
    """
    fields = _parse(text, where)
    missing = [name for name in ("normal", "reduce", "rnn") if name not in fields]
    if missing:
        raise DataError(f"{where}: {', '.join(missing)} missing; a genotype has normal, reduce and rnn.")
    edges = {role: _edges(_pairs(fields[role], f"{where}: {role}")) for role in ("normal", "reduce")}
    states = [State(number, name) for name, number in _pairs(fields["rnn"], f"{where}: rnn")]
    faults = [f"{role}: {fault}" for role, cell in edges.items() for fault in conv_cell_faults(cell)]
    faults += [f"rnn: {fault}" for fault in recurrent_cell_faults(states)]
    for name, first, count in (
        ("normal_concat", 2, len(edges["normal"]) // 2),
        ("reduce_concat", 2, len(edges["reduce"]) // 2),
        ("rnn_concat", 1, len(states)),
    ):
        expected = list(range(first, first + count))
        if name in fields and fields[name] != expected:
            faults.append(f"{name}: it must be the list of all intermediate nodes, {expected}.")
    if faults:
        raise DataError.from_faults(where, faults)
    space = space or get_space("genome-nas")
    genotype = Genotype(
        ConvCell(edges["normal"]), ConvCell(edges["reduce"]), RecurrentCell(states), space=space.name
    )
    if faults := space.faults(genotype):
        raise DataError.from_faults(where, faults)
    return genotype


def _parse(text: str, where: str) -> dict[str, object]:
    """Return the fields of a ``Genotype(...)`` call without running anything."""
    if len(text) > MAX_TEXT:
        raise DataError(f"{where}: {len(text):,} characters, at most {MAX_TEXT:,} are read.")
    try:
        with warnings.catch_warnings(action="ignore"):  # about odd literals, refused below
            call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise DataError(
            f"{where}: not DARTS-style text{line}: expected Genotype(normal=[...], ...)."
        ) from error
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype"):
        raise DataError(f"{where}: not DARTS-style text: expected Genotype(normal=[...], ...).")
    if len(call.args) > len(FIELDS):
        raise DataError(f"{where}: {len(call.args)} fields, at most {len(FIELDS)} are known.")
    named = list(zip(FIELDS, call.args, strict=False))
    named += [(keyword.arg or "**", keyword.value) for keyword in call.keywords]
    fields: dict[str, object] = {}
    for written, node in named:
        name = ALIASES.get(written, written)
        if name not in FIELDS:
            raise DataError(f"{where}: unknown field {name[:60]!r}. Known: {', '.join(FIELDS)}.")
        if name in fields:
            raise DataError(f"{where}: field {name!r} appears twice.")
        fields[name] = _literal(node, f"{where}: {name}")
    return fields


def _literal(node: ast.expr, where: str) -> object:
    """Return a literal, or a ``range(a, b)`` of small numbers as a list."""
    try:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            bounds = [ast.literal_eval(argument) for argument in node.args]
            if node.keywords or len(bounds) != 2 or not all(map(_is_small, bounds)):
                raise DataError(f"{where}: not range(start, end) of small numbers.")
            return list(range(*bounds))
        value: object = ast.literal_eval(node)
    except DataError:
        raise
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DataError(f"{where}: not a literal list.") from error
    return list(value) if isinstance(value, tuple) else value


def _is_small(number: object) -> bool:
    # Python refuses to print integers of more than 4,300 digits, so none of them may reach a message.
    return isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1000


def _pairs(value: object, where: str) -> list[tuple[str, int]]:
    """Check that ``value`` is a list of (name, number) pairs."""
    if not isinstance(value, list):
        raise DataError(f"{where}: a list of (name, number) pairs is expected.")
    pairs = []
    for index, pair in enumerate(value):
        match pair:
            case (str(name), int(number)) if _is_small(number):
                pairs.append((name, number))
            case _:
                raise DataError(
                    f"{where}, pair {index}: a pair of a name and a number below 1000 is expected."
                )
    return pairs


def _edges(pairs: Sequence[tuple[str, int]]) -> list[Edge]:
    return [Edge(source, 2 + index // 2, op) for index, (op, source) in enumerate(pairs)]
