"""The predictor that runs an exported file with numpy and onnxruntime alone.

PyTorch and the onnx package need not be installed. The file says everything about itself in its metadata, and its
last entry is a SHA-256 over all bytes before it, so a damaged file never predicts.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from genotools.errors import DataError
from genotools.export.onnx_bytes import graph_faults
from genotools.files import check_ordinary, parse_json, read_bytes
from genotools.formats import ONNX
from genotools.genotype.baselines import BaselineName
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task

__all__ = ["INPUT", "ORT_ERRORS", "OUTPUT", "SEAL_BYTES", "OnnxPredictor", "sealed"]

MAX_BYTES = (1 << 31) - 1
"""What protobuf allows for one ONNX file."""
INPUT, OUTPUT = "sequence", "probability"
REQUIRED = (
    "digest",
    "model_digest",
    "task",
    "variant_index",
    "max_difference",
)

OPTIONAL = {"precision": ("fp32", "fp16", "int8"), "strands": ("forward", "both")}
"""Keys that older files lack: they are as the first value says."""

ORT_ERRORS: tuple[type[Exception], ...] = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
    UnicodeDecodeError,  # of a message that quotes damaged bytes
)
"""What onnxruntime raises for a model that it cannot load; they have no base of their own."""

# One entry of ModelProto.metadata_props (field 14) as protobuf writes it: key "sha256", value 64 hex digits.
# Protobuf lets messages be joined end to end, so the sum can follow the bytes that it is taken of.
_SEAL_START = b"\x72\x4a\x0a\x06sha256\x12\x40"
_FIGURE = re.compile(r"inf|\d+(\.\d+)?(e-?\d+)?")
SEAL_BYTES = len(_SEAL_START) + 64


def sealed(model: bytes) -> bytes:
    """Return a serialised ONNX model with the SHA-256 of its bytes as one more metadata entry at its end."""
    return model + _SEAL_START + hashlib.sha256(model).hexdigest().encode("ascii")


def _is_sealed(data: bytes) -> bool:
    return len(data) > SEAL_BYTES and data == sealed(data[:-SEAL_BYTES])


class OnnxPredictor:
    """Predicts with a file that :func:`genotools.export.export_onnx` has written, on the CPU.

    Safe to be called from several threads.

    Parameters
    ----------
    path
        The file.
    threads
        Threads of one operation; None leaves it to onnxruntime, which takes all cores.
    batch_size
        Windows in one run; more are split.
    arena
        Keep memory between runs: faster, but a process keeps what its largest batch took.
    spinning
        Let threads wait busily for the next operation: faster, but they take time from others on the same cores.

    Raises
    ------
    DataError
        If the file is missing, damaged, not one of ours or of a newer version, its metadata do not fit together, or
        its graph reaches outside of it (:mod:`genotools.export.onnx_bytes`).

    Examples
    --------
    >>> predictor = OnnxPredictor("model.onnx")  # doctest: +SKIP
    >>> predictor.predict(encode(window)[None])  # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path | str,
        *,
        threads: int | None = None,
        batch_size: int = 64,
        arena: bool = True,
        spinning: bool = True,
    ) -> None:
        self.path = Path(path)
        self.batch_size = batch_size
        self._session, self.metadata = _open(self.path, _options(threads, arena=arena, spinning=spinning))
        self.architecture, self._macro = self._read_architecture()
        self.length = self._macro.length if self._macro is not None else int(self.metadata["length"])
        self.task = Task.from_document(self._json("task"), where=f"{self.path}: task")
        self._check_shapes()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K outputs, in order."""
        return tuple(self.task.names)

    @property
    def genotype(self) -> Genotype:
        """The genotype; raises DataError for a hand-designed network, which has none."""
        if not isinstance(self.architecture, Genotype):
            raise DataError(f"{self.path}: the hand-designed network {self.architecture} has no genotype.")
        return self.architecture

    @property
    def macro(self) -> Macro:
        """The macro-architecture around its cells; raises DataError for a hand-designed network."""
        if self._macro is None:
            raise DataError(f"{self.path}: the hand-designed network {self.architecture} has no macro.")
        return self._macro

    @property
    def weights_digest(self) -> str:
        """SHA-256 over genotype and weights: equal to that of the PyTorch network that was exported."""
        return self.metadata["model_digest"]

    @cached_property
    def digest(self) -> str:
        """What predictions belong to: ``weights_digest``, or one of its own where bits or strands change them."""
        if (self.precision, self.averages_strands) == ("fp32", False):
            return self.weights_digest
        strands = "both" if self.averages_strands else "forward"
        return hashlib.sha256(f"{self.weights_digest} {self.precision} {strands}".encode()).hexdigest()

    @property
    def precision(self) -> str:
        """How numbers are kept: ``fp32``, ``fp16`` or ``int8``."""
        return self.metadata.get("precision", "fp32")

    @property
    def averages_strands(self) -> bool:
        """Whether outputs are means over a window and its reverse complement, taken inside the file."""
        return self.metadata.get("strands") == "both"

    @property
    def variant_index(self) -> int:
        """0-based index in the window at which a variant sits."""
        return int(self.metadata["variant_index"])

    @property
    def max_difference(self) -> float:
        """Largest difference to the PyTorch network, as found at export."""
        return float(self.metadata["max_difference"])

    @cached_property
    def card(self) -> Mapping[str, object] | None:
        """The card that was exported with the network, if any."""
        card = self._json("card") if "card" in self.metadata else None
        return card if isinstance(card, dict) else None

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return outputs ``(N, K)`` for base codes ``(N, length)``; N may be 0.

        Raises
        ------
        DataError
            If ``codes`` has another shape or type.
        """
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != self.length:
            raise DataError(
                f"the model takes uint8 codes of shape (N, {self.length}), not {codes.dtype} {codes.shape}."
            )
        outputs = np.empty((len(codes), self.task.n_outputs), dtype=np.float32)
        for start in range(0, len(codes), self.batch_size):
            rows = slice(start, start + self.batch_size)
            outputs[rows] = self._session.run([OUTPUT], {INPUT: codes[rows]})[0]
        return outputs

    def _json(self, key: str) -> object:
        return parse_json(self.metadata[key], where=f"{self.path}: {key}")

    def _read_architecture(self) -> tuple[Genotype | BaselineName, Macro | None]:
        found: Genotype | BaselineName
        macro = None
        if "baseline" in self.metadata:
            found = BaselineName.named(self.metadata["baseline"], where=f"{self.path}: baseline")
        else:
            found = Genotype.from_json(self.metadata["genotype"], where=f"{self.path}: genotype")
            macro = Macro.from_document(self._json("macro"), where=f"{self.path}: macro")
        if found.digest != self.metadata["digest"]:
            raise DataError(
                f"{self.path}: digest: what is described has {found.digest}, not {self.metadata['digest']}."
            )
        return found, macro

    def _check_shapes(self) -> None:
        """Compare what the graph takes and gives with what the metadata say; the first axis is N, any."""
        expected = {INPUT: ("tensor(uint8)", self.length), OUTPUT: ("tensor(float)", self.task.n_outputs)}
        ports = [*self._session.get_inputs(), *self._session.get_outputs()]
        found = {port.name: (port.type, *port.shape[1:]) for port in ports}
        if found != expected or any(isinstance(port.shape[0], int) for port in ports):
            raise DataError(
                f"{self.path}: the graph has {found}, its metadata say {expected} behind a free N. Export anew."
            )


def _options(threads: int | None, *, arena: bool, spinning: bool) -> onnxruntime.SessionOptions:
    """Return the options for throughput: all optimisations, one operation after the other on all threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = options.enable_mem_pattern = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry(
        "session.load_model_format", "ONNX"
    )  # not onnxruntime's own, unseen by us
    options.log_severity_level = 4  # what goes wrong is raised; onnxruntime would print it as well
    return options


def _open(
    path: Path, options: onnxruntime.SessionOptions
) -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    """Return the session and the metadata of a file that is whole and ours."""
    data = read_bytes(check_ordinary(path), max_bytes=MAX_BYTES)
    is_whole = _is_sealed(data)
    try:
        faults = graph_faults(data)
    except DataError as error:
        raise DataError(f"{path}: no ONNX file, or a damaged one. Copy or export it anew.") from error
    if faults:
        raise DataError.from_faults(path, [f"{fault}; no export of genotools does." for fault in faults])
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        if is_whole:
            raise DataError(
                f"{path}: onnxruntime {onnxruntime.__version__} cannot run it: {error}. Update onnxruntime."
            ) from error
        raise DataError(f"{path}: no ONNX file, or a damaged one. Copy or export it anew.") from error
    try:
        metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: its metadata is not text; the file is damaged. Copy or export it anew."
        ) from error
    _check_metadata(path, metadata, is_whole=is_whole)
    return session, metadata


def _check_metadata(path: Path, metadata: Mapping[str, str], *, is_whole: bool) -> None:
    if "format" not in metadata and not is_whole:
        raise DataError(
            f"{path}: an ONNX file, but not one of genotools: it does not say what it predicts. "
            "`genotools export` writes files that do."
        )
    if not is_whole:
        raise DataError(
            f"{path}: damaged or changed since it was exported (its SHA-256 does not agree). "
            "Copy or export it anew."
        )
    ONNX.check_texts(metadata, where=path)
    needed = (*REQUIRED, *(("length", "params") if "baseline" in metadata else ("genotype", "macro")))
    faults = [f"{key} is missing in the metadata." for key in needed if key not in metadata]
    faults += [
        f"{key} is {metadata[key][:60]!r}, a whole number is expected."
        for key in ("variant_index", "length", "params")
        if not re.fullmatch(r"[0-9]{1,9}", metadata.get(key, "0"))
    ]
    faults += [
        f"{key} is {metadata[key][:60]!r}, it must be {' or '.join(known)}."
        for key, known in OPTIONAL.items()
        if metadata.get(key, known[0]) not in known
    ]
    if not faults and not _FIGURE.fullmatch(metadata["max_difference"]):
        faults.append(f"max_difference is {metadata['max_difference'][:60]!r}, a number is expected.")
    if faults:
        raise DataError.from_faults(path, faults)
