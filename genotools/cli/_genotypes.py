"""What a person may type where a command wants a genotype or a search space."""

from pathlib import Path
from typing import Annotated

import typer

from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES, BaselineName
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace, get_space, register_space

__all__ = [
    "ArchitectureArgument",
    "GenotypeArgument",
    "SpaceOption",
    "load_architecture",
    "load_genotype",
    "load_space",
    "program",
]

GenotypeArgument = Annotated[
    str,
    typer.Argument(
        metavar="GENOTYPE", help="A genotype file, a zoo name, a run folder (its best), or a .onnx file."
    ),
]
ArchitectureArgument = Annotated[
    str,
    typer.Argument(
        metavar="GENOTYPE",
        help="A genotype file, a zoo name, a run folder (its best), a .onnx file, or a hand-designed network: "
        f"{', '.join(BASELINE_NAMES)}.",
    ),
]
SpaceOption = Annotated[str, typer.Option("--space", help="A search space: its name, or its JSON file.")]

RUN_GENOTYPES = ("best.genotype.json", "genotype.json")
"""Where the folder of a search, a training or a zoo entry keeps its genotype."""

_space_files: list[str] = []
"""Those that this command was given."""

RUN_BASELINE = "baseline.json"
"""Where the folder of a training keeps the name of a hand-designed network."""


def load_architecture(text: str) -> Genotype | BaselineName:
    """Return what ``text`` names: a hand-designed network, a file, a folder that holds one, or a zoo name.

    The names of hand-designed networks come first; a folder of such a name is meant by ``./NAME``.
    """
    if text in BASELINE_NAMES:
        return BaselineName(text)
    path = Path(text)
    if path.is_dir():
        for name in RUN_GENOTYPES:
            if (path / name).is_file():
                return Genotype.load(path / name)
        if (path / RUN_BASELINE).is_file():
            return BaselineName.load(path / RUN_BASELINE)
        raise DataError(f"{path}: no genotype in this folder ({' or '.join(RUN_GENOTYPES)}).")
    if path.is_file() and path.suffix == ".onnx":
        from genotools.export.runtime import OnnxPredictor

        return OnnxPredictor(path, threads=1).architecture
    if path.is_file():
        return Genotype.load(path)
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"{path}: no such file.")
    from genotools.zoo import entry_path

    return Genotype.load(entry_path(text) / "genotype.json")


def load_genotype(text: str) -> Genotype:
    """Return the genotype that ``text`` names, as :func:`load_architecture`; a hand-designed network has none."""
    found = load_architecture(text)
    if isinstance(found, Genotype):
        return found
    meant = f" The folder is ./{text}." if text in BASELINE_NAMES and Path(text).is_dir() else ""
    raise DataError(
        f"{text}: the hand-designed network {found} has no genotype. It can be trained (genotools train) and "
        f"described (genotools info).{meant}"
    )


def load_space(text: str) -> SearchSpace:
    """Return the search space that ``text`` names: a registered name or a file."""
    path = Path(text)
    if path.suffix == ".json" or path.is_file():
        space = register_space(SearchSpace.load(path))
        if text not in _space_files:
            _space_files.append(text)
        return space
    return get_space(text)


def program() -> list[str]:
    """Return how a command to type next begins: the program, and the files of spaces that genotypes here name."""
    return ["genotools", *(word for file in _space_files for word in ("--space", file))]
