"""How a search is run by default: the published numbers, or a laptop's."""

from dataclasses import dataclass, replace
from types import MappingProxyType

from genotools.training.settings import PRESETS, TrainingSettings

__all__ = ["SEARCH_PRESETS", "SearchPreset", "get_search_preset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPreset:
    """The training of a trial, and the name of the macro-architecture; engines have presets of their own."""

    macro: str
    training: TrainingSettings


SEARCH_PRESETS = MappingProxyType(
    {
        "paper": SearchPreset(
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
        "quick": SearchPreset(macro="small", training=replace(PRESETS["quick"], epochs=1, monitor="auprc")),
    }
)
"""``paper``: 7 epochs of 2000 steps of 64 (appendix A). ``quick``: minutes on a laptop."""


def get_search_preset(name: str) -> SearchPreset:
    """Return the preset of that name; an engine's other presets are variants of ``paper``."""
    return SEARCH_PRESETS.get(name, SEARCH_PRESETS["paper"])
