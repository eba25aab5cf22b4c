"""What a person may type after ``--warm-start``: a run, a genotype, a zoo name, or ``similar:FOLDER``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from genotools.cli._genotypes import load_genotype
from genotools.errors import DataError
from genotools.search.warm_start import descriptors, genotypes_of_run, most_similar

if TYPE_CHECKING:
    from genotools.data.store import SequenceStore
    from genotools.genotype.genotype import Genotype
    from genotools.genotype.space import SearchSpace

__all__ = ["warm_starts"]

SIMILAR = "similar:"
N_OF_RUN = 10
"""Genotypes that are taken from one run."""


def warm_starts(
    texts: Sequence[str], space: "SearchSpace", store: "SequenceStore", *, output: Path
) -> "list[Genotype]":
    """Return the genotypes that ``texts`` name, each once; those outside ``space`` are left out and said.

    The run in ``output`` is never its own start: a search that is resumed must find what it found at first.
    """
    found: dict[str, Genotype] = {}
    for text in texts:
        genotypes, n_outside = _of_text(text, space, store, output)
        if n_outside:
            typer.echo(
                f"--warm-start {text}: {n_outside} genotypes are not in {space.name!r}, left out.", err=True
            )
        if not genotypes:
            raise DataError(f"--warm-start {text}: no genotype of space {space.name!r} found.")
        for genotype in genotypes:
            found.setdefault(genotype.digest, genotype)
    return list(found.values())


def _of_text(
    text: str, space: "SearchSpace", store: "SequenceStore", output: Path
) -> "tuple[list[Genotype], int]":
    if text.startswith(SIMILAR):
        folder = Path(text.removeprefix(SIMILAR))
        if not folder.is_dir():
            raise DataError(f"--warm-start {text}: {folder} is no folder of runs.")
        runs = sorted(p for p in folder.iterdir() if p.is_dir() and p.resolve() != output.resolve())
        nearest, distance = most_similar(descriptors(store), runs)
        typer.echo(
            f"--warm-start {text}: the most similar data are those of {nearest} (distance {distance:.3f}).",
            err=True,
        )
        return genotypes_of_run(nearest, N_OF_RUN, space)
    if Path(text).exists():
        return genotypes_of_run(Path(text), N_OF_RUN, space)
    genotype = load_genotype(text)  # of the zoo
    is_legal = space.contains(genotype)
    return ([genotype], 0) if is_legal else ([], 1)
