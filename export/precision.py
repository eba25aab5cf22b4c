"""Fewer bits for the numbers of a graph: weights as float16, or products in int8.

``fp16`` keeps weights as half-precision numbers and computes in single precision: half the file, the same speed.
``int8`` multiplies bytes: the inputs of every large product are quantised with a range that was seen on calibration
windows, its matrix column by column. So a window's prediction does not depend on the windows beside it, as it would
with ranges taken from each batch. Both are written as standard operators (Cast; QuantizeLinear and DequantizeLinear),
which onnxruntime fuses with the products.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper
from torch import nn

from genotools.errors import GenotoolsError
from genotools.export._graph import graphs_of
from genotools.export.deployed import Product, plain_loops

__all__ = ["MIN_WEIGHTS", "Precision", "Range", "input_ranges", "largest_weight", "to_half", "to_int8"]

Precision = Literal["fp32", "fp16", "int8"]
Range = tuple[float, float]

MIN_WEIGHTS = 1024
"""Numbers in a matrix from which on it is written with fewer bits."""

MAX_LEVEL = 63
"""Largest weight level: with 7 bits the sums of pairs fit 16 bits, so processors without byte products agree too."""


def to_half(model: ModelProto) -> None:
    """Write large weights of ``model`` as float16, in place.

    Raises
    ------
    GenotoolsError
        If a weight is too large for float16; names its tensor and the largest one.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < MIN_WEIGHTS:
            continue
        largest = float(np.abs(values).max())
        if not largest <= float(np.finfo(np.float16).max):  # NaN is not below anything
            raise GenotoolsError(
                f"{tensor.name} has a weight of {largest:.6g}, float16 ends at 65504. Use --precision fp32."
            )
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=1))
    _put_first(graph, casts)


def largest_weight(model: ModelProto) -> tuple[str, float]:
    """Return the name of the tensor with the largest weight of ``model``, and its absolute value."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    largest = {
        name: float(np.abs(values).max(initial=0))
        for name, values in weights.items()
        if values.dtype.kind == "f"
    }
    return max(largest.items(), key=lambda item: item[1])


def input_ranges(network: nn.Module, codes: NDArray[np.uint8], *, batch_size: int = 32) -> dict[str, Range]:
    """Return the smallest and largest input of every large product, by the name of its matrix.

    Parameters
    ----------
    network
        What will be written, see :func:`genotools.export._graph.to_onnx`.
    codes
        Calibration windows ``(N, L)``.

    Raises
    ------
    GenotoolsError
        If an input is not finite; names the matrix.
    """
    found: dict[str, Range] = {}
    handles = [
        module.register_forward_pre_hook(_observer(found, f"{name}.weight"))
        for name, module in network.named_modules()
        if isinstance(module, Product) and module.weight.numel() >= MIN_WEIGHTS
    ]
    try:
        with torch.inference_mode(), plain_loops(network):
            for start in range(0, len(codes), batch_size):
                network(torch.from_numpy(codes[start : start + batch_size]))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _observer(found: dict[str, Range], name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        low, high = float(inputs[0].min()), float(inputs[0].max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise GenotoolsError(
                f"the inputs of {name} go from {low:g} to {high:g} on the calibration windows, so int8 has no range "
                "for them. Use --precision fp32."
            )
        before = found.get(name, (0.0, 0.0))  # zero must be a level
        found[name] = min(before[0], low), max(before[1], high)

    return observe


def to_int8(model: ModelProto, ranges: Mapping[str, Range]) -> None:
    """Let the products of ``model`` with the matrices of ``ranges`` multiply bytes, in place.

    Raises
    ------
    GenotoolsError
        If one of the matrices is used otherwise, or not at all.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in ranges}
    used: set[str] = set()
    for graph in graphs_of(model.graph):
        nodes: list[NodeProto] = []
        products: set[str] = set()
        for node in graph.node:
            if node.op_type == "MatMul" and node.input[1] in weights:
                used.add(node.input[1])
                products.update(node.output)
                nodes += _quantised(node, len(nodes))
            elif node.op_type == "Add" and products.intersection(node.input):
                node.op_type = (
                    "Sum"  # onnxruntime makes product and Add one float product, whose bytes are lost
                )
            nodes.append(node)
        del graph.node[:]
        graph.node.extend(nodes)
    if missing := sorted(set(ranges) - used):
        raise GenotoolsError(f"the graph has no product with {', '.join(missing)}.")
    for name, tensor in weights.items():
        constants = _input_constants(name, ranges[name]) + _matrix_constants(
            name, numpy_helper.to_array(tensor)
        )
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants)


def _quantised(node: NodeProto, number: int) -> list[NodeProto]:
    """Return the nodes in front of a product, which reads their outputs from now on."""
    x, matrix = node.input
    prefix = f"{matrix}.{number}"
    before = [
        _node("QuantizeLinear", [x, f"{matrix}.x_scale", f"{matrix}.x_zero"], f"{prefix}.x_levels"),
        _node(
            "DequantizeLinear",
            [f"{prefix}.x_levels", f"{matrix}.x_scale", f"{matrix}.x_zero"],
            f"{prefix}.x",
        ),
        _node("DequantizeLinear", [f"{matrix}.levels", f"{matrix}.scale"], f"{prefix}.matrix", axis=1),
    ]
    node.input[0], node.input[1] = f"{prefix}.x", f"{prefix}.matrix"
    return before


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, inputs, [output], name=f"{output}.node", **attributes)


def _input_constants(name: str, span: Range) -> list[tuple[str, NDArray[Any]]]:
    low, high = span
    scale = np.float32((high - low) / 255 or 1.0)
    zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
    return [(f"{name}.x_scale", np.array(scale)), (f"{name}.x_zero", np.array(zero))]


def _matrix_constants(name: str, matrix: NDArray[np.float32]) -> list[tuple[str, NDArray[Any]]]:
    """Return the levels of a matrix ``(K, M)`` and the scale ``(M,)`` of each column."""
    largest = np.abs(matrix).max(axis=0)
    scale = np.where(largest > 0, largest / MAX_LEVEL, 1).astype(np.float32)
    return [(f"{name}.levels", np.rint(matrix / scale).astype(np.int8)), (f"{name}.scale", scale)]


def _put_first(graph: GraphProto, nodes: list[NodeProto]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
