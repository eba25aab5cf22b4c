"""Making a background: scoring variants drawn from a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genotools.data.strands import Strands
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.variants.background import Background, BackgroundBuilder
from genotools.variants.scores import Average, Odds
from genotools.variants.scoring import OnProgress, score_variants
from genotools.variants.vcf import Variant, count_variants, read_variants
from genotools.variants.windows import Genome

__all__ = ["make_background"]


def make_background(
    model: Predictor,
    vcf: Path | str,
    fasta: Path | str | Genome,
    *,
    n: int = 100_000,
    seed: int = 0,
    strands: Strands = "both",
    average: Average = "scores",
    odds: Odds = "clipped",
    batch_size: int = 256,
    on_progress: OnProgress | None = None,
) -> Background:
    """Return the background of ``n`` variants drawn from a file without replacement, of all where it has fewer.

    Memory holds 4 bytes for each of them and each output. Those that cannot be scored do not count.

    Raises
    ------
    DataError
        If ``vcf`` is no file (standard input cannot be drawn from), or as
        :func:`genotools.variants.scoring.score_variants`; or none could be scored.
    """
    if not Path(vcf).is_file():
        raise DataError(f"{vcf}: a background is drawn from a file.")
    n_all = count_variants(vcf)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n_all, size=min(n, n_all), replace=False))
    builder = BackgroundBuilder(model.names)
    batches = score_variants(
        model,
        _drawn(vcf, chosen),
        fasta,
        scores=("effect", "diff"),
        strands=strands,
        average=average,
        odds=odds,
        batch_size=batch_size,
        on_progress=None if on_progress is None else lambda n_done, _: on_progress(n_done, len(chosen)),
    )
    for batch in batches:
        is_scored = batch.max_absdiff_feature >= 0
        builder.add(batch.scores["effect"][is_scored], batch.scores["diff"][is_scored])
    return builder.background(model, strands=strands, average=average, odds=odds)


def _drawn(vcf: Path | str, chosen: np.ndarray) -> Iterator[Variant]:
    """Yield the variants at those places of a file, ascending."""
    wanted = iter(chosen.tolist())
    place = next(wanted, None)
    for index, variant in enumerate(read_variants(vcf)):
        if index == place:
            yield variant
            place = next(wanted, None)
