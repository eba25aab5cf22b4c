"""Genotypes in words: what one is, and what changed between two."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.primitives import Kind, get_primitive

__all__ = ["describe", "diff"]

Fact = tuple[int, int, str]
"""An edge as (source, target, op), or a state as (predecessor, state, activation)."""

Score = tuple[int, int]
"""How many facts two graphs share, and how many facts join the same nodes, whatever their op."""

MAX_EXACT_NODES = 8


def describe(genotype: Genotype) -> str:
    """Return the genotype in prose: each cell, node by node, and a line that sums up its ops."""
    lines = [f"Genotype {genotype.digest[:12]} of space {genotype.space}.", ""]
    lines += ["The normal cell, which keeps the length:", *_conv_sentences(genotype.normal), ""]
    lines += ["The reduction cell, which shortens the sequence:", *_conv_sentences(genotype.reduce), ""]
    lines += ["The recurrent cell, which runs along the sequence:", *_recurrent_sentences(genotype.recurrent)]
    return "\n".join(lines) + "\n"


def _conv_name(node: int) -> str:
    return f"input {node}" if node < 2 else f"node {node}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _counted(names: Iterable[str], kind: Kind) -> str:
    labels = Counter(get_primitive(name, kind).label for name in names)
    return _listed(
        [f"{count} x {label}" for label, count in sorted(labels.items(), key=lambda x: (-x[1], x[0]))]
    )


def _conv_sentences(cell: ConvCell) -> list[str]:
    lines = []
    for node in cell.topological_order():
        parts = [
            f"{get_primitive(edge.op, 'conv').description} of {_conv_name(edge.source)}"
            for edge in cell.in_edges(node)
        ]
        lines.append(f"  Node {node} is {' plus '.join(parts)}.")
    nodes = _listed([str(node) for node in cell.nodes])
    lines.append(
        f"  The output is nodes {nodes} side by side." if cell.n_nodes > 1 else "  Node 2 is the output."
    )
    lines.append(f"  In all: {_counted((edge.op for edge in cell.edges), 'conv')}.")
    return lines


def _recurrent_sentences(cell: RecurrentCell) -> list[str]:
    lines = []
    for number in cell.topological_order():
        predecessor, activation = cell.states[number - 1]
        source = "the input state 0" if predecessor == 0 else f"state {predecessor}"
        lines.append(f"  State {number} moves {source} towards the {activation} of its transform.")
    lines.append(f"  The output is the mean of states 1 to {cell.n_states}.")
    lines.append(f"  In all: {_counted((state.activation for state in cell.states), 'activation')}.")
    return lines


def diff(old: Genotype, new: Genotype) -> list[str]:
    """Return what changed from ``old`` to ``new``, one sentence a change; empty if they are equal.

    Nodes are matched so that few facts differ, so a mere renumbering is no change. Numbers in the sentences are
    those of ``old``; up to 8 nodes the matching is the best there is, above that it is improved by swaps.
    """
    sentences = []
    for role, first, second in (("normal", old.normal, new.normal), ("reduce", old.reduce, new.reduce)):
        if first != second:
            changes = _conv_changes(*_aligned(first.edges, second.edges, first_node=2))
            sentences += [f"{role} cell, {change}" for change in changes]
    if old.recurrent != new.recurrent:
        facts = [
            [
                (state.predecessor, number, state.activation)
                for number, state in enumerate(cell.states, start=1)
            ]
            for cell in (old.recurrent, new.recurrent)
        ]
        changes = _recurrent_changes(*_aligned(facts[0], facts[1], first_node=1))
        sentences += [f"recurrent cell, {change}" for change in changes]
    return sentences


def _aligned(old: Sequence[Fact], new: Sequence[Fact], *, first_node: int) -> tuple[set[Fact], set[Fact]]:
    """Return both sets of facts, the second renumbered to share as many facts with the first as possible."""
    nodes = list(range(first_node, max(target for _, target, _ in [*old, *new]) + 1))
    kept = set(old)
    match = _best_match if len(nodes) <= MAX_EXACT_NODES else _match_improved_by_swaps
    return kept, _renamed(new, match(nodes, kept, new))


def _renamed(facts: Iterable[Fact], mapping: Mapping[int, int]) -> set[Fact]:
    return {(mapping.get(source, source), mapping.get(target, target), op) for source, target, op in facts}


def _score(facts: Iterable[Fact], kept: set[Fact], pairs: set[tuple[int, int]]) -> Score:
    shared = [(fact in kept, fact[:2] in pairs) for fact in facts]
    return sum(same for same, _ in shared), sum(between for _, between in shared)


def _best_match(nodes: Sequence[int], kept: set[Fact], new: Sequence[Fact]) -> dict[int, int]:
    """Return the best renaming of the nodes of ``new``, by branch and bound.

    Nodes are named one after the other, best gain first; a branch is left once all facts that are still open
    could not lift it above the best one found.
    """
    pairs = {fact[:2] for fact in kept}
    # A fact is settled by the later of its nodes; inputs, which are not renamed, come before all.
    settled = [[fact for fact in new if max(fact[:2]) == node] for node in nodes]
    n_open = [sum(map(len, settled[index:])) for index in range(len(nodes) + 1)]
    best: tuple[Score, dict[int, int]] = ((-1, -1), {})

    def extend(mapping: dict[int, int], score: Score) -> None:
        nonlocal best
        index = len(mapping)
        if (score[0] + n_open[index], score[1] + n_open[index]) <= best[0]:
            return
        if index == len(nodes):
            best = (score, mapping)
            return
        options = []
        for name in sorted(set(nodes) - set(mapping.values())):
            named = {**mapping, nodes[index]: name}
            gain = _score(_renamed(settled[index], named), kept, pairs)
            options.append(((score[0] + gain[0], score[1] + gain[1]), named))
        for total, named in sorted(options, key=lambda option: option[0], reverse=True):
            extend(named, total)

    extend({}, (0, 0))
    return best[1]


def _match_improved_by_swaps(nodes: Sequence[int], kept: set[Fact], new: Sequence[Fact]) -> dict[int, int]:
    pairs = {fact[:2] for fact in kept}
    mapping = {node: node for node in nodes}
    score = _score(_renamed(new, mapping), kept, pairs)
    improved = True
    while improved:
        improved = False
        for i, j in itertools.combinations(nodes, 2):
            swapped = {**mapping, i: mapping[j], j: mapping[i]}
            swapped_score = _score(_renamed(new, swapped), kept, pairs)
            if swapped_score > score:
                mapping, score, improved = swapped, swapped_score, True
    return mapping


def _conv_changes(old: set[Fact], new: set[Fact]) -> list[str]:
    gone, come = sorted(old - new, key=_by_target), sorted(new - old, key=_by_target)
    changes = []
    for source, target, op in gone:
        edge = f"edge {_conv_name(source)} -> {_conv_name(target)}"
        # The same edge with another op, else an edge into the same node with the same op, else any into it.
        match = (
            next((fact for fact in come if fact[:2] == (source, target)), None)
            or next((fact for fact in come if fact[1:] == (target, op)), None)
            or next((fact for fact in come if fact[1] == target), None)
        )
        if match is None:
            changes.append(f"{edge}: {op} is gone.")
            continue
        come.remove(match)
        if match[0] == source:
            changes.append(f"{edge}: {op} became {match[2]}.")
        elif match[2] == op:
            changes.append(f"{edge}: {op} now reads {_conv_name(match[0])}.")
        else:
            changes.append(f"{edge}: {op} became {match[2]} and reads {_conv_name(match[0])}.")
    changes += [f"edge {_conv_name(s)} -> {_conv_name(t)}: {op} is new." for s, t, op in come]
    return changes


def _recurrent_changes(old: set[Fact], new: set[Fact]) -> list[str]:
    before = {number: (predecessor, activation) for predecessor, number, activation in old}
    after = {number: (predecessor, activation) for predecessor, number, activation in new}
    changes = []
    for number in sorted(before.keys() | after.keys()):
        if number not in after:
            changes.append(f"state {number}: gone.")
        elif number not in before:
            changes.append(f"state {number}: new, {after[number][1]} of state {after[number][0]}.")
        else:
            (predecessor, activation), (new_predecessor, new_activation) = before[number], after[number]
            parts = []
            if activation != new_activation:
                parts.append(f"{activation} became {new_activation}")
            if predecessor != new_predecessor:
                parts.append(f"reads state {new_predecessor} instead of {predecessor}")
            if parts:
                changes.append(f"state {number}: {' and '.join(parts)}.")
    return changes


def _by_target(fact: Fact) -> tuple[int, int, str]:
    return fact[1], fact[0], fact[2]
