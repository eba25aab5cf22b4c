"""CWP-DARTS: P-DARTS whose stages go on with the weights, batch-norm statistics and alphas of what was kept.

They are carried by (edge, op). The optimisers and the cosine schedule start anew in every stage. Published setting:
25, 15 and 15 epochs, the first 10 of the first stage for the weights alone. The preset ``reference`` is the code of
that time: 15, 3 and 3 weight-only epochs, dropout 0.1 on skips in every stage, alphas on the validation split, M = 0.

Reference: Scheppach et al., section III and appendix A.
"""

from dataclasses import replace
from types import MappingProxyType

from genotools.search import pdarts
from genotools.search.one_shot_settings import OneShotSettings

__all__ = ["PRESETS"]

EPOCHS = (25, 15, 15)


def _with_epochs(
    settings: OneShotSettings, epochs: tuple[int, ...], weight_only: tuple[int, ...]
) -> OneShotSettings:
    stages = tuple(
        replace(stage, epochs=n, weight_only_epochs=only)
        for stage, n, only in zip(settings.stages, epochs, weight_only, strict=True)
    )
    return replace(settings, stages=stages, carry="weights")


_REFERENCE = _with_epochs(pdarts.PRESETS["reference"], EPOCHS, (15, 3, 3))

PRESETS = MappingProxyType(
    {
        "paper": _with_epochs(pdarts.PRESETS["paper"], EPOCHS, (10, 0, 0)),
        "reference": replace(
            _REFERENCE, stages=tuple(replace(stage, skip_dropout=0.1) for stage in _REFERENCE.stages)
        ),
        "quick": _with_epochs(pdarts.PRESETS["quick"], (4, 4, 4), (1, 0, 0)),
    }
)
