"""Readers of models: weights, checkpoints, exported files, and the states of supernets."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.testing._hostile_arrays import LENGTH_BP, write_small_store
from genotools.testing._hostile_documents import NAMES, sampled
from genotools.testing._hostile_reader import Reader, scratch_folder
from genotools.testing._hostile_runs import an_epoch

if TYPE_CHECKING:
    from genotools.nn import GenomeNet
    from genotools.search.one_shot import Candidate

__all__ = ["READERS"]


def _macro() -> Macro:
    layers = (Layer("reduce", 4), Layer("reduce", 3))
    return Macro(length=LENGTH_BP, channels=2, layers=layers, head_hidden=4)


def _network() -> "GenomeNet":
    from genotools.nn import build

    return build(sampled(), _macro(), Task(2, names=NAMES), seed=0)


@cache
def _store_path() -> Path:
    path = scratch_folder() / "store.h5"
    write_small_store(path)
    return path


def _write_weights(path: Path) -> None:
    from genotools.training import save_weights

    save_weights(path, _network())


def _read_weights(path: Path) -> object:
    from genotools.training.weights import load_network

    return load_network(path)


def _read_weights_header(path: Path) -> object:
    from genotools.training.weights_header import read_weights_header

    return read_weights_header(path)


def _write_checkpoint(path: Path) -> None:
    import torch

    from genotools.training.checkpoint import Checkpoint, save_checkpoint
    from genotools.training.meter import Meter

    tensors = {f"meter/{name}": tensor for name, tensor in Meter(torch.device("cpu")).state().items()}
    tensors["network/weight"] = torch.arange(3.0)
    checkpoint = Checkpoint(identity={"seed": 1}, epoch=1, step=2, history=(an_epoch(),), tensors=tensors)
    path.unlink(missing_ok=True)
    save_checkpoint(path, checkpoint)


def _write_old_checkpoint(path: Path) -> None:
    _write_checkpoint(path)
    _drop_sum(path)


def _drop_sum(path: Path) -> None:
    """Write a state as one of version 1 without a SHA-256, which finds most damage at once."""
    from safetensors import safe_open

    from genotools.training.tensor_files import write_safetensors

    with safe_open(path, framework="pt") as file:
        metadata = {key: value for key, value in file.metadata().items() if key != "sha256"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    write_safetensors(path, tensors, {**metadata, "version": "1"})


def _read_checkpoint(path: Path) -> object:
    import torch

    from genotools.training.checkpoint import check_identity, load_checkpoint
    from genotools.training.meter import Meter

    checkpoint = load_checkpoint(path)
    check_identity(checkpoint.identity, {"seed": 1}, where=path)
    return Meter.from_state(checkpoint.part("meter"), torch.device("cpu")).first_bad()


@cache
def _onnx() -> bytes:
    from genotools.export import export_onnx

    path = scratch_folder() / "model.onnx"
    export_onnx(_network(), path)
    return path.read_bytes()


def _write_onnx(path: Path) -> None:
    path.write_bytes(_onnx())


def _read_onnx(path: Path) -> object:
    from genotools.export import verify_onnx

    return verify_onnx(path)


def _write_unsealed_onnx(path: Path) -> None:
    from genotools.export.runtime import SEAL_BYTES

    path.write_bytes(_onnx()[:-SEAL_BYTES])


def _read_sealed_onnx(path: Path) -> object:
    """Read a file whose SHA-256 agrees: anybody can compute one."""
    from genotools.export.runtime import sealed

    path.write_bytes(sealed(path.read_bytes()))
    return _read_onnx(path)


def _write_one_shot(path: Path) -> None:
    candidates = _candidates(path)
    next(candidates)
    next(candidates)  # the state after an epoch is saved when the next candidate is asked for
    _drop_sum(path)


def _read_one_shot(path: Path) -> object:
    return next(_candidates(path, resume=True))


def _candidates(path: Path, *, resume: bool = False) -> "Iterator[Candidate]":
    from genotools.data.store import SequenceStore
    from genotools.search.one_shot import OneShotEngine
    from genotools.search.one_shot_settings import OneShotSettings, SearchStage
    from genotools.training.settings import TrainingSettings

    settings = OneShotSettings(
        stages=(SearchStage(epochs=3),),
        weights=TrainingSettings(steps_per_epoch=1, batch_size=2),
        alpha_data="valid",
    )
    store = SequenceStore.open(_store_path())
    engine = OneShotEngine(settings, GENOME_NAS, store, _macro(), seed=0, checkpoint_path=path)
    return engine.candidates(resume=resume)


def _write_shared_weights(path: Path) -> None:
    import torch

    from genotools.data.store import SequenceStore
    from genotools.nn.live_ops import LiveOps
    from genotools.nn.supernet import build_supernet
    from genotools.search.path_training import PathTraining
    from genotools.training.settings import TrainingSettings

    with SequenceStore.open(_store_path()) as store:
        supernet = build_supernet(LiveOps.of(sampled()), _macro(), store.task, seed=0, device="cpu")
        settings = TrainingSettings(batch_size=2)
        PathTraining(
            supernet, store, store.rows("train"), settings, device=torch.device("cpu"), path=path
        ).save()
    _drop_sum(path)


def _read_shared_weights(path: Path) -> object:
    from genotools.search.path_training import SavedTraining

    return SavedTraining.read(path)


_ONNX = ("export.verify", "export.runtime", "export.onnx_bytes")
_TENSORS = ("training.tensor_files", "training.state_files")

READERS = (
    Reader("weights", ".safetensors", _write_weights, _read_weights, ("training.weights", *_TENSORS)),
    Reader(
        "weights header", ".safetensors", _write_weights, _read_weights_header, ("training.weights_header",)
    ),
    Reader(
        "checkpoint", ".safetensors", _write_checkpoint, _read_checkpoint, ("training.checkpoint", *_TENSORS)
    ),
    Reader(
        "old checkpoint",
        ".safetensors",
        _write_old_checkpoint,
        _read_checkpoint,
        ("training.checkpoint", *_TENSORS),
    ),
    Reader(
        "one-shot state", ".safetensors", _write_one_shot, _read_one_shot, ("search.one_shot",), is_slow=True
    ),
    Reader(
        "shared weights",
        ".safetensors",
        _write_shared_weights,
        _read_shared_weights,
        ("search.path_training",),
    ),
    Reader("onnx", ".onnx", _write_onnx, _read_onnx, _ONNX, is_slow=True),
    Reader("onnx, sealed", ".onnx", _write_unsealed_onnx, _read_sealed_onnx, _ONNX, is_slow=True),
)
