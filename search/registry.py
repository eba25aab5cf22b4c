"""The engines by name. Adding one means one file and one line here."""

import difflib
from collections.abc import Callable

import numpy as np

from genotools.errors import DataError
from genotools.genotype.space import SearchSpace
from genotools.search.engine import Engine
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.random_search import RandomSearch

__all__ = ["ENGINES", "make_engine"]

ENGINES: dict[str, Callable[..., Engine]] = {
    "random": RandomSearch,
}


def make_engine(name: str, space: SearchSpace, *, rng: np.random.Generator) -> Engine:
    """Return the engine called ``name`` on ``space``; raises DataError naming the known ones."""
    if name not in ENGINES:
        known = [*ENGINES, *ONE_SHOT_ENGINES]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown engine {name[:60]!r}. Known: {', '.join(known)}.{hint}")
    return ENGINES[name](space, rng=rng)
