"""What a person may type where a command wants a genotype or a search space."""

from pathlib import Path
from typing import Annotated

import typer

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace, get_space, register_space

__all__ = ["GenotypeArgument", "SpaceOption", "load_genotype", "load_space"]

GenotypeArgument = Annotated[
    str,
    typer.Argument(
        metavar="GENOTYPE", help="A genotype file, a zoo name, a run folder (its best), or a .onnx file."
    ),
]
SpaceOption = Annotated[str, typer.Option("--space", help="A search space: its name, or its JSON file.")]

RUN_GENOTYPES = ("best.genotype.json", "genotype.json")
"""Where the folder of a search, a training or a zoo entry keeps its genotype."""


def load_genotype(text: str) -> Genotype:
    """Return the genotype that ``text`` names: a file, a folder that holds one, or a zoo name."""
    path = Path(text)
    if path.is_dir():
        for name in RUN_GENOTYPES:
            if (path / name).is_file():
                return Genotype.load(path / name)
        raise DataError(f"{path}: no genotype in this folder ({' or '.join(RUN_GENOTYPES)}).")
    if path.is_file() and path.suffix == ".onnx":
        from genotools.export.runtime import OnnxPredictor

        return OnnxPredictor(path, threads=1).genotype
    if path.is_file():
        return Genotype.load(path)
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"{path}: no such file.")
    from genotools.zoo import entry_path

    return Genotype.load(entry_path(text) / "genotype.json")


def load_space(text: str) -> SearchSpace:
    """Return the search space that ``text`` names: a registered name or a file."""
    path = Path(text)
    if path.suffix == ".json" or path.is_file():
        return register_space(SearchSpace.load(path))
    return get_space(text)
