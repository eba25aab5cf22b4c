"""``genotools ism`` and ``genotools attribute``: what each base of a region does to a model's prediction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genotools.cli._options import Device, Force
from genotools.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genotools.data.strands import Strands
    from genotools.predictor import Predictor
    from genotools.variants import SaturationMap

__all__ = ["attribute", "ism"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Training folder, zoo name, or .onnx file.")]
Region = Annotated[
    str | None, typer.Option("--region", help="chr:start-end, 1-based, both ends included; needs --fasta.")
]
FastaOption = Annotated[Path | None, typer.Option("--fasta", help="Genome of the region: FASTA or 2bit.")]
Sequences = Annotated[
    Path | None, typer.Option("--sequences", help="FASTA; each record is taken whole, instead of a region.")
]
Features = Annotated[
    str | None,
    typer.Option(
        "--features", help="Outputs: indices, ranges, names, regular expressions, or @FILE.  [default: all]"
    ),
]
Outs = Annotated[
    list[Path],
    typer.Option(
        "-o",
        "--output",
        help=".tsv, .tsv.gz, .png, .svg or .pdf; may be given more than once.",
        show_default=False,
    ),
]
StrandsOption = Annotated[
    Literal["both", "forward"] | None,
    typer.Option("--strands", help="Average both strands.  [default: both, where outputs hold for both]"),
]


def ism(
    model: Model,
    *,
    output: Outs,
    region: Region = None,
    fasta: FastaOption = None,
    sequences: Sequences = None,
    features: Features = None,
    strands: StrandsOption = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Windows in one call.")] = 256,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Change every base of a region to the three others and see what becomes of the prediction.

    A table has a line a substitution; a picture shows a logo, each base as high as what it adds, and a heat map of
    all changes; of several outputs the one that changes most.
    """
    from genotools.cli._models import load_predictor
    from genotools.data.strands import default_strands
    from genotools.files import check_output
    from genotools.variants.features import read_features, select_features
    from genotools.variants.in_silico import write_saturation
    from genotools.variants.saturation_picture import draw_importance, importance_of

    tables, pictures = _outputs(output)
    for path in output:
        check_output(path, force=force)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    chosen = read_features(features)
    indices = select_features(predictor.names, chosen)
    with _progress("Substitutions") as on_progress:
        maps = _maps(
            predictor,
            region,
            fasta,
            sequences,
            strands or default_strands(predictor),
            batch_size,
            on_progress,
        )
    for path in tables:
        write_saturation(path, maps, features=chosen, force=force)
    for path in pictures:
        for number, found in enumerate(maps):
            diffs, name = _shown(found.diffs[:, :, indices], [predictor.names[index] for index in indices])
            draw_importance(
                _numbered(path, number, len(maps), found.contig),
                found.codes,
                importance_of(found.codes, diffs),
                title=f"{name}, {found.contig}:{found.start + 1}-{found.start + len(found.codes)}",
                first=found.start + 1,
                diffs=diffs,
                unit="minus mean change",
                force=force,
            )
    typer.echo(f"Written to {', '.join(map(str, output))}", err=True)


def attribute(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder or zoo name with weights.")],
    *,
    output: Outs,
    region: Region = None,
    fasta: FastaOption = None,
    features: Features = None,
    strands: StrandsOption = None,
    force: Force = False,
) -> None:
    """See what each base of a region adds to a prediction, by one gradient; needs weights and PyTorch."""
    from genotools.cli._models import load_trained_network
    from genotools.files import check_output
    from genotools.training.attribution import attribute as run
    from genotools.variants.features import read_features, select_features
    from genotools.variants.in_silico import region_window, write_importance
    from genotools.variants.saturation_picture import draw_importance

    tables, pictures = _outputs(output)
    for path in output:
        check_output(path, force=force)
    if region is None or fasta is None:
        raise DataError("give a --region of a --fasta.")
    network = load_trained_network(model)
    names = tuple(network.task.names)
    indices = select_features(names, read_features(features))
    contig, start, end = _parsed(region)
    window, left = region_window(fasta, contig, start, end, length=network.length)
    used = strands or ("forward" if network.task.one_strand else "both")
    importance = run(network, window, indices, strands=used)[left : left + end - start]
    codes = window[left : left + end - start]
    shown = names[indices[0]] if len(indices) == 1 else f"mean of {len(indices)} outputs"
    for path in tables:
        write_importance(
            path, contig, start, codes, importance, what=f"gradient of the logit: {shown}", force=force
        )
    for path in pictures:
        title = f"{shown}, {contig}:{start + 1}-{end}"
        unit = "gradient of the logit"
        draw_importance(path, codes, importance, title=title, first=start + 1, unit=unit, force=force)
    typer.echo(f"Written to {', '.join(map(str, output))}", err=True)


def _maps(
    predictor: "Predictor",
    region: str | None,
    fasta: Path | None,
    sequences: Path | None,
    strands: "Strands",
    batch_size: int,
    on_progress: Callable[[int, int], None],
) -> "list[SaturationMap]":
    """Return the map of the region, or of every record."""
    from genotools.variants.in_silico import saturation
    from genotools.variants.scoring import open_genome

    run = partial(saturation, predictor, strands=strands, batch_size=batch_size, on_progress=on_progress)
    if region is not None and fasta is not None and sequences is None:
        return [run(fasta, *_parsed(region))]
    if sequences is None or region is not None:
        raise DataError("give either a --region of a --fasta, or --sequences.")
    with open_genome(sequences) as records:
        return [run(records, name, 0, length) for name, length in records.contigs.items()]


def _parsed(region: str) -> tuple[str, int, int]:
    """Return contig and 0-based half-open range of ``chr:start-end``, which counts from 1."""
    from genotools.data.bed import is_whole

    contig, colon, span = region.rpartition(":")
    start, dash, end = span.replace(",", "").partition("-")
    if not (colon and dash and is_whole(start) and is_whole(end) and 0 < int(start) <= int(end)):
        raise DataError(f"--region {region[:60]!r}: chr:start-end was expected, e.g. chrIV:1,000-1,100.")
    return contig, int(start) - 1, int(end)


def _outputs(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return those that are tables and those that are pictures."""
    tables = [path for path in paths if str(path).endswith((".tsv", ".tsv.gz"))]
    pictures = [path for path in paths if path.suffix in (".png", ".svg", ".pdf")]
    others = [str(path) for path in paths if path not in tables and path not in pictures]
    if others:
        raise DataError(f"{', '.join(others)}: written are .tsv, .tsv.gz, .png, .svg and .pdf.")
    return tables, pictures


def _shown(diffs: "NDArray[np.float32]", names: list[str]) -> tuple["NDArray[np.float32]", str]:
    """Return the changes that a picture shows, ``(n, 4)``, and of which output they are: of the largest ones."""
    import numpy as np

    largest = int(np.nanmax(np.abs(diffs), axis=(0, 1)).argmax())
    more = f" (of {len(names)} outputs the one that changes most)" if len(names) > 1 else ""
    return diffs[:, :, largest], names[largest] + more


def _numbered(path: Path, number: int, n_maps: int, name: str) -> Path:
    """Return the path of one of several pictures."""
    if n_maps == 1:
        return path
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:60]
    return path.with_name(f"{path.stem}-{number + 1}-{safe}{path.suffix}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda n_done, n_all: bar.update(task, completed=n_done, total=n_all)
