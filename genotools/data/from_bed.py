"""A sequence store from a FASTA and peaks: one BED whose column 4 names the label, or a table of BEDs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from genotools.data.bed import Intervals, read_bed, read_text
from genotools.data.build import BuildSummary, Track, build_store
from genotools.data.fasta import Fasta
from genotools.data.recipe import BinRecipe
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["from_bed"]

_TABLE_COLUMNS = {"name", "path", "group"}


def from_bed(
    fasta: Path | str,
    peaks: Path | str,
    output: Path | str,
    *,
    recipe: BinRecipe,
    exclude_regions: Path | str | None = None,
    genome: str | None = None,
    force: bool = False,
) -> BuildSummary:
    """Build a store from files on disk. Labels are in alphabetical order (one BED) or in that of the table.

    Parameters
    ----------
    fasta
        The genome, plain or compressed; its contigs in the order of the file.
    peaks
        A BED with names in column 4, or a tab-separated table with the header ``name``, ``path`` and perhaps
        ``group``; paths are relative to the table's folder. All may be gzip.
    output
        The store to write.
    recipe
        Windows, label rule and splits.
    exclude_regions
        BED of regions; bins that share a base with one are left out.
    genome
        Name of the assembly for the provenance; by default the FASTA's file name without suffixes.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If an input is missing or faulty, or nothing is left; nothing is written then.
    """
    fasta, peaks = Path(fasta), Path(peaks)
    check_output(output, force=force)
    with Fasta(fasta) as reference:
        tracks, sources = _tracks(peaks, reference.contigs, recipe.exclude_contigs)
        regions: Intervals = {}
        if exclude_regions is not None:
            sources["exclude_regions"] = [Path(exclude_regions)]
            bed = read_bed(exclude_regions, contigs=reference.contigs, unchecked=recipe.exclude_contigs)
            regions = bed.by_contig()
        contigs = reference.genome()
    return build_store(
        output,
        contigs=contigs,
        tracks=tracks,
        recipe=recipe,
        provenance={
            "genome": genome or fasta.name.split(".")[0],
            "sources": [
                {"role": role, "name": path.name, "sha256": _sha256(path)}
                for role, paths in {"fasta": [fasta], **sources}.items()
                for path in paths
            ],
        },
        exclude_regions=regions,
        force=force,
    )


def _tracks(
    peaks: Path, contigs: Mapping[str, int], unchecked: tuple[str, ...]
) -> tuple[list[Track], dict[str, list[Path]]]:
    """Return the tracks, and the files they came from by role."""
    if not _is_table(peaks):
        bed = read_bed(peaks, contigs=contigs, unchecked=unchecked, with_names=True)
        return [Track(name=name, intervals=intervals) for name, intervals in bed.by_name().items()], {
            "peaks": [peaks]
        }
    rows = _table_rows(peaks)
    tracks, faults = [], []
    for name, path, group in rows:
        try:
            bed = read_bed(path, contigs=contigs, unchecked=unchecked)
        except DataError as error:
            faults.append(str(error))
        else:
            tracks.append(Track(name=name, intervals=bed.by_contig(), group=group))
    if faults:
        raise DataError.from_faults(peaks, faults)
    return tracks, {"table": [peaks], "peaks": [path for _, path, _ in rows]}


def _is_table(path: Path) -> bool:
    for _, line in read_text(path):
        if line.strip():
            return {"name", "path"} <= set(line.lstrip("#").split("\t"))
    raise DataError(f"{path}: the file is empty, a BED or a table of BEDs was expected.")


def _table_rows(table: Path) -> list[tuple[str, Path, str]]:
    """Return name, path and group of every row of a table of BEDs."""
    lines = [(number, line) for number, line in read_text(table) if line.strip()]
    header = lines[0][1].lstrip("#").split("\t")
    faults = [
        f"line {lines[0][0]}: unknown column {column!r}; there are name, path and group"
        for column in header
        if column not in _TABLE_COLUMNS
    ]
    if len(set(header)) < len(header):
        faults.append(f"line {lines[0][0]}: a column appears twice")
    rows: dict[str, tuple[Path, str]] = {}
    for number, line in lines[1:]:
        fields = dict(zip(header, (field.strip() for field in line.split("\t")), strict=False))
        name, path = fields.get("name"), fields.get("path")
        if not name or not path or line.count("\t") >= len(header):
            faults.append(f"line {number}: {len(header)} columns with a name and a path are needed")
        elif name in rows:
            faults.append(f"line {number}: name {name!r} appears twice")
        else:
            rows[name] = (table.parent / path, fields.get("group", ""))
    if not rows and not faults:
        faults.append("the table has a header and no rows")
    if faults:
        raise DataError.from_faults(table, faults)
    return [(name, path, group) for name, (path, group) in rows.items()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
