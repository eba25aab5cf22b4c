"""What a person may type where a command wants a trained model: a training folder, a zoo name, or a .onnx file.

PyTorch is imported only where the model is one of PyTorch's.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES

if TYPE_CHECKING:
    from genotools.export.runtime import OnnxPredictor
    from genotools.nn import WindowNetwork
    from genotools.predictor import Predictor

__all__ = ["load_card", "load_predictor", "load_trained_network"]

WEIGHTS, ONNX = "weights.safetensors", "model.onnx"


def load_predictor(model: str, *, device: str = "auto", batch_size: int | None = None) -> "Predictor":
    """Return the predictor that ``model`` names.

    A zoo entry or folder that has both runs its ONNX file, or its weights where ``device`` asks for CUDA.
    ``batch_size`` is the most windows the model is given at once.

    Raises
    ------
    DataError
        If there is no such model, it cannot be read, it does not run on ``device``, or the ONNX file beside the
        weights was exported from others.
    """
    path = Path(model)
    if path.suffix == ".onnx":
        return _onnx_predictor(path, device, batch_size)
    folder = _folder(model)
    has_weights, has_onnx = (folder / WEIGHTS).is_file(), (folder / ONNX).is_file()
    if has_onnx and not (has_weights and device.startswith("cuda")):
        predictor = _onnx_predictor(folder / ONNX, device, batch_size)
        if has_weights:
            _check_same_model(folder, predictor.weights_digest)
        return predictor
    if not has_weights:
        raise _without_weights(model, folder)
    from genotools.training.device import choose_device
    from genotools.training.predictor import load_predictor_from_run

    options = {} if batch_size is None else {"batch_size": batch_size}
    return load_predictor_from_run(folder, device=choose_device(device), **options)


def load_trained_network(model: str) -> "WindowNetwork":
    """Return the PyTorch network that ``model`` names, on the CPU, in evaluation mode.

    Raises
    ------
    DataError
        If there is no such model, it cannot be read, or it is an ONNX file, which has no PyTorch network.
    """
    if Path(model).suffix == ".onnx":
        raise DataError(
            f"{model}: an ONNX file already. Weights are needed: a training folder or a zoo name."
        )
    folder = _folder(model)
    if not (folder / WEIGHTS).is_file():
        raise _without_weights(model, folder)
    from genotools.training.weights import load_network

    return load_network(folder / WEIGHTS)


def load_card(model: str) -> dict[str, object] | None:
    """Return what is known about the origin of a model: the card of a zoo entry, the facts of a training."""
    from genotools.zoo.card import read_card
    from genotools.zoo.sources import facts_of

    folder = _folder(model)
    if (folder / "card.json").is_file():
        return read_card(folder / "card.json").model_dump(exclude_none=True)
    return dict(facts_of(folder)) or None


def _folder(model: str) -> Path:
    """Return the folder that ``model`` names, itself or in the zoo."""
    path = Path(model)
    if path.is_dir():
        return path
    if path.is_file():
        raise DataError(f"{path}: no model. A model is a training folder, a zoo name, or a .onnx file.")
    if path.suffix or len(path.parts) != 1:
        raise DataError(
            f"{path}: no such file or folder. A model is a training folder, a zoo name, or a .onnx file."
        )
    if model in BASELINE_NAMES:
        raise DataError(
            f"{model}: a hand-designed network, without weights. Train it first: "
            f"genotools train {model} --data STORE.h5 -o DIR"
        )
    from genotools.zoo import entry_path

    return entry_path(model)


def _check_same_model(folder: Path, onnx_digest: str) -> None:
    """Refuse a folder whose weights were trained anew after the export: which of the two is meant is unknown."""
    from genotools.training.weights_header import read_weights_header

    if read_weights_header(folder / WEIGHTS).get("model_digest", onnx_digest) != onnx_digest:
        raise DataError(
            f"{folder}: {ONNX} was exported from other weights than {WEIGHTS} beside it. "
            f"Export it again: genotools export {folder} -o {folder / ONNX} --force"
        )


def _onnx_predictor(path: Path, device: str, batch_size: int | None) -> "OnnxPredictor":
    if device not in ("auto", "cpu"):
        raise DataError(
            f"{path}: ONNX files run on the CPU, not on {device!r}. Use --device cpu, or the weights."
        )
    from genotools.export.runtime import OnnxPredictor

    return OnnxPredictor(path) if batch_size is None else OnnxPredictor(path, batch_size=batch_size)


def _without_weights(model: str, folder: Path) -> DataError:
    if (folder / "genotype.json").is_file() and not (folder / "config.json").is_file():
        return DataError(
            f"{model}: a genotype only, without weights. Train it first: "
            f"genotools train {model} --data STORE.h5 -o DIR"
        )
    if (folder / "config.json").is_file():
        return DataError(
            f"{model}: no {WEIGHTS} in this folder. If it is a training, finish it with --resume; "
            "if it is a search, train its best genotype."
        )
    return DataError(f"{model}: no model in this folder ({WEIGHTS} or {ONNX}).")
