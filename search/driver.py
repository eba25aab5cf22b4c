"""The loop of a search: an engine's rounds are run, written down, and told; a killed search goes on in its round."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genotools.errors import DataError
from genotools.genotype.space import SearchSpace
from genotools.search.budget import Budget, TrainsForEpochs
from genotools.search.engine import ContinuingEngine, Engine, Proposal, Round
from genotools.search.engine_state import EngineState, read_engine_state, write_engine_state
from genotools.search.evaluation import Evaluator, Job, Outcome, RoundEvaluator, RoundJob
from genotools.search.executors import Executor
from genotools.search.journal import Journal
from genotools.search.objectives import Objective
from genotools.search.trial import Trial
from genotools.search.trial_events import ended, event_of, read_trials

__all__ = ["Driver", "Limits"]

TRIAL, ROUND = 1, 2
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a search ends, whichever comes first; None sets no limit."""

    n_trials: int | None = None
    budget: Budget | None = None


class Driver:
    """A search between two rounds.

    Attributes
    ----------
    trials
        All ended trials by number.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        evaluator: Evaluator | RoundEvaluator,
        space: SearchSpace,
        *,
        objectives: Sequence[Objective],
        seed: int,
        executor: Executor,
        on_trial: Callable[[Trial], None],
    ) -> None:
        self._folder, self._engine, self._evaluator = folder, engine, evaluator
        self._objectives, self._seed = objectives, seed
        self._executor, self._on_trial = executor, on_trial
        self._journal = Journal(folder / "journal.jsonl")
        self._state_path = folder / "checkpoint" / "engine.json"
        self._started = time.monotonic()
        self.trials, self._elapsed = read_trials(self._journal, space)
        for trial in self.trials.values():
            if trial.scores is not None and len(trial.scores) != len(objectives):
                raise DataError(
                    f"{self._journal.path}: trial {trial.number} has {len(trial.scores)} scores, the search has "
                    f"{len(objectives)} objectives."
                )
        self._n_told, self._n_rounds = self._restore()
        self._spent: float | None = None

    def _restore(self) -> tuple[int, int]:
        """Give the engine its saved state; return how many trials and rounds it knows of."""
        if not self._state_path.exists():
            return 0, 0
        n_told, n_rounds = read_engine_state(self._state_path, self._load)
        missing = next((number for number in range(n_told) if number not in self.trials), None)
        if missing is not None:
            raise DataError(
                f"{self._journal.path}: trial {missing} is missing, the engine was told of {n_told}. "
                "The journal was cut or removed; start a new search."
            )
        return n_told, n_rounds

    def _load(self, path: Path, saved: EngineState) -> tuple[int, int]:
        """Give the engine the state that ``path`` holds."""
        try:
            self._engine.load_state_dict(saved.engine)
        except DataError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: not the state of this engine ({error!r:.200}). It was damaged or is of other settings."
            ) from error
        return saved.n_told, saved.n_rounds

    def run(self, limits: Limits) -> None:
        """Run rounds until a limit is reached or the engine has nothing left to ask."""
        with self._executor:
            while limits.n_trials is None or self._n_told < limits.n_trials:
                asked = self._engine.ask()
                if not asked.proposals or not self._run_round(asked, limits):
                    break

    def _run_round(self, asked: Round, limits: Limits) -> bool:
        """Run what is left of a round and tell the engine; False where a limit cut it short."""
        trials = [
            self._trial(self._n_told + index, proposal) for index, proposal in enumerate(asked.proposals)
        ]
        for trial in trials:
            self._check_recorded(trial)
        by_number = {trial.number: trial for trial in trials}
        for outcome in self._outcomes(asked, trials, limits):
            self._keep(by_number[outcome.number], outcome)
        if any(number not in self.trials for number in by_number):
            return False
        self._engine.tell([self.trials[number] for number in by_number])
        self._n_told, self._n_rounds = self._n_told + len(trials), self._n_rounds + 1
        state = EngineState(self._n_told, self._n_rounds, self._engine.state_dict())
        write_engine_state(self._state_path, state)
        self._delete_networks()
        return True

    def _trial(self, number: int, proposal: Proposal) -> Trial:
        """Return the trial of a proposal, about to run."""
        if proposal.continues is not None:
            if proposal.continues not in self.trials:
                raise DataError(
                    f"{self._state_path}: damaged: trial {number} would go on with {proposal.continues}, "
                    "which there is not; start a new search."
                )
            seed = self.trials[proposal.continues].seed
        else:
            seed = self._child_seed(TRIAL, number)
        return Trial(
            number=number,
            genotype=proposal.genotype,
            seed=seed,
            budget_epochs=proposal.budget_epochs,
            continues=proposal.continues,
            origin=proposal.origin,
        )

    def _child_seed(self, branch: int, number: int) -> int:
        return int(np.random.SeedSequence(self._seed, spawn_key=(branch, number)).generate_state(1)[0])

    def _check_recorded(self, trial: Trial) -> None:
        """Refuse a journal whose trial is another one than the engine asks for."""
        found = self.trials.get(trial.number)
        if found is not None and (found.genotype, found.budget_epochs, found.continues) != (
            trial.genotype,
            trial.budget_epochs,
            trial.continues,
        ):
            raise DataError(
                f"{self._journal.path}: trial {trial.number} is not what the engine asks from this state."
            )

    def _outcomes(self, asked: Round, trials: Sequence[Trial], limits: Limits) -> Iterator[Outcome]:
        jobs = self._jobs(trials, limits)
        if not isinstance(self._evaluator, RoundEvaluator):
            yield from self._executor.run(self._evaluator, jobs)
            return
        wanted = {job.number for job in jobs}
        if not wanted or any(t.number not in wanted and t.number not in self.trials for t in trials):
            return  # nothing to do, or a limit that the round as a whole does not keep to
        job = RoundJob(
            number=self._n_rounds,
            jobs=tuple(self._job(trial) for trial in trials),
            is_done=tuple(trial.number not in wanted for trial in trials),
            paths=asked.paths,
            seed=self._child_seed(ROUND, self._n_rounds),
            folder=self._folder / "checkpoint",
        )
        yield from self._evaluator.evaluate_round(job)

    def _jobs(self, trials: Sequence[Trial], limits: Limits) -> Iterator[Job]:
        """Yield what is to run of a round, as long as the limits allow; drawn from as workers become free."""
        for trial in trials:
            if limits.n_trials is not None and trial.number >= limits.n_trials:
                return
            if limits.budget is not None and not self._pays(trial, limits.budget):
                return
            if trial.number not in self.trials:
                self._on_trial(trial)
                yield self._job(trial)

    def _job(self, trial: Trial) -> Job:
        return Job(
            number=trial.number,
            genotype=trial.genotype,
            seed=trial.seed,
            budget_epochs=trial.budget_epochs,
            network_path=self._network_path(trial),
        )

    def _network_path(self, trial: Trial) -> Path:
        """Return where the training state of a trial lies; one that continues another has that one's."""
        while trial.continues is not None:
            trial = self.trials[trial.continues]
        return self._folder / "networks" / f"{trial.number}.safetensors"

    def _pays(self, trial: Trial, budget: Budget) -> bool:
        """Return whether what is left of the budget is enough for the trial, and take it off."""
        if budget.unit == "seconds":
            return trial.number in self.trials or self._elapsed_now() < budget.amount
        if self._spent is None:
            told = (self.trials[number] for number in range(self._n_told))
            self._spent = sum(self._training_of(one, budget) for one in told)
        self._spent += self._training_of(trial, budget)
        return self._spent <= budget.amount

    def _training_of(self, trial: Trial, budget: Budget) -> float:
        """Return the epochs or steps of a trial, without those of the one it continues."""
        if not isinstance(self._evaluator, TrainsForEpochs):
            raise DataError(f"budget {budget}: this evaluator does not say how much it trains; give a time.")
        costs = [self._evaluator.training_cost(self._job(trial))]
        if trial.continues is not None:
            costs.append(self._evaluator.training_cost(self._job(self.trials[trial.continues])))
        amounts = [cost.epochs if budget.unit == "epochs" else cost.steps for cost in costs]
        return amounts[0] - sum(amounts[1:])

    def _keep(self, trial: Trial, outcome: Outcome) -> None:
        """Write down what came of a trial."""
        trial = ended(trial, outcome, self._objectives)
        self._journal.append("ended", {**event_of(trial), "elapsed": round(self._elapsed_now(), 3)})
        self.trials[trial.number] = trial
        self._on_trial(trial)

    def _elapsed_now(self) -> float:
        """Return the wall time of the search so far, that of earlier sessions included."""
        return self._elapsed + time.monotonic() - self._started

    def _delete_networks(self) -> None:
        """Delete the training states that nothing will continue."""
        kept: set[str] = set()
        if isinstance(self._engine, ContinuingEngine):
            kept = {self._network_path(self.trials[number]).stem for number in self._engine.continuable()}
        for path in sorted((self._folder / "networks").glob("*.safetensors*")):
            if path.name.partition(".")[0] not in kept:  # repeats of a trial are NUMBER.REPEAT.safetensors
                path.unlink()
