"""A sequence store that asks for the next base: windows of a genome, and what comes after each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data.build import BuildSummary, rows_by_split
from genotools.data.contig_names import ContigNames
from genotools.data.encoding import BASES, UNKNOWN
from genotools.data.grid import Windows, contig_faults
from genotools.data.provenance import provenance_of
from genotools.data.recipe import BinRecipe
from genotools.data.twobit import open_sequences
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import check_output
from genotools.genotype.task import TaskKind

__all__ = ["next_base"]


def next_base(
    fasta: Path | str,
    output: Path | str,
    *,
    window_bp: int = 1000,
    stride_bp: int = 100,
    valid_contigs: Sequence[str] = (),
    test_contigs: Sequence[str] = (),
    exclude_contigs: Sequence[str] = (),
    exact_contigs: bool = False,
    genome: str | None = None,
    force: bool = False,
) -> BuildSummary:
    """Cut a genome into windows labelled with the base that follows; the classes are A, C, G and T.

    Labels hold for the strand that is read: training takes windows as they are.

    Parameters
    ----------
    fasta
        The genome, plain or compressed.
    output
        The store to write.
    window_bp, stride_bp
        Length of a window, and from the start of one to that of the next. Windows lie wholly inside and have no
        unknown base, nor has what follows.
    valid_contigs, test_contigs, exclude_contigs
        Held-out and left-out contigs; all others are for training.
    exact_contigs
        Take contigs under the names of the FASTA only.
    genome
        Name of the assembly for the provenance; by default the FASTA's file name without suffixes.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If the FASTA is missing or faulty, a contig is unknown, or no window is left.
    """
    fasta = Path(fasta)
    check_output(output, force=force)
    if window_bp < 1 or stride_bp < 1:
        raise DataError(f"window_bp {window_bp} and stride_bp {stride_bp} must be 1 or more.")
    recipe = BinRecipe(
        bin_bp=window_bp,
        window_bp=window_bp,
        valid_contigs=tuple(valid_contigs),
        test_contigs=tuple(test_contigs),
        exclude_contigs=tuple(exclude_contigs),
    )
    with open_sequences(fasta) as reference:
        recipe = recipe if exact_contigs else recipe.renamed(ContigNames(reference.contigs))
        sequences = reference.genome()
    faults = contig_faults(sequences, recipe, set())
    if faults:
        raise DataError.from_faults("build", faults)
    used = {name: codes for name, codes in sequences.items() if name not in recipe.exclude_contigs}
    starts_of, n_unknown = _starts(used, window_bp, stride_bp)
    starts = np.concatenate(list(starts_of.values()))
    contigs = np.repeat(np.arange(len(used)), [len(found) for found in starts_of.values()])
    if not len(starts):
        raise DataError(f"{fasta}: no window of {window_bp + 1:,} known bases in it.")
    following = np.concatenate([used[name][found + window_bp] for name, found in starts_of.items()])
    splits = np.array([recipe.split_of(name) for name in used])[contigs]
    digest = write_store(
        output,
        codes=Windows(list(used.values()), contigs, starts, window_bp),
        labels=_OneHot(following),
        names=list(BASES),
        kind=TaskKind.MULTICLASS,
        one_strand=True,
        splits=splits,
        contig_names=list(used),
        contigs=contigs,
        starts=starts,
        provenance={
            **provenance_of({"fasta": [fasta]}, genome=genome or fasta.name.split(".")[0]),
            "next_base": {"window_bp": window_bp, "stride_bp": stride_bp},
        },
        force=force,
    )
    return BuildSummary(
        path=Path(output),
        digest=digest,
        n_rows=rows_by_split(splits),
        n_labels=len(BASES),
        dropped_bins={"unknown bases": n_unknown},
    )


def _starts(
    contigs: Mapping[str, NDArray[np.uint8]], window_bp: int, stride_bp: int
) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Return where windows begin on each contig, and how many were left out for unknown bases."""
    found, n_unknown = {}, 0
    for name, codes in contigs.items():
        starts = np.arange(0, max(0, len(codes) - window_bp), stride_bp)
        unknown_before = np.concatenate([[0], np.cumsum(codes >= UNKNOWN, dtype=np.int64)])
        is_known = unknown_before[starts + window_bp + 1] == unknown_before[starts]
        found[name] = starts[is_known]
        n_unknown += int((~is_known).sum())
    return found, n_unknown


class _OneHot:
    """Classes as one-hot rows, made when asked for."""

    def __init__(self, classes: NDArray[np.uint8]) -> None:
        self._classes = classes
        self.shape: tuple[int, ...] = (len(classes), len(BASES))

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        return np.eye(len(BASES), dtype=np.uint8)[self._classes[rows]]
