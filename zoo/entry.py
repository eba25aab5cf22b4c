"""One entry of a zoo: a folder with a card, a genotype, and perhaps a model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.zoo.card import CARD, Card, read_card

__all__ = ["GENOTYPE", "KEPT_FILES", "ONNX", "WEIGHTS", "Entry", "parts_of", "read_entry"]

GENOTYPE, WEIGHTS, ONNX = "genotype.json", "weights.safetensors", "model.onnx"

KEPT_FILES = (GENOTYPE, WEIGHTS, ONNX)
"""What a source folder gives to an entry; the card is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a zoo: its folder, card and genotype."""

    path: Path
    card: Card
    genotype: Genotype
    is_shipped: bool

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.card.name

    @property
    def parts(self) -> list[str]:
        """Which of genotype, weights and onnx it has."""
        return parts_of(self.card.files)


def parts_of(files: Iterable[str]) -> list[str]:
    """Return which of genotype, weights and onnx are among ``files``."""
    names = {GENOTYPE: "genotype", WEIGHTS: "weights", ONNX: "onnx"}
    there = set(files)
    return [names[file] for file in KEPT_FILES if file in there]


def read_entry(folder: Path, *, is_shipped: bool = False) -> Entry:
    """Return the entry in ``folder``; raises DataError if card or genotype are damaged or not each other's."""
    card = read_card(folder / CARD)
    if card.name != folder.name:
        raise DataError(f"{folder / CARD}: name: {card.name!r} is not the name of its folder.")
    genotype = Genotype.load(folder / GENOTYPE)
    if card.digest != genotype.digest:
        raise DataError(f"{folder / CARD}: digest: not that of the genotype beside it.")
    return Entry(path=folder, card=card, genotype=genotype, is_shipped=is_shipped)
