"""Names of a network's parameters, and their names in the published implementation.

The names in ``network.state_dict()`` are part of the weight files' format and do not change:

===============================================  ===================================================================
``stem.conv``, ``stem.norm``                     convolution of the stem and its batch norm
``cells.K.inputJ.conv``, ``.norm``               preparation of input J (0 or 1) of cell K
``cells.K.inputJ.first``, ``.second``, ``.norm``  the same where the input is shortened
``cells.K.edges.A_to_B.*``                       the op on the edge from node A to node B, with

* separable convolution                          ``depthwise1``, ``pointwise1``, ``norm1``, ``depthwise2``, ...
* dilated convolution                            ``depthwise``, ``pointwise``, ``norm``
* pair of dense convolutions                     ``conv1``, ``norm1``, ``conv2``, ``norm2``
* skip connection that shortens                  ``first``, ``second``, ``norm``
``recurrent.weights.I``                          matrix that makes state I, row vectors from the left
``head.hidden``, ``head.output``                 the two linear layers
===============================================  ===================================================================

Node and state numbers are those the genotype is written with. Batch norms have ``weight``, ``bias``,
``running_mean``, ``running_var``, ``num_batches_tracked``; linear layers ``weight`` and ``bias``; convolutions
``weight``.
"""

from collections.abc import Iterator

from torch import nn

from genotools.nn.conv_cell import ConvCellModule, edge_name
from genotools.nn.network import GenomeNet
from genotools.nn.ops import FactorizedReduce

__all__ = ["reference_names"]

_FACTORIZED_REDUCE = {"first": "conv_1", "second": "conv_2", "norm": "bn"}


def reference_names(network: GenomeNet) -> dict[str, str]:
    """Return for every name in the state dict its name in the published implementation's.

    Raises
    ------
    ValueError
        If the genotype's numbering is not topological, which the published implementation needs.
    """
    genotype = network.genotype
    for role, cell in (
        ("normal", genotype.normal),
        ("reduce", genotype.reduce),
        ("recurrent", genotype.recurrent),
    ):
        if cell.in_topological_numbering() is not cell:
            raise ValueError(
                f"the {role} cell is not numbered topologically; use in_topological_numbering()."
            )
    prefixes = dict(_prefixes(network))
    names = {}
    for name in network.state_dict():
        module, _, tensor = name.rpartition(".")
        # The matrices of the recurrent cell have no module of their own.
        names[name] = prefixes[name] if name in prefixes else f"{prefixes[module]}.{tensor}"
    return names


def _prefixes(network: GenomeNet) -> Iterator[tuple[str, str]]:
    """Yield pairs of an own and a published module name (of a tensor in the recurrent cell)."""
    yield from (("stem.conv", "stem.0"), ("stem.norm", "stem.1"))
    for index, cell in enumerate(network.cells):
        assert isinstance(cell, ConvCellModule)
        for part, theirs in _cell_parts(cell):
            for child, their_child in _children(cell.get_submodule(part)):
                yield f"cells.{index}.{part}.{child}", f"cells.{index}.{theirs}.{their_child}"
    if network.recurrent is not None:
        yield "recurrent.weights.0", "rnns.0._W0"
        for state in range(1, network.genotype.recurrent.n_states + 1):
            yield f"recurrent.weights.{state}", f"rnns.0._Ws.{state - 1}"
    yield from (("head.hidden", "decoder"), ("head.output", "classifier"))


def _cell_parts(cell: ConvCellModule) -> Iterator[tuple[str, str]]:
    yield from (("input0", "preprocess0"), ("input1", "preprocess1"))
    edges = [edge for node in cell.cell.nodes for edge in cell.cell.in_edges(node)]
    for index, edge in enumerate(edges):
        yield f"edges.{edge_name(edge)}", f"_ops.{index}"


def _children(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the children of one op: the published ones are numbered inside an ``op``, or named."""
    if isinstance(module, FactorizedReduce):
        yield from _FACTORIZED_REDUCE.items()
    else:
        for index, (child, _) in enumerate(module.named_children()):
            yield child, f"op.{index}"
