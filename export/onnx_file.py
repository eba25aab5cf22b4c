"""Writing a network as one ONNX file that says what it is, and proving that it predicts what the network does."""

import copy
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper

from genotools import __version__
from genotools.data.known_windows import comparison_windows, largest_difference
from genotools.data.store import SequenceStore
from genotools.data.strands import Strands
from genotools.errors import DataError, GenotoolsError
from genotools.export._graph import newest_opset, to_onnx
from genotools.export._metadata import describe_network, known_answers
from genotools.export._reference import (
    TOLERANCE,
    check_differences,
    check_network,
    expected_outputs,
)
from genotools.export.comparison import MAX_LOSS, Comparison, compare_on_store, spread_rows
from genotools.export.deployed import Deployed, deploy
from genotools.export.precision import Precision, input_ranges, largest_weight, to_half, to_int8
from genotools.export.runtime import OnnxPredictor, sealed
from genotools.files import check_output, replacing
from genotools.formats import ONNX
from genotools.nn.window_network import WindowNetwork

__all__ = ["BATCH_SIZES", "ExportReport", "export_onnx"]

BATCH_SIZES = (1, 3, 17)
"""Numbers of windows at which every exported file is compared with its network."""

N_CALIBRATION = 512
"""Training windows on which the ranges of int8 products are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written and how well it agrees.

    Parameters
    ----------
    path, size_bytes, digest
        The file, and the digest of genotype and weights.
    precision, strands
        As they were asked for.
    opset, n_nodes
        Version of the ONNX operators, and how many the graph has, bodies of loops not counted.
    export_s, check_s
        Seconds for translating the network, and for comparing and writing it.
    differences
        Largest difference to the network by number of windows.
    comparison
        What fewer bits cost, where a store was given.
    """

    path: Path
    size_bytes: int
    digest: str
    precision: Precision
    strands: Strands
    opset: int
    n_nodes: int
    export_s: float
    check_s: float
    differences: Mapping[int, float]
    comparison: Comparison | None

    @property
    def max_difference(self) -> float:
        """Largest difference to the network over all numbers of windows."""
        return max(self.differences.values())

    def to_document(self) -> dict[str, object]:
        """Return the report as JSON values."""
        differences = {str(size): difference for size, difference in self.differences.items()}
        values = {**asdict(self), "path": str(self.path), "differences": differences}
        return {**values, "max_difference": self.max_difference}


def export_onnx(
    network: WindowNetwork,
    path: Path | str,
    *,
    card: Mapping[str, object] | None = None,
    precision: Precision = "fp32",
    strands: Strands = "forward",
    store: SequenceStore | None = None,
    unrolled: bool = False,
    force: bool = False,
    batch_sizes: tuple[int, ...] = BATCH_SIZES,
) -> ExportReport:
    """Write ``network`` as ONNX, run the file, and keep it only if it predicts what the network does.

    Input is ``sequence``, uint8 base codes ``[N, L]``; output is ``probability``, float32 ``[N, K]``: what
    :func:`genotools.nn.activate` makes of the logits in evaluation mode. N is free. Genotype, macro, task, card,
    digests and known answers travel in the metadata. The windows of the comparison, some bases of them unknown, are
    drawn from a generator seeded by the network's digest, so that equal networks make equal files. The network
    itself is left as it is, mode and device included.

    Parameters
    ----------
    network
        Of any device and mode.
    path
        Where to write, ending in ``.onnx``.
    card
        JSON values that say where the network comes from.
    precision
        ``fp32``; ``fp16`` for weights of half the size; ``int8`` for a quarter of it and products of bytes. See
        :mod:`genotools.export.precision`.
    strands
        ``both`` lets the file average a window's prediction with that of its reverse complement.
    store
        Windows of the network's task: its training split calibrates ``int8``, which needs it, and its test split
        shows what fewer bits cost.
    unrolled
        Write the recurrent cell out position by position, for runtimes that know no loops.
    force
        Replace an existing file, and keep one that has lost too much.
    batch_sizes
        Numbers of windows to compare at, two different ones at least.

    Raises
    ------
    OutputExistsError
        If ``path`` is taken and ``force`` is off.
    DataError
        If ``path``, ``card`` or ``store`` is no good, the network predicts per position, holds for one strand where
        both are asked for, is too large for one file, or gives values that are not finite.
    GenotoolsError
        If a float32 file's predictions differ by more than ``TOLERANCE``, one with fewer bits loses more than
        ``MAX_LOSS`` of the metric that counts, a weight overflows float16 or predictions are not finite, or an
        operation has no translation. No file is left.
    """
    path = _check_path(path, force=force)
    check_network(network, strands)
    _check_store(network, store, precision)
    if len(set(batch_sizes)) < 2 or min(batch_sizes) < 1:
        raise ValueError(f"batch_sizes must be two different positive numbers or more, not {batch_sizes}.")
    metadata = {**describe_network(network, card, ONNX), "precision": precision, "strands": strands}
    metadata["max_difference"] = "inf"  # until the file has been run
    started = time.perf_counter()
    plain = network.copy_on_cpu()
    deployed = deploy(plain, strands=strands, unrolled=unrolled)
    codes = comparison_windows(metadata["model_digest"], network.length, max(2, *batch_sizes))
    expected = expected_outputs(plain, codes, strands)
    full = to_onnx(deployed, codes[:2], opset=newest_opset())
    full.producer_name, full.producer_version = "genotools", __version__
    model = _reduced(full, deployed, precision, store)
    exported = time.perf_counter()
    comparison = None
    with replacing(path) as temporary:
        _write(temporary, model, metadata)
        differences = _differences(temporary, codes, expected, batch_sizes)
        tolerance = TOLERANCE if precision == "fp32" else max(TOLERANCE, 2 * max(differences.values()))
        if precision == "fp32":
            check_differences(differences, "the ONNX file")
        _check_finite(differences, full, precision)
        if precision != "fp32" and store is not None:
            comparison = _compare(full, temporary, metadata, store)
            _check_loss(comparison, precision, force=force)
        metadata["known_answers"] = known_answers(codes, expected, tolerance)
        metadata["max_difference"] = repr(max(differences.values()))
        _write(temporary, model, metadata)
        onnx.checker.check_model(str(temporary), full_check=True)
        size_bytes = temporary.stat().st_size
    return ExportReport(
        path=path,
        size_bytes=size_bytes,
        digest=metadata["model_digest"],
        precision=precision,
        strands=strands,
        opset=next(entry.version for entry in model.opset_import if not entry.domain),
        n_nodes=len(model.graph.node),
        export_s=exported - started,
        check_s=time.perf_counter() - exported,
        differences=differences,
        comparison=comparison,
    )


def _check_path(path: Path | str, *, force: bool) -> Path:
    if Path(path).suffix != ".onnx":
        raise DataError(f"{path}: exported networks end in .onnx.")
    return check_output(path, force=force)


def _check_store(network: WindowNetwork, store: SequenceStore | None, precision: Precision) -> None:
    if store is None:
        if precision == "int8":
            raise DataError(
                "int8 needs a store: ranges are taken from training windows, losses from test windows."
            )
        return
    faults = []
    if store.length != network.length:
        faults.append(f"its windows have {store.length} bp, the network takes {network.length} bp.")
    if tuple(store.names) != tuple(network.task.names) or store.task.kind is not network.task.kind:
        faults.append("its labels are not the network's outputs.")
    if precision == "int8" and not len(store.rows("train")):
        faults.append("it has no training windows to take ranges from.")
    if faults:
        raise DataError.from_faults(store.path, faults)


def _reduced(
    full: ModelProto, network: Deployed, precision: Precision, store: SequenceStore | None
) -> ModelProto:
    """Return the graph with as many bits as are asked for."""
    if precision == "fp32":
        return full
    model = copy.deepcopy(full)
    if precision == "fp16":
        to_half(model)
        return model
    assert store is not None  # see _check_store
    to_int8(model, input_ranges(network, store.codes(spread_rows(store, "train", N_CALIBRATION))))
    return model


def _compare(full: ModelProto, path: Path, metadata: Mapping[str, str], store: SequenceStore) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / "full.onnx"
        _write(beside, full, metadata)
        return compare_on_store(OnnxPredictor(beside), OnnxPredictor(path), store)


def _check_finite(differences: Mapping[int, float], full: ModelProto, precision: Precision) -> None:
    """Refuse a file with fewer bits that has no number where the network has one; names the largest weight."""
    if all(map(math.isfinite, differences.values())):
        return
    name, largest = largest_weight(full)
    raise GenotoolsError(
        f"the {precision} file predicts values that are not finite (NaN or infinite), the network does not. Its "
        f"largest weight is {largest:.6g}, in {name}. Nothing was written; use --precision fp32."
    )


def _check_loss(comparison: Comparison, precision: Precision, *, force: bool) -> None:
    if force or comparison.loss <= MAX_LOSS:
        return
    name = comparison.headline
    raise GenotoolsError(
        f"{precision} loses too much: {name} of the {comparison.split} windows falls from "
        f"{comparison.before[name]:.4f} to {comparison.after[name]:.4f}, by {comparison.loss:.1%}; "
        f"{MAX_LOSS:.0%} is allowed. Nothing was written; --force keeps such a file."
    )


def _write(path: Path, model: ModelProto, metadata: Mapping[str, str]) -> None:
    helper.set_model_props(model, dict(metadata))
    path.write_bytes(sealed(model.SerializeToString(deterministic=True)))


def _differences(
    path: Path, codes: NDArray[np.uint8], expected: NDArray[np.float32], batch_sizes: tuple[int, ...]
) -> dict[int, float]:
    """Return the largest difference between the file and ``expected`` by number of windows."""
    predictor = OnnxPredictor(path, batch_size=max(batch_sizes))
    return {
        size: largest_difference(predictor.predict(codes[:size]), expected[:size]) for size in batch_sizes
    }
