"""ENAS: a controller learns from the scores that one supernet gives, while its paths are trained.

A round is an epoch: single paths drawn from the policy train the shared weights for a step each, then samples of the
policy are scored with them, and the policy is updated. The last round only samples: its best genotype is the answer,
since weights that went on training make scores of different rounds incomparable. AMBER searches in the same way.

References: Pham et al., Efficient Neural Architecture Search via Parameter Sharing (2018); Zhang et al., An automated
framework for efficiently designing deep convolutional neural networks in genomics (2021).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.event_values import as_whole
from genotools.search.reinforce import Reinforce
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["Enas"]


class Enas:
    """Efficient neural architecture search.

    Paths are trained whether constraints accept them or not: they prepare the weights of others. The search ends
    after ``n_rounds`` and one round more, or when the policy samples nothing new.

    Parameters
    ----------
    source
        Where warm starts and randomness come from, and what refuses samples.
    n_rounds
        Epochs.
    n_paths
        Steps of the shared weights in an epoch.
    round_size
        Samples scored in an epoch.
    n_updates
        Updates of the policy from them.
    n_final
        Samples scored at the end.
    hidden, lr, baseline_decay, entropy_weight, temperature, tanh_constant, op_tanh_reduce
        See :class:`~genotools.search.reinforce.Reinforce` and
        :class:`~genotools.search.controller.Controller`.

    Notes
    -----
    ``paper`` and ``released`` keep the published numbers of the controller. Where those make 2000 updates from one
    sample each (30 from 10 each) in an epoch, with fresh samples for every update, here the samples of an epoch are
    drawn at once: 100 samples make 20 updates (30 make 10), so that as many gradients of samples are taken.
    """

    name: ClassVar[str] = "enas"
    evaluation: ClassVar[Evaluation] = "search"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(training={"epochs": 150}),
            "released": EnginePreset(
                settings={
                    "round_size": 30,
                    "n_updates": 10,
                    "hidden": 64,
                    "lr": 3.5e-3,
                    "temperature": 1.0,
                    "tanh_constant": 1.10,
                    "op_tanh_reduce": 2.5,
                },
                training={"epochs": 150},
            ),
            "quick": EnginePreset(
                settings={
                    "n_rounds": 4,
                    "n_paths": 24,
                    "round_size": 6,
                    "n_updates": 4,
                    "n_final": 4,
                    "hidden": 32,
                    "lr": 1e-2,
                    "baseline_decay": 0.9,
                    "temperature": 1.0,
                },
                training={"epochs": 5, "batch_size": 16},
            ),
        }
    )

    def __init__(
        self,
        source: Source,
        *,
        n_rounds: int = 150,
        n_paths: int = 2000,
        round_size: int = 100,
        n_updates: int = 20,
        n_final: int = 100,
        hidden: int = 100,
        lr: float = 3.5e-4,
        baseline_decay: float = 0.99,
        entropy_weight: float = 1e-4,
        temperature: float = 5.0,
        tanh_constant: float | None = 2.5,
        op_tanh_reduce: float = 1.0,
    ) -> None:
        check_settings(
            self.name,
            n_rounds=(n_rounds, 1, None),
            n_paths=(n_paths, 1, None),
            round_size=(round_size, 1, None),
            n_final=(n_final, 1, None),
        )
        self._policy = Reinforce(
            self.name,
            source,
            hidden=hidden,
            lr=lr,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            temperature=temperature,
            tanh_constant=tanh_constant,
            op_tanh_reduce=op_tanh_reduce,
            n_updates=n_updates,
        )
        self._n_rounds, self._n_paths = n_rounds, n_paths
        self._round_size, self._n_final = round_size, n_final
        self._n_told = 0  # rounds
        self._choice: int | None = None

    def ask(self) -> Round:
        """Return an epoch, or at the end the samples to choose from."""
        if self._n_told > self._n_rounds:
            return Round()
        if self._n_told == self._n_rounds:
            derived = self._policy.derive(self._n_final)
            return Round(proposals=tuple(Proposal(genotype=one, origin={"how": "derive"}) for one in derived))
        drawn = self._policy.ask(self._round_size)
        return Round(
            proposals=tuple(Proposal(genotype=genotype) for genotype in drawn),
            paths=tuple(self._policy.draw(self._n_paths)),
        )

    def tell(self, trials: Sequence[Trial]) -> None:
        """Update the policy."""
        if self._n_told < self._n_rounds:
            self._policy.tell(trials)
        self._n_told += 1
        finished = [(trial.score, -trial.number) for trial in trials if trial.score is not None]
        if finished:
            self._choice = -max(finished)[1]

    def choice(self) -> int | None:
        """Return the best trial of the last round in which any finished."""
        return self._choice

    def state_dict(self) -> dict[str, Any]:
        """Return policy, round and choice."""
        return {"policy": self._policy.state_dict(), "n_told": self._n_told, "choice": self._choice}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._policy.load_state_dict(state["policy"])
        self._n_told = int(state["n_told"])
        choice = state["choice"]
        self._choice = None if choice is None else as_whole(choice, "choice", "state of engine 'enas'")
