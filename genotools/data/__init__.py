"""Genome sequences and labels as arrays: encoding, the sequence store, FASTA and BED, building and loading.

Everything that is read (FASTA, BED, DeepSEA's MATLAB files) goes once into a :class:`SequenceStore`; from there only
``uint8`` base codes and bit-packed labels travel. Nothing in this room imports PyTorch.
"""

from genotools.data.bed import Intervals, Regions, read_bed
from genotools.data.build import BuildSummary, Track, build_store
from genotools.data.encoding import BASES, UNKNOWN, decode, encode, one_hot, reverse_complement
from genotools.data.export import export_store
from genotools.data.fasta import Fasta
from genotools.data.from_bed import from_bed
from genotools.data.from_deepsea import DeepSeaSummary, from_deepsea
from genotools.data.loader import Batch, batches
from genotools.data.merge import merge_stores, split_store
from genotools.data.recipe import BinRecipe
from genotools.data.stats import SplitStats, StoreStats, store_stats
from genotools.data.store import SPLITS, Coordinates, SequenceStore
from genotools.data.write import RowSource, write_store

__all__ = [
    "BASES",
    "SPLITS",
    "UNKNOWN",
    "Batch",
    "BinRecipe",
    "BuildSummary",
    "Coordinates",
    "DeepSeaSummary",
    "Fasta",
    "Intervals",
    "Regions",
    "RowSource",
    "SequenceStore",
    "SplitStats",
    "StoreStats",
    "Track",
    "batches",
    "build_store",
    "decode",
    "encode",
    "export_store",
    "from_bed",
    "from_deepsea",
    "merge_stores",
    "one_hot",
    "read_bed",
    "reverse_complement",
    "split_store",
    "store_stats",
    "write_store",
]
