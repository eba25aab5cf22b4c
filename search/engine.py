"""What a sampling engine is: it proposes genotypes in rounds and is told how they did.

An engine never sees data, networks or workers. It asks for a round of trials, is told all of them, in the order it
asked, and only then asks again: so what it does depends on its seed and on scores, never on how many trials run at
once or which ends first. Its state is JSON, taken between two rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.search.trial import Trial

__all__ = [
    "ChoosingEngine",
    "ContinuingEngine",
    "Engine",
    "EnginePreset",
    "Evaluation",
    "Proposal",
    "Round",
    "check_settings",
]

Evaluation = Literal["own", "round", "search"]
"""Whose weights score a trial: its own, or those of a supernet of its round, or of the whole search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A trial that an engine asks for.

    Parameters
    ----------
    genotype
        What is to be evaluated.
    budget_epochs
        Epochs of training that it shall have had in all; None leaves it to the evaluator.
    continues
        Number of the trial whose network is trained on, weights and optimiser; None starts anew.
    origin
        How the engine came to it, as JSON values, for journal and report: a parent's digest, a rung.
    """

    genotype: Genotype
    budget_epochs: int | None = None
    continues: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What an engine asks at once; without proposals, it has nothing left to ask and the search ends.

    ``paths`` are single paths through shared weights, each to be trained on for one step before the proposals are
    scored; they mean nothing where every trial trains weights of its own.
    """

    proposals: tuple[Proposal, ...] = ()
    paths: tuple[Genotype, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePreset:
    """How an engine is run by default.

    Parameters
    ----------
    settings
        Keyword arguments of the engine.
    n_trials
        Trials after which a search ends; None where the engine ends by itself.
    training
        Training settings that differ from those of the search preset.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    n_trials: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """A sampling engine, constructed as ``Engine(source, **settings)``.

    Everything random comes from the generator of its :class:`~genotools.search.source.Source`, whose state is part
    of ``state_dict``. No digest is proposed twice, but to go on with a trial or to spend a larger budget on it.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, EnginePreset]]
    evaluation: ClassVar[Evaluation]

    def ask(self) -> Round:
        """Return the next round."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of the round, in the order of its proposals; scores are to be maximised.

        A failed trial has no scores.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all state between two rounds as JSON values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that :meth:`state_dict` gave."""
        ...


@runtime_checkable
class ContinuingEngine(Protocol):
    """An engine that goes on with earlier trials."""

    def continuable(self) -> set[int]:
        """Return the numbers of the trials that may still be continued; networks of others are deleted."""
        ...


@runtime_checkable
class ChoosingEngine(Protocol):
    """An engine whose answer is not simply its best trial, since scores of different rounds cannot be compared."""

    def choice(self) -> int | None:
        """Return the number of the trial that is its answer; None leaves it to the scores."""
        ...


def check_settings(engine: str, **ranges: tuple[float, float | None, float | None]) -> None:
    """Check settings of an engine, each given as ``name=(value, lowest, highest)``; None leaves an end open.

    Raises
    ------
    DataError
        Listing every value that is out of range.
    """
    faults = []
    for name, (value, lowest, highest) in ranges.items():
        if lowest is not None and not value >= lowest:
            faults.append(f"{name} is {value!r}, it must be at least {lowest}.")
        elif highest is not None and not value <= highest:
            faults.append(f"{name} is {value!r}, it must be at most {highest}.")
    if faults:
        raise DataError.from_faults(f"settings of engine {engine!r}", faults)
