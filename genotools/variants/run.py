"""From a model, variants and a genome to a file, which survives a kill."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

from genotools.data.labels import column_names
from genotools.errors import DataError
from genotools.files import check_output, claimed_output, replacing
from genotools.predictor import Predictor
from genotools.variants.features import select_features
from genotools.variants.outputs import ArrayWriter, Layout, TextWriter, Writer
from genotools.variants.partial import PartialTable
from genotools.variants.scoring import ScoreOptions, default_scores, score_variants
from genotools.variants.summary import Summary, Tally
from genotools.variants.table import provenance
from genotools.variants.vcf import Variant, count_variants, read_variants
from genotools.variants.vcf_output import DEFAULT_TOP, VcfWriter
from genotools.variants.windows import Genome

__all__ = ["SUFFIXES", "check_variants_output", "restored", "score_to_file"]

SUFFIXES = (".tsv", ".tsv.gz", ".h5", ".parquet", ".vcf", ".vcf.gz")
SAVE_EVERY_S = 2.0


def check_variants_output(path: Path | str, *, force: bool = False) -> Path:
    """Return ``path`` once it is clear that a table may be written there.

    Raises
    ------
    OutputExistsError
        If it is taken and ``force`` is off.
    DataError
        If its suffix is none of ``SUFFIXES``, or its folder does not exist.
    """
    if not str(path).endswith(SUFFIXES):
        raise DataError(f"{path}: tables of variants are written as {', '.join(SUFFIXES)}.")
    return check_output(path, force=force)


def score_to_file(
    model: Predictor,
    variants: Path | str | Iterable[Variant],
    fasta: Path | str | Genome,
    output: Path | str,
    *,
    top_k: int | None = None,
    summary_only: bool = False,
    max_mismatch: float = 0.2,
    resume: bool = False,
    force: bool = False,
    on_message: Callable[[str], None] | None = None,
    **options: Unpack[ScoreOptions],
) -> Summary:
    """Score variants into a file and return what became of them. Memory does not grow with their number.

    The table grows in ``NAME.partial`` beside it and appears when it is whole. A run that was killed goes on with
    ``resume``, to the same bytes.

    Parameters
    ----------
    model, variants, fasta
        As for :func:`genotools.variants.scoring.score_variants`, like the remaining ``options``.
    output
        Where to write; the suffix says what: ``.tsv``, ``.tsv.gz``, ``.h5``, ``.parquet``
        (:mod:`genotools.variants.outputs`), ``.vcf`` and ``.vcf.gz`` (:mod:`genotools.variants.vcf_output`).
    top_k
        Tell the scores of so many outputs with the largest |diff|, instead of all.
    summary_only
        Leave out the scores: a model with 919 outputs makes 1,838 columns of them by default.
    max_mismatch
        Share of the first 1000 comparable records that may mismatch REF before the run stops; 1 never stops.
    resume
        Go on with what lies beside ``output``, if anything does.
    force
        Replace an existing output, or half of one.
    on_message
        Hears of the size to be expected.

    Raises
    ------
    OutputExistsError
        If ``output`` is taken and ``force`` is off.
    DataError
        If the suffix is another; if another process writes this table; if the genome looks like another build; or as
        for :func:`~genotools.variants.scoring.score_variants`.
    """
    path = Path(output)
    check_free = partial(check_variants_output, path, force=force)
    with claimed_output(path, check_free, busy="another process is writing this table."):
        if top_k is not None and top_k < 1:
            raise DataError(f"top_k must be 1 or more, not {top_k}.")
        indices = select_features(model.names, options.get("features"))
        layout = Layout(
            scores=() if summary_only else tuple(options.get("scores") or default_scores(model)),
            features=tuple(column_names(model.names, indices)),
            header=provenance(model, fasta, options),
            top_k=(top_k or DEFAULT_TOP) if _is_vcf(path) else top_k,
        )
        n_all = None
        if isinstance(variants, Path | str) and Path(variants).is_file():  # a pipe can be read only once
            n_all = count_variants(variants)
            if on_message is not None:
                on_message(_size_message(layout, path, n_all))
        table = PartialTable(path, _suffixes(path), _identity(variants, layout, options))
        tally = Tally(max_mismatch=max_mismatch)
        progress = table.begin(resume=resume, force=force)
        n_done = restored(progress, tally, where=table.progress_path)
        with table.kept_where_stopped():
            writer = _writer(path, layout, indices, n_done)
            writer.open(table.paths, is_new=progress is None)
            try:
                stream = _stream(variants, writer)
                _score_into(writer, table, tally, n_done, model, stream, fasta, options, n_all)
                with replacing(path) as temporary:
                    writer.finish(temporary)
            finally:
                writer.close()
        return tally.summary()


def restored(progress: Mapping[str, Any] | None, tally: Tally, *, where: Path) -> int:
    """Give the tally the counts of a run that was stopped, if it was, and return how many variants are done.

    Raises
    ------
    DataError
        If the progress is damaged.
    """
    if progress is None:
        return 0
    try:
        tally.restore(progress["tally"])
        n_done = int(progress["n_done"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{where}: it is damaged ({error!r}); start anew with --force.") from error
    return n_done


def _is_vcf(path: Path) -> bool:
    return str(path).endswith((".vcf", ".vcf.gz"))


def _suffixes(path: Path) -> tuple[str, ...]:
    return ArrayWriter.suffixes if path.suffix in (".h5", ".parquet") else TextWriter.suffixes


def _writer(path: Path, layout: Layout, indices: list[int], n_done: int) -> Writer:
    if _is_vcf(path):
        return VcfWriter(layout, indices, is_packed=path.suffix == ".gz", n_done=n_done)
    if path.suffix in (".h5", ".parquet"):
        return ArrayWriter(layout, is_parquet=path.suffix == ".parquet")
    return TextWriter(layout, is_packed=path.suffix == ".gz")


def _stream(variants: Path | str | Iterable[Variant], writer: Writer) -> Iterable[Variant]:
    """Return the variants; a writer of VCF sees the lines they come from."""
    on_line = writer.take_line if isinstance(writer, VcfWriter) else None
    if isinstance(variants, Path | str):
        return read_variants(variants, on_line=on_line)
    if on_line is not None:
        raise DataError("an annotated VCF is made of a VCF; these variants come from elsewhere.")
    return variants


def _score_into(
    writer: Writer,
    table: PartialTable,
    tally: Tally,
    n_done: int,
    model: Predictor,
    stream: Iterable[Variant],
    fasta: Path | str | Genome,
    options: ScoreOptions,
    n_all: int | None,
) -> None:
    """Write every batch, and note now and then how far it is."""
    on_progress = options.get("on_progress")
    rest: ScoreOptions = {**options, "on_progress": None}
    saved = time.monotonic()
    skipped: Iterator[Variant] = islice(iter(stream), n_done, None)
    for batch in score_variants(model, skipped, fasta, **rest):
        tally.add(batch.rows)
        _check_build(tally)
        writer.add(batch)
        n_done += len(batch)
        if on_progress is not None:
            on_progress(n_done, n_all)
        if time.monotonic() - saved > SAVE_EVERY_S and writer.flush():
            table.save({"n_done": n_done, "tally": tally.state()})
            saved = time.monotonic()


def _check_build(tally: Tally) -> None:
    """Stop where the first 1000 records show that the genome is another one."""
    if tally.is_probed and (summary := tally.summary()).is_build_suspect:
        raise DataError(f"{summary.warnings[0]} To score them all the same: --max-mismatch 1.")


def _identity(
    variants: Path | str | Iterable[Variant], layout: Layout, options: ScoreOptions
) -> dict[str, object]:
    """Return what tells this run from any other."""
    source = "a stream"
    if isinstance(variants, Path | str) and Path(variants).is_file():
        with Path(variants).open("rb") as file:
            source = hashlib.file_digest(file, "sha256").hexdigest()
    background = options.get("background")
    return {
        "variants": source,
        "header": dict(layout.header),
        "scores": list(layout.scores),
        "features": list(layout.features),
        "top_k": layout.top_k,
        "batch_size": options.get("batch_size", 256),
        "background": None
        if background is None
        else hashlib.sha256(background.effects.tobytes()).hexdigest(),
    }


def _size_message(layout: Layout, path: Path, n_variants: int) -> str:
    n_bytes = layout.row_bytes(path.suffix) * n_variants
    message = f"{n_variants:,} ALTs, {layout.n_values:,} scores each: about {_readable(n_bytes)}."
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        message += (
            f" The disk has {_readable(free)} free: see --features, --top-k, --summary-only, .parquet, .h5."
        )
    return message


def _readable(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
