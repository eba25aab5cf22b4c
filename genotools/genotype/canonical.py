"""Canonical numbering of small labelled DAGs: equal up to renumbering means equal to the letter.

Colour refinement with individualisation: nodes are split by depth, then by the ops and colours around them until
nothing splits any more; a class that stays whole is broken by trying its members, of which those that an
automorphism maps onto each other are tried once. The form is exact, never a hash that could collide.

Reference: McKay and Piperno 2014, Practical graph isomorphism II.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["canonical_order", "canonical_tree", "depths"]

Neighbours = Sequence[Sequence[tuple[str, int]]]
"""Per node, the (op, other node) of its edges in one direction."""

Certificate = tuple[tuple[int, int, str], ...]

Automorphism = Sequence[int]
"""Per node, its image in a renumbering that leaves the graph as it is."""


def depths(n_nodes: int, inputs: int, edges: Sequence[tuple[int, int, str]]) -> list[int] | None:
    """Return for each node its longest distance from the inputs, or None if the edges form a cycle.

    Nodes are ``0 .. n_nodes - 1``, the first ``inputs`` of them have depth 0.
    """
    waiting = [0] * n_nodes
    targets: list[list[int]] = [[] for _ in range(n_nodes)]
    for source, target, _ in edges:
        waiting[target] += 1
        targets[source].append(target)
    depth = [0] * inputs + [1] * (n_nodes - inputs)
    ready = [node for node in range(n_nodes) if not waiting[node]]
    n_done = 0
    while ready:
        node = ready.pop()
        n_done += 1
        for target in targets[node]:
            depth[target] = max(depth[target], depth[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depth if n_done == n_nodes else None


def canonical_order(n_nodes: int, inputs: int, edges: Sequence[tuple[int, int, str]]) -> list[int]:
    """Return the non-input nodes in canonical order, which is topological.

    Parameters
    ----------
    n_nodes
        Number of nodes, inputs included; inputs come first and keep their numbers, since they have roles.
    inputs
        Number of inputs.
    edges
        ``(source, target, op)`` of an acyclic graph without parallel edges.
    """
    incoming: list[list[tuple[str, int]]] = [[] for _ in range(n_nodes)]
    outgoing: list[list[tuple[str, int]]] = [[] for _ in range(n_nodes)]
    for source, target, op in edges:
        incoming[target].append((op, source))
        outgoing[source].append((op, target))
    # Inputs get colours of their own below all others; depth first makes the final order topological.
    start = [*range(-inputs, 0), *[1] * (n_nodes - inputs)]
    for _ in range(n_nodes):  # one pass is enough where edges are written in topological order
        is_settled = True
        for source, target, _op in edges:
            if start[target] <= start[source]:
                start[target] = start[source] + 1
                is_settled = False
        if is_settled:
            break
    graph = _Graph(edges, incoming, outgoing)
    leaf, _ = _best_leaf(_refine(_ranks(start), graph), graph)
    return sorted(range(inputs, n_nodes), key=leaf.__getitem__)


class _Graph(NamedTuple):
    edges: Sequence[tuple[int, int, str]]
    incoming: Neighbours
    outgoing: Neighbours


def _ranks(keys: Sequence[object]) -> list[int]:
    position = {key: rank for rank, key in enumerate(sorted(set(keys)))}  # type: ignore[type-var]
    return [position[key] for key in keys]


def _refine(colours: list[int], graph: _Graph) -> list[int]:
    """Split colour classes by the ops and colours around each node until nothing splits."""
    n_classes = len(set(colours))
    while n_classes < len(colours):
        colours = _ranks(
            [
                (
                    colour,
                    tuple(sorted([(op, colours[other]) for op, other in incoming])),
                    tuple(sorted([(op, colours[other]) for op, other in outgoing])),
                )
                for colour, incoming, outgoing in zip(colours, graph.incoming, graph.outgoing, strict=True)
            ]
        )
        n_before, n_classes = n_classes, len(set(colours))
        if n_classes == n_before:
            break
    return colours


def _candidates(colours: Sequence[int], graph: _Graph) -> list[int]:
    """Return the members of the first colour class with several nodes, one of each set of twins.

    Twins have the same edges from and to the same nodes, so that exchanging them changes nothing.
    """
    if len(set(colours)) == len(colours):
        return []
    members: dict[int, list[int]] = {}
    for node, colour in enumerate(colours):
        members.setdefault(colour, []).append(node)
    first = next(members[colour] for colour in sorted(members) if len(members[colour]) > 1)
    twins = {(frozenset(graph.incoming[node]), frozenset(graph.outgoing[node])): node for node in first}
    return list(twins.values())


def _individualised(colours: Sequence[int], node: int, graph: _Graph) -> list[int]:
    split = [2 * colour + 1 for colour in colours]
    split[node] -= 1
    return _refine(_ranks(split), graph)


def _certificate(colours: Sequence[int], graph: _Graph) -> Certificate:
    """Return the edges between colours: of a discrete colouring the renumbered graph, of any an invariant."""
    return tuple(sorted((colours[source], colours[target], op) for source, target, op in graph.edges))


def _best_leaf(colours: list[int], graph: _Graph) -> tuple[list[int], list[Automorphism]]:
    """Return the canonical discrete refinement of ``colours``, and automorphisms that keep ``colours``.

    Of the branches, one per candidate, only those with the smallest certificate before they branch again are
    followed, and of those that an automorphism maps onto each other only one.
    """
    candidates = _candidates(colours, graph)
    if not candidates:
        return colours, []
    splits = {node: _individualised(colours, node, graph) for node in candidates}
    certificates = {node: _certificate(split, graph) for node, split in splits.items()}
    smallest = min(certificates.values())
    leaves: list[list[int]] = []
    automorphisms: list[Automorphism] = []
    first_paths: dict[Certificate, list[int]] = {}
    covered: set[int] = set()
    for node in (node for node in candidates if certificates[node] == smallest):
        if node in covered:
            continue
        path = _first_path(splits[node], graph)
        known = first_paths.setdefault(_certificate(path, graph), path)
        if known is path:
            leaf, found = _best_leaf(splits[node], graph)
            leaves.append(leaf)
            automorphisms += found
        else:  # two numberings that give the same graph are an automorphism
            image = {colour: other for other, colour in enumerate(path)}
            automorphisms.append([image[colour] for colour in known])
        covered = _orbits({*covered, node}, automorphisms)
    return min(leaves, key=lambda leaf: _certificate(leaf, graph)), automorphisms


def _first_path(colours: list[int], graph: _Graph) -> list[int]:
    while candidates := _candidates(colours, graph):
        colours = _individualised(colours, candidates[0], graph)
    return colours


def _orbits(nodes: set[int], automorphisms: Sequence[Automorphism]) -> set[int]:
    """Return everything that repeated ``automorphisms`` map ``nodes`` to."""
    found, stack = set(nodes), list(nodes)
    while stack:
        node = stack.pop()
        new = {automorphism[node] for automorphism in automorphisms} - found
        found |= new
        stack.extend(new)
    return found


def canonical_tree(children: Mapping[int, Sequence[tuple[int, str]]], root: int) -> list[tuple[int, str]]:
    """Return the canonical ``(predecessor, label)`` list of a rooted tree (Aho, Hopcroft and Ullman).

    Parameters
    ----------
    children
        Per node its ``(child, label)``; nodes without children may be absent.
    root
        The node that becomes 0; entry ``i`` of the result is node ``i + 1``, parents before children.
    """
    form: dict[int, str] = {}
    for node in reversed(_preorder(children, root)):
        parts = sorted(f"({label}{form[child]})" for child, label in children.get(node, ()))
        form[node] = "".join(parts)
    numbered: list[tuple[int, str]] = []
    stack = [(root, 0)]
    while stack:
        node, number = stack.pop()
        ordered = sorted(children.get(node, ()), key=lambda child: (child[1], form[child[0]]))
        for child, label in ordered:
            numbered.append((number, label))
            stack.append((child, len(numbered)))
    return numbered


def _preorder(children: Mapping[int, Sequence[tuple[int, str]]], root: int) -> list[int]:
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(child for child, _ in children.get(node, ()))
    return order
