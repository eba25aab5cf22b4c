"""Variants from VCF text: plain, gzip, bgzip, standard input, five columns with or without a header.

Files are read as a stream, one :class:`Variant` per ALT in the order of the file. The 1-based POS of the file
becomes a 0-based position here and nowhere else. Alleles are handed on whatever they are (upper-cased):
:mod:`genotools.variants.check` says what can be scored. BCF is read through pysam (the extra ``io``).
"""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from genotools.data.unpacking import GZIP_MAGIC
from genotools.errors import MAX_FAULTS, DataError
from genotools.extras import require
from genotools.files import limited_lines

__all__ = ["Variant", "count_variants", "parse_record", "read_records", "read_variants"]

COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One ALT allele of one record.

    ``position`` is the 0-based place of the first base of ``ref``; ``record`` counts the records of the file
    from 0, so the ALTs of one record share it.
    """

    chrom: str
    position: int
    ref: str
    alt: str
    id: str = "."
    record: int = 0


def read_variants(path: Path | str, *, on_line: Callable[[str], None] | None = None) -> Iterator[Variant]:
    """Yield the variants of a VCF file, lazily; ``-`` is standard input.

    ``on_line`` is called with every line of the header, and with that of a record before its variants are yielded;
    as they stand in the file, line ends included.

    Raises
    ------
    DataError
        If the file cannot be read or is empty, or a line is not a VCF record (named by its number).
    """
    for record, (number, line) in enumerate(read_records(path, on_line=on_line)):
        yield from parse_record(line, record=record, where=f"{_name(path)}, line {number}")


def read_records(
    path: Path | str, *, on_line: Callable[[str], None] | None = None
) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and text, without its line end, of every record of a VCF file.

    Bytes that are not UTF-8 survive as surrogates (``errors="surrogateescape"``).
    """
    name = _name(path)
    number = n_columns = n_records = 0
    try:
        with _open(path) as text:
            for number, line in enumerate(text, start=1):
                if on_line is not None and not line.isspace():
                    on_line(line)
                if line.startswith("#"):
                    n_columns = max(n_columns, _check_header(line, f"{name}, line {number}"))
                elif not line.isspace():
                    n_records += 1
                    _check_whole(line, n_columns, f"{name}, line {number}")
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        after = f" after line {number}" if number else ""
        raise DataError(f"{name}: it cannot be read{after} ({reason}).") from error
    if number == 0:
        raise DataError(f"{name}: the file is empty, a VCF was expected.")
    if not n_columns and not n_records:
        raise DataError(f"{name}: a header without its #CHROM line and no records; the file is cut off.")


def _check_whole(line: str, n_columns: int, where: str) -> None:
    """Refuse a last line without its end and with fewer columns than the header names: the file was cut off."""
    found = line.count("\t") + 1
    if not line.endswith("\n") and found < n_columns:
        raise DataError(f"{where}: {found} columns, the header names {n_columns}; the file is cut off.")


def parse_record(line: str, *, record: int, where: str) -> list[Variant]:
    """Return the variants of one record, one per ALT; ``where`` names the line in errors.

    Raises
    ------
    DataError
        If a column is missing or empty, or POS is not a whole number.
    """
    fields = line.split("\t", 5)[:5]
    fault = _fault(fields)
    if fault:
        raise DataError(f"{where}: {fault}")
    chrom, pos, name, ref, alts = fields
    return [
        Variant(chrom=chrom, position=int(pos) - 1, ref=ref.upper(), alt=_upper(alt), id=name, record=record)
        for alt in alts.strip().split(",")
    ]


def _upper(alt: str) -> str:
    """Return bases in upper case; what is no bases (``<DEL>``, ``G]chr2:5]``) as it stands."""
    return alt.upper() if alt.isalpha() else alt


def count_variants(path: Path | str) -> int:
    """Return the number of ALTs in a file; costs about a microsecond a record.

    Raises
    ------
    DataError
        With every malformed line, so that none is met after hours of scoring.
    """
    n_variants = 0
    faults: list[str] = []
    for number, line in read_records(path):
        fields = line.split("\t", 5)[:5]
        fault = _fault(fields)
        if fault:
            faults.append(f"line {number}: {fault}")
            if len(faults) >= MAX_FAULTS:
                break
        else:
            n_variants += fields[4].count(",") + 1
    if faults:
        raise DataError.from_faults(_name(path), faults)
    return n_variants


def _fault(fields: list[str]) -> str | None:
    """Return what is wrong with the first five columns of a record, if anything is."""
    if len(fields) < len(COLUMNS):
        return (
            f"{len(fields)} columns, five are needed ({' '.join(COLUMNS)}), separated by tabs: "
            f"{' '.join(fields)[:60]!r}."
        )
    chrom, pos, _, ref, alts = fields
    empty = [
        name
        for name, value in zip(COLUMNS, fields, strict=True)
        if name != "ID" and not all(value.strip().split(","))
    ]
    if empty:
        return f"{' and '.join(empty)} is empty or has an empty entry ({chrom}:{pos} {ref} {alts})."
    if not _WHOLE_NUMBER.fullmatch(pos):
        return f"POS is not a whole number: {pos[:60]!r}."
    return None


def _check_header(line: str, where: str) -> int:
    """Return how many columns a header line names, 0 where it is another line."""
    if line.startswith("##") or not line.upper().startswith("#CHROM"):
        return 0
    columns = tuple(line.rstrip("\r\n").lstrip("#").upper().split("\t")[:5])
    if columns != COLUMNS:
        raise DataError(
            f"{where}: the columns are {' '.join(columns)}, expected {' '.join(COLUMNS)} (by tabs)."
        )
    return line.count("\t") + 1


def _name(path: Path | str) -> str:
    return "standard input" if str(path) == "-" else str(path)


@contextmanager
def _open(path: Path | str) -> Iterator[Iterable[str]]:
    """Open a VCF as lines with the ends they have; compression is told by the first bytes, not the name."""
    if str(path) == "-":
        buffered = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
        text = _as_text(buffered, "standard input")
        yield limited_lines(text.readline, where="standard input")
        buffered.detach()  # or standard input would be closed with it
        return
    with Path(path).open("rb") as file:
        if _is_bcf(file):
            yield _bcf_lines(Path(path))
        else:
            text = _as_text(file, str(path))  # kept until the file is closed
            yield limited_lines(text.readline, where=path)


def _is_bcf(file: "io.BufferedReader[Any]") -> bool:
    if not file.seekable() or file.peek(2)[:2] != GZIP_MAGIC:
        return False
    try:
        return gzip.GzipFile(fileobj=file).read(3) == b"BCF"
    except (OSError, EOFError, zlib.error):
        return False
    finally:
        file.seek(0)


def _bcf_lines(path: Path) -> Iterator[str]:
    """Yield a BCF file as the lines of VCF."""
    pysam = require("pysam", extra="io")
    try:
        with pysam.VariantFile(str(path)) as file:
            yield from str(file.header).splitlines(keepends=True)
            for record in file:
                yield str(record)
    except (ValueError, LookupError, MemoryError, OSError, OverflowError, RuntimeError) as error:
        raise DataError(f"{path}: the BCF file is damaged or cut off ({error}).") from error


def _as_text(file: "io.BufferedReader[Any]", name: str) -> io.TextIOWrapper:
    binary: io.BufferedReader[Any] = file  # gzip or not
    if file.peek(2)[:2] == GZIP_MAGIC:
        binary = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=file)))
        if binary.peek(3)[:3] == b"BCF":
            raise DataError(
                f"{name}: this is BCF, which is read from a file alone. Or pipe VCF: bcftools view IN.bcf | ..."
            )
    return io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="\n")
