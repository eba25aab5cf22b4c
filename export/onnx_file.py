"""Writing a network as one ONNX file that says what it is, and proving that it predicts what the network does."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper

from genotools import __version__
from genotools.data.encoding import BASES, UNKNOWN, decode
from genotools.errors import DataError, GenotoolsError
from genotools.export._graph import copy_for_export, newest_opset, to_onnx
from genotools.export.runtime import FORMAT, VERSION, OnnxPredictor, sealed
from genotools.export.verify import largest_difference
from genotools.files import check_output, replacing
from genotools.nn.cost import cost
from genotools.nn.network import GenomeNet
from genotools.training.weights import model_digest

__all__ = ["BATCH_SIZES", "TOLERANCE", "ExportReport", "export_onnx"]

BATCH_SIZES = (1, 3, 17)
"""Numbers of windows at which every exported file is compared with its network."""

TOLERANCE = 1e-5
"""Largest difference at which a file counts as exported; of the value itself where that is above 1."""

MAX_PARAMS = 500_000_000
"""A protobuf file ends at 2 GB."""

N_KNOWN_WINDOWS, N_KNOWN_OUTPUTS = 3, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written and how well it agrees.

    Parameters
    ----------
    path, size_bytes, digest
        The file, and the digest of genotype and weights.
    opset, n_nodes
        Version of the ONNX operators, and how many the graph has, bodies of loops not counted.
    export_s, check_s
        Seconds for translating the network, and for comparing and writing it.
    differences
        Largest difference to the network by number of windows.
    """

    path: Path
    size_bytes: int
    digest: str
    opset: int
    n_nodes: int
    export_s: float
    check_s: float
    differences: Mapping[int, float]

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
    network: GenomeNet,
    path: Path | str,
    *,
    card: Mapping[str, object] | None = None,
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
    force
        Replace an existing file.
    batch_sizes
        Numbers of windows to compare at, two different ones at least.

    Raises
    ------
    OutputExistsError
        If ``path`` is taken and ``force`` is off.
    DataError
        If ``path`` or ``card`` is no good, the network predicts per position, is too large for one file, or gives
        values that are not finite.
    GenotoolsError
        If the file's predictions differ by more than ``TOLERANCE``, or an operation has no translation. No file is
        left.
    """
    path = _check_path(path, force=force)
    _check_network(network)
    if len(set(batch_sizes)) < 2 or min(batch_sizes) < 1:
        raise ValueError(f"batch_sizes must be two different positive numbers or more, not {batch_sizes}.")
    metadata = _metadata(network, card)
    started = time.perf_counter()
    plain = copy_for_export(network)
    rng = np.random.default_rng(int(metadata["model_digest"][:16], 16))
    codes = rng.integers(0, UNKNOWN + 1, size=(max(2, *batch_sizes), plain.macro.length), dtype=np.uint8)
    expected = _expected(plain, codes)
    metadata["known_answers"] = _known_answers(codes, expected)
    model = to_onnx(plain, codes[:2], opset=newest_opset())
    model.producer_name, model.producer_version = "genotools", __version__
    exported = time.perf_counter()
    with replacing(path) as temporary:
        _write(temporary, model, metadata)
        differences = _differences(temporary, codes, expected, batch_sizes)
        _write(temporary, model, {**metadata, "max_difference": repr(max(differences.values()))})
        onnx.checker.check_model(str(temporary), full_check=True)
        size_bytes = temporary.stat().st_size
    return ExportReport(
        path=path,
        size_bytes=size_bytes,
        digest=metadata["model_digest"],
        opset=next(entry.version for entry in model.opset_import if not entry.domain),
        n_nodes=len(model.graph.node),
        export_s=exported - started,
        check_s=time.perf_counter() - exported,
        differences=differences,
    )


def _check_path(path: Path | str, *, force: bool) -> Path:
    if Path(path).suffix != ".onnx":
        raise DataError(f"{path}: exported networks end in .onnx.")
    return check_output(path, force=force)


def _check_network(network: GenomeNet) -> None:
    if network.task.per_position:
        raise DataError("a network that predicts per position has no single row of outputs per window.")
    params = cost(network.genotype, network.macro, network.task).params
    if params > MAX_PARAMS:
        raise DataError(f"the network has {params:,} parameters; one ONNX file holds {MAX_PARAMS:,}.")


def _metadata(network: GenomeNet, card: Mapping[str, object] | None) -> dict[str, str]:
    """Return everything about the network that a user of the file may want to know, as text by key."""
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "genotype": network.genotype.to_json(),
        "digest": network.genotype.digest,
        "model_digest": model_digest(network),
        "macro": json.dumps(network.macro.to_document()),
        "task": json.dumps(network.task.to_document(), ensure_ascii=False),
        "channel_order": BASES,
        "variant_index": str((network.macro.length - 1) // 2),
        "genotools_version": __version__,
        "torch_version": torch.__version__,
        "max_difference": "inf",  # until the file has been run
    }
    if card is not None:
        try:
            metadata["card"] = json.dumps(dict(card), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DataError(f"card holds what JSON cannot: {error}.") from error
    return metadata


def _expected(network: GenomeNet, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    probs: NDArray[np.float32] = network.predict_probs(torch.from_numpy(codes)).numpy()
    if not np.isfinite(probs).all():
        raise DataError("the network predicts values that are not finite; its weights are broken.")
    return probs


def _known_answers(codes: NDArray[np.uint8], expected: NDArray[np.float32]) -> str:
    """Return the first outputs for a few windows, by which any user of the file can check a program."""
    answers = {
        "windows": [decode(row) for row in codes[:N_KNOWN_WINDOWS]],
        "outputs": [[float(value) for value in row[:N_KNOWN_OUTPUTS]] for row in expected[:N_KNOWN_WINDOWS]],
        "tolerance": TOLERANCE,
    }
    return json.dumps(answers)


def _write(path: Path, model: ModelProto, metadata: Mapping[str, str]) -> None:
    helper.set_model_props(model, dict(metadata))
    path.write_bytes(sealed(model.SerializeToString(deterministic=True)))


def _differences(
    path: Path, codes: NDArray[np.uint8], expected: NDArray[np.float32], batch_sizes: tuple[int, ...]
) -> dict[int, float]:
    """Return the largest difference between the file and ``expected`` by number of windows.

    Raises
    ------
    GenotoolsError
        If one is above ``TOLERANCE``.
    """
    predictor = OnnxPredictor(path, batch_size=max(batch_sizes))
    differences = {
        size: largest_difference(predictor.predict(codes[:size]), expected[:size]) for size in batch_sizes
    }
    if not all(difference <= TOLERANCE for difference in differences.values()):
        found = ", ".join(f"{difference:.2g} at {size}" for size, difference in differences.items())
        raise GenotoolsError(
            f"the ONNX file does not predict what the network does: largest difference {found} windows, "
            f"{TOLERANCE:g} is allowed. Nothing was written."
        )
    return differences
