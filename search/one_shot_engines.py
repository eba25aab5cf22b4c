"""The one-shot engines by name. Adding one means one file of settings and one line here; PyTorch is not needed."""

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType

from genotools.errors import DataError
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_settings import OspSettings

__all__ = ["ALIASES", "ONE_SHOT_ENGINES", "engine_name", "get_one_shot_settings"]

ONE_SHOT_ENGINES = MappingProxyType(
    {
        "darts": "darts",
        "pdarts": "pdarts",
        "cwp-darts": "cwp_darts",
        "edp-darts": "edp_darts",
        "osp-nas": "osp_settings",
    }
)
"""Module of every engine's presets."""

ALIASES = MappingProxyType({"dep-darts": "edp-darts", "p-darts": "pdarts"})


def engine_name(text: str) -> str:
    """Return the name of the engine that ``text`` names; other names come back as they are."""
    return ALIASES.get(text, text)


def get_one_shot_settings(engine: str, preset: str) -> OneShotSettings | OspSettings:
    """Return a preset of an engine.

    Raises
    ------
    DataError
        If there is no such engine or preset; names those there are.
    """
    name = engine_name(engine)
    if name not in ONE_SHOT_ENGINES:
        near = difflib.get_close_matches(name, ONE_SHOT_ENGINES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown engine {engine[:60]!r}. Known: {', '.join(ONE_SHOT_ENGINES)}.{hint}")
    module = importlib.import_module(f"genotools.search.{ONE_SHOT_ENGINES[name]}")
    presets: Mapping[str, OneShotSettings | OspSettings] = module.PRESETS
    if preset not in presets:
        raise DataError(f"{name} has no preset {preset[:60]!r}. Known: {', '.join(presets)}.")
    return presets[preset]
