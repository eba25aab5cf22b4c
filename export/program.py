"""Writing a network as a PyTorch program, ``.pt2``: the second format, for those who stay with PyTorch.

A graph of ``torch.export`` with its weights, which :func:`torch.export.load` runs without genotools. It holds pickled
sample inputs, as PyTorch writes them: load only files from people you trust. ONNX files have no such part.
"""

import io
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genotools.data.known_windows import comparison_windows, largest_difference
from genotools.data.strands import Strands
from genotools.errors import DataError, GenotoolsError
from genotools.export._graph import quiet
from genotools.export._metadata import describe_network
from genotools.export._reference import check_differences, check_network, expected_outputs
from genotools.export.deployed import Deployed, deploy
from genotools.files import check_output, replacing
from genotools.formats import PROGRAM
from genotools.nn.window_network import WindowNetwork

__all__ = ["METADATA", "ProgramReport", "export_program"]

METADATA = "genotools.json"
"""Name of the file inside the program that says what it is: see ``extra_files`` of :func:`torch.export.load`."""

BATCH_SIZES = (1, 2, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramReport:
    """What was written and how well it agrees; as in :class:`genotools.export.ExportReport`."""

    path: Path
    size_bytes: int
    digest: str
    strands: Strands
    export_s: float
    differences: Mapping[int, float]

    def to_document(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            **asdict(self),
            "path": str(self.path),
            "differences": {str(size): value for size, value in self.differences.items()},
            "max_difference": max(self.differences.values()),
        }


def export_program(
    network: WindowNetwork,
    path: Path | str,
    *,
    card: Mapping[str, object] | None = None,
    strands: Strands = "forward",
    force: bool = False,
) -> ProgramReport:
    """Write ``network`` as a PyTorch program, load it again, and keep it only if it predicts what the network does.

    It takes base codes, uint8 ``(N, L)``, and gives predictions, float32 ``(N, K)``, for any N.

    Parameters
    ----------
    network, card, strands, force
        As in :func:`genotools.export.export_onnx`.
    path
        Where to write, ending in ``.pt2``.

    Raises
    ------
    OutputExistsError
        If ``path`` is taken and ``force`` is off.
    DataError
        If ``path`` or ``card`` is no good, or the network cannot be exported, see
        :func:`genotools.export.export_onnx`.
    GenotoolsError
        If the program's predictions differ from the network's. No file is left.

    Examples
    --------
    >>> export_program(network, "model.pt2")  # doctest: +SKIP
    >>> torch.export.load("model.pt2").module()(codes)  # doctest: +SKIP
    """
    if Path(path).suffix != ".pt2":
        raise DataError(f"{path}: PyTorch programs end in .pt2.")
    path = check_output(path, force=force)
    check_network(network, strands)
    metadata = {**describe_network(network, card, PROGRAM), "strands": strands}
    codes = comparison_windows(metadata["model_digest"], network.length, max(BATCH_SIZES))
    plain = network.copy_on_cpu()
    expected = expected_outputs(plain, codes, strands)
    started = time.perf_counter()
    deployed = deploy(plain, strands=strands)
    with replacing(path) as temporary:
        _write(temporary, deployed, torch.from_numpy(codes[:2]), metadata)
        program = torch.export.load(temporary).module()
        differences = {}
        for size in BATCH_SIZES:
            found: NDArray[np.float32] = program(torch.from_numpy(codes[:size])).detach().numpy()
            differences[size] = largest_difference(found, expected[:size])
        check_differences(differences, "the PyTorch program")
        size_bytes = temporary.stat().st_size
    return ProgramReport(
        path=path,
        size_bytes=size_bytes,
        digest=metadata["model_digest"],
        strands=strands,
        export_s=time.perf_counter() - started,
        differences=differences,
    )


def _write(path: Path, network: Deployed, codes: torch.Tensor, metadata: Mapping[str, str]) -> None:
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(network, (codes,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    except (torch._dynamo.exc.Unsupported, RuntimeError) as error:
        raise GenotoolsError(f"the network cannot be written as a program: {error}") from error
    for module in program.graph_module.modules():
        graph = getattr(module, "graph", None)
        for node in [] if graph is None else graph.nodes:
            for key in ("stack_trace", "nn_module_stack", "source_fn_stack"):  # paths of this machine
                node.meta.pop(key, None)
    # By way of memory: the archive would be named after the temporary file.
    archive = io.BytesIO()
    torch.export.save(program, archive, extra_files={METADATA: json.dumps(metadata, ensure_ascii=False)})
    path.write_bytes(archive.getbuffer())
