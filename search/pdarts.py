"""P-DARTS: three supernets, each with fewer ops on every edge, the weak ones dropped in between.

After each stage every edge keeps its most probable ops: 9, 6, 3 and at last 1 convolutional ones, 5, 3, 2 and 1
activations. Weights and alphas start anew. Dropout on skips falls within a stage, and the normal cell may have no
more than M = 2 skips. Published setting: 25 epochs a stage, 10 of them for the weights alone. The network does not
grow between stages, as the published one does not.

The preset ``reference`` lets the alphas learn from the validation split and ends at M = 0, where the code of that
time ended: it tried every limit and kept the last. That it stepped the schedule of the rates twice an epoch was a
fault, and is not offered.

References: Chen et al., Progressive DARTS (2019); Scheppach et al., section III and appendix A.
"""

from dataclasses import replace
from types import MappingProxyType

from genotools.search.darts import PAPER_WEIGHTS, QUICK_WEIGHTS
from genotools.search.one_shot_settings import OneShotSettings, SearchStage

__all__ = ["PRESETS"]

PAPER = OneShotSettings(
    stages=(
        SearchStage(epochs=25, weight_only_epochs=10, skip_dropout=0.1, conv_ops=6, recurrent_ops=3),
        SearchStage(epochs=25, weight_only_epochs=10, skip_dropout=0.2, conv_ops=3, recurrent_ops=2),
        SearchStage(epochs=25, weight_only_epochs=10, skip_dropout=0.3),
    ),
    weights=PAPER_WEIGHTS,
    alpha_lr=6e-4,
    alpha_betas=(0.5, 0.999),
    alpha_clip_norm=0.25,
    max_skips=2,
    perturbation_batches=16,
    perturbation_steps=200,
)

PRESETS = MappingProxyType(
    {
        "paper": PAPER,
        "reference": replace(PAPER, alpha_data="valid", max_skips=0),
        "quick": replace(
            PAPER,
            stages=tuple(replace(stage, epochs=4, weight_only_epochs=1) for stage in PAPER.stages),
            weights=QUICK_WEIGHTS,
            alpha_lr=0.05,
            alpha_weight_decay=0.0,
            perturbation_batches=2,
            perturbation_steps=1,
        ),
    }
)
