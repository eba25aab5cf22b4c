"""EDP-DARTS: P-DARTS that prunes edges as well as ops between stages; ``dep-darts`` is another name of it.

After the ops, every node of a convolutional cell keeps its 4, then 3 best in-edges, every recurrent state its 5, then
3; the derived cells have 2 and 1. An edge is as good as its most probable op, ``none`` apart, by the probabilities
before the ops were pruned. Weights and alphas start anew in every stage.

Reference: Scheppach et al., section III and appendix A.
"""

from dataclasses import replace
from types import MappingProxyType

from genotools.search import pdarts
from genotools.search.one_shot_settings import OneShotSettings

__all__ = ["PRESETS"]


def _with_edges(settings: OneShotSettings) -> OneShotSettings:
    caps = ((4, 5), (3, 3), (None, None))
    stages = tuple(
        replace(stage, conv_edges=conv, recurrent_edges=recurrent)
        for stage, (conv, recurrent) in zip(settings.stages, caps, strict=True)
    )
    return replace(settings, stages=stages)


PRESETS = MappingProxyType({name: _with_edges(settings) for name, settings in pdarts.PRESETS.items()})
