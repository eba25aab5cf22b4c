"""Effects of variants: VCF and FASTA in, scores of a model out.

A model is anything that is a :class:`genotools.predictor.Predictor`; PyTorch is not needed.

>>> from genotools.variants import score
>>> table = score(model, "calls.vcf.gz", "genome.fa", features="ABF1,REB1")  # doctest: +SKIP
>>> table.scores["diff"].shape  # doctest: +SKIP
(12330, 2)
"""

from genotools.variants.background import Background, read_background, write_background
from genotools.variants.check import CheckedVariant, Checker, Kind, Status, kind_of
from genotools.variants.features import select_features
from genotools.variants.in_silico import SaturationMap, saturate, saturation, substitutions, write_saturation
from genotools.variants.run import score_to_file
from genotools.variants.scores import SCORES, Average, Score, compute_scores
from genotools.variants.scoring import ScoredVariants, score, score_variants
from genotools.variants.summary import Summary, Tally
from genotools.variants.vcf import Variant, count_variants, read_variants
from genotools.variants.windows import Genome, Windows, cut_windows, variant_index

__all__ = [
    "SCORES",
    "Average",
    "Background",
    "CheckedVariant",
    "Checker",
    "Genome",
    "Kind",
    "SaturationMap",
    "Score",
    "ScoredVariants",
    "Status",
    "Summary",
    "Tally",
    "Variant",
    "Windows",
    "compute_scores",
    "count_variants",
    "cut_windows",
    "kind_of",
    "read_background",
    "read_variants",
    "saturate",
    "saturation",
    "score",
    "score_to_file",
    "score_variants",
    "select_features",
    "substitutions",
    "variant_index",
    "write_background",
    "write_saturation",
]
