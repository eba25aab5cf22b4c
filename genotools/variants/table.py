"""What all tables of variants share: the columns that describe them, where the numbers come from, and text files.

POS counts from 1, as in VCF. What is not known is ``NA``.
"""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from genotools import __version__
from genotools.data.strands import default_strands, describe_forward, n_strand_pairs
from genotools.errors import DataError
from genotools.files import check_output, replacing
from genotools.predictor import Predictor
from genotools.variants.check import CheckedVariant
from genotools.variants.scores import ODDS_FORMULAS, SCORES, Score, check_scores
from genotools.variants.scoring import ScoreOptions, default_scores
from genotools.variants.windows import Genome, variant_index

__all__ = [
    "NA",
    "SUMMARY_COLUMNS",
    "VARIANT_COLUMNS",
    "check_tsv_output",
    "open_tsv",
    "provenance",
    "variant_fields",
]

NA = "NA"
VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt", "type", "status", "ref_match", "n_pad")
SUMMARY_COLUMNS = ("max_absdiff", "max_absdiff_feature")


def provenance(model: Predictor, fasta: Path | str | Genome, options: ScoreOptions) -> dict[str, str]:
    """Return what a reader of the scores must know, by key, for the ``##`` lines."""
    place = fasta if isinstance(fasta, Path | str) else getattr(fasta, "path", None)
    both = (options.get("strands") or default_strands(model)) == "both"
    names, background = options.get("scores") or default_scores(model), options.get("background")
    order = {
        "scores": "both strands; each score is computed on each strand, then averaged",
        "probs": "both strands; probabilities are averaged, then scored",
    }
    return {
        "genotools_version": __version__,
        "model_digest": model.digest,
        "model_outputs": str(len(model.names)),
        "window_bp": str(model.length),
        "variant_index": f"{variant_index(model.length)} (0-based, first base of REF in the REF and ALT window)",
        "fasta": Path(place).name if place else "in memory",
        "strands": order[options.get("average", "scores")] if both else describe_forward(model),
        "strand_pairs": f"{n_strand_pairs(model.names)} (NAME_plus and NAME_minus change places on the other strand)",
        **{f"score_{s.name}": _formula(s, options) for s in check_scores(names)},
        **({} if background is None else {"background": f"{background.n} variants"}),
        "max_absdiff": f"largest {SCORES['absdiff'].formula} over the chosen outputs",
    }


def _formula(score: Score, options: ScoreOptions) -> str:
    return ODDS_FORMULAS[options.get("odds", "clipped")] if score.name == "logfc" else score.formula


def check_tsv_output(path: Path | str, *, force: bool = False) -> Path:
    """Return ``path`` once it is clear that a table may be written there.

    Raises
    ------
    OutputExistsError
        If it is taken and ``force`` is off.
    DataError
        If it does not end in ``.tsv`` or ``.tsv.gz``, or its folder does not exist.
    """
    if not str(path).endswith((".tsv", ".tsv.gz")):
        raise DataError(f"{path}: tables are written as .tsv or .tsv.gz.")
    return check_output(path, force=force)


@contextmanager
def open_tsv(path: Path) -> Iterator[TextIO]:
    """Open a text file that appears at ``path`` when all went well; ``.gz`` is compressed, the same each time."""
    with replacing(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            # Without name and time in its header, equal tables make equal files.
            with (
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
                _text(packed) as file,
            ):
                yield file
        else:
            with _text(raw) as file:
                yield file


def _text(raw: IO[bytes] | gzip.GzipFile) -> TextIO:
    # What was not UTF-8 in the VCF comes out as it went in.
    return io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="\n")


def variant_fields(row: CheckedVariant) -> list[str]:
    """Return the columns that say what a variant is and whether it was scored."""
    variant = row.variant
    return [
        variant.chrom,
        str(variant.position + 1),
        variant.id,
        variant.ref,
        variant.alt,
        row.kind or NA,
        row.status,
        NA if row.ref_match is None else str(row.ref_match).lower(),
        NA if row.n_pad is None else str(row.n_pad),
    ]
