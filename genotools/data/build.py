"""From contigs and interval tracks to a sequence store, by a recipe of bins and windows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.bed import Intervals
from genotools.data.fasta import near_names
from genotools.data.grid import Grid, contig_faults
from genotools.data.recipe import BinRecipe
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["BinRecipe", "BuildSummary", "Track", "build_store", "rows_by_split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One label: its name, the group it belongs to (empty: none), and its intervals by contig."""

    name: str
    intervals: Intervals
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """What a build wrote, and what it left out and why."""

    path: Path
    digest: str
    n_rows: Mapping[str, int]
    n_labels: int
    dropped_labels: Mapping[str, int] = field(default_factory=dict)  # name -> positive bins
    dropped_bins: Mapping[str, int] = field(default_factory=dict)  # reason -> bins


def rows_by_split(splits: NDArray[np.integer[Any]]) -> dict[str, int]:
    """Return how many rows each split has, for the split of every row as an index into ``SPLITS``."""
    counts = np.bincount(splits, minlength=len(SPLITS))
    return {split: int(count) for split, count in zip(SPLITS, counts, strict=True)}


def build_store(
    output: Path | str,
    *,
    contigs: Mapping[str, NDArray[np.uint8]],
    tracks: Sequence[Track],
    recipe: BinRecipe,
    provenance: Mapping[str, object],
    exclude_regions: Intervals | None = None,
    split_regions: Mapping[str, Intervals] | None = None,
    force: bool = False,
) -> BuildSummary:
    """Cut contigs into windows, label them by tracks, and write a store.

    Rows come in the order of ``contigs``, then by position; labels in the order of ``tracks``.

    Parameters
    ----------
    output
        The store; it appears complete or not at all.
    contigs
        Base codes 0 to 4 of every contig, whole, in memory.
    tracks
        The labels; their intervals are 0-based, half-open and inside the contigs.
    recipe
        The choices.
    provenance
        JSON object on the sources; the recipe is added under ``recipe``.
    exclude_regions
        Bins that share a base with one of these are left out.
    split_regions
        Regions of the splits ``valid`` and ``test``: windows inside one belong to its split, windows across its
        bounds are left out. Contigs of a held-out split have none.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If recipe or tracks name unknown contigs, track names repeat, intervals are empty or leave their
        contig, or no window or no label remains.
    """
    output = check_output(output, force=force)
    _check(contigs, tracks, recipe, exclude_regions or {})
    used = {name: codes for name, codes in contigs.items() if name not in recipe.exclude_contigs}
    grid = Grid(used, recipe)
    grid.assign(split_regions or {})
    eligible, dropped_bins = grid.eligible_bins(exclude_regions or {})
    marked = [grid.marked_bins(track.intervals, eligible) for track in tracks]
    kept = [index for index, bins in enumerate(marked) if bins.size >= max(recipe.min_positives, 1)]
    if not kept:
        best = max([bins.size for bins in marked], default=0)
        raise DataError(
            f"{output}: no label is left: none of {len(tracks)} has {max(recipe.min_positives, 1)} positive "
            f"bins (the most is {best}). Lower --min-positives, or ask for less overlap (peaks of 1 bp need "
            "--min-overlap 1 --overlap-op ge)."
        )
    chosen = np.flatnonzero(eligible)
    if recipe.keep == "any":
        chosen = np.unique(np.concatenate([marked[index] for index in kept]))
        chosen = np.union1d(chosen, grid.negatives(chosen, np.concatenate(marked), eligible))
        dropped_bins["without a label"] = int(eligible.sum()) - chosen.size
    if recipe.max_shared_kmers < 1:
        n_before = chosen.size
        chosen = grid.unread(chosen)
        dropped_bins["32-mers of training windows"] = n_before - chosen.size
        marked = [bins[np.isin(bins, chosen, assume_unique=True)] for bins in marked]
    windows = grid.windows(chosen)
    splits = grid.split_of_bin[chosen]
    digest = write_store(
        output,
        codes=windows,
        labels=_PackedLabels(chosen, [marked[index] for index in kept]),
        names=[tracks[index].name for index in kept],
        groups=[tracks[index].group for index in kept],
        splits=splits,
        contig_names=list(used),
        contigs=windows.contigs,
        starts=windows.starts,
        provenance={**provenance, "recipe": asdict(recipe)},
        force=force,
    )
    return BuildSummary(
        path=output,
        digest=digest,
        n_rows=rows_by_split(splits),
        n_labels=len(kept),
        dropped_labels={
            track.name: marked[index].size for index, track in enumerate(tracks) if index not in set(kept)
        },
        dropped_bins=dropped_bins,
    )


def _check(
    contigs: Mapping[str, NDArray[np.uint8]],
    tracks: Sequence[Track],
    recipe: BinRecipe,
    exclude_regions: Intervals,
) -> None:
    named = {contig for track in tracks for contig in track.intervals} | set(exclude_regions)
    faults = contig_faults(contigs, recipe, named)
    names = [track.name for track in tracks]
    faults += [f"two tracks are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    tables = [(f"track {track.name!r}", track.intervals) for track in tracks]
    for owner, intervals in [*tables, ("excluded regions", exclude_regions)]:
        for contig, bounds in intervals.items():
            if contig in recipe.exclude_contigs:
                continue
            if contig not in contigs:
                faults.append(f"{owner}: no contig {contig!r}. {near_names(contig, contigs)}")
            elif (bounds[:, 0] >= bounds[:, 1]).any():
                faults.append(f"{owner}: {contig} has an interval whose start is not below its end")
            elif bounds.min(initial=0) < 0 or bounds.max(initial=0) > contigs[contig].size:
                faults.append(f"{owner}: {contig} has an interval outside its {contigs[contig].size:,} bp")
    if faults:
        raise DataError.from_faults("build", faults)


class _PackedLabels:
    """The label matrix at one bit a label, unpacked when asked for."""

    def __init__(self, bins: NDArray[np.int64], marked: Sequence[NDArray[np.int64]]) -> None:
        self.shape: tuple[int, ...] = (len(bins), len(marked))
        self._packed = np.zeros((len(bins), -(-len(marked) // 8)), dtype=np.uint8)
        for label, positives in enumerate(marked):
            self._packed[np.searchsorted(bins, positives), label // 8] |= np.uint8(1 << label % 8)

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        return np.unpackbits(self._packed[rows], axis=1, count=self.shape[1], bitorder="little")
