"""A sequence store from a FASTA and peaks: one BED whose column 4 names the label, or a table of BEDs."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from genotools.data.bed import POINT_PEAKS, Intervals, PointPeak, Regions, read_bed, read_text
from genotools.data.build import BuildSummary, Track, build_store
from genotools.data.contig_names import ContigNames
from genotools.data.provenance import provenance_of
from genotools.data.recipe import BinRecipe
from genotools.data.signal import is_bigwig, regions_above
from genotools.data.tsv import read_table
from genotools.data.twobit import open_sequences
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["from_bed"]

BIGWIG_RULE = "a bigWig stands in a table with a name and a min_signal, from which on it counts."
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
        the table's folder. All may be gzip. A bigWig in a table counts where it is ``min_signal`` or more.
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
    if min_signal is not None and math.isnan(min_signal):
        raise DataError("min_signal is not a number; no peak has as much.")
    check_output(output, force=force)
    with open_sequences(fasta) as reference:
        aliases = None if exact_contigs else ContigNames(reference.contigs)
        if aliases is not None:
            recipe = recipe.renamed(aliases)

        def read(path: Path | str, **options: Any) -> Regions:
            if is_bigwig(Path(path)):
                return _high(Path(path), reference.contigs, aliases, **options)
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
        provenance=provenance_of({"fasta": [fasta], **sources}, genome=genome or fasta.name.split(".")[0]),
        exclude_regions=regions,
        split_regions=by_split,
        force=force,
    )


def _high(
    path: Path,
    contigs: Mapping[str, int],
    aliases: ContigNames | None,
    *,
    min_signal: float | None = None,
    point: PointPeak | None = None,
    feature: str | None = None,
    with_names: bool = False,
) -> Regions:
    """Return where a bigWig is as high as ``min_signal``."""
    if with_names or min_signal is None:
        raise DataError(f"{path}: {BIGWIG_RULE}")
    if point == "summit" or feature is not None:
        raise DataError(f"{path}: a bigWig has no summits and no names of records.")
    found = regions_above(path, min_signal, contigs=contigs, aliases=aliases)
    intervals = np.concatenate(list(found.values()))
    if point == "centre":
        centre = (intervals[:, 0] + intervals[:, 1] - 1) // 2
        intervals = np.stack([centre, centre + 1], axis=1)
    names = tuple(name for name, spans in found.items() for _ in range(len(spans)))
    return Regions(contigs=names, intervals=intervals, names=None)


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


def _tracks(
    path: Path, read: Callable[..., Regions], peaks: _Peaks
) -> tuple[list[Track], dict[str, list[Path]]]:
    """Return the tracks, and the files they came from by role."""
    if is_bigwig(path):
        raise DataError(f"{path}: {BIGWIG_RULE}")
    if not _is_table(path):
        bed = read(path, with_names=True, **peaks._asdict())
        return [Track(name=name, intervals=intervals) for name, intervals in bed.by_name().items()], {
            "peaks": [path]
        }
    rows = _table_rows(path, peaks)
    tracks, faults = [], []
    for row in rows:
        try:
            intervals = read(row.path, **row.peaks._asdict()).by_contig()
        except DataError as error:
            faults.append(str(error))
        else:
            tracks.append(Track(name=row.name, intervals=intervals, group=row.group))
    if faults:
        raise DataError.from_faults(path, faults)
    return tracks, {"table": [path], "peaks": [row.path for row in rows]}


def _is_table(path: Path) -> bool:
    for _, line in read_text(path):
        if line.strip():
            return {"name", "path"} <= set(line.lstrip("#").split("\t"))
    raise DataError(f"{path}: the file is empty, a BED or a table of BEDs was expected.")


def _table_rows(table: Path, peaks: _Peaks) -> list[_Row]:
    """Return the rows of a table of peaks; ``peaks`` is what holds where a row says nothing."""
    rows, faults = [], []
    for row in read_table(table, needed=("name", "path"), known=_TABLE_COLUMNS, unique="name"):
        own, fault = _peaks_of(row.fields, peaks)
        faults += [f"line {row.number}: {fault}"] if fault else []
        path = table.parent / row.fields["path"]
        rows.append(_Row(row.fields["name"], path, row.fields.get("group", ""), own))
    if faults:
        raise DataError.from_faults(table, faults)
    return rows


def _peaks_of(fields: Mapping[str, str], peaks: _Peaks) -> tuple[_Peaks, str | None]:
    """Return what a row says of its peaks, and what is wrong with it."""
    signal, point = fields.get("min_signal", ""), fields.get("point", "")
    try:
        min_signal = float(signal) if signal else peaks.min_signal
    except ValueError:
        min_signal = math.nan
    if min_signal is not None and math.isnan(min_signal):
        return peaks, f"min_signal {signal[:60]!r} is no number"
    if point not in ("", *POINT_PEAKS):
        return peaks, f"point {point!r} must be {' or '.join(POINT_PEAKS)}"
    own = cast(PointPeak, point) if point else peaks.point
    return _Peaks(min_signal, own, fields.get("feature") or None), None
