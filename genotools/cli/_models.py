"""What a person may type where a command wants a trained model: a training folder, a zoo name, or a .onnx file.

PyTorch is imported only where the model is one of PyTorch's.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES

if TYPE_CHECKING:
    from genotools.nn import WindowNetwork
    from genotools.predictor import Predictor

__all__ = ["load_card", "load_predictor", "load_trained_network"]


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
    from genotools.zoo.model import onnx_predictor, predictor_of_folder

    if Path(model).suffix == ".onnx":
        return onnx_predictor(Path(model), device=device, batch_size=batch_size)
    return predictor_of_folder(_folder(model), name=model, device=device, batch_size=batch_size)


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
    from genotools.zoo.entry import WEIGHTS
    from genotools.zoo.model import no_weights

    folder = _folder(model)
    if not (folder / WEIGHTS).is_file():
        raise no_weights(model, folder)
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
