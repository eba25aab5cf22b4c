"""One entry of a zoo: a folder with a card, a genotype, and perhaps a model."""

from dataclasses import dataclass
from pathlib import Path

from genotools.genotype.genotype import Genotype
from genotools.zoo.card import Card

__all__ = ["KEPT_FILES", "Entry"]

KEPT_FILES = ("genotype.json", "weights.safetensors", "model.onnx")
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
        names = {"genotype.json": "genotype", "weights.safetensors": "weights", "model.onnx": "onnx"}
        return [names[file] for file in KEPT_FILES if file in self.card.files]
