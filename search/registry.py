"""The sampling engines by name. Adding one means one file and one line here."""

import difflib
import importlib
import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast, get_args

from genotools.errors import DataError
from genotools.search.engine import Engine, EnginePreset
from genotools.search.one_shot_engines import ALIASES, ONE_SHOT_ENGINES
from genotools.search.source import Source

__all__ = ["ENGINES", "engine_class", "engine_preset", "make_engine", "register_engine"]

ENGINES: dict[str, str | type[Engine]] = {
    "random": "genotools.search.random_search:RandomSearch",
    "successive-halving": "genotools.search.successive_halving:SuccessiveHalving",
    "hyperband": "genotools.search.hyperband:Hyperband",
    "evolution": "genotools.search.evolution:Evolution",
    "pareto": "genotools.search.pareto:Pareto",
    "local-search": "genotools.search.local_search:LocalSearch",
    "bonas": "genotools.search.bonas:Bonas",
    "enas": "genotools.search.enas:Enas",
    "rl": "genotools.search.rl:ControllerSearch",
}
"""Where each class is; it is imported when it is asked for, since some need PyTorch."""


def register_engine(name: str, engine: type[Engine]) -> None:
    """Make an engine of your own known by ``name``.

    Raises
    ------
    DataError
        If the name is taken.
    """
    if name in ENGINES or name in ONE_SHOT_ENGINES or name in ALIASES:
        raise DataError(f"an engine {name!r} is registered already; choose another name.")
    ENGINES[name] = engine


def engine_class(name: str) -> type[Engine]:
    """Return the class of the engine called ``name``, or of ``MODULE:CLASS``.

    Raises
    ------
    DataError
        If there is none; names the known ones.
    """
    if name not in ENGINES and ":" in name:
        return _own_class(name)
    if name not in ENGINES:
        known = [*ENGINES, *ONE_SHOT_ENGINES]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown engine {name[:60]!r}. Known: {', '.join(known)}.{hint}")
    found = ENGINES[name]
    return _imported(found) if isinstance(found, str) else found


def _imported(path: str) -> type[Engine]:
    module, _, attribute = path.partition(":")
    return cast(type[Engine], getattr(importlib.import_module(module), attribute))


def _own_class(path: str) -> type[Engine]:
    """Return an engine of the user's own."""
    if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", path):  # a path, or a module relative to nothing
        raise DataError(
            f"engine {path[:80]!r}: MODULE:CLASS was expected, the module as it is imported, e.g. my.engines:Mine."
        )
    try:
        found = _imported(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"engine {path[:80]!r} cannot be imported: {error}.") from error
    missing = [part for part in ("name", "presets", "evaluation", "ask", "tell") if not hasattr(found, part)]
    if missing:
        raise DataError(f"engine {path[:80]!r} has no {', '.join(missing)}; see docs/engines.md.")
    return found


def engine_preset(name: str, preset: str) -> EnginePreset:
    """Return a preset of an engine; raises DataError naming those there are."""
    presets = engine_class(name).presets
    if preset not in presets:
        raise DataError(f"engine {name!r} has no preset {preset[:60]!r}. Known: {', '.join(presets)}.")
    return presets[preset]


def make_engine(name: str, source: Source, settings: Mapping[str, Any] = MappingProxyType({})) -> Engine:
    """Return the engine called ``name`` on ``source``.

    Raises
    ------
    DataError
        If there is no such engine, it has no such setting, or a value is out of range or of another type.
    """
    engine = engine_class(name)
    known = {
        parameter.name: parameter
        for parameter in inspect.signature(engine).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    faults = []
    for key, value in settings.items():
        if key not in known:
            faults.append(f"no setting {key!r}. Known: {', '.join(known) or 'none'}.")
        elif not _fits(value, known[key]):
            faults.append(f"{key} is {value!r}, a value such as {known[key].default!r} was expected.")
    if faults:
        raise DataError.from_faults(f"settings of engine {name!r}", faults)
    return engine(source, **settings)  # type: ignore[call-arg]


def _fits(value: object, parameter: inspect.Parameter) -> bool:
    """Return whether a value is of the type of a parameter's default; whole numbers are numbers."""
    default = parameter.default
    if value is None:
        return default is None or type(None) in get_args(parameter.annotation)
    if default is None:
        return isinstance(
            value, tuple(kind for kind in get_args(parameter.annotation) if kind is not type(None))
        )
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))
