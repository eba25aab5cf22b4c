"""Floor 4: search engines, trials and the run folder. Engines take a space and return genotypes."""

if __name__ != "genotools.search":
    raise ImportError("This folder is installed as genotools.search. Import it under that name.")

from genotools.search.engine import Engine, SpaceExhaustedError
from genotools.search.registry import ENGINES, make_engine
from genotools.search.run import Evaluator, SearchResult, search
from genotools.search.trial import Status, Trial

__all__ = [
    "ENGINES",
    "Engine",
    "Evaluator",
    "SearchResult",
    "SpaceExhaustedError",
    "Status",
    "Trial",
    "make_engine",
    "search",
]
