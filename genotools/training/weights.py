"""Weight files: a safetensors file that alone rebuilds its network.

Genotype, macro-architecture and task are JSON in the file's header. The genotype is written in the numbering its
network was trained in, since names of parameters follow it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.files import parse_json
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn.builder import build
from genotools.nn.network import GenomeNet
from genotools.training.checkpoint import read_safetensors, write_safetensors

__all__ = ["load_network", "load_weights", "model_digest", "save_weights"]

FORMAT = "genotools/weights"
VERSION = 1


def save_weights(path: Path | str, network: GenomeNet, *, notes: Mapping[str, object] | None = None) -> None:
    """Write the weights of ``network`` and what rebuilds it; a file at ``path`` is replaced.

    ``notes`` are free JSON values (data, epoch) that travel along.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "digest": network.genotype.digest,
        "model_digest": model_digest(network),
        "genotype": network.genotype.to_json(),
        "macro": network.macro.to_document(),
        "task": network.task.to_document(),
        "notes": dict(notes or {}),
    }
    write_safetensors(Path(path), network.state_dict(), header)


def load_network(path: Path | str, *, device: str | torch.device = "cpu") -> GenomeNet:
    """Return the network of a weight file, in evaluation mode.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format, or its weights do not fit the network of its genotype;
        every tensor that is missing, superfluous or of another shape is listed.
    """
    metadata, tensors = read_safetensors(path, format_name=FORMAT, version=VERSION)
    absent = [key for key in ("genotype", "macro", "task", "digest") if key not in metadata]
    if absent:
        raise DataError(f"{path}: its header lacks {', '.join(absent)}.")
    genotype = Genotype.from_json(metadata["genotype"], where=f"{path}: genotype")
    if genotype.digest != metadata["digest"]:
        raise DataError(f"{path}: digest: the genotype has {genotype.digest}, not {metadata['digest']}.")
    documents = {key: parse_json(metadata[key], where=f"{path}: {key}") for key in ("macro", "task")}
    macro = Macro.from_document(documents["macro"], where=f"{path}: macro")
    task = Task.from_document(documents["task"], where=f"{path}: task")
    network = build(genotype, macro, task, seed=0, device=device)
    load_weights(network, tensors, where=path)
    return network.eval()


def load_weights(network: GenomeNet, tensors: Mapping[str, Tensor], *, where: Path | str) -> None:
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


def model_digest(network: GenomeNet) -> str:
    """Return SHA-256 over genotype, weights and buffers: what predictions belong to, 64 hex digits."""
    digest = hashlib.sha256(network.genotype.digest.encode("ascii"))
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
