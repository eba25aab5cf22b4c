"""From contigs and interval tracks to a sequence store, by a recipe of bins and windows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.bed import Intervals
from genotools.data.bins import merge_intervals, overlap_by_bin, positive_bins
from genotools.data.encoding import UNKNOWN
from genotools.data.fasta import near_names
from genotools.data.negatives import matched_negatives
from genotools.data.recipe import BinRecipe
from genotools.data.shared_kmers import shared_fraction
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["BinRecipe", "BuildSummary", "Track", "build_store"]


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
    grid = _Grid(used, recipe)
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
    counts = np.bincount(splits, minlength=len(SPLITS))
    return BuildSummary(
        path=output,
        digest=digest,
        n_rows={split: int(count) for split, count in zip(SPLITS, counts, strict=True)},
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
    faults = []
    named = {contig for track in tracks for contig in track.intervals}
    for option, wanted, known in (
        ("test contig", recipe.test_contigs, set(contigs)),
        ("valid contig", recipe.valid_contigs, set(contigs)),
        ("excluded contig", recipe.exclude_contigs, named | set(contigs) | set(exclude_regions)),
    ):
        faults += [
            f"{option} {name!r} does not exist. {near_names(name, contigs)}"
            for name in wanted
            if name not in known
        ]
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


class _Grid:
    """The bins of all contigs, numbered through: contig ``c`` has bins ``first[c]`` up to ``first[c + 1]``."""

    def __init__(self, contigs: Mapping[str, NDArray[np.uint8]], recipe: BinRecipe) -> None:
        self.contigs, self.recipe = contigs, recipe
        counts = [codes.size // recipe.bin_bp for codes in contigs.values()]
        self.first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self.first_of = dict(zip(contigs, self.first.tolist(), strict=False))
        splits = np.array([recipe.split_of(name) for name in contigs], dtype=np.uint8)
        self.split_of_bin = np.repeat(splits, counts)
        self.is_across = np.zeros(self.split_of_bin.size, dtype=bool)  # of the bounds of a split

    def assign(self, split_regions: Mapping[str, Intervals]) -> None:
        """Give the windows inside regions their split, and note those across the bounds of one."""
        faults = []
        for split, intervals in split_regions.items():
            for contig, bounds in intervals.items():
                if contig not in self.first_of:
                    continue
                if self.recipe.split_of(contig):
                    faults.append(f"{contig} is held out as a whole and has a region of the {split} split.")
                    continue
                inside, touching = self._place(contig, merge_intervals(bounds))
                if (self.split_of_bin[inside] > 0).any():
                    faults.append(f"{contig}: regions of two splits overlap.")
                self.split_of_bin[inside] = SPLITS.index(split)
                self.is_across[np.setdiff1d(touching, inside)] = True
        if faults:
            raise DataError.from_faults("regions of splits", faults)

    def _place(self, contig: str, regions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the bins of a contig whose windows lie in one of the regions, and those that touch one."""
        n_bins = self.contigs[contig].size // self.recipe.bin_bp
        starts = np.arange(n_bins) * self.recipe.bin_bp - self.recipe.flank_bp
        ends = starts + self.recipe.window_bp
        before = np.searchsorted(regions[:, 0], starts, side="right") - 1
        is_inside = (before >= 0) & (ends <= regions[np.maximum(before, 0), 1])
        is_touching = np.searchsorted(regions[:, 0], ends) > np.searchsorted(
            regions[:, 1], starts, side="right"
        )
        first = self.first_of[contig]
        return np.flatnonzero(is_inside) + first, np.flatnonzero(is_touching) + first

    def negatives(
        self, positives: NDArray[np.int64], marked: NDArray[np.int64], eligible: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return bins that no track marks, as many of each share of G and C as the recipe asks for in each split."""
        is_free = eligible.copy()
        is_free[marked] = False
        free, rng = np.flatnonzero(is_free), np.random.default_rng(self.recipe.seed)
        found = [np.zeros(0, dtype=np.int64)]
        if self.recipe.negatives:
            gc = np.concatenate([self._gc_share(codes) for codes in self.contigs.values()])
            for split in range(len(SPLITS)):
                ours, theirs = (bins[self.split_of_bin[bins] == split] for bins in (positives, free))
                found.append(theirs[matched_negatives(gc[ours], gc[theirs], self.recipe.negatives, rng=rng)])
        return np.concatenate(found)

    def _gc_share(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the share of G and C of the window of each bin, among all its bases."""
        recipe = self.recipe
        starts = np.arange(codes.size // recipe.bin_bp) * recipe.bin_bp - recipe.flank_bp
        before = np.concatenate([[0], np.cumsum((codes == 1) | (codes == 2), dtype=np.int64)])
        ends = np.minimum(starts + recipe.window_bp, codes.size)
        share: NDArray[np.float64] = (before[ends] - before[np.maximum(starts, 0)]) / recipe.window_bp
        return share

    def unread(self, bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ``bins`` that are for training, or share few enough 32-mers with those."""
        is_training = self.split_of_bin[bins] == 0
        return bins[shared_fraction(self.windows(bins), is_training) <= self.recipe.max_shared_kmers]

    def eligible_bins(self, exclude_regions: Intervals) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """Return which bins may become rows, and how many fall out for which reason."""
        known = np.concatenate(
            [np.zeros(0, bool), *(self._is_known(codes) for codes in self.contigs.values())]
        )
        free = np.ones(known.size, dtype=bool)
        for contig, intervals in exclude_regions.items():
            if contig in self.first_of:
                free[self._inside(contig, overlap_by_bin(intervals, bin_bp=self.recipe.bin_bp)[0])] = False
        reasons = {
            "unknown bases or contig end": int((~known).sum()),
            "excluded regions": int((known & ~free).sum()),
        }
        if self.is_across.any():
            reasons["across the bounds of a split"] = int((known & free & self.is_across).sum())
        return known & free & ~self.is_across, reasons

    def marked_bins(self, intervals: Intervals, eligible: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the eligible bins that a track marks, ascending."""
        rule = self.recipe
        found = [np.zeros(0, dtype=np.int64)]
        for contig in self.contigs:
            if contig in intervals:
                bins = positive_bins(
                    intervals[contig],
                    bin_bp=rule.bin_bp,
                    min_overlap=rule.min_overlap,
                    overlap_op=rule.overlap_op,
                    merge=rule.merge,
                )
                found.append(self._inside(contig, bins))
        bins = np.concatenate(found)
        return bins[eligible[bins]]

    def windows(self, bins: NDArray[np.int64]) -> "_Windows":
        """Return the windows centred on the given bins."""
        contigs = np.searchsorted(self.first, bins, side="right") - 1
        starts = (bins - self.first[contigs]) * self.recipe.bin_bp - self.recipe.flank_bp
        return _Windows(list(self.contigs.values()), contigs, starts, self.recipe.window_bp)

    def _inside(self, contig: str, bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers, counted over all contigs, of a contig's bins; its cut-off last bin is none."""
        n_bins = self.contigs[contig].size // self.recipe.bin_bp
        inside: NDArray[np.int64] = bins[bins < n_bins] + self.first_of[contig]
        return inside

    def _is_known(self, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Say for each bin whether its window has few enough unknown bases."""
        recipe = self.recipe
        starts = np.arange(codes.size // recipe.bin_bp) * recipe.bin_bp - recipe.flank_bp
        known_before = np.concatenate([[0], np.cumsum(codes != UNKNOWN, dtype=np.int64)])
        ends = np.minimum(starts + recipe.window_bp, codes.size)
        n_known = known_before[ends] - known_before[np.maximum(starts, 0)]
        is_known: NDArray[np.bool_] = recipe.window_bp - n_known <= recipe.max_unknown * recipe.window_bp
        return is_known


class _Windows:
    """The windows as rows of codes, cut out of the contigs when asked for."""

    def __init__(
        self,
        sequences: Sequence[NDArray[np.uint8]],
        contigs: NDArray[np.int64],
        starts: NDArray[np.int64],
        length: int,
    ) -> None:
        self.sequences, self.contigs, self.starts = sequences, contigs, starts
        self.shape: tuple[int, ...] = (len(starts), length)

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        contigs, starts, length = self.contigs[rows], self.starts[rows], self.shape[1]
        result = np.full((len(starts), length), UNKNOWN, dtype=np.uint8)
        for row, (contig, start) in enumerate(zip(contigs.tolist(), starts.tolist(), strict=True)):
            inner = self.sequences[contig][max(start, 0) : start + length]
            offset = max(-start, 0)
            result[row, offset : offset + inner.size] = inner
        return result


class _PackedLabels:
    """The label matrix at one bit a label, unpacked when asked for."""

    def __init__(self, bins: NDArray[np.int64], marked: Sequence[NDArray[np.int64]]) -> None:
        self.shape: tuple[int, ...] = (len(bins), len(marked))
        self._packed = np.zeros((len(bins), -(-len(marked) // 8)), dtype=np.uint8)
        for label, positives in enumerate(marked):
            self._packed[np.searchsorted(bins, positives), label // 8] |= np.uint8(1 << label % 8)

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        return np.unpackbits(self._packed[rows], axis=1, count=self.shape[1], bitorder="little")
