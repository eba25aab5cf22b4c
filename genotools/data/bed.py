"""Intervals from BED and narrowPeak text, plain or gzip, with every fault by its line."""

import gzip
import math
import zlib
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genotools.data.contig_names import ContigNames
from genotools.data.fasta import near_names
from genotools.data.gff import as_bed, is_gff
from genotools.data.unpacking import unpacked
from genotools.errors import MAX_FAULTS, N_SHOWN, DataError
from genotools.files import limited_lines

__all__ = ["POINT_PEAKS", "Intervals", "PointPeak", "Regions", "is_whole", "read_bed", "read_text"]

PointPeak = Literal["centre", "summit"]
POINT_PEAKS = get_args(PointPeak)
MAX_LINES = 100_000_000
"""Of a text file whose records are kept in memory."""
MAX_SHARED_TEXTS = 100_000
"""Names that are kept once each; more are hardly the same few again."""
SIGNAL, SUMMIT = 6, 9
"""Columns of narrowPeak, from 0."""

#: Intervals by contig: ``(n, 2)`` int64 arrays of 0-based half-open start and end.
Intervals = Mapping[str, NDArray[np.int64]]

_HEADERS = ("#", "track ", "track\t", "browser ", "browser\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """The records of one BED file in the order of its lines; ``names`` is column 4, where there is one."""

    contigs: tuple[str, ...]
    intervals: NDArray[np.int64]
    names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.contigs)

    def by_contig(self) -> dict[str, NDArray[np.int64]]:
        """Return the intervals of each contig, contigs in order of appearance."""
        rows: dict[str, list[int]] = {}
        for row, contig in enumerate(self.contigs):
            rows.setdefault(contig, []).append(row)
        return {contig: self.intervals[indices] for contig, indices in rows.items()}

    def by_name(self) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Return the intervals of each name and contig, names in alphabetical order."""
        if self.names is None:
            raise ValueError("these regions have no names (column 4).")
        rows: dict[str, dict[str, list[int]]] = {name: {} for name in sorted(set(self.names))}
        for row, (name, contig) in enumerate(zip(self.names, self.contigs, strict=True)):
            rows[name].setdefault(contig, []).append(row)
        return {
            name: {contig: self.intervals[indices] for contig, indices in by_contig.items()}
            for name, by_contig in rows.items()
        }


def read_bed(
    path: Path | str,
    *,
    contigs: Mapping[str, int] | None = None,
    unchecked: Collection[str] = (),
    with_names: bool = False,
    aliases: ContigNames | None = None,
    min_signal: float | None = None,
    point: PointPeak | None = None,
    feature: str | None = None,
) -> Regions:
    """Read BED, narrowPeak, or GFF and GTF (by the file's name), whose types become names.

    Header lines (``#``, ``track``, ``browser``), blank lines and CRLF are accepted; columns are separated by
    tabs, or by blanks where a line has no tab.

    Parameters
    ----------
    path
        Text, or gzip of it.
    contigs
        Lengths in bp; a record of another contig or past a contig's end is a fault.
    unchecked
        Contigs that may be missing from ``contigs``, since they will be left out.
    with_names
        Whether column 4 must be there and not empty.
    aliases
        Contigs are found under other names too, and called by the genome's.
    min_signal
        Leave out records whose column 7 (narrowPeak's signal) is below this.
    feature
        Leave out records that have another name (column 4; the type of GFF).
    point
        Take one base of each record instead of all: its ``centre``, or its ``summit``, which is its start plus column
        10 of narrowPeak (-1 there: no summit, the centre).

    Raises
    ------
    DataError
        If the file is missing, damaged, not UTF-8, holds no record, or has faulty lines (the first thousand counted,
        at most 20 shown, each with its number).
    """
    path = Path(path)
    reader = _Reader(contigs, frozenset(unchecked), with_names=with_names, aliases=aliases)
    reader.min_signal, reader.point, reader.feature = min_signal, point, feature
    lines = read_text(path)
    for number, line in as_bed(lines) if is_gff(path) else lines:
        reader.take(number, line)
        if len(reader.faults) >= MAX_FAULTS:
            break
    if reader.faults:
        raise DataError.from_faults(path, reader.faults)
    if not reader.contigs and reader.n_weak:
        raise DataError(
            f"{path}: none of its {reader.n_weak:,} records has a signal of {min_signal} or more."
        )
    if not reader.contigs and reader.n_others:
        raise DataError(f"{path}: none of its {reader.n_others:,} records is called {feature!r}.")
    if not reader.contigs:
        raise DataError(f"{path}: no record in it, BED lines (contig, start, end) were expected.")
    return Regions(
        contigs=tuple(reader.contigs),
        intervals=np.frombuffer(reader.bounds, dtype=np.int64).reshape(-1, 2).copy(),
        names=tuple(reader.names) if len(reader.names) == len(reader.contigs) else None,
    )


def read_text(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text file, gzip or not, without their line ends."""
    try:
        with unpacked(path) as binary:
            for number, line in enumerate(limited_lines(binary.readline, where=path), start=1):
                if number > MAX_LINES:
                    raise DataError(f"{path}: more than {MAX_LINES:,} lines, at most that many are read.")
                if b"\0" in line:
                    raise DataError(f"{path}: not text (byte 0x00).")
                yield number, line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text (byte {error.object[error.start]:#04x}).") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged or cut off ({error}).") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error


def is_whole(text: str) -> bool:
    """Return whether a field is a whole number, 0 or more, of a size that a position can have."""
    return text.isdecimal() and len(text) < 16


class _Reader:
    """Collects records and faults line by line."""

    def __init__(
        self,
        known: Mapping[str, int] | None,
        unchecked: frozenset[str],
        *,
        with_names: bool,
        aliases: ContigNames | None,
    ) -> None:
        self.known, self.unchecked, self.with_names, self.aliases = known, unchecked, with_names, aliases
        self.min_signal: float | None = None
        self.point: PointPeak | None = None
        self.feature: str | None = None
        self.contigs: list[str] = []
        self.bounds = array("q")
        self.names: list[str] = []
        self._texts: dict[str, str] = {}  # the same few contigs, and often names, are in millions of lines
        self.faults: list[str] = []
        self.n_weak = self.n_others = 0

    def take(self, number: int, line: str) -> None:
        if not line.strip() or line.startswith(_HEADERS):
            return
        fields = line.split("\t") if "\t" in line else line.split()
        if self.aliases is not None:
            fields[0] = self.aliases.find(fields[0]) or fields[0]
        fault = self._fault(fields) or self._fault_of_peak(fields)
        if fault:
            self.faults.append(f"line {number}: {fault}")
            return
        if self.min_signal is not None and float(fields[SIGNAL]) < self.min_signal:
            self.n_weak += 1
            return
        if self.feature is not None and fields[3:4] != [self.feature]:
            self.n_others += 1
            return
        self.contigs.append(self._texts.setdefault(fields[0], fields[0]))
        self.bounds.extend(self._bounds(fields))
        if len(fields) > 3:
            name = fields[3].strip()
            few = len(self._texts) < MAX_SHARED_TEXTS  # names of peaks are all different
            self.names.append(self._texts.setdefault(name, name) if few else self._texts.get(name, name))

    def _bounds(self, fields: list[str]) -> tuple[int, int]:
        start, end = int(fields[1]), int(fields[2])
        if self.point is None:
            return start, end
        summit = int(fields[SUMMIT]) if self.point == "summit" else -1
        base = start + summit if summit >= 0 else (start + end - 1) // 2
        return base, base + 1

    def _fault_of_peak(self, fields: list[str]) -> str | None:
        """Return what is wrong with the columns that only narrowPeak has, where they are asked for."""
        if self.min_signal is not None:
            text = fields[SIGNAL] if len(fields) > SIGNAL else ""
            try:
                is_number = not math.isnan(float(text))
            except ValueError:
                is_number = False
            if not is_number:
                return f"column 7, the signal, is {text[:60]!r}, a number is needed for a minimum signal"
        if self.point == "summit":
            text = fields[SUMMIT] if len(fields) > SUMMIT else ""
            width = int(fields[2]) - int(fields[1])
            if not (text == "-1" or (is_whole(text) and int(text) < width)):
                return f"column 10, the summit, is {text[:60]!r}, -1 or a base of the peak of {width} bp is needed"
        return None

    def _hint(self, contig: str) -> str:
        return near_names(contig, self.known or ()) if len(self.faults) < N_SHOWN else ""

    def _fault(self, fields: list[str]) -> str | None:
        if len(fields) < 3:
            return (
                f"{len(fields)} column{'s' * (len(fields) != 1)}, at least contig, start and end are needed"
            )
        contig, start, end = fields[0], fields[1], fields[2]
        if not (is_whole(start) and is_whole(end)):
            return f"start {start[:30]!r} and end {end[:30]!r} must be whole numbers, 0 or more"
        if int(start) >= int(end):
            return f"start {start} is not below end {end}"
        if self.with_names and (len(fields) < 4 or not fields[3].strip()):
            return "column 4, the name, is missing"
        if self.known is None or (contig not in self.known and contig in self.unchecked):
            return None
        if contig not in self.known:
            return f"the FASTA has no contig {contig[:60]!r}. {self._hint(contig)}"
        if int(end) > self.known[contig]:
            return f"end {end} lies past the end of {contig}, {self.known[contig]:,} bp"
        return None
