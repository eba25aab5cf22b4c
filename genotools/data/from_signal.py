"""A sequence store of values: what signals such as bigWig tracks are, bin by bin, around which windows lie."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from genotools.data.bed import Intervals, read_bed
from genotools.data.build import BuildSummary, rows_by_split
from genotools.data.contig_names import ContigNames
from genotools.data.grid import Grid, contig_faults
from genotools.data.provenance import provenance_of
from genotools.data.recipe import BinRecipe
from genotools.data.signal import STATISTICS, VALUE_COLUMN, Statistic, open_signal
from genotools.data.tsv import TableRow, read_table
from genotools.data.twobit import open_sequences
from genotools.data.values import Scaling
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import check_output
from genotools.genotype.task import TaskKind

__all__ = ["from_signal"]

COLUMNS = ("name", "path", "group", "column", "statistic", "missing")


def from_signal(
    fasta: Path | str,
    tracks: Path | str,
    output: Path | str,
    *,
    recipe: BinRecipe,
    kind: TaskKind = TaskKind.REGRESSION,
    scaling: Scaling | None = None,
    regions: Path | str | None = None,
    exclude_regions: Path | str | None = None,
    exact_contigs: bool = False,
    genome: str | None = None,
    force: bool = False,
) -> BuildSummary:
    """Build a store whose labels are the values of tracks over bins.

    Parameters
    ----------
    fasta
        The genome, plain or compressed.
    tracks
        A tab-separated table with the header ``name``, ``path`` and perhaps ``group``, ``column`` (of text that has
        the number, from 1; 4 by default), ``statistic`` (``mean``, ``max`` or ``sum`` over the bases that have a
        number), ``missing`` (a number for bins without one; by default they are not measured). Paths are relative to
        the table's folder and name bigWig, bedGraph or BED.
    output
        The store to write.
    recipe
        Bins, windows and splits; its rules of labels do not count.
    kind
        ``regression``, or ``counts``.
    scaling
        What is done to the values; nothing by default.
    regions, exclude_regions
        BED; only bins that share a base with the first, and none that do with the second.
    exact_contigs
        Take contigs under the names of the FASTA only.
    genome
        Name of the assembly for the provenance; by default the FASTA's file name without suffixes.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If an input is missing or faulty, or nothing was measured; nothing is written then.
    """
    fasta, tracks, scaling = Path(fasta), Path(tracks), scaling or Scaling()
    check_output(output, force=force)
    if kind not in (TaskKind.REGRESSION, TaskKind.COUNTS):
        raise DataError(f"signals give labels of kind regression or counts, not {kind}.")
    scaling.check(kind)
    rows = [
        _Track(row, tracks)
        for row in read_table(tracks, needed=("name", "path"), known=COLUMNS, unique="name")
    ]
    with open_sequences(fasta) as reference:
        aliases = None if exact_contigs else ContigNames(reference.contigs)
        recipe = recipe if aliases is None else recipe.renamed(aliases)
        faults = contig_faults({name: np.zeros(0, np.uint8) for name in reference.contigs}, recipe, set())
        if faults:
            raise DataError.from_faults("build", faults)
        used = {
            name: length for name, length in reference.contigs.items() if name not in recipe.exclude_contigs
        }
        values = _values(rows, reference.contigs, used, recipe, aliases)

        def intervals(path: Path | str | None) -> Intervals:
            if path is None:
                return {}
            unchecked = recipe.exclude_contigs
            bed = read_bed(path, contigs=reference.contigs, unchecked=unchecked, aliases=aliases)
            return bed.by_contig()

        chosen_regions, excluded = intervals(regions), intervals(exclude_regions)
        contigs = reference.genome(used)
    grid = Grid(contigs, recipe)
    eligible, dropped = grid.eligible_bins(excluded)
    if regions is not None:
        inside = grid.touching(chosen_regions)
        dropped["outside of the regions"] = int((eligible & ~inside).sum())
        eligible &= inside
    is_measured = (~np.isnan(values)).any(axis=1)
    dropped["without a value"] = int((eligible & ~is_measured).sum())
    chosen = np.flatnonzero(eligible & is_measured)
    if not chosen.size:
        raise DataError(f"{output}: no bin is left that has a value.")
    if recipe.max_shared_kmers < 1:
        n_before = chosen.size
        chosen = grid.unread(chosen)
        dropped["32-mers of training windows"] = n_before - chosen.size
    splits = grid.split_of_bin[chosen]
    labels, done = scaling.apply(values[chosen], splits == 0, where=str(tracks))
    windows = grid.windows(chosen)
    files = {"fasta": [fasta], "table": [tracks], "signal": [row.path for row in rows]}
    files |= {"regions": [Path(regions)]} if regions is not None else {}
    files |= {"exclude_regions": [Path(exclude_regions)]} if exclude_regions is not None else {}
    digest = write_store(
        output,
        codes=windows,
        labels=labels,
        names=[row.name for row in rows],
        groups=[row.group for row in rows],
        kind=kind,
        splits=splits,
        contig_names=list(contigs),
        contigs=windows.contigs,
        starts=windows.starts,
        provenance={
            **provenance_of(files, genome=genome or fasta.name.split(".")[0]),
            "recipe": asdict(recipe),
            "values": done,
            "statistics": {row.name: row.statistic for row in rows},
        },
        force=force,
    )
    return BuildSummary(
        path=Path(output),
        digest=digest,
        n_rows=rows_by_split(splits),
        n_labels=len(rows),
        dropped_bins=dropped,
    )


class _Track:
    """A row of the table; raises DataError naming its line."""

    def __init__(self, row: TableRow, table: Path) -> None:
        fields, where = row.fields, f"{table}, line {row.number}"
        self.name, self.group = fields["name"], fields.get("group", "")
        self.path = table.parent / fields["path"]
        column = fields.get("column") or str(VALUE_COLUMN)
        if not column.isdecimal() or len(column) > 4 or not 1 <= int(column) <= 1000:
            raise DataError(f"{where}: column {column!r} must be the number of a column, from 1.")
        self.column = int(column)
        statistic = fields.get("statistic") or "mean"
        if statistic not in STATISTICS:
            raise DataError(f"{where}: statistic {statistic!r} must be one of {', '.join(STATISTICS)}.")
        self.statistic = cast(Statistic, statistic)
        missing = fields.get("missing") or "nan"
        try:
            self.missing = float(missing)
        except ValueError:
            raise DataError(f"{where}: missing {missing!r} is no number.") from None


def _values(
    rows: list[_Track],
    contigs: Mapping[str, int],
    used: Mapping[str, int],
    recipe: BinRecipe,
    aliases: ContigNames | None,
) -> NDArray[np.float64]:
    """Return the values of all bins of the contigs that are used, ``(bins, tracks)``."""
    n_bins = {name: length // recipe.bin_bp for name, length in used.items()}
    values = np.empty((sum(n_bins.values()), len(rows)))
    for column, row in enumerate(rows):
        signal = open_signal(row.path, contigs=contigs, aliases=aliases, column=row.column)
        parts = [
            signal.over_bins(name, n, bin_bp=recipe.bin_bp, statistic=row.statistic)
            for name, n in n_bins.items()
        ]
        values[:, column] = np.concatenate(parts)
        values[np.isnan(values[:, column]), column] = row.missing
    return values
