"""A zoo entry that predicts, and what any folder with a model needs for that.

The ONNX runtime is the one thing of another room that this one uses: :mod:`genotools.export.runtime` rests on
genotypes alone, and neither it nor this module imports PyTorch where there is an ONNX file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from genotools.errors import DataError
from genotools.zoo.entries import load_entry
from genotools.zoo.entry import GENOTYPE, ONNX, WEIGHTS, Entry
from genotools.zoo.places import Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from genotools.export.runtime import OnnxPredictor
    from genotools.genotype.genotype import Genotype
    from genotools.genotype.task import Task
    from genotools.predictor import Predictor
    from genotools.zoo.card import Card

__all__ = ["Model", "load", "no_weights", "onnx_predictor", "predictor_of_folder"]


class Model:
    """An entry of a zoo with what runs it: a :class:`genotools.predictor.Predictor` with a genotype and a card.

    An entry that is a genotype only has these two; whatever asks it for predictions gets a DataError that says
    how to train it.
    """

    def __init__(self, entry: Entry, predictor: "Predictor | None") -> None:
        self.entry = entry
        self._predictor = predictor

    def __repr__(self) -> str:
        return f"<genotools.zoo.Model {self.name!r}: {', '.join(self.entry.parts)}>"

    @property
    def name(self) -> str:
        """Its name in the zoo."""
        return self.entry.name

    @property
    def card(self) -> "Card":
        """What a person needs to know before using it."""
        return self.entry.card

    @property
    def genotype(self) -> "Genotype":
        """Its genotype."""
        return self.entry.genotype

    @property
    def names(self) -> "Sequence[str]":
        """Names of the K outputs, in order."""
        return self._trained().names

    @property
    def length(self) -> int:
        """Length of a window in bp."""
        return self._trained().length

    @property
    def digest(self) -> str:
        """Digest of genotype and weights together."""
        return self._trained().digest

    @property
    def task(self) -> "Task | None":
        """What the outputs mean, where the model says so."""
        return getattr(self._trained(), "task", None)

    @property
    def averages_strands(self) -> bool:
        """Whether outputs are means over both strands already."""
        return bool(getattr(self._trained(), "averages_strands", False))

    def predict(self, codes: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return outputs of shape ``(N, K)`` for base codes of shape ``(N, length)``.

        Raises
        ------
        DataError
            If ``codes`` have another shape, or the entry is a genotype only.
        """
        return self._trained().predict(codes)

    def _trained(self) -> "Predictor":
        if self._predictor is None:
            raise no_weights(self.name, self.entry.path)
        return self._predictor


def load(
    name: str, *, zoo: Where | None = None, device: str = "auto", batch_size: int | None = None
) -> Model:
    """Return the entry called ``name``, ready to predict.

    Parameters
    ----------
    name
        Of an entry; one of a zoo elsewhere is fetched first, and later used without a network.
    zoo
        The only place to look; all of :mod:`genotools.zoo.places` by default.
    device, batch_size
        As for :func:`predictor_of_folder`.

    Raises
    ------
    DataError
        If there is no such entry, it cannot be read, or it does not run on ``device``.

    Examples
    --------
    >>> load("pooling-only").genotype.digest[:12]
    '5cacb6ef2da9'
    """
    entry = load_entry(name, zoo=zoo)
    if entry.parts == ["genotype"]:
        return Model(entry, None)
    return Model(entry, predictor_of_folder(entry.path, name=name, device=device, batch_size=batch_size))


def predictor_of_folder(
    folder: Path, *, name: str | None = None, device: str = "auto", batch_size: int | None = None
) -> "Predictor":
    """Return the predictor in a folder with ``model.onnx`` or ``weights.safetensors``.

    Parameters
    ----------
    folder
        Of a zoo entry or a training.
    name
        What errors call it.
    device
        ``cpu``, ``cuda``, or ``auto``. Where there are both, the ONNX file runs, but the weights on CUDA.
    batch_size
        The most windows the model is given at once.

    Raises
    ------
    DataError
        If there is no model, it cannot be read, it does not run on ``device``, or the ONNX file was exported from
        other weights than those beside it.
    """
    has_weights, has_onnx = (folder / WEIGHTS).is_file(), (folder / ONNX).is_file()
    if has_onnx and not (has_weights and device.startswith("cuda")):
        predictor = onnx_predictor(folder / ONNX, device=device, batch_size=batch_size)
        if has_weights:
            _check_same_model(folder, predictor.weights_digest)
        return predictor
    if not has_weights:
        raise no_weights(name or str(folder), folder)
    from genotools.training.device import choose_device
    from genotools.training.predictor import load_predictor_from_run

    options = {} if batch_size is None else {"batch_size": batch_size}
    return load_predictor_from_run(folder, device=choose_device(device), **options)


def onnx_predictor(path: Path, *, device: str = "auto", batch_size: int | None = None) -> "OnnxPredictor":
    """Return the predictor of an ONNX file; raises DataError if it cannot be read, or ``device`` is not the CPU."""
    if device not in ("auto", "cpu"):
        raise DataError(
            f"{path}: ONNX files run on the CPU, not on {device!r}. Use --device cpu, or the weights."
        )
    from genotools.export.runtime import OnnxPredictor

    return OnnxPredictor(path) if batch_size is None else OnnxPredictor(path, batch_size=batch_size)


def no_weights(name: str, folder: Path) -> DataError:
    """Return the error for a folder without a model, which says what to do about it."""
    if (folder / "config.json").is_file():
        return DataError(
            f"{name}: no {WEIGHTS} in this folder. If it is a training, finish it with --resume; "
            "if it is a search, train its best genotype."
        )
    if (folder / GENOTYPE).is_file():
        return DataError(
            f"{name}: a genotype only, without weights. Train it first: "
            f"genotools train {name} --data STORE.h5 -o DIR"
        )
    return DataError(f"{name}: no model in this folder ({WEIGHTS} or {ONNX}).")


def _check_same_model(folder: Path, onnx_digest: str) -> None:
    """Refuse a folder whose weights were trained anew after the export: which of the two is meant is unknown."""
    from genotools.training.weights_header import read_weights_header

    if read_weights_header(folder / WEIGHTS).get("model_digest", onnx_digest) != onnx_digest:
        raise DataError(
            f"{folder}: {ONNX} was exported from other weights than {WEIGHTS} beside it. "
            f"Export it again: genotools export {folder} -o {folder / ONNX} --force"
        )
