"""A sequence store of one's own windows: a table of places or sequences, and what was measured of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.bed import is_whole
from genotools.data.build import BuildSummary, rows_by_split
from genotools.data.contig_names import ContigNames
from genotools.data.encoding import UNKNOWN, encode, reverse_complement
from genotools.data.fasta import near_names
from genotools.data.provenance import provenance_of
from genotools.data.tsv import Table, TableRow, read_table
from genotools.data.twobit import open_sequences
from genotools.data.values import Scaling
from genotools.data.write import write_store
from genotools.errors import MAX_FAULTS, N_SHOWN, DataError
from genotools.files import check_output
from genotools.genotype.task import TaskKind

__all__ = ["from_table"]

PLACE = ("contig", "start", "end")
STRAND, SPLIT, SEQUENCE = "strand", "split", "sequence"
IUPAC = frozenset("ACGTRYSWKMBDHVN")
MAX_CLASS_LABELS = 1 << 31
"""Rows times classes, each of which is a byte in memory."""
NOT_MEASURED = ("", ".", "NA", "NaN", "nan")


def from_table(
    table: Path | str,
    output: Path | str,
    *,
    kind: TaskKind,
    targets: Sequence[str],
    window_bp: int,
    fasta: Path | str | None = None,
    valid_contigs: Sequence[str] = (),
    test_contigs: Sequence[str] = (),
    scaling: Scaling | None = None,
    exact_contigs: bool = False,
    genome: str | None = None,
    force: bool = False,
) -> BuildSummary:
    """Build a store with a row for every line of a table, in its order.

    Parameters
    ----------
    table
        Tab-separated, with a header: the columns ``contig``, ``start``, ``end`` (0-based, half-open), or
        ``sequence``; perhaps ``strand`` (on ``-`` the reverse complement is taken), ``split`` (train, valid or test);
        and the targets. Other columns do not count.
    output
        The store to write.
    kind
        ``regression`` or ``counts``: numbers, of which empty ones, ``.`` and ``NA`` were not measured;
        ``multilabel``: 0 or 1; ``multiclass``: one column with the name of the class, classes in alphabetical order.
    targets
        Names of the columns to be predicted.
    window_bp
        Length of the windows. They are centred on the middle of a place; a shorter sequence has unknown bases on both
        sides, a longer one is refused.
    fasta
        The genome of the places.
    valid_contigs, test_contigs
        Whose windows are held out, where there is no column ``split``.
    scaling
        What is done to numbers; nothing by default.
    exact_contigs
        Take contigs under the names of the FASTA only.
    genome
        Name of the assembly for the provenance; by default the FASTA's file name without suffixes.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If something is missing or faulty, every line that is being named; nothing is written then.
    """
    table, scaling, kind = Path(table), scaling or Scaling(), TaskKind(kind)
    check_output(output, force=force)
    scaling.check(kind)
    if not targets or (kind is TaskKind.MULTICLASS and len(targets) > 1):
        raise DataError("a target is needed: one or more columns of the table; for classes exactly one.")
    is_of_places = fasta is not None
    if window_bp < 1:
        raise DataError(f"window_bp {window_bp} must be 1 or more.")
    rows = read_table(table, needed=(*(PLACE if is_of_places else (SEQUENCE,)), *_needed(kind, targets)))
    missing = [name for name in targets if name not in rows.columns]
    if missing:
        raise DataError(f"{table}: no column {', '.join(missing)}; there are {', '.join(rows.columns)}.")
    reader = (
        _PlaceReader(fasta, window_bp, exact=exact_contigs)
        if fasta is not None
        else _SequenceReader(window_bp)
    )
    held_out = {"valid": tuple(valid_contigs), "test": tuple(test_contigs)}
    faults: list[str] = []
    codes = np.full((len(rows), window_bp), UNKNOWN, dtype=np.uint8)
    for index, row in enumerate(rows):
        fault = reader.read(row, codes[index])
        faults += [f"line {row.number}: {fault}"] if fault else []
        if len(faults) >= MAX_FAULTS:
            raise DataError.from_faults(table, faults)
    splits = _splits(rows, reader, held_out, faults)
    names, labels = _labels(rows, kind, targets, faults)
    if faults:
        raise DataError.from_faults(table, faults)
    done: dict[str, object] = {}
    if kind in (TaskKind.REGRESSION, TaskKind.COUNTS):
        labels, done = scaling.apply(labels.astype(np.float64), splits == 0, where=str(table))
    files = {"table": [table], **({"fasta": [Path(fasta)]} if fasta is not None else {})}
    named = Path(fasta).name.split(".")[0] if fasta is not None else "unknown"
    digest = write_store(
        output,
        codes=codes,
        labels=labels,
        names=names,
        kind=kind,
        splits=splits,
        contig_names=reader.contig_names,
        contigs=np.array(reader.contigs, dtype=np.int64),
        starts=np.array(reader.starts, dtype=np.int64),
        provenance={**provenance_of(files, genome=genome or named), "values": done},
        force=force,
    )
    return BuildSummary(
        path=Path(output),
        digest=digest,
        n_rows=rows_by_split(splits),
        n_labels=len(names),
    )


def _needed(kind: TaskKind, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the targets that every line must have."""
    return tuple(targets) if kind in (TaskKind.MULTILABEL, TaskKind.MULTICLASS) else ()


class _SequenceReader:
    """Takes windows from the table itself; they lie nowhere."""

    contig_names: tuple[str, ...] = ()

    def __init__(self, window_bp: int) -> None:
        self.window_bp = window_bp
        self.contigs, self.starts = list[int](), list[int]()

    def read(self, row: TableRow, codes: NDArray[np.uint8]) -> str | None:
        """Fill in a row's codes, or return what is wrong with it."""
        self.contigs.append(-1)
        self.starts.append(0)
        text = row.fields[SEQUENCE]
        if len(text) > self.window_bp:
            return f"a sequence of {len(text)} bp, windows have {self.window_bp}"
        strange = sorted(set(text.upper()) - IUPAC)
        if strange:
            return f"{''.join(strange[:20])!r} in a sequence, bases were expected"
        first = (self.window_bp - len(text)) // 2
        codes[first : first + len(text)] = encode(text)
        return None

    def contig_of(self, index: int) -> str:
        """Return the contig of a row."""
        return ""


class _PlaceReader:
    """Takes windows from a genome."""

    def __init__(self, fasta: Path | str, window_bp: int, *, exact: bool) -> None:
        self.window_bp = window_bp
        with open_sequences(fasta) as reference:
            self._lengths = dict(reference.contigs)
            self._genome = reference.genome()
        self._aliases = None if exact else ContigNames(self._lengths)
        self.contig_names = tuple(self._lengths)
        self._number = {name: index for index, name in enumerate(self.contig_names)}
        self._n_unknown = 0
        self.contigs, self.starts = list[int](), list[int]()

    def find(self, name: str) -> str | None:
        """Return the genome's name of a contig."""
        return name if name in self._lengths else self._aliases.find(name) if self._aliases else None

    def read(self, row: TableRow, codes: NDArray[np.uint8]) -> str | None:
        """Fill in a row's codes, or return what is wrong with it."""
        self.contigs.append(-1)
        self.starts.append(0)
        name, start, end = (row.fields[column] for column in PLACE)
        contig = self.find(name)
        if contig is None:
            self._n_unknown += 1
            near = near_names(name, self._lengths) if self._n_unknown <= N_SHOWN else ""
            return f"the FASTA has no contig {name[:60]!r}. {near}".strip()
        if not (is_whole(start) and is_whole(end) and int(start) < int(end)):
            return f"start {start[:30]!r} and end {end[:30]!r} must be whole numbers, the start below the end"
        if int(end) > self._lengths[contig]:
            return f"end {end} lies past the end of {contig}, {self._lengths[contig]:,} bp"
        strand = row.fields.get(STRAND) or "+"
        if strand not in ("+", "-", "."):
            return f"strand {strand[:30]!r} must be +, - or ."
        first = (int(start) + int(end)) // 2 - self.window_bp // 2
        inner = self._genome[contig][max(first, 0) : first + self.window_bp]
        offset = max(-first, 0)
        codes[offset : offset + inner.size] = inner
        if strand == "-":
            codes[:] = reverse_complement(codes[None])[0]
        self.contigs[-1], self.starts[-1] = self._number[contig], first
        return None

    def contig_of(self, index: int) -> str:
        """Return the contig of a row."""
        number = self.contigs[index]
        return self.contig_names[number] if number >= 0 else ""


def _splits(
    rows: Table,
    reader: _PlaceReader | _SequenceReader,
    held_out: dict[str, tuple[str, ...]],
    faults: list[str],
) -> NDArray[np.int64]:
    """Return the split of every row, by its column or its contig."""
    splits = np.zeros(len(rows), dtype=np.int64)
    given = {name for names in held_out.values() for name in names}
    if SPLIT in rows.columns:
        if given:
            faults.append(f"it has a column {SPLIT!r}; held-out contigs are for tables without one")
        for index, row in enumerate(rows):
            if row.fields[SPLIT] in SPLITS:
                splits[index] = SPLITS.index(row.fields[SPLIT])
            else:
                faults.append(
                    f"line {row.number}: split {row.fields[SPLIT][:30]!r} must be {', '.join(SPLITS)}"
                )
        return splits
    if not isinstance(reader, _PlaceReader):
        if given:
            faults.append(f"sequences have no contigs to hold out; give a column {SPLIT!r}")
        return splits
    contigs = np.array([reader.contig_of(index) for index in range(len(rows))])
    for split, names in held_out.items():
        for name in names:
            contig = reader.find(name)
            if contig is None:
                faults.append(
                    f"{split} contig {name!r} does not exist. {near_names(name, reader.contig_names)}"
                )
            else:
                splits[contigs == contig] = SPLITS.index(split)
    return splits


def _labels(
    rows: Table, kind: TaskKind, targets: Sequence[str], faults: list[str]
) -> tuple[list[str], NDArray[np.float32] | NDArray[np.uint8]]:
    """Return names and labels ``(N, K)``; what is wrong is added to the faults."""
    if kind is TaskKind.MULTICLASS:
        texts = [row.fields[targets[0]] for row in rows]
        names = sorted(set(texts))
        if len(texts) * len(names) > MAX_CLASS_LABELS:
            faults.append(f"{len(names):,} classes in {len(texts):,} rows; are they names of classes?")
            return names, np.zeros((len(texts), 0), dtype=np.uint8)
        number = {name: index for index, name in enumerate(names)}
        one_hot = np.zeros((len(texts), len(names)), dtype=np.uint8)
        one_hot[np.arange(len(texts)), [number[text] for text in texts]] = 1
        return names, one_hot
    labels = np.full((len(rows), len(targets)), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        for column, name in enumerate(targets):
            text = row.fields[name]
            if text in NOT_MEASURED and kind is not TaskKind.MULTILABEL:
                continue
            try:
                labels[index, column] = float(text)
            except ValueError:
                faults.append(f"line {row.number}: {name} is {text[:60]!r}, a number was expected")
                continue
            if kind is TaskKind.MULTILABEL and text not in ("0", "1"):
                faults.append(f"line {row.number}: {name} is {text[:60]!r}, 0 or 1 was expected")
    if kind is TaskKind.MULTILABEL:
        return list(targets), np.nan_to_num(labels).astype(np.uint8)
    return list(targets), labels
