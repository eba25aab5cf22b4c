"""Weight files: a safetensors file that alone rebuilds its network.

Architecture and task are in the file's header: ``genotype`` and ``macro`` as JSON, or ``baseline``, the name of a
hand-designed network, and ``length``. The genotype is written in the numbering its network was trained in, since
names of parameters follow it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.files import parse_json, to_json
from genotools.formats import WEIGHTS
from genotools.genotype.task import Task
from genotools.nn.architecture import ARCHITECTURE_KEYS, rebuild
from genotools.nn.window_network import WindowNetwork
from genotools.training.divergence import weights_fault
from genotools.training.tensor_files import read_safetensors, write_safetensors

__all__ = ["load_network", "load_weights", "model_digest", "save_weights"]


def save_weights(
    path: Path | str, network: WindowNetwork, *, notes: Mapping[str, object] | None = None
) -> None:
    """Write the weights of ``network`` and what rebuilds it; a file at ``path`` is replaced.

    ``notes`` are free JSON values (data, epoch) that travel along.
    """
    architecture = network.architecture()
    if "genotype" in architecture:
        architecture["genotype"] = to_json(architecture["genotype"])  # as the text of its file
    header = {
        **WEIGHTS.header,
        "digest": network.digest,
        "model_digest": model_digest(network),
        **architecture,
        "task": network.task.to_document(),
        "notes": dict(notes or {}),
    }
    write_safetensors(Path(path), network.state_dict(), header)


def load_network(path: Path | str, *, device: str | torch.device = "cpu") -> WindowNetwork:
    """Return the network of a weight file, in evaluation mode.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format, its weights do not fit the network of its header, or are
        not finite; every tensor that is missing, superfluous or of another shape is listed.
    """
    metadata, tensors = read_safetensors(path, WEIGHTS)
    genotype_keys, baseline_keys = ARCHITECTURE_KEYS
    keys = baseline_keys if "baseline" in metadata else genotype_keys
    absent = [key for key in (*keys, "task", "digest") if key not in metadata]
    if absent:
        raise DataError(f"{path}: its header lacks {', '.join(absent)}.")
    # The name is the one value that is no JSON.
    texts = {key: metadata[key] for key in (*keys, "task") if key != "baseline"}
    documents = {key: parse_json(text, where=f"{path}: {key}") for key, text in texts.items()}
    task = Task.from_document(documents.pop("task"), where=f"{path}: task")
    named = {"baseline": metadata["baseline"]} if "baseline" in metadata else {}
    network = rebuild(named | documents, task, seed=0, device=device, where=str(path))
    if network.digest != metadata["digest"]:
        raise DataError(f"{path}: digest: the {keys[0]} has {network.digest}, not {metadata['digest'][:64]}.")
    load_weights(network, tensors, where=path)
    if metadata.get("model_digest", found := model_digest(network)) != found:
        raise DataError(f"{path}: damaged or changed since it was written (its digest does not agree).")
    if fault := weights_fault(network.state_dict()):
        raise DataError(f"{path}: {fault}: no prediction of it would be a number. Train it anew.")
    return network.eval()


def load_weights(network: WindowNetwork, tensors: Mapping[str, Tensor], *, where: Path | str) -> None:
    """Put ``tensors`` into ``network`` once every name, shape and type is found to agree.

    Raises
    ------
    DataError
        Listing every tensor that does not fit; the network is unchanged then.
    """
    expected = network.state_dict()
    faults = [f"{name} is missing." for name in expected if name not in tensors]
    faults += [f"{name} is not in the network." for name in tensors if name not in expected]
    for name, tensor in tensors.items():
        if name in expected:
            want, found = (f"{tuple(t.shape)} {t.dtype}" for t in (expected[name], tensor))
            if want != found:
                faults.append(f"{name} is {found}, the network has {want}.")
    if faults:
        raise DataError.from_faults(where, faults)
    network.load_state_dict(dict(tensors))


def model_digest(network: WindowNetwork) -> str:
    """Return SHA-256 over architecture, weights and buffers: what predictions belong to, 64 hex digits."""
    digest = hashlib.sha256(network.digest.encode("ascii"))
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
