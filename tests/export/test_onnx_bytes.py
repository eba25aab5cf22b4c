"""What a graph may not hold, found in its bytes wherever it hides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from genotools.errors import DataError
from genotools.export.onnx_bytes import graph_faults
from genotools.export.runtime import OnnxPredictor, sealed


def model_of(*nodes: NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [], [], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def outside() -> TensorProto:
    """Return a tensor whose numbers lie in a file beside."""
    tensor = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret.bin"
    return tensor


def inside(node: NodeProto) -> NodeProto:
    """Return a Scan whose body has a node."""
    return helper.make_node(
        "Scan", ["x"], ["y"], body=helper.make_graph([node], "b", [], []), num_scan_inputs=1
    )


LOOP = helper.make_node("Loop", ["n"], ["y"], body=helper.make_graph([], "b", [], []))
FOREIGN = helper.make_node("Read", ["x"], ["y"], domain="ai.onnx.contrib")
CONSTANT = helper.make_node("Constant", [], ["y"], value=outside())


def with_function() -> onnx.ModelProto:
    model = model_of()
    model.functions.append(helper.make_function("f", "F", ["x"], ["y"], [], [helper.make_opsetid("", 17)]))
    return model


FAULTS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "a loop": (lambda: model_of(LOOP), "it holds a Loop, which may never end"),
    "a loop in a loop": (lambda: model_of(inside(inside(LOOP))), "it holds a Loop, which may never end"),
    "an extension": (lambda: model_of(inside(FOREIGN)), "its ops are of an extension, 'ai.onnx.contrib'"),
    "a tensor outside": (lambda: model_of(initializers=(outside(),)), "its numbers lie in other files"),
    "a constant outside": (lambda: model_of(inside(CONSTANT)), "its numbers lie in other files"),
    "a function": (with_function, "it holds functions of its own"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_no_export_holds_is_told(case: str) -> None:
    make, fault = FAULTS[case]
    assert graph_faults(make().SerializeToString()) == [fault]


def test_a_sparse_tensor_outside_is_told() -> None:
    model = model_of()
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(outside())
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, dtype=np.int64)))
    assert graph_faults(model.SerializeToString()) == ["its numbers lie in other files"]


def test_a_tensor_that_says_it_is_in_the_file_is() -> None:
    """The onnx package writes so once it has loaded numbers that lay elsewhere."""
    tensor = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "w")
    tensor.data_location = TensorProto.DEFAULT
    assert graph_faults(model_of(initializers=(tensor,)).SerializeToString()) == []


def test_a_graph_in_two_parts_is_one(exported: Any) -> None:
    """Protobuf joins a message that is there twice."""
    data = exported.path.read_bytes()
    assert graph_faults(data) == []
    assert graph_faults(data + model_of(LOOP).SerializeToString()) == ["it holds a Loop, which may never end"]


def test_graphs_in_graphs_without_end_are_not_followed() -> None:
    node = LOOP
    for _ in range(20):
        node = inside(node)
    assert graph_faults(model_of(node).SerializeToString()) == ["graphs are nested deeper than 8"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x3a\x05ab", "a field is cut off"),
        (b"\x3a\xff", "a number is cut off"),
        (b"\xff" * 20, "a number is cut off"),
        (b"\x3b\x3c", "a field of an unknown kind"),
    ],
)
def test_bytes_that_are_no_protobuf_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"no protobuf: {message}"):
        graph_faults(data)


def test_a_file_with_numbers_elsewhere_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(sealed(model_of(initializers=(outside(),)).SerializeToString()))
    with pytest.raises(
        DataError, match=r"m\.onnx: its numbers lie in other files; no export of genotools does\."
    ):
        OnnxPredictor(path)


def test_a_file_of_the_other_format_of_onnxruntime_is_not_read(tmp_path: Path) -> None:
    """Its mark is at byte 4, where a text of ours may stand; onnxruntime would go by it."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x12\x06\0\0ORTM\0\0" + b"\x12\x08" + b"\0" * 8)
    with pytest.raises(DataError, match=r"m\.onnx: no ONNX file, or a damaged one"):
        OnnxPredictor(path)
