"""DeepSEA's MATLAB files to a sequence store, at whatever size: streamed, resumable, verified.

What a person would have to know is found out: the kind of each file, the order of the channels (human CpG is rare,
GpC is not), and whether the second half of the rows is the reverse complement of the first, with the same labels.
That half is left out: the loader makes it again. Reference: Zhou and Troyanskaya (2015).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.encoding import BASES, UNKNOWN
from genotools.data.mat import MatRows, open_mat
from genotools.data.store import SequenceStore
from genotools.data.write import write_store_resumably
from genotools.errors import DataError
from genotools.files import check_output, claimed_output, read_bytes

__all__ = [
    "CHANNEL_ORDERS",
    "DeepSeaSummary",
    "channel_order_of",
    "from_deepsea",
    "is_doubled",
    "read_label_names",
]

CHANNEL_ORDERS = ("AGCT", "ACGT")
"""Orders that are told apart; the first one is DeepSEA's own."""

CPG_RATIO = 0.75
"""Of CpG to GpC: below it CpG is depleted. 0.27 in human DNA, 1 in yeast and in random sequences."""

MAX_NAMES_BYTES = 16 * 1024 * 1024

N_SAMPLED_BLOCKS, SAMPLED_ROWS = 16, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepSeaSummary:
    """What was made: rows of each split, the channel order found, and which splits had both strands."""

    path: Path
    digest: str
    n_rows: Mapping[str, int]
    length: int
    n_labels: int
    channel_order: str
    both_strands: tuple[str, ...]
    n_verified: int

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            "path": str(self.path),
            "digest": self.digest,
            "n_rows": dict(self.n_rows),
            "length": self.length,
            "n_labels": self.n_labels,
            "channel_order": self.channel_order,
            "both_strands": list(self.both_strands),
            "n_verified": self.n_verified,
        }


def from_deepsea(
    sources: Mapping[str, Path],
    output: Path | str,
    *,
    names_path: Path | None = None,
    channel_order: str | None = None,
    keep_both_strands: bool = False,
    resume: bool = False,
    force: bool = False,
    on_rows: Callable[[int, int], None] = lambda n_done, n_rows: None,
    on_message: Callable[[str], None] = lambda message: None,
) -> DeepSeaSummary:
    """Convert MATLAB files of one-hot windows and labels.

    Parameters
    ----------
    sources
        File of each split: ``train``, ``valid``, ``test``, any of them.
    output
        The store.
    names_path
        Names of the labels, one a line, in their order; numbers if there is none.
    channel_order
        ``AGCT`` or ``ACGT``; None finds out.
    keep_both_strands
        Keep the reverse complements.
    resume
        Go on with a conversion that was stopped.
    force
        Replace a store at ``output``.
    on_rows
        Called with rows done and in all; may raise to stop.
    on_message
        Hears in a sentence what was found out.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If files do not fit together, are damaged or hold no one-hot; if the channel order is not to be told; if a row
        of the finished store is not what the source has; or if another process writes the same store.
    """
    output = Path(output)
    check_free = partial(check_output, output, force=force)
    with claimed_output(output, check_free, busy="another process is writing this store."):
        parts = [_Part(split, open_mat(sources[split])) for split in SPLITS if split in sources]
        if not parts:
            raise DataError("no MATLAB file was given.")
        try:
            _check_alike(parts)
            names = read_label_names(names_path, parts[0].rows.n_labels)
            order = channel_order or _found_order(parts[0].rows)
            on_message(
                f"channels are {', '.join(order)}" + ("" if channel_order else " (told by the rarity of CpG)")
            )
            for part in parts:
                part.table = _table_of(order)
                if not keep_both_strands and is_doubled(part.rows):
                    part.n_used = part.rows.n_rows // 2
                    on_message(f"{part.split}: rows {part.n_used:,} on are the other strand and left out")
            splits = np.repeat([SPLITS.index(part.split) for part in parts], [part.n_used for part in parts])
            digest = write_store_resumably(
                output,
                codes=_Joined(parts, "codes"),
                labels=_Joined(parts, "labels"),
                names=names,
                splits=splits,
                provenance={
                    "sources": {part.split: part.rows.path.name for part in parts},
                    "source_channels": order,
                },
                identity={"order": order, "names": list(names), "parts": [part.identity() for part in parts]},
                resume=resume,
                force=force,
                on_rows=on_rows,
            )
            n_verified = _verify(output, parts)
            return DeepSeaSummary(
                path=output,
                digest=digest,
                n_rows={part.split: part.n_used for part in parts},
                length=parts[0].rows.length,
                n_labels=len(names),
                channel_order=order,
                both_strands=tuple(part.split for part in parts if part.n_used < part.rows.n_rows),
                n_verified=n_verified,
            )
        finally:
            for part in parts:
                part.rows.close()


def read_label_names(path: Path | None, n_labels: int) -> tuple[str, ...]:
    """Return names of labels from a text file, one a line; ``label_0`` and so on without a file.

    Non-breaking spaces become plain ones and those at the ends go; names may repeat, their number is what counts.

    Raises
    ------
    DataError
        If the file cannot be read or has another number of lines.
    """
    if path is None:
        return tuple(f"label_{index}" for index in range(n_labels))
    data = read_bytes(path, max_bytes=MAX_NAMES_BYTES)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    names = [line.replace("\xa0", " ").strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    if len(names) != n_labels:
        raise DataError(f"{path}: {len(names)} names, the files have {n_labels} labels.")
    return tuple(names)


class _Part:
    """One split: its rows, how many of them are used, and the base code of each channel."""

    def __init__(self, split: str, rows: MatRows) -> None:
        self.split, self.rows = split, rows
        self.n_used = rows.n_rows
        self.table = np.arange(UNKNOWN + 1, dtype=np.uint8)

    def identity(self) -> list[object]:
        """Return what tells this part from others, as JSON values."""
        stat = self.rows.path.stat()
        return [self.split, self.rows.path.name, stat.st_size, stat.st_mtime_ns, self.n_used]

    def codes(self, rows: slice) -> NDArray[np.uint8]:
        return self.table[self.rows.codes(rows)]

    def labels(self, rows: slice) -> NDArray[np.uint8]:
        return self.rows.labels(rows)


class _Joined:
    """The rows of all parts, one after the other."""

    def __init__(self, parts: list[_Part], what: str) -> None:
        self._parts, self._what = parts, what
        n_rows = sum(part.n_used for part in parts)
        self.shape = (n_rows, parts[0].rows.length if what == "codes" else parts[0].rows.n_labels)

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        start, stop, _ = rows.indices(self.shape[0])
        found, offset = [], 0
        for part in self._parts:
            here = slice(max(start - offset, 0), min(stop - offset, part.n_used))
            if here.start < here.stop:
                found.append(getattr(part, self._what)(here))
            offset += part.n_used
        return np.concatenate(found) if found else np.zeros((0, self.shape[1]), dtype=np.uint8)


def _check_alike(parts: list[_Part]) -> None:
    first = parts[0].rows
    faults = [
        f"{part.rows.path}: windows of {part.rows.length} bp and {part.rows.n_labels} labels, "
        f"{first.path} has {first.length} bp and {first.n_labels}."
        for part in parts[1:]
        if (part.rows.length, part.rows.n_labels) != (first.length, first.n_labels)
    ]
    if faults:
        raise DataError("\n".join(faults))


def _sampled(n_rows: int) -> list[slice]:
    """Return blocks of rows spread over ``n_rows``."""
    n_blocks = min(N_SAMPLED_BLOCKS, max(1, n_rows // SAMPLED_ROWS))
    starts = np.linspace(0, max(0, n_rows - SAMPLED_ROWS), n_blocks).astype(int)
    return [slice(int(start), min(int(start) + SAMPLED_ROWS, n_rows)) for start in starts]


def channel_order_of(rows: MatRows) -> str | None:
    """Return the channel order in which CpG is the rare one of CpG and GpC; None where neither is rare."""
    first, second = _middle_pairs(rows)
    if first < CPG_RATIO * second:
        return "ACGT"
    return "AGCT" if second < CPG_RATIO * first else None


def _middle_pairs(rows: MatRows) -> tuple[int, int]:
    """Return how often channel 1 comes before channel 2, and 2 before 1, in a sample."""
    counts = np.zeros((2,), dtype=np.int64)
    for block in _sampled(rows.n_rows):
        channels = rows.codes(block)
        before, after = channels[:, :-1], channels[:, 1:]
        counts += [((before == 1) & (after == 2)).sum(), ((before == 2) & (after == 1)).sum()]
    return int(counts[0]), int(counts[1])


def _found_order(rows: MatRows) -> str:
    order = channel_order_of(rows)
    if order is None:
        first, second = _middle_pairs(rows)
        raise DataError(
            f"{rows.path}: the order of the channels is not to be told: neither of their middle ones is rare before "
            f"the other ({first:,} and {second:,} times). Give it with --channel-order AGCT (DeepSEA's) or ACGT."
        )
    return order


def _table_of(order: str) -> NDArray[np.uint8]:
    """Return the base code of each channel, and of none."""
    if sorted(order) != sorted(BASES):
        raise DataError(f"channel order {order!r}: the four bases are expected, as in AGCT.")
    return np.array([*(BASES.index(base) for base in order), UNKNOWN], dtype=np.uint8)


def is_doubled(rows: MatRows) -> bool:
    """Return whether the second half is the other strand of the first, with the same labels."""
    half = rows.n_rows // 2
    if rows.n_rows % 2 or half == 0:
        return False
    for block in _sampled(half):
        there = slice(block.start + half, block.stop + half)
        codes, other = rows.codes(block), rows.codes(there)
        # In both orders complements are mirror images: A and T, C and G.
        complement = np.where(codes < UNKNOWN, 3 - codes, codes)[:, ::-1]
        if not np.array_equal(complement, other) or not np.array_equal(
            rows.labels(block), rows.labels(there)
        ):
            return False
    return True


def _verify(path: Path, parts: list[_Part]) -> int:
    """Compare a sample of the store's rows with the sources; return how many."""
    n_verified, offset = 0, 0
    with SequenceStore.open(path) as store:
        for part in parts:
            for block in _sampled(part.n_used):
                rows = np.arange(block.start, block.stop)
                codes, labels = store.codes(rows + offset), store.labels(rows + offset)
                if not (
                    np.array_equal(codes, part.codes(block)) and np.array_equal(labels, part.labels(block))
                ):
                    raise DataError(
                        f"{path}: rows {block.start + offset} to {block.stop + offset - 1} are not those of "
                        f"{part.rows.path}: one of the files is damaged."
                    )
                n_verified += len(rows)
            offset += part.n_used
    return n_verified
