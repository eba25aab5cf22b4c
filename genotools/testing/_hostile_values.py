"""Files that are whole but hold other values than they should: what damage of single bytes hardly ever makes."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

__all__ = ["SUFFIXES", "with_another_value"]

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 2.5, -0.5, 1e308, 2**31, 2**63, -(2**64), 10**30, 10**400),
    *("", "x", "nan", "../x", "a\0b", "\u202e", "0" * 5000, "CON", "1e999", [], [[]], [1], ["x"], [None]),
    *({}, {"a": 1}, {"": {}}),
)
"""In the place of any value of a document."""

ODD_ARRAYS: tuple[Any, ...] = (
    *(np.array(3), np.array(-1.5), np.zeros(0), np.zeros((2, 0, 3)), np.arange(4, dtype=">u2")),
    *(np.ones((2, 3), dtype=np.float16), np.array([np.nan, np.inf]), np.array([True, False])),
    *(np.array([1 + 2j]), np.array([b"bytes", b""]), "text", "\0", ["a", "b"], h5py.Empty("f4")),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
)
"""In the place of a dataset or an attribute of HDF5."""

JSON, JSON_LINES, SAFETENSORS, ONNX, HDF5 = ".json", ".jsonl", ".safetensors", ".onnx", (".h5", ".mat")
SUFFIXES = (JSON, JSON_LINES, SAFETENSORS, ONNX, *HDF5)
"""Of files whose values can be told from their bytes; MATLAB's of version 5 are not HDF5, and left as they are."""


def with_another_value(data: bytes, suffix: str, rng: np.random.Generator) -> bytes | None:
    """Return a file with one of its values replaced, removed or doubled; None where it is no whole file of its kind.

    JSON, JSON lines, the headers of safetensors files, the metadata of ONNX files, and what HDF5 files hold.
    """
    change: Callable[[bytes, np.random.Generator], bytes]
    if suffix == JSON:
        change = _json
    elif suffix == JSON_LINES:
        change = _json_lines
    elif suffix == SAFETENSORS:
        change = _safetensors
    elif suffix == ONNX:
        change = _onnx
    elif suffix in HDF5:
        change = _hdf5
    else:
        return None
    try:
        return change(data, rng)
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError):
        return None  # it was damaged before


def _json(data: bytes, rng: np.random.Generator) -> bytes:
    return json.dumps(_changed(json.loads(data), rng)).encode("utf-8")


def _json_lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.splitlines()
    place = int(rng.integers(len(lines)))
    lines[place] = _json(lines[place], rng)
    return b"\n".join(lines) + b"\n"


def _safetensors(data: bytes, rng: np.random.Generator) -> bytes:
    end = 8 + int.from_bytes(data[:8], "little")
    header = _json(data[8:end], rng)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _onnx(data: bytes, rng: np.random.Generator) -> bytes:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    entry = model.metadata_props[int(rng.integers(len(model.metadata_props)))]
    value = _changed_text(entry.value, rng)
    entry.value = value if isinstance(value, str) else json.dumps(value)
    return bytes(model.SerializeToString())


def _hdf5(data: bytes, rng: np.random.Generator) -> bytes:
    memory = io.BytesIO(data)
    with h5py.File(memory, "r+") as file:
        names, attributes = list(file), list(file.attrs)
        place = int(rng.integers(len(names) + len(attributes)))
        value = ODD_ARRAYS[int(rng.integers(len(ODD_ARRAYS)))]
        if place >= len(names):
            _set_attribute(file, attributes[place - len(names)], value)
        else:
            _set_dataset(file, names[place], value, rng)
    return memory.getvalue()


def _set_attribute(file: h5py.File, name: str, value: Any) -> None:
    del file.attrs[name]
    file.attrs[name] = value


def _set_dataset(file: h5py.File, name: str, value: Any, rng: np.random.Generator) -> None:
    """Replace a dataset by another, by one of the same kind and another shape, or by something else."""
    before = file[name]
    shape, dtype = before.shape, before.dtype
    del file[name]
    match int(rng.integers(6)):
        case 0:
            file.create_group(name)
        case 1:
            file[name] = h5py.SoftLink("/nowhere")
        case 2:
            file.create_dataset(name, shape=tuple(extent + 1 for extent in shape), dtype=dtype)
        case 3:
            file.create_dataset(name, shape=shape, dtype=dtype, chunks=True, compression="gzip", fillvalue=0)
        case 4:
            file.create_dataset(name, shape=(*shape, 2**20), dtype=dtype, chunks=True)
        case _:
            file[name] = value


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """Return a JSON value with a value inside it, or itself, replaced, removed or doubled."""
    places = list(_places(value))
    path = places[int(rng.integers(len(places)))]
    if not path:
        return _odd(rng)
    *above, last = path
    inside = value
    for key in above:
        inside = inside[key]
    match int(rng.integers(8)):
        case 0:
            del inside[last]
        case 1 if isinstance(inside, list):
            inside.insert(last, inside[last])
        case 1:
            inside[f"{last}x"] = inside[last]
        case _:
            inside[last] = _changed_text(inside[last], rng) if isinstance(inside[last], str) else _odd(rng)
    return value


def _changed_text(text: str, rng: np.random.Generator) -> Any:
    """Return another value; of a text that is itself JSON, as headers hold it, mostly one with a value changed."""
    if text[:1] in ("{", "[") and rng.random() < 0.8:
        try:
            return json.dumps(_changed(json.loads(text), rng))
        except ValueError:
            return _odd(rng)
    return _odd(rng)


def _odd(rng: np.random.Generator) -> Any:
    return ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path to a value and to all that are inside it."""
    yield ()
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for path in _places(value[key]):
                yield (key, *path)
