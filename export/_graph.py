"""A network as an ONNX graph: traced by PyTorch's exporter, cleaned, not yet checked."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper
from torch import nn

from genotools.errors import GenotoolsError
from genotools.export.runtime import INPUT, ORT_ERRORS, OUTPUT

__all__ = ["graphs_of", "newest_opset", "quiet", "to_onnx"]

NEWEST_OPSET = 25
"""The newest that the exporter's own converter writes."""
OLDEST_OPSET = 18
"""The one the exporter translates to; newer ones are converted from it."""

BATCH_AXIS = "N"


def newest_opset() -> int:
    """Return the newest opset that the installed onnxruntime runs and the exporter writes."""
    for opset in range(NEWEST_OPSET, OLDEST_OPSET, -1):
        if _is_run(opset):
            return opset
    return OLDEST_OPSET


def _is_run(opset: int) -> bool:
    """Say whether onnxruntime loads the smallest model of an opset."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS:
        return False
    return True


def to_onnx(network: nn.Module, codes: NDArray[np.uint8], *, opset: int) -> ModelProto:
    """Return the graph from base codes to predictions, for any number of windows.

    Parameters
    ----------
    network
        From codes ``(N, L)`` to predictions ``(N, K)``, in evaluation mode. Initialisers of the graph have the names
        of its parameters and buffers.
    codes
        Two windows or more, traced and then forgotten.
    opset
        The version of the ONNX operators.

    Raises
    ------
    GenotoolsError
        If the exporter cannot translate an operation.
    """
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.eval(),
                (torch.from_numpy(codes),),
                dynamo=True,
                external_data=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=opset,
                # Named dimensions came out static in processes that had exported before; AUTO did not.
                dynamic_shapes=({0: torch.export.Dim.AUTO},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise GenotoolsError(f"the network cannot be written as ONNX: {error}") from error
    model: ModelProto = cast(torch.onnx.ONNXProgram, program).model_proto
    _clean(model)
    _rename(model.graph, kept={INPUT, OUTPUT, *network.state_dict()})
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter, which warns about itself and about packages it does without."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _clean(model: ModelProto) -> None:
    """Drop the exporter's notes, among them stack traces with this machine's paths, and name the batch axis."""
    del model.metadata_props[:]
    model.doc_string = ""
    model.graph.name = "genotools"
    symbol = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for graph in graphs_of(model.graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in (*graph.input, *graph.output, *graph.value_info):
            value.doc_string = ""
            del value.metadata_props[:]
            for dim in value.type.tensor_type.shape.dim:
                if symbol and dim.dim_param == symbol:
                    dim.dim_param = BATCH_AXIS
        for tensor in graph.initializer:
            tensor.doc_string = ""
            del tensor.metadata_props[:]
    _drop_unused(model.graph)


def _drop_unused(graph: GraphProto) -> None:
    """Drop initialisers that no node reads, here or in a body."""
    read = {name for inner in graphs_of(graph) for node in inner.node for name in node.input}
    read |= {output.name for inner in graphs_of(graph) for output in inner.output}
    for inner in list(graphs_of(graph)):
        kept = [tensor for tensor in inner.initializer if tensor.name in read]
        del inner.initializer[:]
        inner.initializer.extend(kept)


def _rename(graph: GraphProto, *, kept: set[str]) -> None:
    """Number values and nodes in their order: the exporter's numbers tell what the process has done before."""
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        return name if name in kept or not name else names.setdefault(name, f"value{len(names)}")

    for inner in graphs_of(graph):
        for number, node in enumerate(inner.node):
            node.name = f"{node.op_type}{number}"
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
        for named in (*inner.input, *inner.output, *inner.initializer, *inner.value_info):
            named.name = renamed(named.name)
        values = sorted(inner.value_info, key=lambda value: value.name)
        del inner.value_info[:]
        inner.value_info.extend(values)
        constants = sorted(inner.initializer, key=lambda tensor: tensor.name)
        del inner.initializer[:]
        inner.initializer.extend(constants)


def graphs_of(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield ``graph`` and the bodies inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs_of(attribute.g)
