"""What an ONNX file asks of a machine beyond numbers, told from its bytes before onnxruntime sees them.

A graph may keep its numbers in other files, call functions and ops that an extension brings, and loop until it likes
to stop. No export does. The onnx package is not needed: protobuf is numbered fields one after the other, and fields
that mean nothing here are passed over.

Reference: https://protobuf.dev/programming-guides/encoding, and onnx.proto of ONNX 1.17.
"""

from collections.abc import Iterator

from genotools.errors import DataError

__all__ = ["graph_faults"]

DOMAINS = (b"", b"ai.onnx", b"com.microsoft")
"""Of ops: those of ONNX, and onnxruntime's own for networks of few bits."""

ENDLESS = (b"Loop",)
"""Ops that may never end; a Scan ends with its sequence."""

MAX_DEPTH = 8
"""Of graphs in graphs."""

# Numbers of fields, by message.
GRAPH, TRAINING, FUNCTIONS = 7, 20, 25
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15
OP_TYPE, ATTRIBUTE, DOMAIN = 4, 5, 7
TENSORS, GRAPHS, SPARSE_TENSORS = (5, 10), (6, 11), (22, 23)
EXTERNAL_DATA, DATA_LOCATION = 13, 14
SPARSE_VALUES, SPARSE_INDICES = 1, 2


def graph_faults(model: bytes) -> list[str]:
    """Return what is refused in a serialised ONNX model, each thing once.

    Raises
    ------
    DataError
        If the bytes are no protobuf.
    """
    faults: list[str] = []
    for number, value in _fields(memoryview(model)):
        if number == GRAPH:
            faults += _of_graph(value, 0)
        elif number in (TRAINING, FUNCTIONS):
            faults.append("it holds functions of its own")
    return list(dict.fromkeys(faults))


def _of_graph(graph: memoryview, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield f"graphs are nested deeper than {MAX_DEPTH}"
        return
    for number, value in _fields(graph):
        if number == NODE:
            yield from _of_node(value, depth)
        elif number == INITIALIZER:
            yield from _of_tensor(value)
        elif number == SPARSE_INITIALIZER:
            yield from _of_sparse_tensor(value)


def _of_node(node: memoryview, depth: int) -> Iterator[str]:
    op, domain = b"", b""
    for number, value in _fields(node):
        if number == OP_TYPE:
            op = bytes(value)
        elif number == DOMAIN:
            domain = bytes(value)
        elif number == ATTRIBUTE:
            yield from _of_attribute(value, depth)
    if domain not in DOMAINS:
        yield f"its ops are of an extension, {domain[:60].decode('utf-8', 'replace')!r}"
    if op in ENDLESS:
        yield f"it holds a {op.decode()}, which may never end"


def _of_attribute(attribute: memoryview, depth: int) -> Iterator[str]:
    for number, value in _fields(attribute):
        if number in TENSORS:
            yield from _of_tensor(value)
        elif number in GRAPHS:
            yield from _of_graph(value, depth + 1)
        elif number in SPARSE_TENSORS:
            yield from _of_sparse_tensor(value)


def _of_sparse_tensor(tensor: memoryview) -> Iterator[str]:
    for number, value in _fields(tensor):
        if number in (SPARSE_VALUES, SPARSE_INDICES):
            yield from _of_tensor(value)


def _of_tensor(tensor: memoryview) -> Iterator[str]:
    for number, value in _fields(tensor):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and any(value)):  # 0: in the file itself
            yield "its numbers lie in other files"


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of the fields of a message; those of whole numbers as they are encoded."""
    place = 0
    while place < len(data):
        key, first = _varint(data, place)
        match key & 7:
            case 0:
                _, place = _varint(data, first)
            case 1:
                place = first + 8
            case 2:  # bytes, text, or a message
                n_bytes, first = _varint(data, first)
                place = first + n_bytes
            case 5:
                place = first + 4
            case _:
                raise DataError("no protobuf: a field of an unknown kind.")
        if place > len(data):
            raise DataError("no protobuf: a field is cut off.")
        yield key >> 3, data[first:place]


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return a number, seven bits a byte from the lowest on, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise DataError("no protobuf: a number is cut off.")
