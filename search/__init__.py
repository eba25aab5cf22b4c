"""Floor 4: search engines, trials and the run folder. Engines take a space and return genotypes."""

if __name__ != "genotools.search":
    raise ImportError("This folder is installed as genotools.search. Import it under that name.")

from genotools.search.budget import Budget
from genotools.search.engine import Engine, EnginePreset, Proposal, Round
from genotools.search.evaluation import Evaluator, Job, Outcome, RoundEvaluator, RoundJob
from genotools.search.objectives import Constraint, Objective
from genotools.search.registry import ENGINES, make_engine, register_engine
from genotools.search.run import SearchResult, search
from genotools.search.source import Source, SourceOptions, SpaceExhaustedError
from genotools.search.trial import Status, Trial

__all__ = [
    "ENGINES",
    "Budget",
    "Constraint",
    "Engine",
    "EnginePreset",
    "Evaluator",
    "Job",
    "Objective",
    "Outcome",
    "Proposal",
    "Round",
    "RoundEvaluator",
    "RoundJob",
    "SearchResult",
    "Source",
    "SourceOptions",
    "SpaceExhaustedError",
    "Status",
    "Trial",
    "make_engine",
    "register_engine",
    "search",
]
