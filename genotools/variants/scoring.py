"""From a model, variants and a genome to scores, batch by batch.

A model is seen only as a :class:`genotools.predictor.Predictor`. Every ALT gives one row, in input order,
whatever happens to it; memory does not grow with the number of variants.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from genotools.data.labels import column_names
from genotools.data.strands import Strands, default_strands, predict_strands
from genotools.data.twobit import open_sequences
from genotools.errors import DataError
from genotools.genotype.task import TaskKind
from genotools.predictor import Predictor
from genotools.variants.background import Background
from genotools.variants.check import CheckedVariant, Checker
from genotools.variants.features import select_features
from genotools.variants.scores import SCORES, Average, Odds, Score, check_scores, compute_scores
from genotools.variants.summary import Summary, Tally
from genotools.variants.vcf import Variant, count_variants, read_variants
from genotools.variants.window_pool import WindowPool
from genotools.variants.windows import Genome, Windows

__all__ = [
    "OnProgress",
    "ScoreOptions",
    "ScoredVariants",
    "default_scores",
    "open_genome",
    "score",
    "score_variants",
]

MAX_TOGETHER = 32
"""Variants of one record that are never parted."""

OnProgress = Callable[[int, int | None], None]


class ScoreOptions(TypedDict, total=False):
    """Keyword arguments of :func:`score_variants`, which functions built on it pass through."""

    scores: Sequence[str] | None
    strands: Strands | None
    average: Average
    odds: Odds
    background: Background | None
    features: str | Sequence[int | str] | None
    batch_size: int
    on_progress: OnProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredVariants:
    """A table of n variants: a batch of them, or all.

    ``scores`` maps each score to float32 ``(n, K)``, K chosen outputs, whose labels are ``features``; ``diff``
    ``(n, K)`` is there whether asked for or not.
    ``max_absdiff`` (n,) is the largest absolute ``diff`` over them and ``max_absdiff_feature`` (n,) its place.
    Rows that are not ``ok`` hold NaN and -1.
    """

    rows: list[CheckedVariant]
    features: list[str]
    scores: Mapping[str, NDArray[np.float32]]
    diff: NDArray[np.float32]
    max_absdiff: NDArray[np.float32]
    max_absdiff_feature: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def summary(self, *, max_mismatch: float = 0.2) -> Summary:
        """Return the counts of this table's rows."""
        tally = Tally(max_mismatch=max_mismatch)
        tally.add(self.rows)
        return tally.summary()


def score_variants(
    model: Predictor,
    variants: Path | str | Iterable[Variant],
    fasta: Path | str | Genome,
    *,
    scores: Sequence[str] | None = None,
    strands: Strands | None = None,
    average: Average = "scores",
    odds: Odds = "clipped",
    background: Background | None = None,
    features: str | Sequence[int | str] | None = None,
    batch_size: int = 256,
    on_progress: OnProgress | None = None,
) -> Iterator[ScoredVariants]:
    """Yield tables of scored variants, in input order, one row per ALT.

    Parameters
    ----------
    model
        Anything with names, length and predict.
    variants
        A VCF file (see :func:`genotools.variants.vcf.read_variants`), ``-``, or variants.
    fasta
        A FASTA or 2bit file, or sequences opened already.
    scores
        Names from :data:`genotools.variants.scores.SCORES`; by default ``diff`` and ``logfc``, of a model whose
        outputs are no probabilities ``diff``.
    strands, average, odds
        Both strands or the forward one, by default both where outputs hold for both; averaging scores or
        probabilities; the formula of the odds.
    background
        What ``evalue`` and ``zscore`` compare with; it must be of this model, strands, average and odds.
    features
        Which outputs, see :func:`genotools.variants.features.select_features`; None is all.
    batch_size
        Windows in one call of the model, both alleles and strands included. Batches are filled across records.
    on_progress
        Called with the number of variants done and their total (None where it is not known beforehand).

    Raises
    ------
    DataError
        At once for a wrong option or a file with malformed lines (all of them named); while iterating for a
        stream with a malformed line, and for a model that returns another shape or values that are not finite, whose
        record is named.
    """
    strands = strands or default_strands(model)
    _check_options(strands=strands, average=average, odds=odds, batch_size=batch_size)
    indices = select_features(model.names, features)
    chosen = check_scores(default_scores(model) if scores is None else scores)
    plan = _Plan(
        model=model,
        scores=chosen,
        strands=strands,
        average=average,
        odds=odds,
        background=_background_of(background, chosen, model, indices, strands, average, odds),
        indices=indices,
        features=column_names(model.names, indices),
        batch_size=batch_size,
    )
    n_variants = None
    if isinstance(variants, Path | str):
        if Path(variants).is_file():  # a pipe can be read only once
            n_variants = count_variants(variants)
        variants = read_variants(variants)
    return _score_all(plan, variants, fasta, lambda n_done: on_progress and on_progress(n_done, n_variants))


def score(
    model: Predictor,
    variants: Path | str | Iterable[Variant],
    fasta: Path | str | Genome,
    **options: Unpack[ScoreOptions],
) -> ScoredVariants:
    """Return all variants scored, as one table in memory; the options are those of :func:`score_variants`."""
    batches = list(score_variants(model, variants, fasta, **options))
    names = options.get("scores") or default_scores(model)
    if not batches:
        features = column_names(model.names, select_features(model.names, options.get("features")))
        return _blank([], features, names)
    return ScoredVariants(
        rows=[row for batch in batches for row in batch.rows],
        features=batches[0].features,
        scores={name: np.concatenate([batch.scores[name] for batch in batches]) for name in names},
        diff=np.concatenate([batch.diff for batch in batches]),
        max_absdiff=np.concatenate([batch.max_absdiff for batch in batches]),
        max_absdiff_feature=np.concatenate([batch.max_absdiff_feature for batch in batches]),
    )


def default_scores(model: Predictor) -> tuple[str, ...]:
    """Return ``diff`` and ``logfc``, or ``diff`` alone for a model whose outputs are no probabilities."""
    task = getattr(model, "task", None)  # a predictor of somebody else's need not have one
    is_of_values = task is not None and task.kind in (TaskKind.REGRESSION, TaskKind.COUNTS)
    return ("diff",) if is_of_values else ("diff", "logfc")


def _background_of(
    background: Background | None,
    scores: Sequence[Score],
    model: Predictor,
    indices: Sequence[int],
    strands: str,
    average: str,
    odds: str,
) -> Background | None:
    """Return the background of the chosen outputs where a score needs one, once it is clear that it fits."""
    names = [score.name for score in scores if score.needs_background]
    if not names:
        return None
    if background is None:
        raise DataError(
            f"{' and '.join(names)}: a background is needed (--background, made by `genotools variants background`)."
        )
    how = {"model_digest": model.digest, "strands": strands, "average": average, "odds": odds}
    background.check(how, where="background")
    return background.select(indices)


def _check_options(*, strands: str, average: str, odds: str, batch_size: int) -> None:
    faults = []
    if strands not in get_args(Strands):
        faults.append(f"strands must be one of {', '.join(get_args(Strands))}, not {strands!r}.")
    if average not in get_args(Average):
        faults.append(f"average must be one of {', '.join(get_args(Average))}, not {average!r}.")
    if odds not in get_args(Odds):
        faults.append(f"odds must be one of {', '.join(get_args(Odds))}, not {odds!r}.")
    if batch_size < 1:
        faults.append(f"batch_size must be 1 or more, not {batch_size}.")
    if faults:
        raise DataError.from_faults("variants", faults)


@contextmanager
def open_genome(fasta: Path | str | Genome) -> Iterator[Genome]:
    """Open a FASTA or 2bit file for a while; sequences opened already are handed through and stay open."""
    if not isinstance(fasta, Path | str):
        yield fasta
        return
    with open_sequences(fasta) as opened:
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What to compute, with all names resolved."""

    model: Predictor
    scores: list[Score]
    strands: Strands
    average: Average
    odds: Odds
    background: Background | None
    indices: list[int]
    features: list[str]
    batch_size: int

    @property
    def n_windows(self) -> int:
        """Distinct windows that fill one call of the model."""
        return self.batch_size // (2 if self.strands == "both" else 1)


@dataclass(slots=True)
class _Batch:
    """Rows collected so far, and the windows of those that can be scored."""

    pool: WindowPool = field(default_factory=WindowPool)
    rows: list[CheckedVariant] = field(default_factory=list)
    scored: list[int] = field(default_factory=list)
    ref_rows: list[int] = field(default_factory=list)
    alt_rows: list[int] = field(default_factory=list)

    def add(self, row: CheckedVariant, windows: Windows | None) -> None:
        if windows is not None:
            self.scored.append(len(self.rows))
            self.ref_rows.append(self.pool.add(windows.ref))
            self.alt_rows.append(self.pool.add(windows.alt))
        self.rows.append(row)

    def name_of(self, window: int) -> str:
        """Return which variant the window of the pool was made for, the first of several."""
        for index, ref, alt in zip(self.scored, self.ref_rows, self.alt_rows, strict=True):
            if window in (ref, alt):
                allele = "REF" if window == ref else "ALT"
                return f"the {allele} window of {_name_of(self.rows[index])}"
        raise IndexError(f"no variant has window {window}.")

    def has_room(self, plan: _Plan, n_variants: int) -> bool:
        """Whether a record of so many variants, each of which may bring a window beside that of REF, still fits."""
        fits = len(self.pool) + n_variants + 1 <= plan.n_windows and len(self.rows) < max(plan.batch_size, 64)
        return fits or not self.rows


def _score_all(
    plan: _Plan, variants: Iterable[Variant], fasta: Path | str | Genome, on_progress: Callable[[int], object]
) -> Iterator[ScoredVariants]:
    n_done = 0
    on_progress(n_done)
    with open_genome(fasta) as genome:
        checker = Checker(genome, length=plan.model.length)
        batch = _Batch()
        for record in _by_record(variants):
            if not batch.has_room(plan, len(record)):
                yield _score_batch(plan, batch)
                n_done += len(batch.rows)
                on_progress(n_done)
                batch = _Batch()
            for variant in record:
                batch.add(*checker.check(variant))
        if batch.rows:
            yield _score_batch(plan, batch)
            on_progress(n_done + len(batch.rows))


def _by_record(variants: Iterable[Variant]) -> Iterator[list[Variant]]:
    """Yield the variants of each record together: a batch ends with a record. Very long ones are split."""
    record: list[Variant] = []
    for variant in variants:
        if record and (variant.record != record[0].record or len(record) == MAX_TOGETHER):
            yield record
            record = []
        record.append(variant)
    if record:
        yield record


def _score_batch(plan: _Plan, batch: _Batch) -> ScoredVariants:
    result = _blank(batch.rows, plan.features, [score.name for score in plan.scores])
    if not batch.scored:
        return result
    probs = predict_strands(
        plan.model,
        batch.pool.codes(),
        strands=plan.strands,
        batch_size=plan.batch_size,
        name_of=batch.name_of,
    )
    probs = probs[:, :, plan.indices]  # (S, n_windows, K)
    wanted = {score.name: score for score in [*plan.scores, SCORES["diff"]]}
    computed = compute_scores(
        probs[:, batch.ref_rows],
        probs[:, batch.alt_rows],
        list(wanted.values()),
        average=plan.average,
        odds=plan.odds,
        background=plan.background,
    )
    _check_finite(computed, [batch.rows[index] for index in batch.scored])
    for name, values in result.scores.items():
        values[batch.scored] = computed[name]
    result.diff[batch.scored] = computed["diff"]
    absdiff = np.abs(computed["diff"])
    result.max_absdiff[batch.scored] = absdiff.max(axis=1)
    result.max_absdiff_feature[batch.scored] = absdiff.argmax(axis=1)
    return result


def _check_finite(computed: Mapping[str, NDArray[np.float32]], rows: Sequence[CheckedVariant]) -> None:
    """Refuse scores that are not finite although the predictions are, as the difference of huge values."""
    for name, values in computed.items():
        is_bad = ~np.isfinite(values).all(axis=1)
        if is_bad.any():
            raise DataError(
                f"score {name!r} of {_name_of(rows[int(is_bad.argmax())])} is not finite: the model's values are "
                "too large for it."
            )


def _name_of(row: CheckedVariant) -> str:
    """Return a variant as a person finds it in the file."""
    variant = row.variant
    ref, alt = (text if len(text) <= 20 else f"{text[:17]}..." for text in (variant.ref, variant.alt))
    return f"record {variant.record + 1}, {variant.chrom}:{variant.position + 1} {ref}>{alt}"


def _blank(rows: list[CheckedVariant], features: list[str], scores: Sequence[str]) -> ScoredVariants:
    """Return a table of rows without scores."""
    n = len(rows)
    return ScoredVariants(
        rows=rows,
        features=features,
        scores={name: np.full((n, len(features)), np.nan, dtype=np.float32) for name in scores},
        diff=np.full((n, len(features)), np.nan, dtype=np.float32),
        max_absdiff=np.full(n, np.nan, dtype=np.float32),
        max_absdiff_feature=np.full(n, -1, dtype=np.int64),
    )
