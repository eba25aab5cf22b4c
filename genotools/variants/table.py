"""Scored variants as tab-separated text, written batch by batch.

Lines that begin with ``##`` say where the numbers come from; then come one line of column names and one line per
ALT. POS counts from 1, as in VCF. What is not known is ``NA``.
"""

import gzip
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, Unpack

from genotools import __version__
from genotools.data.labels import column_names
from genotools.data.strands import default_strands, n_strand_pairs
from genotools.errors import DataError
from genotools.files import check_output, replacing
from genotools.predictor import Predictor
from genotools.variants.check import CheckedVariant
from genotools.variants.features import select_features
from genotools.variants.scores import SCORES, check_scores
from genotools.variants.scoring import ScoredVariants, ScoreOptions, default_scores, score_variants
from genotools.variants.summary import Summary, Tally
from genotools.variants.vcf import Variant
from genotools.variants.windows import Genome, variant_index

__all__ = ["check_tsv_output", "open_tsv", "provenance", "score_to_tsv", "write_tsv"]

NA = "NA"
_VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt", "type", "status", "ref_match", "n_pad")
_SUMMARY_COLUMNS = ("max_absdiff", "max_absdiff_feature")


def score_to_tsv(
    model: Predictor,
    variants: Path | str | Iterable[Variant],
    fasta: Path | str | Genome,
    output: Path | str,
    *,
    summary_only: bool = False,
    max_mismatch: float = 0.2,
    force: bool = False,
    **options: Unpack[ScoreOptions],
) -> Summary:
    """Score variants into a ``.tsv`` or ``.tsv.gz`` file and return what became of them.

    Parameters
    ----------
    model, variants, fasta
        As for :func:`genotools.variants.scoring.score_variants`, like the remaining ``options``.
    output
        Where to write; nothing is left there if anything fails.
    summary_only
        Leave out the scores' columns: a model with 919 outputs makes 1,838 of them by default.
    max_mismatch
        Share of the first 1000 comparable records that may mismatch REF before the summary speaks up.
    force
        Replace an existing output.

    Raises
    ------
    OutputExistsError
        If ``output`` is taken and ``force`` is off.
    DataError
        If the suffix is another, or as for :func:`~genotools.variants.scoring.score_variants`.
    """
    path = check_tsv_output(output, force=force)
    tally = Tally(max_mismatch=max_mismatch)
    batches = score_variants(model, variants, fasta, **options)
    scores = () if summary_only else options.get("scores") or default_scores(model)
    features = column_names(model.names, select_features(model.names, options.get("features")))
    header = provenance(model, fasta, options)
    write_tsv(path, _counted(batches, tally), features=features, scores=scores, header=header)
    return tally.summary()


def provenance(model: Predictor, fasta: Path | str | Genome, options: ScoreOptions) -> dict[str, str]:
    """Return what a reader of the scores must know, by key, for the ``##`` lines."""
    place = fasta if isinstance(fasta, Path | str) else getattr(fasta, "path", None)
    both = (options.get("strands") or default_strands(model)) == "both"
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
        "strands": order[options.get("average", "scores")] if both else "forward strand only",
        "strand_pairs": f"{n_strand_pairs(model.names)} (NAME_plus and NAME_minus change places on the other strand)",
        **{
            f"score_{s.name}": s.formula for s in check_scores(options.get("scores") or default_scores(model))
        },
        "max_absdiff": f"largest {SCORES['absdiff'].formula} over the chosen outputs",
    }


def write_tsv(
    path: Path,
    batches: Iterable[ScoredVariants],
    *,
    features: Sequence[str],
    scores: Sequence[str],
    header: Mapping[str, str],
) -> None:
    """Write tables of one run to ``path`` as one file; ``scores`` names those whose columns are wanted.

    A failure, also one of ``batches``, leaves no file.
    """
    columns = [
        *_VARIANT_COLUMNS,
        *_SUMMARY_COLUMNS,
        *(f"{name}:{label}" for name in scores for label in features),
    ]
    with open_tsv(path) as file:
        file.writelines(f"##{key}={value}\n" for key, value in header.items())
        file.write("\t".join(columns) + "\n")
        for batch in batches:
            file.writelines(_lines(batch, scores))


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


def _counted(batches: Iterable[ScoredVariants], tally: Tally) -> Iterator[ScoredVariants]:
    for batch in batches:
        tally.add(batch.rows)
        yield batch


def _lines(batch: ScoredVariants, scores: Sequence[str]) -> Iterator[str]:
    pattern = "\t".join(["%.6g"] * len(batch.features))
    not_scored = "\t".join([NA] * (len(scores) * len(batch.features) + len(_SUMMARY_COLUMNS)))
    for place, row in enumerate(batch.rows):
        fields = _variant_fields(row)
        best = int(batch.max_absdiff_feature[place])
        if best < 0:
            fields.append(not_scored)
        else:
            fields += [f"{batch.max_absdiff[place]:.6g}", batch.features[best]]
            fields += [pattern % tuple(batch.scores[name][place].tolist()) for name in scores]
        yield "\t".join(fields) + "\n"


def _variant_fields(row: CheckedVariant) -> list[str]:
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
