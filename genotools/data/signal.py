"""Signals along a genome, from bigWig, bedGraph or a column of BED: their values over bins, and where they are high.

bigWig is read a stretch at a time, text whole.
"""

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from genotools.data.bed import is_whole, read_text
from genotools.data.bigwig import BigWig, is_bigwig
from genotools.data.bins import overlap_by_bin
from genotools.data.contig_names import ContigNames
from genotools.data.fasta import near_names
from genotools.errors import MAX_FAULTS, N_SHOWN, DataError

__all__ = [
    "STATISTICS",
    "Signal",
    "Statistic",
    "bigwig_contents",
    "is_bigwig",
    "open_signal",
    "regions_above",
]

Statistic = Literal["mean", "max", "sum"]
STATISTICS = get_args(Statistic)

STRETCH_BINS = 4096
"""Bins of a bigWig that are in memory at once."""

STRETCH_BP = 1 << 20
VALUE_COLUMN = 4
"""Of bedGraph, counted from 1."""


class Signal(Protocol):
    """A number for some bases of a genome."""

    def over_bins(
        self, contig: str, n_bins: int, *, bin_bp: int, statistic: Statistic
    ) -> NDArray[np.float64]:
        """Return the statistic of each of a contig's first bins over the bases with a number; NaN without any."""
        ...


def open_signal(
    path: Path, *, contigs: Mapping[str, int], aliases: ContigNames | None = None, column: int = VALUE_COLUMN
) -> Signal:
    """Return the signal in a file.

    Parameters
    ----------
    path
        bigWig, or text, gzip or not, with contig, start and end in its first columns.
    contigs
        Lengths in bp, of the genome.
    aliases
        Contigs are found under other names too.
    column
        The column of text that has the number, from 1; bedGraph has it in 4, narrowPeak in 7, bedMethyl in 11. ``.``
        and ``NA`` are no number.

    Raises
    ------
    DataError
        If the file is missing or faulty, every line that is being named; or it has none of the contigs.
    """
    if is_bigwig(path):
        return _BigWig(path, contigs, aliases)
    return _Intervals(path, contigs, aliases, column)


class _BigWig:
    """A bigWig file, opened for each question: so it can be sent to another process, and is never left open."""

    def __init__(self, path: Path, contigs: Mapping[str, int], aliases: ContigNames | None) -> None:
        self.path = path
        with BigWig(path) as file:
            lengths = dict(file.contigs)
        self._name_of = {
            ours: theirs for theirs in lengths if (ours := _ours(theirs, contigs, aliases)) is not None
        }
        if not self._name_of:
            few = ", ".join(list(lengths)[:5])
            raise DataError(f"{path}: none of its contigs ({few}, ...) is one of the FASTA's.")
        for ours, theirs in self._name_of.items():
            if lengths[theirs] != contigs[ours]:
                raise DataError(
                    f"{path}: its contig {theirs} has {lengths[theirs]:,} bp, the FASTA's {ours} {contigs[ours]:,}. "
                    "They are of two assemblies."
                )

    def over_bins(
        self, contig: str, n_bins: int, *, bin_bp: int, statistic: Statistic
    ) -> NDArray[np.float64]:
        parts = [np.zeros(0)]
        for first, values in self.stretches(contig, n_bins * bin_bp, STRETCH_BINS * bin_bp):
            assert first % bin_bp == 0
            parts.append(_statistic_of_rows(values.reshape(-1, bin_bp).astype(np.float64), statistic))
        found = np.concatenate(parts)
        return np.concatenate([found, np.full(n_bins - len(found), np.nan)])

    def stretches(self, contig: str, end: int, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the numbers up to ``end``, NaN where there is none, in stretches and where each begins."""
        name = self._name_of.get(contig)
        if name is None:
            return
        with BigWig(self.path) as file:
            for first in range(0, end, size):
                yield first, file.values(name, first, min(first + size, end))


class _Intervals:
    """Numbers of intervals in text."""

    def __init__(
        self, path: Path, contigs: Mapping[str, int], aliases: ContigNames | None, column: int
    ) -> None:
        self._spans: dict[str, array[int]] = {}
        self._values: dict[str, array[float]] = {}
        faults: list[str] = []
        for number, line in read_text(path):
            if not line.strip() or line.startswith(("#", "track", "browser")):
                continue
            fields = line.split("\t") if "\t" in line else line.split()
            fault = self._take(fields, contigs, aliases, column, is_hinted=len(faults) < N_SHOWN)
            if fault:
                faults.append(f"line {number}: {fault}")
            if len(faults) >= MAX_FAULTS:
                break
        if faults:
            raise DataError.from_faults(path, faults)
        if not self._spans:
            raise DataError(f"{path}: no number in column {column}.")

    def _take(
        self,
        fields: list[str],
        contigs: Mapping[str, int],
        aliases: ContigNames | None,
        column: int,
        *,
        is_hinted: bool,
    ) -> str | None:
        """Take a record in, or return what is wrong with it; a hint takes a while where there are many contigs."""
        if len(fields) < max(3, column):
            return f"{len(fields)} columns, at least {max(3, column)} are needed"
        name, start, end, text = *fields[:3], fields[column - 1]
        if not (is_whole(start) and is_whole(end) and int(start) < int(end)):
            return f"start {start[:30]!r} and end {end[:30]!r} must be whole numbers, the start below the end"
        contig = _ours(name, contigs, aliases)
        if contig is None:
            near = near_names(name, contigs) if is_hinted else ""
            return f"the FASTA has no contig {name[:60]!r}. {near}".strip()
        if int(end) > contigs[contig]:
            return f"end {end} lies past the end of {contig}, {contigs[contig]:,} bp"
        if text in (".", "NA", "NaN", "nan", ""):
            return None
        try:
            value = float(text)
        except ValueError:
            return f"column {column} is {text[:60]!r}, a number was expected"
        if not np.isfinite(value):
            return f"column {column} is {text[:60]!r}, a finite number was expected"
        self._spans.setdefault(contig, array("q")).extend((int(start), int(end)))
        self._values.setdefault(contig, array("d")).append(value)
        return None

    def over_bins(
        self, contig: str, n_bins: int, *, bin_bp: int, statistic: Statistic
    ) -> NDArray[np.float64]:
        found = np.full(n_bins, np.nan)
        if contig not in self._spans:
            return found
        spans = np.array(self._spans[contig], dtype=np.int64).reshape(-1, 2)
        bins, overlap, owner = _owned(spans, bin_bp)
        values = np.array(self._values[contig])[owner]
        inside = bins < n_bins
        bins, overlap, values = bins[inside], overlap[inside], values[inside]
        covered = np.bincount(bins, weights=overlap, minlength=n_bins)
        if statistic == "max":
            found[:] = -np.inf
            np.maximum.at(found, bins, values)
            found[covered == 0] = np.nan
            return found
        sums = np.bincount(bins, weights=values * overlap, minlength=n_bins)
        if statistic == "sum":
            found[covered > 0] = sums[covered > 0]
            return found
        np.divide(sums, covered, out=found, where=covered > 0)
        return found


def bigwig_contents(path: Path) -> tuple[dict[str, int], int]:
    """Return the contigs of a bigWig with their lengths, and how many of their bases have a number.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    with BigWig(path) as file:
        return dict(file.contigs), file.n_covered


def regions_above(
    path: Path, minimum: float, *, contigs: Mapping[str, int], aliases: ContigNames | None = None
) -> dict[str, NDArray[np.int64]]:
    """Return the intervals by contig in which a bigWig is ``minimum`` or more, each ``(n, 2)``, 0-based, half-open.

    Raises
    ------
    DataError
        As :func:`open_signal`; and if it is nowhere that high.
    """
    signal = _BigWig(path, contigs, aliases)
    found = {}
    for contig, length in contigs.items():
        parts = [np.zeros((0, 2), dtype=np.int64)]
        for first, values in signal.stretches(contig, length, STRETCH_BP):
            is_high = np.concatenate([[False], values >= np.float32(minimum), [False]])  # NaN is not
            bounds = np.flatnonzero(is_high[1:] != is_high[:-1]).reshape(-1, 2) + first
            parts.append(bounds.astype(np.int64))
        spans = np.concatenate(parts)
        if len(spans):
            found[contig] = spans
    if not found:
        raise DataError(f"{path}: the signal is nowhere {minimum:g} or more.")
    return found


def _ours(name: str, contigs: Mapping[str, int], aliases: ContigNames | None) -> str | None:
    if name in contigs:
        return name
    return None if aliases is None else aliases.find(name)


def _statistic_of_rows(values: NDArray[np.float64], statistic: Statistic) -> NDArray[np.float64]:
    """Return the statistic of each row over what is no NaN, NaN where all are."""
    is_there = ~np.isnan(values)
    n = is_there.sum(axis=1)
    found = np.full(len(values), np.nan)
    some = n > 0
    if statistic == "max":
        found[some] = np.where(is_there, values, -np.inf).max(axis=1)[some]
        return found
    found[some] = np.where(is_there, values, 0).sum(axis=1)[some]
    if statistic == "mean":
        found[some] /= n[some]
    return found


def _owned(
    spans: NDArray[np.int64], bin_bp: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, for every pair of an interval and a bin it touches: bin, overlap in bp, index of the interval."""
    bins, overlap = overlap_by_bin(spans, bin_bp=bin_bp)
    n_bins_of = (spans[:, 1] - 1) // bin_bp - spans[:, 0] // bin_bp + 1
    return bins, overlap, np.repeat(np.arange(len(spans)), n_bins_of)
