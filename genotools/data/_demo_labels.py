"""The labels of the embedded data set: which features become labels, and by which rule.

Points (starts and ends of genes, splice sites) mark the bin that holds them; CDS, promoters, intergenic
stretches, LTRs, transposons and telomeres need more than half of the bin; short features (introns, RNA genes,
origins, centromeres) 36 bp of it. A gene start is the first base of the start codon, a gene end the last base
of the stop codon, on the gene's own strand.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genotools.data.bed import Intervals
from genotools.data.bins import merge_intervals

__all__ = ["BIN_BP", "PROMOTER_BP", "DemoLabel", "candidate_labels"]

BIN_BP = 200
PROMOTER_BP = 400

_POINT_BP = 1  # the bin holds the base
_SHORT_BP = 36  # half a tRNA, so that every short feature marks at least one bin
_HALF_BP = BIN_BP // 2 + 1  # more than half of the bin
# What makes a stretch not intergenic. Origins and repeats lie anywhere and do not count.
_OCCUPYING = ("gene", "pseudogene", "tRNA", "rRNA", "rRNA_precursor", "ncRNA", "snoRNA", "snRNA",
              "LTR", "transposon", "telomere")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLabel:
    """What makes a bin positive: at least ``min_overlap_bp`` of its 200 bp lie in the union of ``intervals``.

    A bin is sampled for its labels with ``is_selecting``; the others describe the bins so found.
    """

    name: str
    group: str
    intervals: Intervals
    min_overlap_bp: int
    is_selecting: bool = True


def candidate_labels(features: Mapping[str, Intervals]) -> list[DemoLabel]:
    """Return every label that the features give; ``features`` as of :func:`genotools.data.demo.demo_features`."""
    labels = [label for strand in ("plus", "minus") for label in _stranded_labels(features, strand)]
    labels += [
        DemoLabel(name=name, group=group, intervals=_both(features, name), min_overlap_bp=overlap_bp)
        for name, group, overlap_bp in (
            ("tRNA", "RNA", _SHORT_BP),
            ("snoRNA", "RNA", _SHORT_BP),
            ("snRNA", "RNA", _SHORT_BP),
            ("ncRNA", "RNA", _SHORT_BP),
            ("rRNA", "RNA", _SHORT_BP),
            ("LTR", "mobile", _HALF_BP),
            ("transposon", "mobile", _HALF_BP),
        )
    ]
    labels += [
        DemoLabel(name=name, group="chromosome", intervals=features[name], min_overlap_bp=overlap_bp)
        for name, overlap_bp in (("ARS", _SHORT_BP), ("centromere", _SHORT_BP), ("telomere", _HALF_BP))
    ]
    return labels + _intergenic_labels(features)


def _stranded_labels(features: Mapping[str, Intervals], strand: str) -> list[DemoLabel]:
    genes, introns = features[f"gene_{strand}"], features[f"intron_{strand}"]
    first, last = (0, 1) if strand == "plus" else (1, 0)  # the column of spans where reading begins, ends
    ribosomal = _upstream(features[f"ribosomal_protein_gene_{strand}"], first)
    points = (
        ("gene_start", "gene", _points(genes, first)),
        ("gene_end", "gene", _points(genes, last)),
        ("splice_donor", "splicing", _points(introns, first)),
        ("splice_acceptor", "splicing", _points(introns, last)),
    )
    labels = [
        DemoLabel(name=f"{name}_{strand}", group=group, intervals=track, min_overlap_bp=_POINT_BP)
        for name, group, track in points
    ]
    labels += [
        DemoLabel(name=f"intron_{strand}", group="splicing", intervals=introns, min_overlap_bp=_SHORT_BP),
        DemoLabel(
            name=f"ribosomal_promoter_{strand}",
            group="promoter",
            intervals=ribosomal,
            min_overlap_bp=_HALF_BP,
        ),
    ]
    return labels + [
        DemoLabel(
            name=f"{kind}_{strand}",
            group="coding",
            intervals=features[f"{kind}_{strand}"],
            min_overlap_bp=_HALF_BP,
            is_selecting=False,
        )
        for kind in ("CDS", "membrane_protein_CDS")
    ]


def _intergenic_labels(features: Mapping[str, Intervals]) -> list[DemoLabel]:
    """Return labels of the stretches between features: all, and by the direction of the genes on both sides."""
    plus, minus = features["gene_plus"], features["gene_minus"]
    occupying = [
        features[name] for name in features if name.removesuffix("_plus").removesuffix("_minus") in _OCCUPYING
    ]
    gaps = {contig: _gaps(np.concatenate([track[contig] for track in occupying])) for contig in plus}

    def between(left: Intervals, right: Intervals) -> Intervals:
        return {
            contig: gap[np.isin(gap[:, 0], left[contig][:, 1]) & np.isin(gap[:, 1], right[contig][:, 0])]
            for contig, gap in gaps.items()
        }

    tracks = {
        "intergenic": gaps,
        "divergent": between(minus, plus),
        "convergent": between(plus, minus),
        "tandem_plus": between(plus, plus),
        "tandem_minus": between(minus, minus),
    }
    return [
        DemoLabel(name=name, group="intergenic", intervals=track, min_overlap_bp=_HALF_BP, is_selecting=False)
        for name, track in tracks.items()
    ]


def _both(features: Mapping[str, Intervals], name: str) -> Intervals:
    plus, minus = features[f"{name}_plus"], features[f"{name}_minus"]
    return {contig: np.concatenate([plus[contig], minus[contig]]) for contig in plus}


def _points(intervals: Intervals, column: int) -> Intervals:
    """Return the outermost base on one side of every interval."""
    return {
        contig: spans[:, column, None] + np.array([-column, 1 - column])
        for contig, spans in intervals.items()
    }


def _upstream(intervals: Intervals, column: int) -> Intervals:
    """Return the ``PROMOTER_BP`` before every interval, seen from the side where it begins."""
    before = np.array([0, PROMOTER_BP]) if column else np.array([-PROMOTER_BP, 0])
    return {contig: spans[:, column, None] + before for contig, spans in intervals.items()}


def _gaps(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what lies between the intervals."""
    merged = merge_intervals(spans)
    return np.stack([merged[:-1, 1], merged[1:, 0]], axis=1)
