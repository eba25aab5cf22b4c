"""DARTS: one supernet, alphas and weights in turn, the most probable ops at the end.

Published setting: 50 epochs, alphas by Adam at 3e-3, first order, no weight-only epochs, no limit on skips. The code
of that time trained the weights alone for 5 epochs and let the alphas learn from the validation split: the preset
``reference``. Its other departures were faults and are not offered: alphas moved by the optimiser of the weights too,
and a second order that overwrote the live alphas. Here ``order="second"`` is the one of the DARTS paper.

References: Liu et al., DARTS (2019); Scheppach et al., appendix A.
"""

from dataclasses import replace
from types import MappingProxyType

from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.training.settings import TrainingSettings

__all__ = ["PAPER_WEIGHTS", "PRESETS", "QUICK_WEIGHTS"]

PAPER_WEIGHTS = TrainingSettings(steps_per_epoch=2000, batch_size=64, drop_path=0.0)
"""Weights of all published one-shot searches: 2000 steps of 64, rates 0.025 and 8, dropout 0.1 and 0.05."""

QUICK_WEIGHTS = TrainingSettings(
    steps_per_epoch=24,
    batch_size=16,
    lr=0.2,
    drop_path=0.0,
    dropout_x=0.0,
    dropout_h=0.0,
    reverse_complement_rate=0.5,
)
"""A laptop's: as the training preset ``quick``, with few steps.

So few steps need larger steps of the alphas, and no weight decay on them: on the embedded yeast data the gradient of
an alpha is about 1e-3 in the convolutional cells and 1e-4 in the recurrent one, which the published decay of 1e-3
times the alpha outweighs long before the alphas have parted.
"""

PAPER = OneShotSettings(
    stages=(SearchStage(epochs=50),),
    weights=replace(PAPER_WEIGHTS, lr_min=1e-3),
    alpha_lr=3e-3,
    alpha_betas=(0.9, 0.999),
    perturbation_batches=16,
    perturbation_steps=200,
)

PRESETS = MappingProxyType(
    {
        "paper": PAPER,
        "reference": replace(
            PAPER, stages=(SearchStage(epochs=50, weight_only_epochs=5),), alpha_data="valid"
        ),
        "quick": replace(
            PAPER,
            stages=(SearchStage(epochs=8, weight_only_epochs=2),),
            weights=QUICK_WEIGHTS,
            alpha_lr=0.05,
            alpha_weight_decay=0.0,
            perturbation_batches=2,
            perturbation_steps=1,
        ),
    }
)
