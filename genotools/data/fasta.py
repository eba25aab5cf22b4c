"""Reference sequences from FASTA files as base codes.

Plain FASTA is read through :mod:`pyfaidx` and its ``.fai`` index, a window at a time. Compressed FASTA (gzip
or bgzip) is read whole into memory as codes, one byte a base. Positions outside a contig are unknown bases.
"""

import difflib
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN, encode
from genotools.data.unpacking import GZIP_MAGIC, unpacked
from genotools.errors import DataError
from genotools.temporaries import temporary_file

__all__ = ["Fasta", "near_names"]

MAX_COMPARED = 1_000_000
"""Letters of a name times names that it is compared with, to find those most like it."""

MAX_HEADER_BYTES = 65_536
"""Longest header line that an index is checked against."""

MAX_CONTIGS = 10_000_000
MAX_UNPACKED_BYTES = 20_000_000_000
"""Of a compressed file, which is kept in memory; the genome of wheat has 17 billion bases."""


class Fasta:
    """Sequences of a FASTA file by contig and position.

    Not to be shared between processes: each opens its own.

    Parameters
    ----------
    path
        FASTA, plain or compressed by gzip or bgzip. The index of a plain file is read from, or written to,
        ``path`` + ``.fai``; where the folder is read-only, a temporary index is made.

    Raises
    ------
    DataError
        If the file is missing, empty, not FASTA, holds a name twice or more than ten million contigs, has lines of
        unequal length within a contig (plain files), or its index does not belong to it.

    Examples
    --------
    >>> with Fasta("genome.fa") as fasta:  # doctest: +SKIP
    ...     window = fasta.codes("chrI", 1000, 2000)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._reader: pyfaidx.Faidx | None = None
        self._sequences: dict[str, NDArray[np.uint8]] = {}
        if _is_compressed(self.path):
            self._sequences = _read_compressed(self.path)
            lengths = {name: codes.size for name, codes in self._sequences.items()}
        else:
            self._reader = _open_indexed(self.path)
            lengths = {name: int(record.rlen) for name, record in self._reader.index.items()}
        if len(lengths) > MAX_CONTIGS:
            self.close()
            raise DataError(f"{path}: {len(lengths):,} contigs, at most {MAX_CONTIGS:,} are read.")
        self.contigs: Mapping[str, int] = MappingProxyType(lengths)

    def codes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        """Return the base codes of ``contig[start:end]``, 0-based and half-open, shape ``(end - start,)``.

        Positions before 0 and past the contig's end are unknown (4).

        Raises
        ------
        DataError
            If the contig is not in the file; near names are listed.
        ValueError
            If ``end`` lies before ``start``.
        """
        if contig not in self.contigs:
            raise DataError(f"{self.path}: no contig {contig[:60]!r}. {near_names(contig, self.contigs)}")
        if end < start:
            raise ValueError(f"{contig}:{start}-{end}: the end lies before the start.")
        result = np.full(end - start, UNKNOWN, dtype=np.uint8)
        inner_start, inner_end = max(start, 0), min(end, self.contigs[contig])
        if inner_start < inner_end:
            result[inner_start - start : inner_end - start] = self._inside(contig, inner_start, inner_end)
        return result

    def genome(self, contigs: Iterable[str] | None = None) -> dict[str, NDArray[np.uint8]]:
        """Return whole contigs (all, or those named) as codes in memory, one byte a base."""
        names = self.contigs if contigs is None else contigs
        return {name: self.codes(name, 0, self.contigs.get(name, 0)) for name in names}

    def close(self) -> None:
        """Close the file; sequences held in memory are released."""
        self._sequences = {}
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _inside(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        if contig in self._sequences:
            return self._sequences[contig][start:end]
        if self._reader is None:
            raise ValueError(f"{self.path} is closed.")
        codes = encode(self._reader.fetch(contig, start + 1, end))  # fetch counts from 1, end included
        if codes.size != end - start:
            raise _foreign_index(self.path, f"{contig}:{start}-{end} gave {codes.size} bases")
        return codes


def near_names(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the entries of ``known`` most like ``name``, or the first few."""
    known = list(known)
    if len(name) * len(known) > MAX_COMPARED:  # a line of a file may be anything
        return f"{len(known):,} are known."
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"Known are {', '.join(known[:5])}{', ...' if len(known) > 5 else ''}."


def _is_compressed(path: Path) -> bool:
    """Say whether ``path`` is gzip; raise if it is missing, empty, or plain text that is not FASTA."""
    try:
        with path.open("rb") as file:
            head = file.read(65536)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error
    if not head:
        raise DataError(f"{path}: the file is empty, FASTA was expected.")
    if head.startswith(GZIP_MAGIC):
        return True
    if path.suffix.lower() in (".gz", ".bgz"):  # the index's library goes by the name
        raise DataError(
            f"{path}: its name says that it is compressed, it is not. Rename it, or copy it again."
        )
    _check_first_character(path, head)
    return False


def _check_first_character(path: Path, text: bytes) -> None:
    if not text.lstrip().startswith((b">", b";")):
        raise DataError(f"{path}: not FASTA, whose first character is '>' (found {text[:20]!r}).")


def _read_compressed(path: Path) -> dict[str, NDArray[np.uint8]]:
    try:
        with unpacked(path) as file:
            data = _all_of(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged or cut off ({error}).") from error
    if not data.strip():
        raise DataError(f"{path}: the file is empty, FASTA was expected.")
    _check_first_character(path, data)
    sequences: dict[str, NDArray[np.uint8]] = {}
    for number, record in enumerate(_records(data), start=1):
        header, _, body = record.partition(b"\n")
        words = header.split()
        if not words:
            raise DataError(f"{path}: record {number} has no name after '>'.")
        name = words[0].decode("utf-8", errors="replace")
        if name in sequences:
            raise DataError(f"{path}: contig {name!r} appears twice.")
        sequences[name] = encode(body.translate(None, b" \t\r\n"))
    return sequences


def _all_of(file: "io.BufferedReader[Any]", path: Path) -> bytes:
    data = bytearray()
    while block := file.read(1 << 24):
        data += block
        if len(data) > MAX_UNPACKED_BYTES:
            raise DataError(
                f"{path}: more than {MAX_UNPACKED_BYTES:,} bytes when unpacked. Unpack it to a file: plain FASTA is "
                "read a window at a time."
            )
    return bytes(data)


def _records(data: bytes) -> list[bytes]:
    """Return the records without their leading '>'; what stands before the first one is a comment."""
    return (b"\n" + data).split(b"\n>")[1:]


def _open_indexed(path: Path) -> pyfaidx.Faidx:
    beside = path.with_name(path.name + ".fai")
    if beside.exists() and beside.stat().st_mtime >= path.stat().st_mtime and _describes(beside, path):
        return _read_index(path, beside)
    # Built aside and moved into place, so that a reader never meets half an index.
    with tempfile.TemporaryDirectory(prefix="genotools-") as folder:
        index = Path(folder) / beside.name
        reader = _read_index(path, index)
        _keep_index(index, beside)
        return reader


def _describes(index: Path, path: Path) -> bool:
    """Say whether every contig of ``index`` begins behind its own header in ``path``, and ends before the next.

    Dates do not tell: a copy that keeps its old date may have replaced the file the index was made of.
    """
    try:
        entries = [_Entry.parsed(line) for line in index.read_text(encoding="utf-8").splitlines()]
    except (ValueError, OSError):
        return False
    bounds = [*(entry.offset for entry in entries[1:]), path.stat().st_size]
    if not entries or not all(
        entry.is_sound and entry.end <= bound for entry, bound in zip(entries, bounds, strict=True)
    ):
        return False
    with path.open("rb") as file:
        for entry in entries:
            name, offset = entry.name.encode(), entry.offset
            start = max(0, offset - MAX_HEADER_BYTES)
            file.seek(start)
            before = file.read(offset - start)
            header = before.rstrip(b"\r\n").rpartition(b"\n")[2]
            if not before.endswith(b"\n") or header.split(maxsplit=1)[:1] != [b">" + name]:
                return False
    return True


class _Entry(NamedTuple):
    """A line of an index: a contig, its bases, where they begin, and bases and bytes of its lines."""

    name: str
    n_bases: int
    offset: int
    line_bases: int
    line_bytes: int

    @classmethod
    def parsed(cls, line: str) -> Self:
        """Return the entry of a line; raises ValueError where it is none."""
        name, *numbers = line.split("\t")
        n_bases, offset, line_bases, line_bytes = map(int, numbers)
        return cls(name, n_bases, offset, line_bases, line_bytes)

    @property
    def is_sound(self) -> bool:
        """Whether lines have bases, and ends of one or two bytes."""
        has_lines = 1 <= self.line_bases <= self.line_bytes <= self.line_bases + 2
        return self.offset > 0 and (self.n_bases == 0 or (self.n_bases > 0 and has_lines))

    @property
    def end(self) -> int:
        """Where the last base ends, if the entry is sound."""
        n_line_ends = (self.n_bases - 1) // self.line_bases if self.n_bases else 0
        return self.offset + self.n_bases + n_line_ends * (self.line_bytes - self.line_bases)


def _keep_index(index: Path, beside: Path) -> None:
    """Move a new index beside its FASTA where that folder can be written; the reader needs it no more."""
    if not os.access(beside.parent, os.W_OK):
        return
    with temporary_file(beside) as temporary:
        shutil.copyfile(index, temporary)
        temporary.chmod(0o644)
        temporary.replace(beside)  # a link to the index of another file gives way, it is not followed


def _read_index(path: Path, index: Path) -> pyfaidx.Faidx:
    try:
        reader = pyfaidx.Faidx(str(path), indexname=str(index), as_raw=True, rebuild=False)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not FASTA: it is not text (byte {error.object[error.start]}).") from error
    except RuntimeError as error:  # of a record that it meets in no form it knows
        raise DataError(f"{path}: it cannot be indexed: a record's lines differ in length.") from error
    except (pyfaidx.FastaIndexingError, pyfaidx.IndexNotFoundError, ValueError, OSError) as error:
        raise DataError(f"{path}: it cannot be indexed: {error}") from error
    size_bytes = path.stat().st_size
    for name, record in reader.index.items():
        if record.rlen and record.offset + record.rlen > size_bytes:
            reader.close()
            raise _foreign_index(path, f"{name} would end past the file's end")
    return reader


def _foreign_index(path: Path, what: str) -> DataError:
    return DataError(f"{path}: the index {path.name}.fai belongs to another file ({what}). Delete it.")
