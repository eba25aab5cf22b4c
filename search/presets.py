"""How a search is run by default: the published numbers, or a laptop's."""

from dataclasses import dataclass, replace
from types import MappingProxyType

from genotools.errors import DataError
from genotools.training.settings import PRESETS, TrainingSettings

__all__ = ["SEARCH_PRESETS", "SearchPreset", "get_search_preset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPreset:
    """Number of trials, the training of each, and the name of the macro-architecture."""

    n_trials: int
    macro: str
    training: TrainingSettings


SEARCH_PRESETS = MappingProxyType(
    {
        "paper": SearchPreset(
            n_trials=20,
            macro="paper",
            training=replace(
                PRESETS["paper"],
                epochs=7,
                steps_per_epoch=2000,
                batch_size=64,
                patience=None,
                monitor="auprc",
            ),
        ),
        "quick": SearchPreset(
            n_trials=4,
            macro="small",
            training=replace(PRESETS["quick"], epochs=1, monitor="auprc"),
        ),
    }
)
"""``paper``: 20 genotypes of 7 epochs of 2000 steps of 64 (appendix A). ``quick``: minutes on a laptop."""


def get_search_preset(name: str) -> SearchPreset:
    """Return the preset of that name; raises DataError naming those there are."""
    if name not in SEARCH_PRESETS:
        raise DataError(f"no search preset {name!r}. Known: {', '.join(SEARCH_PRESETS)}.")
    return SEARCH_PRESETS[name]
