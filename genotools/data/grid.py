"""The bins of a genome, the windows around them, and which of them may become rows of a store."""

from collections.abc import Mapping, Sequence

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
from genotools.errors import DataError

__all__ = ["Grid", "Windows", "contig_faults"]


def contig_faults(contigs: Mapping[str, NDArray[np.uint8]], recipe: BinRecipe, named: set[str]) -> list[str]:
    """Return what is wrong with the contigs of a recipe; ``named`` are others that may be excluded."""
    faults = []
    for option, wanted, known in (
        ("test contig", recipe.test_contigs, set(contigs)),
        ("valid contig", recipe.valid_contigs, set(contigs)),
        ("excluded contig", recipe.exclude_contigs, named | set(contigs)),
    ):
        faults += [
            f"{option} {name!r} does not exist. {near_names(name, contigs)}"
            for name in wanted
            if name not in known
        ]
    return faults


class Grid:
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
        free = ~self.touching(exclude_regions)
        reasons = {
            "unknown bases or contig end": int((~known).sum()),
            "excluded regions": int((known & ~free).sum()),
        }
        if self.is_across.any():
            reasons["across the bounds of a split"] = int((known & free & self.is_across).sum())
        return known & free & ~self.is_across, reasons

    def touching(self, regions: Intervals) -> NDArray[np.bool_]:
        """Return which bins share a base with a region."""
        is_touched = np.zeros(self.split_of_bin.size, dtype=bool)
        for contig, intervals in regions.items():
            if contig in self.first_of:
                is_touched[self._inside(contig, overlap_by_bin(intervals, bin_bp=self.recipe.bin_bp)[0])] = (
                    True
                )
        return is_touched

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

    def windows(self, bins: NDArray[np.int64]) -> "Windows":
        """Return the windows centred on the given bins."""
        contigs = np.searchsorted(self.first, bins, side="right") - 1
        starts = (bins - self.first[contigs]) * self.recipe.bin_bp - self.recipe.flank_bp
        return Windows(list(self.contigs.values()), contigs, starts, self.recipe.window_bp)

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


class Windows:
    """Windows as rows of codes, cut out of the contigs when asked for.

    Parameters
    ----------
    sequences
        Base codes of every contig.
    contigs, starts
        By window: the index of its contig, and its 0-based start, which may lie outside, as its end may.
    length
        Of every window in bp.
    """

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
