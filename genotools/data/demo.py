"""The embedded data set: the S. cerevisiae R64 genome, its annotated features, and a store made of them.

Everything here works without a network: the genome (12,071,326 bp, 16 nuclear chromosomes, ``chrI`` to
``chrXVI``, equal to sacCer3) and the features lie in ``genotools/data/embedded``, with source and licence
beside them. How the file is made is told in ``tools/build_demo_data.py``.

The store has 1000-bp windows around 200-bp bins. A bin is taken when it carries at least one
*selecting* label; a window of a held-out chromosome is dropped when more than a quarter of it lies in 32-mers
that occur on another chromosome, so that nothing is tested on copies of what was trained on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data._demo_labels import BIN_BP, PROMOTER_BP, DemoLabel, candidate_labels
from genotools.data.bed import Intervals
from genotools.data.bins import positive_bins
from genotools.data.build import Track, build_store
from genotools.data.encoding import decode
from genotools.data.recipe import BinRecipe
from genotools.data.store import SPLITS
from genotools.errors import DataError
from genotools.files import check_output, replacing

__all__ = [
    "TEST_CONTIGS",
    "VALID_CONTIGS",
    "DemoSummary",
    "Locus",
    "demo_features",
    "demo_gene",
    "demo_genome",
    "demo_loci",
    "write_demo_fasta",
    "write_demo_store",
]

TEST_CONTIGS = ("chrVIII", "chrIX", "chrXIII")
VALID_CONTIGS = ("chrX",)

Bins = dict[str, NDArray[np.int64]]
"""Numbers of 200-bp bins by contig."""

RECIPE = BinRecipe(bin_bp=BIN_BP, window_bp=1000, valid_contigs=VALID_CONTIGS, test_contigs=TEST_CONTIGS)
MAX_REPEAT_BP = RECIPE.window_bp // 4
MIN_POSITIVES = {"train": 80, "valid": 5, "test": 20}

_SHIFTS = np.array([0, 2, 4, 6], dtype=np.uint8)
_LOWEST = np.uint8(3)
_UNSTRANDED = ("ARS", "ETC_site", "centromere", "repeat", "telomere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locus:
    """A named stretch of the genome; 0-based, half-open; ``strand`` is 1, -1 or 0 (none)."""

    name: str
    contig: str
    start: int
    end: int
    strand: int
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What :func:`write_demo_store` wrote.

    ``windows`` counts by split, ``positives`` by label and split; ``dropped`` gives the reason for each label
    left out; ``n_repeat_bins`` counts the bins of held-out chromosomes left out as repeats.
    """

    path: Path
    digest: str
    names: tuple[str, ...]
    windows: dict[str, int]
    positives: dict[str, dict[str, int]]
    dropped: dict[str, str]
    n_repeat_bins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedded:
    """The arrays of the shipped file; one entry a feature."""

    lengths: dict[str, int]
    accessions: tuple[str, ...]
    kinds: tuple[str, ...]
    genome: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    contig: NDArray[np.uint8]
    spans: NDArray[np.int64]
    strand: NDArray[np.int8]
    names: NDArray[np.str_]


def _load() -> _Embedded:
    source = resources.files("genotools.data") / "embedded" / "scerevisiae_r64.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        about = json.loads(archive["about"].tobytes())
        return _Embedded(
            lengths=dict(zip(about["contigs"], about["lengths"], strict=True)),
            accessions=tuple(about["accessions"]),
            kinds=tuple(about["kinds"]),
            genome=archive["genome"],
            kind=archive["kind"],
            contig=archive["contig"],
            spans=np.stack([archive["start"], archive["end"]], axis=1).astype(np.int64),
            strand=archive["strand"],
            names=np.array(archive["name"].tobytes().decode().split("\n")),
        )


def demo_genome() -> dict[str, NDArray[np.uint8]]:
    """Return the base codes of the 16 chromosomes by name; no base is unknown."""
    embedded = _load()
    codes = (embedded.genome[:, None] >> _SHIFTS & _LOWEST).reshape(-1)
    edges = np.cumsum([0, *embedded.lengths.values()])
    return {
        contig: codes[first:last]
        for contig, first, last in zip(embedded.lengths, edges[:-1], edges[1:], strict=True)
    }


def demo_features() -> dict[str, dict[str, NDArray[np.int64]]]:
    """Return the features by name, then contig: intervals ``(n, 2)``, 0-based, half-open, by start.

    Features with a strand come as two: ``gene_plus`` and ``gene_minus``. A ``gene`` codes for a protein and
    reaches from start to stop codon, for the records annotate no untranslated regions; ``CDS`` are its exons.
    ``repeat`` holds every base inside a 32-mer that occurs on another chromosome, on either strand.
    """
    embedded = _load()
    strands = {"": 0, "_plus": 1, "_minus": -1}
    features: dict[str, dict[str, NDArray[np.int64]]] = {}
    for index, kind in enumerate(embedded.kinds):
        for suffix, strand in strands.items():
            if (kind in _UNSTRANDED) != (suffix == ""):
                continue
            chosen = (embedded.kind == index) & (embedded.strand == strand)
            features[kind + suffix] = {
                contig: embedded.spans[chosen & (embedded.contig == number)]
                for number, contig in enumerate(embedded.lengths)
            }
    return features


def demo_gene(name: str) -> Locus:
    """Return the protein-coding gene of that standard (``GAL1``) or, where it has none, systematic name.

    Raises
    ------
    DataError
        If there is no such gene.
    """
    return _locus(_load(), "gene", name)


def demo_loci() -> dict[str, Locus]:
    """Return well-known loci by name; all but the first lie on test chromosomes."""
    embedded = _load()
    gal10, gal1, suc2 = (_locus(embedded, "gene", name) for name in ("GAL10", "GAL1", "SUC2"))
    loci = [
        Locus(
            name="GAL1-GAL10",
            contig=gal1.contig,
            start=gal10.end,
            end=gal1.start,
            strand=0,
            description="divergent promoter of GAL1 and GAL10, with four Gal4 sites",
        ),
        Locus(
            name="SUC2-promoter",
            contig=suc2.contig,
            start=suc2.start - PROMOTER_BP,
            end=suc2.start,
            strand=suc2.strand,
            description=f"{PROMOTER_BP} bp upstream of the invertase gene SUC2",
        ),
        replace(
            _locus(embedded, "intron", "TUB1"),
            name="TUB1-intron",
            description="intron of the alpha-tubulin gene TUB1",
        ),
        replace(_locus(embedded, "tRNA", "tY(GUA)M1"), description="tyrosine tRNA gene"),
        replace(_locus(embedded, "centromere", "CEN9"), description="centromere of chromosome IX"),
    ]
    return {locus.name: locus for locus in loci}


def _locus(embedded: _Embedded, kind: str, name: str) -> Locus:
    found = np.flatnonzero((embedded.kind == embedded.kinds.index(kind)) & (embedded.names == name))
    if not found.size:
        raise DataError(
            f"the embedded genome has no {kind} {name!r}; names are SGD's, such as GAL1 or YAL064W."
        )
    row = found[0]
    return Locus(
        name=name,
        contig=list(embedded.lengths)[embedded.contig[row]],
        start=int(embedded.spans[row, 0]),
        end=int(embedded.spans[row, 1]),
        strand=int(embedded.strand[row]),
        description=f"{kind} {name}",
    )


def write_demo_fasta(path: Path | str, *, force: bool = False) -> Path:
    """Write the genome as FASTA, 60 bases a line, and return its path.

    Raises
    ------
    OutputExistsError
        If ``path`` exists and ``force`` is false.
    """
    path = check_output(path, force=force)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        for contig, codes in demo_genome().items():
            text = decode(codes)
            lines = [text[first : first + 60] for first in range(0, len(text), 60)]
            file.write("\n".join([f">{contig}", *lines, ""]))
    return path


def write_demo_store(output: Path | str, *, force: bool = False) -> DemoSummary:
    """Write the demo's sequence store and return what went into it.

    A label is left out when it has fewer than 80 positive bins for training, 5 for validation or 20 for
    testing once windows of repeats are dropped from the held-out chromosomes.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    """
    output = check_output(output, force=force)
    features, genome = demo_features(), demo_genome()
    labels = candidate_labels(features)
    usable, n_repeat_bins = _usable_bins(genome, features["repeat"])
    chosen, positives, dropped = _chosen_bins(labels, usable)
    kept = [label for label in labels if label.name in positives]
    built = build_store(
        output,
        contigs=genome,
        tracks=[
            Track(name=label.name, group=label.group, intervals=_as_intervals(positives[label.name]))
            for label in kept
        ],
        recipe=RECIPE,
        provenance=_provenance(kept, dropped),
        force=force,
    )
    return DemoSummary(
        path=built.path,
        digest=built.digest,
        names=tuple(label.name for label in kept),
        windows=_by_split(chosen),
        positives={name: _by_split(bins) for name, bins in positives.items()},
        dropped=dropped,
        n_repeat_bins=n_repeat_bins,
    )


def _usable_bins(
    genome: Mapping[str, NDArray[np.uint8]], repeats: Intervals
) -> tuple[dict[str, NDArray[np.bool_]], int]:
    """Return which bins may become windows, and how many held-out ones may not because they repeat."""
    usable, n_dropped = {}, 0
    for contig, codes in genome.items():
        is_repeated = np.zeros(codes.size, dtype=np.int64)
        for start, end in repeats[contig].tolist():
            is_repeated[start:end] = 1
        before = np.concatenate([[0], np.cumsum(is_repeated)])
        starts = np.arange(codes.size // RECIPE.bin_bp) * RECIPE.bin_bp - RECIPE.flank_bp
        ends = starts + RECIPE.window_bp
        inside = (starts >= 0) & (ends <= codes.size)
        repeated_bp = before[np.minimum(ends, codes.size)] - before[np.maximum(starts, 0)]
        is_copy = inside & (repeated_bp > MAX_REPEAT_BP) & (RECIPE.split_of(contig) > 0)
        n_dropped += int(is_copy.sum())
        usable[contig] = inside & ~is_copy
    return usable, n_dropped


def _chosen_bins(
    labels: Sequence[DemoLabel], usable: Mapping[str, NDArray[np.bool_]]
) -> tuple[Bins, dict[str, Bins], dict[str, str]]:
    """Return the bins to sample, the positive ones of each label kept, and why the others are dropped."""
    chosen: Bins = {contig: np.flatnonzero(is_usable) for contig, is_usable in usable.items()}
    positives: dict[str, Bins] = {}
    dropped: dict[str, str] = {}
    for is_selecting in (True, False):
        for label in [label for label in labels if label.is_selecting is is_selecting]:
            marked = {
                contig: np.intersect1d(
                    positive_bins(
                        label.intervals[contig],
                        bin_bp=RECIPE.bin_bp,
                        min_overlap=label.min_overlap_bp,
                        overlap_op="ge",
                    ),
                    bins,
                    assume_unique=True,
                )
                for contig, bins in chosen.items()
            }
            scarcity = _scarcity(_by_split(marked))
            if scarcity:
                dropped[label.name] = scarcity
            else:
                positives[label.name] = marked
        if is_selecting:
            chosen = {
                contig: np.unique(np.concatenate([marked[contig] for marked in positives.values()]))
                for contig in chosen
            }
    return chosen, positives, dropped


def _scarcity(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{counts[split]} positive {split} windows of {needed} needed"
        for split, needed in MIN_POSITIVES.items()
        if counts[split] < needed
    )


def _by_split(bins: Bins) -> dict[str, int]:
    counts = dict.fromkeys(SPLITS, 0)
    for contig, found in bins.items():
        counts[SPLITS[RECIPE.split_of(contig)]] += found.size
    return counts


def _as_intervals(bins: Bins) -> Intervals:
    """Return whole bins as intervals, so that any overlap rule finds exactly them again."""
    return {
        contig: found[:, None] * RECIPE.bin_bp + np.array([0, RECIPE.bin_bp])
        for contig, found in bins.items()
    }


def _provenance(kept: Sequence[DemoLabel], dropped: Mapping[str, str]) -> dict[str, object]:
    embedded = _load()
    return {
        "source": "S. cerevisiae S288C, R64 (sacCer3), GenBank records as distributed by SGD",
        "accessions": dict(zip(embedded.lengths, embedded.accessions, strict=True)),
        "labels": {
            label.name: {"min_overlap_bp": label.min_overlap_bp, "selects_bins": label.is_selecting}
            for label in kept
        },
        "dropped_labels": dict(dropped),
        "max_repeat_bp_of_held_out_windows": MAX_REPEAT_BP,
    }
