"""``genotools sample`` and ``genotools mutate``: genotypes out of a space."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genotools.cli._genotypes import GenotypeArgument, SpaceOption, load_genotype, load_space
from genotools.cli._options import Force, Seed

if TYPE_CHECKING:
    from genotools.genotype import Genotype

__all__ = ["mutate", "sample"]

Count = Annotated[int, typer.Option("-n", min=1, help="How many.")]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="A .json file for one, else a folder; standard output without it."),
]


def sample(
    space: SpaceOption = "genome-nas",
    n: Count = 1,
    seed: Seed = 0,
    output: Folder = None,
    force: Force = False,
) -> None:
    """Draw random genotypes from a search space."""
    import numpy as np

    rng = np.random.default_rng(seed)
    chosen = load_space(space)
    _emit([chosen.sample(rng=rng) for _ in range(n)], output, force=force)


def mutate(
    genotype: GenotypeArgument,
    n: Count = 1,
    seed: Seed = 0,
    output: Folder = None,
    force: Force = False,
) -> None:
    """Change one thing in a genotype, n times over from the same start."""
    import numpy as np

    start = load_genotype(genotype)
    space, rng = load_space(start.space), np.random.default_rng(seed)
    _emit([space.mutate(start, rng=rng) for _ in range(n)], output, force=force)


def _emit(genotypes: Sequence["Genotype"], folder: Path | None, *, force: bool) -> None:
    """Write one file per genotype, named by its digest, or print them: one document, or one a line."""
    if folder is None:
        if len(genotypes) == 1:
            typer.echo(genotypes[0].to_json(), nl=False)
            return
        import json

        for genotype in genotypes:
            typer.echo(json.dumps(json.loads(genotype.to_json())))
        return
    from genotools.files import check_output, make_folder

    if len(genotypes) == 1 and folder.suffix == ".json":
        genotypes[0].save(folder, force=force)
        typer.echo(folder)
        return
    make_folder(folder)
    files = {folder / f"{genotype.digest[:12]}.json": genotype for genotype in genotypes}
    for path in files:
        check_output(path, force=force)
    for path, genotype in files.items():
        genotype.save(path, force=force)
        typer.echo(path)
