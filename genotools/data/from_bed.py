"""A sequence store from a FASTA and peaks: one BED whose column 4 names the label, or a table of BEDs."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from genotools.data.bed import POINT_PEAKS, Intervals, PointPeak, Regions, read_bed, read_text
from genotools.data.build import BuildSummary, Track, build_store
from genotools.data.contig_names import ContigNames
from genotools.data.fasta import Fasta
from genotools.data.recipe import BinRecipe
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["from_bed"]

_TABLE_COLUMNS = ("name", "path", "group", "min_signal", "point", "feature")


def from_bed(
    fasta: Path | str,
    peaks: Path | str,
    output: Path | str,
    *,
    recipe: BinRecipe,
    exclude_regions: Path | str | None = None,
    split_regions: Mapping[str, Path] | None = None,
    min_signal: float | None = None,
    point: PointPeak | None = None,
    exact_contigs: bool = False,
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
        ``group``, ``min_signal``, ``point``, ``feature`` (a name in column 4, a type of GFF); paths are relative to
        the table's folder. All may be gzip.
    output
        The store to write.
    recipe
        Windows, label rule and splits.
    exclude_regions
        BED of regions; bins that share a base with one are left out.
    split_regions
        BED of the regions of the split ``valid``, ``test`` or both, besides whole contigs.
    min_signal, point
        Of the peaks, see :func:`genotools.data.bed.read_bed`; a table may have columns of these names instead.
    exact_contigs
        Take contigs under the names of the FASTA only; otherwise ``chr1``, ``1`` and ``chrI`` may be one.
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
        aliases = None if exact_contigs else ContigNames(reference.contigs)
        if aliases is not None:
            recipe = _renamed(recipe, aliases)

        def read(path: Path | str, **options: Any) -> Regions:
            unchecked = recipe.exclude_contigs
            return read_bed(path, contigs=reference.contigs, unchecked=unchecked, aliases=aliases, **options)

        tracks, sources = _tracks(peaks, read, _Peaks(min_signal, point))
        regions: Intervals = {}
        if exclude_regions is not None:
            sources["exclude_regions"] = [Path(exclude_regions)]
            regions = read(exclude_regions).by_contig()
        by_split: dict[str, Intervals] = {}
        for split, path in (split_regions or {}).items():
            sources[f"{split}_regions"] = [Path(path)]
            by_split[split] = read(path).by_contig()
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
        split_regions=by_split,
        force=force,
    )


class _Peaks(NamedTuple):
    """Which records of a file of peaks count, and what of them."""

    min_signal: float | None
    point: PointPeak | None
    feature: str | None = None


class _Row(NamedTuple):
    """A row of a table of BEDs."""

    name: str
    path: Path
    group: str
    peaks: _Peaks


def _renamed(recipe: BinRecipe, aliases: ContigNames) -> BinRecipe:
    """Return the recipe with the genome's names of its contigs."""

    def known(contigs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(aliases.find(contig) or contig for contig in contigs)

    return replace(
        recipe,
        valid_contigs=known(recipe.valid_contigs),
        test_contigs=known(recipe.test_contigs),
        exclude_contigs=known(recipe.exclude_contigs),
    )


def _tracks(
    path: Path, read: Callable[..., Regions], peaks: _Peaks
) -> tuple[list[Track], dict[str, list[Path]]]:
    """Return the tracks, and the files they came from by role."""
    if not _is_table(path):
        bed = read(path, with_names=True, **peaks._asdict())
        return [Track(name=name, intervals=intervals) for name, intervals in bed.by_name().items()], {
            "peaks": [path]
        }
    rows = _table_rows(path, peaks)
    tracks, faults = [], []
    for row in rows:
        try:
            bed = read(row.path, **row.peaks._asdict())
        except DataError as error:
            faults.append(str(error))
        else:
            tracks.append(Track(name=row.name, intervals=bed.by_contig(), group=row.group))
    if faults:
        raise DataError.from_faults(path, faults)
    return tracks, {"table": [path], "peaks": [row.path for row in rows]}


def _is_table(path: Path) -> bool:
    for _, line in read_text(path):
        if line.strip():
            return {"name", "path"} <= set(line.lstrip("#").split("\t"))
    raise DataError(f"{path}: the file is empty, a BED or a table of BEDs was expected.")


def _table_rows(table: Path, peaks: _Peaks) -> list[_Row]:
    """Return the rows of a table of BEDs; ``peaks`` is what holds where a row says nothing."""
    lines = [(number, line) for number, line in read_text(table) if line.strip()]
    header = lines[0][1].lstrip("#").split("\t")
    faults = [
        f"line {lines[0][0]}: unknown column {column!r}; there are {', '.join(_TABLE_COLUMNS)}"
        for column in header
        if column not in _TABLE_COLUMNS
    ]
    if len(set(header)) < len(header):
        faults.append(f"line {lines[0][0]}: a column appears twice")
    rows: dict[str, _Row] = {}
    for number, line in lines[1:]:
        fields = dict(zip(header, (field.strip() for field in line.split("\t")), strict=False))
        name, path = fields.get("name"), fields.get("path")
        if not name or not path or line.count("\t") >= len(header):
            faults.append(f"line {number}: {len(header)} columns with a name and a path are needed")
        elif name in rows:
            faults.append(f"line {number}: name {name!r} appears twice")
        else:
            own, fault = _peaks_of(fields, peaks)
            faults += [f"line {number}: {fault}"] if fault else []
            rows[name] = _Row(name, table.parent / path, fields.get("group", ""), own)
    if not rows and not faults:
        faults.append("the table has a header and no rows")
    if faults:
        raise DataError.from_faults(table, faults)
    return list(rows.values())


def _peaks_of(fields: Mapping[str, str], peaks: _Peaks) -> tuple[_Peaks, str | None]:
    """Return what a row says of its peaks, and what is wrong with it."""
    signal, point = fields.get("min_signal", ""), fields.get("point", "")
    try:
        min_signal = float(signal) if signal else peaks.min_signal
    except ValueError:
        return peaks, f"min_signal {signal!r} is no number"
    if point not in ("", *POINT_PEAKS):
        return peaks, f"point {point!r} must be {' or '.join(POINT_PEAKS)}"
    own = cast(PointPeak, point) if point else peaks.point
    return _Peaks(min_signal, own, fields.get("feature") or None), None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
