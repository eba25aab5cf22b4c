"""The contract of sampling engines: what a search may rely on, whatever the engine.

:func:`check_engine` is for engines of your own as for those that ship; it raises AssertionError with what was broken
and where. Nothing here needs a test runner. An engine is run on a score that costs nothing, such as
:class:`~genotools.testing.landscape.Landscape`; :func:`transcript` gives all that it asked for, to be compared
between processes.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import ConvCellSpace, RecurrentCellSpace, SearchSpace, genome_nas
from genotools.search.engine import ChoosingEngine, ContinuingEngine, Engine, Proposal, Round
from genotools.search.registry import engine_class, engine_preset, make_engine
from genotools.search.source import Source, SourceOptions
from genotools.search.trial import Status, Trial

__all__ = ["Make", "Score", "check_engine", "transcript"]

Make = Callable[[Source], Engine]
"""An engine's class, or a function that gives it settings; called once for every run."""

Score = Callable[[Genotype], float | tuple[float, ...]]
"""What a genotype is worth, higher is better; one number, or one for each objective."""

N_WARM_STARTS = 3

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

    Examples
    --------
    >>> from genotools.genotype import GENOME_NAS
    >>> from genotools.search.random_search import RandomSearch
    >>> from genotools.testing.landscape import Landscape
    >>> check_engine(RandomSearch, Landscape(GENOME_NAS, seed=0), n_rounds=2)
    """
    space = space or genome_nas()
    check_registration(make, space)
    check_proposals(make, score, space, n_rounds)
    undisturbed = check_reproducible(make, score, space, n_rounds)
    check_state(make, score, space, undisturbed)
    check_failures(make, score, space, n_rounds)
    check_end(make, score)


def check_registration(make: Make, space: SearchSpace) -> None:
    """Check name and presets."""
    engine = make(_source(space, seed=0))
    name = engine.name
    try:
        registered = engine_class(name)
        presets = {preset: engine_preset(name, preset) for preset in ("paper", "quick")}
        for found in presets.values():
            make_engine(name, _source(space, seed=0), found.settings)
    except DataError as error:
        raise AssertionError(f"{type(engine).__name__}: {error}") from error
    _require(registered is type(engine), f"{name!r} is registered for another class.")
    for preset, found in presets.items():
        is_count = found.n_trials is None or found.n_trials >= 1
        _require(is_count, f"preset {preset!r} of {name!r}: n_trials is {found.n_trials}.")
    _require(
        engine.evaluation in ("own", "round", "search"),
        f"{name!r}: evaluation is {engine.evaluation!r}, it must be own, round or search.",
    )


def check_proposals(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> None:
    """Check that constraints are kept and warm starts come first; what every run checks is in :class:`_Run`."""
    drawn = np.random.default_rng(7)
    starts: list[Genotype] = []
    while len(starts) < N_WARM_STARTS:
        genotype = space.sample(rng=drawn)
        if _is_accepted(genotype) and genotype not in starts:
            starts.append(genotype)
    refused = next(one for one in iter(lambda: space.sample(rng=drawn), None) if not _is_accepted(one))
    options = SourceOptions(accepts=_is_accepted, initial=[refused, *starts])
    run = _Run(make, score, space, seed=0, options=options)
    run.rounds(n_rounds)
    for trial in run.trials:
        _require(
            _is_accepted(trial.genotype),
            f"trial {trial.number}, {_short(trial.genotype)}: the constraints refuse this genotype.",
        )
    first = [trial.genotype for trial in run.trials[:N_WARM_STARTS]]
    _require(
        first == starts,
        f"the first trials are {_shorts(first)}, they must be the warm starts {_shorts(starts)}.",
    )


def check_reproducible(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> "Transcript":
    """Check that the seed decides everything and that taking the state changes nothing; return what was asked."""
    first = _Run(make, score, space, seed=0)
    first.rounds(n_rounds)
    second = _Run(make, score, space, seed=0, after_round=lambda run: run.state())
    second.rounds(n_rounds)
    _require_equal(first.asked, second.asked, "two runs with the same seed")
    other = _Run(make, score, space, seed=1)
    other.rounds(1)
    _require(first.asked[0] != other.asked[0], "another seed asks for the same: it does not decide.")
    return first.asked


def check_state(make: Make, score: Score, space: SearchSpace, undisturbed: "Transcript") -> None:
    """Check that after every round a fresh engine takes over from the state of the one before it."""

    def relay(run: _Run) -> None:
        state: dict[str, Any] = json.loads(run.state())
        fresh = make(_source(space, seed=99))
        fresh.load_state_dict(state)
        run.engine = fresh
        _require(
            json.loads(run.state()) == state,
            f"after round {len(run.asked)}: the state of an engine that was given one is another one.",
        )

    run = _Run(make, score, space, seed=0, after_round=relay)
    run.rounds(len(undisturbed))
    _require_equal(undisturbed, run.asked, "a run, and one that went through its state after every round")


def check_failures(make: Make, score: Score, space: SearchSpace, n_rounds: int) -> None:
    """Check that an engine goes on where trials fail or nothing can be learned from them."""
    n_objectives = len(_scores(score(space.sample(rng=np.random.default_rng(0)))))

    def often(round_number: int, genotype: Genotype) -> tuple[float, ...] | None:
        is_failed = round_number == 0 or int(genotype.digest[:8], 16) % 3 == 0
        return None if is_failed else _scores(score(genotype))

    for course in (often, lambda *_: None, lambda *_: (0.0,) * n_objectives):
        run = _Run(make, score, space, seed=0)
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
    run = _Run(make, score, space, seed=0)
    run.rounds(MAX_ROUNDS)
    _require(
        len(run.asked) < MAX_ROUNDS,
        f"{MAX_ROUNDS} rounds in a space of 32 genotypes: it must end with a round without proposals.",
    )


Transcript = list[list[dict[str, Any]]]
"""Of every round, what was asked for each trial, as JSON values."""


def transcript(
    make: Make, score: Score, *, space: SearchSpace | None = None, seed: int = 0, n_rounds: int = 6
) -> Transcript:
    """Return all that an engine asks for, round by round, as JSON values.

    Equal in every process, on every machine: run it twice with different ``PYTHONHASHSEED`` and compare. Parameters
    are those of :func:`check_engine`.
    """
    run = _Run(make, score, space or genome_nas(), seed=seed)
    run.rounds(n_rounds)
    return run.asked


class _Run:
    """An engine driven round by round; every round is checked as it is asked.

    Attributes
    ----------
    engine
        The engine; it may be replaced between rounds.
    evaluate
        Gives the scores of a genotype in a round, None for a failure.
    trials
        All that it was told of.
    asked
        Transcript of the rounds.
    """

    def __init__(
        self,
        make: Make,
        score: Score,
        space: SearchSpace,
        *,
        seed: int,
        options: SourceOptions | None = None,
        after_round: Callable[["_Run"], object] = lambda run: None,
    ) -> None:
        self.engine = make(_source(space, seed=seed, options=options))
        self.evaluate: Callable[[int, Genotype], tuple[float, ...] | None] = lambda _, genotype: _scores(
            score(genotype)
        )
        self.trials: list[Trial] = []
        self.asked: Transcript = []
        self._space, self._after_round = space, after_round
        self._budgets: dict[str, int | None] = {}  # the largest so far, by digest
        self._continuable: set[int] = set()

    def rounds(self, n_rounds: int) -> None:
        """Run some rounds, or fewer where the engine ends."""
        for _ in range(n_rounds):
            asked = self.engine.ask()
            if not asked.proposals:
                return
            self._check_paths(asked)
            trials = [self._trial(index, proposal) for index, proposal in enumerate(asked.proposals)]
            self.asked.append([_described(proposal) for proposal in asked.proposals])
            self.trials += trials
            self.engine.tell(trials)
            self._after_round(self)
            self._check_told()

    def state(self) -> str:
        """Return the state of the engine as JSON."""
        where = f"after round {len(self.asked)}: the state of the engine"
        state = self.engine.state_dict()
        try:
            text = json.dumps(state, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{where} is not JSON values: {error}.") from error
        parsed: dict[str, Any] = json.loads(text)
        changed = [key for key in state if key not in parsed or parsed[key] != state[key]]
        _require(not changed, f"{where} holds what JSON turns into something else, in {changed}.")
        return text

    def _trial(self, index: int, proposal: Proposal) -> Trial:
        """Return what came of a proposal, after checking it."""
        number = len(self.trials) + index
        where = f"round {len(self.asked) + 1}, trial {number}, {_short(proposal.genotype)}"
        self._check_legal(proposal.genotype, where)
        self._check_continues(proposal, where)
        self._check_fresh(proposal, where)
        scores = self.evaluate(len(self.asked), proposal.genotype)
        return Trial(
            number=number,
            genotype=proposal.genotype,
            seed=number if proposal.continues is None else self.trials[proposal.continues].seed,
            status=Status.FAILED if scores is None else Status.FINISHED,
            scores=scores,
            metrics=None if scores is None else {"valid_auprc": scores[0]},
            seconds=1.0,
            error="Traceback: it is made to fail" if scores is None else None,
            budget_epochs=proposal.budget_epochs,
            continues=proposal.continues,
            origin=proposal.origin,
        )

    def _check_legal(self, genotype: Genotype, where: str) -> None:
        faults = self._space.faults(genotype)
        _require(not faults, f"{where}: not of space {self._space.name!r}: {' '.join(faults)}")
        _require(
            genotype.space == self._space.name,
            f"{where}: its space is called {genotype.space!r}, it must be {self._space.name!r}.",
        )

    def _check_paths(self, asked: Round) -> None:
        for path in asked.paths:
            self._check_legal(path, f"round {len(self.asked) + 1}, a path, {_short(path)}")

    def _check_continues(self, proposal: Proposal, where: str) -> None:
        """Check that what is continued is an earlier trial of the genotype whose network is still there."""
        number = proposal.continues
        if number is None:
            return
        _require(0 <= number < len(self.trials), f"{where}: continues trial {number}, which is none.")
        before = self.trials[number]
        _require(
            before.genotype.digest == proposal.genotype.digest,
            f"{where}: continues trial {number}, which is of {_short(before.genotype)}.",
        )
        _require(before.scores is not None, f"{where}: continues trial {number}, which failed.")
        _require(
            number in self._continuable,
            f"{where}: continues trial {number}, which was not continuable() after the round before.",
        )

    def _check_fresh(self, proposal: Proposal, where: str) -> None:
        budget = proposal.budget_epochs
        _require(budget is None or budget >= 1, f"{where}: a budget of {budget} epochs.")
        digest = proposal.genotype.digest
        if digest in self._budgets:
            before = self._budgets[digest]
            _require(
                budget is not None and before is not None and budget > before,
                f"{where}: proposed before with a budget of {before} epochs, now of {budget}.",
            )
        self._budgets[digest] = budget

    def _check_told(self) -> None:
        """Check what an engine says of earlier trials once it was told of a round."""
        if isinstance(self.engine, ContinuingEngine):
            self._continuable = self.engine.continuable()
        if isinstance(self.engine, ChoosingEngine):
            choice = self.engine.choice()
            _require(
                choice is None or (0 <= choice < len(self.trials) and self.trials[choice].scores is not None),
                f"after round {len(self.asked)}: it chooses trial {choice}, which did not finish.",
            )


def _described(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON values, numbering of the nodes included: weights depend on it."""

    def cell(one: ConvCell) -> list[list[Any]]:
        return [list(edge) for edge in one.edges]

    genotype = proposal.genotype
    described = {
        "digest": genotype.digest,
        "cells": [cell(genotype.normal), cell(genotype.reduce), [list(s) for s in genotype.recurrent.states]],
        "budget_epochs": proposal.budget_epochs,
        "continues": proposal.continues,
        "origin": dict(proposal.origin),
    }
    text = json.dumps(described, allow_nan=False)
    parsed: dict[str, Any] = json.loads(text)
    _require(parsed == described, f"{_short(genotype)}: its origin {proposal.origin!r} is not JSON values.")
    return parsed


def _require_equal(first: Transcript, second: Transcript, what: str) -> None:
    """Require two transcripts to be equal; name the first trial where they part."""
    for number, (one, other) in enumerate(zip(first, second, strict=False), start=1):
        for index, (left, right) in enumerate(zip(one, other, strict=False)):
            _require(left == right, f"{what}, round {number}, proposal {index}: {left} and {right}.")
        _require(len(one) == len(other), f"{what}, round {number}: {len(one)} and {len(other)} proposals.")
    _require(len(first) == len(second), f"{what}: {len(first)} and {len(second)} rounds.")


def _require(condition: bool, message: str) -> None:
    # Not assert: it would be gone under python -O.
    if not condition:
        raise AssertionError(message)


def _source(space: SearchSpace, *, seed: int, options: SourceOptions | None = None) -> Source:
    return Source(space, rng=np.random.default_rng(seed), options=options)


def _is_accepted(genotype: Genotype) -> bool:
    """Stand for a constraint that half of all genotypes keep to."""
    return int(genotype.digest[-1], 16) % 2 == 0


def _scores(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _short(genotype: Genotype) -> str:
    return f"genotype {genotype.digest[:12]}"


def _shorts(genotypes: Sequence[Genotype]) -> str:
    return ", ".join(genotype.digest[:12] for genotype in genotypes)
