"""GFF3 and GTF records as BED lines: 1-based closed positions become 0-based half-open, the type becomes the name."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["as_bed", "is_gff"]

SUFFIXES = (".gff", ".gff3", ".gtf")
N_COLUMNS = 9


def is_gff(path: Path) -> bool:
    """Return whether a file is called like GFF or GTF, perhaps compressed."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".bgz")
    return name.endswith(SUFFIXES)


def as_bed(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield numbered records as ``contig, start, end, type``.

    What is no record stays as it is, so that the reader of BED tells what is wrong with it. The sequences that may
    follow ``##FASTA`` are left out.
    """
    for number, line in lines:
        if line.startswith("##FASTA"):
            return
        fields = line.split("\t")
        if line.startswith("#") or not line.strip():
            continue
        if (
            len(fields) < N_COLUMNS - 1
            or not fields[3].isdecimal()
            or len(fields[3]) > 15
            or fields[3] == "0"
        ):
            yield number, line
            continue
        yield number, "\t".join([fields[0], str(int(fields[3]) - 1), fields[4], fields[2]])
