"""The contract of sampling engines: what a search may rely on, whatever the engine.

:func:`check_engine` is for engines of your own as for those that ship; it raises AssertionError with what was broken
and where. Nothing here needs a test runner. An engine is run on a score that costs nothing, such as
:class:`~genotools.testing.landscape.Landscape`; :func:`transcript` gives all that it asked for, to be compared
between processes.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import ConvCellSpace, RecurrentCellSpace, SearchSpace
from genotools.search.registry import engine_class, engine_preset, make_engine
from genotools.search.source import SourceOptions
from genotools.testing._checked_run import (
    CheckedRun,
    Make,
    Score,
    Transcript,
    new_source,
    require,
    scores_of,
    short,
)

__all__ = ["Make", "Score", "check_engine", "transcript"]

N_WARM_STARTS = 3
N_DRAWS = 100
"""Genotypes drawn to find warm starts that are accepted and one that is refused."""

MAX_ROUNDS = 300
"""Rounds after which an engine on a space of 32 genotypes must have ended."""


def check_engine(make: Make, score: Score, *, space: SearchSpace | None = None, n_rounds: int = 6) -> None:
    """Check that an engine keeps to the contract, or raise AssertionError with what it broke.

    - Its name is registered for it, and it can be made from its presets ``paper`` and ``quick``.
    - It proposes genotypes of the space that the constraints accept, warm starts first, none twice but to go on with
      a trial or to spend a larger budget on it.
    - Its seed decides everything, and asking for its state changes nothing.
    - Its state is JSON, and a fresh engine continues from it as the engine itself would.
    - It survives failed trials, a first round of nothing else, and scores that are all equal.
    - It ends with an empty round where a space is exhausted.

    Parameters
    ----------
    make
        Makes the engine on a source; settings should be small, so that rounds are learned from.
    score
        Evaluates a genotype.
    space
        Where genotypes come from; the published space by default.
    n_rounds
        Rounds of every run. Enough that the engine gets to all it does.

    Raises
    ------
    AssertionError
        Saying which of these does not hold, in which round, for which genotype.
    DataError
        If the space is too small for warm starts and a constraint.

    Examples
    --------
    >>> from genotools.genotype import GENOME_NAS
    >>> from genotools.search.random_search import RandomSearch
    >>> from genotools.testing.landscape import Landscape
    >>> check_engine(RandomSearch, Landscape(GENOME_NAS, seed=0), n_rounds=2)
    """
    space = space or GENOME_NAS
    check_registration(make, space)
    check_proposals(make, score, space, n_rounds)
    undisturbed = check_reproducible(make, score, space, n_rounds)
    check_state(make, score, space, undisturbed)
    check_failures(make, score, space, n_rounds)
    check_end(make, score)


def check_registration(make: Make, space: SearchSpace) -> None:
    """Check name and presets."""
    engine = make(new_source(space, seed=0))
    name = engine.name
    try:
        registered = engine_class(name)
        presets = {preset: engine_preset(name, preset) for preset in ("paper", "quick")}
        for found in presets.values():
            make_engine(name, new_source(space, seed=0), found.settings)
    except DataError as error:
        raise AssertionError(f"{type(engine).__name__}: {error}") from error
    require(registered is type(engine), f"{name!r} is registered for another class.")
    for preset, found in presets.items():
        is_count = found.n_trials is None or found.n_trials >= 1
        require(is_count, f"preset {preset!r} of {name!r}: n_trials is {found.n_trials}.")
    require(
        engine.evaluation in ("own", "round", "search"),
        f"{name!r}: evaluation is {engine.evaluation!r}, it must be own, round or search.",
    )


def check_proposals(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> None:
    """Check that constraints are kept and warm starts come first; all else every run checks."""
    rng = np.random.default_rng(7)
    drawn = list(dict.fromkeys(space.sample(rng=rng) for _ in range(N_DRAWS)))
    starts = [genotype for genotype in drawn if _is_accepted(genotype)][:N_WARM_STARTS]
    refused = [genotype for genotype in drawn if not _is_accepted(genotype)][:1]
    if len(starts) < N_WARM_STARTS or not refused:
        raise DataError(f"space {space.name!r} is too small to check an engine on; take a larger one.")
    options = SourceOptions(accepts=_is_accepted, initial=[*refused, *starts])
    run = CheckedRun(make, score, space, seed=0, options=options)
    run.rounds(n_rounds)
    for trial in run.trials:
        require(
            _is_accepted(trial.genotype),
            f"trial {trial.number}, {short(trial.genotype)}: the constraints refuse this genotype.",
        )
    first = [trial.genotype for trial in run.trials[:N_WARM_STARTS]]
    require(
        first == starts,
        f"the first trials are {_shorts(first)}, they must be the warm starts {_shorts(starts)}.",
    )


def check_reproducible(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> Transcript:
    """Check that the seed decides everything and that taking the state changes nothing; return what was asked."""
    first = CheckedRun(make, score, space, seed=0)
    first.rounds(n_rounds)
    second = CheckedRun(make, score, space, seed=0, after_round=lambda run: run.state())
    second.rounds(n_rounds)
    _require_equal(first.asked, second.asked, "two runs with the same seed")
    other = CheckedRun(make, score, space, seed=1)
    other.rounds(1)
    require(first.asked[0] != other.asked[0], "another seed asks for the same: it does not decide.")
    return first.asked


def check_state(make: Make, score: Score, space: SearchSpace, undisturbed: Transcript) -> None:
    """Check that after every round a fresh engine takes over from the state of the one before it."""

    def relay(run: CheckedRun) -> None:
        state: dict[str, Any] = json.loads(run.state())
        fresh = make(new_source(space, seed=99))
        fresh.load_state_dict(state)
        run.engine = fresh
        require(
            json.loads(run.state()) == state,
            f"after round {len(run.asked)}: the state of an engine that was given one is another one.",
        )

    run = CheckedRun(make, score, space, seed=0, after_round=relay)
    run.rounds(len(undisturbed))
    _require_equal(undisturbed, run.asked, "a run, and one that went through its state after every round")


def check_failures(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> None:
    """Check that an engine goes on where trials fail or nothing can be learned from them."""
    n_objectives = len(scores_of(score(space.sample(rng=np.random.default_rng(0)))))

    def often(round_number: int, genotype: Genotype) -> tuple[float, ...] | None:
        is_failed = round_number == 0 or int(genotype.digest[:8], 16) % 3 == 0
        return None if is_failed else scores_of(score(genotype))

    for course in (often, lambda *_: None, lambda *_: (0.0,) * n_objectives):
        run = CheckedRun(make, score, space, seed=0)
        run.evaluate = course
        run.rounds(n_rounds)


def check_end(make: Make, score: Score) -> None:
    """Check that an engine ends where there is nothing new."""
    ops = ("max_pool_5", "dil_conv_9")
    cells = ConvCellSpace(1, 1, ops)
    space = SearchSpace(
        name="32-genotypes",
        normal=cells,
        reduce=cells,
        recurrent=RecurrentCellSpace(1, ("tanh", "relu")),
    )
    run = CheckedRun(make, score, space, seed=0)
    run.rounds(MAX_ROUNDS)
    require(
        len(run.asked) < MAX_ROUNDS,
        f"{MAX_ROUNDS} rounds in a space of 32 genotypes: it must end with a round without proposals.",
    )


def transcript(
    make: Make, score: Score, *, space: SearchSpace | None = None, seed: int = 0, n_rounds: int = 6
) -> Transcript:
    """Return all that an engine asks for, round by round, as JSON values.

    Equal in every process, on every machine: run it twice with different ``PYTHONHASHSEED`` and compare. Parameters
    are those of :func:`check_engine`.
    """
    run = CheckedRun(make, score, space or GENOME_NAS, seed=seed)
    run.rounds(n_rounds)
    return run.asked


def _require_equal(first: Transcript, second: Transcript, what: str) -> None:
    """Require two transcripts to be equal; name the first trial where they part."""
    for number, (one, other) in enumerate(zip(first, second, strict=False), start=1):
        for index, (left, right) in enumerate(zip(one, other, strict=False)):
            require(left == right, f"{what}, round {number}, proposal {index}: {left} and {right}.")
        require(len(one) == len(other), f"{what}, round {number}: {len(one)} and {len(other)} proposals.")
    require(len(first) == len(second), f"{what}: {len(first)} and {len(second)} rounds.")


def _is_accepted(genotype: Genotype) -> bool:
    """Stand for a constraint that half of all genotypes keep to."""
    return int(genotype.digest[-1], 16) % 2 == 0


def _shorts(genotypes: Sequence[Genotype]) -> str:
    return ", ".join(genotype.digest[:12] for genotype in genotypes)
