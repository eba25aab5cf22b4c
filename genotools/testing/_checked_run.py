"""An engine driven round by round, every round checked as it is asked: what the contract of engines rests on."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.search.engine import ChoosingEngine, ContinuingEngine, Engine, Proposal, Round
from genotools.search.source import Source, SourceOptions
from genotools.search.trial import Status, Trial

__all__ = ["CheckedRun", "Make", "Score", "Transcript", "new_source", "require", "scores_of", "short"]

Make = Callable[[Source], Engine]
"""An engine's class, or a function that gives it settings; called once for every run."""

Score = Callable[[Genotype], float | tuple[float, ...]]
"""What a genotype is worth, higher is better; one number, or one for each objective."""

Transcript = list[list[dict[str, Any]]]
"""Of every round, what was asked for: each trial, then each path, as JSON values."""


class CheckedRun:
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
        after_round: Callable[["CheckedRun"], object] = lambda run: None,
    ) -> None:
        self.engine = make(new_source(space, seed=seed, options=options))
        self.evaluate: Callable[[int, Genotype], tuple[float, ...] | None] = lambda _, genotype: scores_of(
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
            self.asked.append(
                [
                    *(_described(proposal) for proposal in asked.proposals),
                    *({"digest": path.digest, "cells": _cells(path)} for path in asked.paths),
                ]
            )
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
        require(not changed, f"{where} holds what JSON turns into something else, in {changed}.")
        return text

    def _trial(self, index: int, proposal: Proposal) -> Trial:
        """Return what came of a proposal, after checking it."""
        number = len(self.trials) + index
        where = f"round {len(self.asked) + 1}, trial {number}, {short(proposal.genotype)}"
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
        require(not faults, f"{where}: not of space {self._space.name!r}: {' '.join(faults)}")
        require(
            genotype.space == self._space.name,
            f"{where}: its space is called {genotype.space!r}, it must be {self._space.name!r}.",
        )

    def _check_paths(self, asked: Round) -> None:
        for path in asked.paths:
            self._check_legal(path, f"round {len(self.asked) + 1}, a path, {short(path)}")

    def _check_continues(self, proposal: Proposal, where: str) -> None:
        """Check that what is continued is an earlier trial of the genotype whose network is still there."""
        number = proposal.continues
        if number is None:
            return
        require(0 <= number < len(self.trials), f"{where}: continues trial {number}, which is none.")
        before = self.trials[number]
        require(
            before.genotype.digest == proposal.genotype.digest,
            f"{where}: continues trial {number}, which is of {short(before.genotype)}.",
        )
        require(before.scores is not None, f"{where}: continues trial {number}, which failed.")
        require(
            number in self._continuable,
            f"{where}: continues trial {number}, which was not continuable() after the round before.",
        )

    def _check_fresh(self, proposal: Proposal, where: str) -> None:
        budget = proposal.budget_epochs
        require(budget is None or budget >= 1, f"{where}: a budget of {budget} epochs.")
        digest = proposal.genotype.digest
        if digest in self._budgets:
            before = self._budgets[digest]
            require(
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
            require(
                choice is None or (0 <= choice < len(self.trials) and self.trials[choice].scores is not None),
                f"after round {len(self.asked)}: it chooses trial {choice}, which did not finish.",
            )


def _cells(genotype: Genotype) -> list[list[list[Any]]]:
    """Return the cells as JSON values, in the numbering they have: weights depend on it."""
    normal, reduce = ([list(edge) for edge in cell.edges] for cell in (genotype.normal, genotype.reduce))
    return [normal, reduce, [list(state) for state in genotype.recurrent.states]]


def _described(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON values."""
    genotype = proposal.genotype
    described = {
        "digest": genotype.digest,
        "cells": _cells(genotype),
        "budget_epochs": proposal.budget_epochs,
        "continues": proposal.continues,
        "origin": dict(proposal.origin),
    }
    text = json.dumps(described, allow_nan=False)
    parsed: dict[str, Any] = json.loads(text)
    require(parsed == described, f"{short(genotype)}: its origin {proposal.origin!r} is not JSON values.")
    return parsed


def require(condition: bool, message: str) -> None:
    # Not assert: it would be gone under python -O.
    if not condition:
        raise AssertionError(message)


def new_source(space: SearchSpace, *, seed: int, options: SourceOptions | None = None) -> Source:
    return Source(space, rng=np.random.default_rng(seed), options=options)


def scores_of(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def short(genotype: Genotype) -> str:
    return f"genotype {genotype.digest[:12]}"
