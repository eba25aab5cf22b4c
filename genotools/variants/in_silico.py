"""In-silico mutagenesis: every substitution of a region.

Two views of the same region. :func:`substitutions` makes variants of it, each of which is scored in a window of
its own, centred on it, like any other variant. :func:`saturation` keeps one window, centred on the region, and
changes it base by base: what each base contributes to the prediction there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools import __version__
from genotools.data.encoding import BASES, UNKNOWN, decode
from genotools.data.labels import column_names
from genotools.data.strands import Strands, predict_strands
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.variants.features import select_features
from genotools.variants.scores import SCORES
from genotools.variants.scoring import open_genome
from genotools.variants.table import check_tsv_output, open_tsv
from genotools.variants.vcf import Variant
from genotools.variants.windows import Genome, variant_index

__all__ = [
    "SaturationMap",
    "region_window",
    "saturate",
    "saturation",
    "substitutions",
    "write_importance",
    "write_saturation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaturationMap:
    """What every substitution of ``contig[start:start + n]`` does to K outputs.

    ``codes`` (n,) are the bases there, ``diffs`` (n, 4, K) the change of each output when the base becomes A, C,
    G, T: 0 for the base that is there, NaN where it is unknown. ``ref`` (K,) is the prediction without change.
    Strands are averaged.
    """

    contig: str
    start: int
    codes: NDArray[np.uint8]
    ref: NDArray[np.float32]
    diffs: NDArray[np.float32]
    names: list[str]
    model_digest: str
    strands: Strands


def substitutions(genome: Genome, contig: str, start: int, end: int) -> Iterator[Variant]:
    """Yield the three substitutions of each base of ``contig[start:end]``; unknown bases have none.

    Raises
    ------
    DataError
        If the region is not within the contig.
    """
    _check_region(genome, contig, start, end)
    bases = decode(genome.codes(contig, start, end))
    for record, base in enumerate(bases):
        if base in BASES:
            for alt in BASES.replace(base, ""):
                yield Variant(chrom=contig, position=start + record, ref=base, alt=alt, record=record)


def saturation(
    model: Predictor,
    fasta: Path | str | Genome,
    contig: str,
    start: int,
    end: int,
    *,
    strands: Strands = "both",
    batch_size: int = 256,
    on_progress: Callable[[int, int], None] | None = None,
) -> SaturationMap:
    """Return the effects of all substitutions of ``contig[start:end]`` in the one window centred on it.

    Parameters
    ----------
    model
        Anything with names, length and predict.
    fasta
        A FASTA file, or sequences opened already.
    contig, start, end
        The region, 0-based and half-open, at most a window long.
    strands
        Both, averaged, or the forward one.
    batch_size
        Windows in one call of the model, strands included.
    on_progress
        Called with the number of substitutions done and their total.

    Raises
    ------
    DataError
        If the region is not within the contig, or longer than a window.
    """
    window, left = region_window(fasta, contig, start, end, length=model.length)
    ref, diffs = saturate(
        model,
        window,
        left,
        left + end - start,
        strands=strands,
        batch_size=batch_size,
        on_progress=on_progress,
        name=f"{contig}:{start + 1}-{end}",
    )
    return SaturationMap(
        contig=contig,
        start=start,
        codes=window[left : left + end - start],
        ref=ref,
        diffs=diffs,
        names=list(model.names),
        model_digest=model.digest,
        strands=strands,
    )


def region_window(
    fasta: Path | str | Genome, contig: str, start: int, end: int, *, length: int
) -> tuple[NDArray[np.uint8], int]:
    """Return the window ``(length,)`` centred on a region, and where the region begins in it.

    Raises
    ------
    DataError
        If the region is not within the contig, or longer than a window.
    """
    with open_genome(fasta) as genome:
        _check_region(genome, contig, start, end)
        if end - start > length:
            raise DataError(
                f"{contig}:{start}-{end} is {end - start:,} bp, the model's window is {length:,} bp. "
                "Take a shorter region."
            )
        left = variant_index(length) - (end - start - 1) // 2
        return genome.codes(contig, start - left, start - left + length), left


def saturate(
    model: Predictor,
    window: NDArray[np.uint8],
    start: int,
    end: int,
    *,
    strands: Strands = "both",
    batch_size: int = 256,
    on_progress: Callable[[int, int], None] | None = None,
    name: str = "the window",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the prediction for a window ``(L,)``, shape ``(K,)``, and its changes, ``(end - start, 4, K)``.

    The changes are those of :class:`SaturationMap`, for the window's positions ``start`` to ``end``.

    Raises
    ------
    DataError
        If a prediction is not finite; says for which change of the window, which is called ``name``.
    """
    diffs = np.full((end - start, len(BASES), len(model.names)), np.nan, dtype=np.float32)
    known = np.flatnonzero(window[start:end] != UNKNOWN)
    diffs[known, window[start + known]] = 0
    changes = [(int(i), code) for i in known for code in range(len(BASES)) if code != window[start + i]]

    def predicted(windows: NDArray[np.uint8], name_of: Callable[[int], str]) -> NDArray[np.float64]:
        probs = predict_strands(model, windows, strands=strands, batch_size=batch_size, name_of=name_of)
        return np.asarray(probs.mean(axis=0, dtype=np.float64))

    ref = predicted(window[None], lambda _: name)[0]
    n_at_once = max(1, batch_size // (2 if strands == "both" else 1))
    for done in range(0, len(changes), n_at_once):
        chunk = changes[done : done + n_at_once]
        places, codes = np.array(chunk).T
        windows = np.repeat(window[None], len(places), axis=0)
        windows[np.arange(len(places)), start + places] = codes
        diffs[places, codes] = predicted(windows, partial(_changed_window, name, chunk)) - ref
        if on_progress:
            on_progress(done + len(places), len(changes))
    return ref.astype(np.float32), diffs


def _changed_window(name: str, changes: Sequence[tuple[int, int]], index: int) -> str:
    place, code = changes[index]
    return f"{name} with its base {place + 1} changed to {BASES[code]}"


def write_saturation(
    path: Path | str,
    maps: Sequence[SaturationMap],
    *,
    features: str | Sequence[int | str] | None = None,
    force: bool = False,
) -> None:
    """Write maps of one model as ``.tsv`` or ``.tsv.gz``, one line per substitution.

    Raises
    ------
    OutputExistsError
        If ``path`` is taken and ``force`` is off.
    DataError
        If the suffix is another, or ``features`` chooses nothing.
    """
    path = check_tsv_output(path, force=force)
    first = maps[0]
    indices = select_features(first.names, features)
    labels = column_names(first.names, indices)
    header = {
        "genotools_version": __version__,
        "model_digest": first.model_digest,
        "window": "one window, centred on the region, changed base by base",
        "strands": "both, averaged" if first.strands == "both" else "forward strand only",
        "score_diff": SCORES["diff"].formula,
    }
    columns = [
        "chrom",
        "pos",
        "ref",
        "alt",
        "max_absdiff",
        "max_absdiff_feature",
        *(f"diff:{x}" for x in labels),
    ]
    with open_tsv(path) as file:
        file.writelines(f"##{key}={value}\n" for key, value in header.items())
        file.write("\t".join(columns) + "\n")
        for found in maps:
            file.writelines(_lines(found, indices, labels))


def _lines(found: SaturationMap, indices: Sequence[int], labels: Sequence[str]) -> Iterator[str]:
    for place, base in enumerate(decode(found.codes)):
        if base not in BASES:
            continue
        for alt in BASES.replace(base, ""):
            diffs = found.diffs[place, BASES.index(alt), indices]
            best = int(np.abs(diffs).argmax())
            fields = [found.contig, str(found.start + place + 1), base, alt]
            fields += [f"{abs(diffs[best]):.6g}", labels[best], *(f"{diff:.6g}" for diff in diffs.tolist())]
            yield "\t".join(fields) + "\n"


def write_importance(
    path: Path | str,
    contig: str,
    start: int,
    codes: NDArray[np.uint8],
    importance: NDArray[np.float64],
    *,
    what: str,
    force: bool = False,
) -> None:
    """Write a line a base: place, base and importance; raises as :func:`write_saturation`."""
    path = check_tsv_output(path, force=force)
    with open_tsv(path) as file:
        file.write(f"##genotools_version={__version__}\n##importance={what}\nchrom\tpos\tbase\timportance\n")
        for place, (base, value) in enumerate(zip(decode(codes), importance.tolist(), strict=True)):
            file.write(f"{contig}\t{start + place + 1}\t{base}\t{value:.6g}\n")


def _check_region(genome: Genome, contig: str, start: int, end: int) -> None:
    if contig not in genome.contigs:
        raise DataError(f"no contig {contig!r}. Known are {', '.join(list(genome.contigs)[:5])}, ...")
    if not 0 <= start < end <= genome.contigs[contig]:
        raise DataError(
            f"{contig}:{start}-{end} is no region of the contig, whose positions go from 0 to "
            f"{genome.contigs[contig]:,} (0-based, the end not included)."
        )
