"""Search by reinforcement learning: a controller learns from genotypes that are each trained by themselves.

References: Zoph et al., Learning Transferable Architectures for Scalable Image Recognition (NASNet, 2018); Zhang et
al., BioNAS: Incorporating Biological Knowledge in Neural Architecture Search (2019).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from genotools.search.engine import EnginePreset, Evaluation, Proposal, Round, check_settings
from genotools.search.reinforce import Reinforce
from genotools.search.source import Source
from genotools.search.trial import Trial

__all__ = ["ControllerSearch"]


class ControllerSearch:
    """A controller trained on the scores of whole trainings.

    It ends by itself only when the policy samples nothing new. A controller needs a few hundred trials before its
    samples are better than random ones: ``quick`` shows that it runs, no more.

    Parameters
    ----------
    source
        Where warm starts and randomness come from, and what refuses samples.
    round_size
        Samples of a round; of those only what is new is trained.
    n_updates
        Updates of the policy from them.
    hidden, lr, baseline_decay, entropy_weight, temperature, tanh_constant, op_tanh_reduce
        See :class:`~genotools.search.reinforce.Reinforce` and
        :class:`~genotools.search.controller.Controller`.

    Notes
    -----
    In ``paper``, width, learning rate, baseline, entropy weight and round are those of NASNet, which trained 20 000
    networks.
    """

    name: ClassVar[str] = "rl"
    evaluation: ClassVar[Evaluation] = "own"
    presets: ClassVar[Mapping[str, EnginePreset]] = MappingProxyType(
        {
            "paper": EnginePreset(n_trials=500),
            "quick": EnginePreset(
                settings={"round_size": 3, "hidden": 32, "lr": 1e-2, "baseline_decay": 0.9}, n_trials=12
            ),
        }
    )

    def __init__(
        self,
        source: Source,
        *,
        round_size: int = 20,
        n_updates: int = 10,
        hidden: int = 100,
        lr: float = 3.5e-4,
        baseline_decay: float = 0.95,
        entropy_weight: float = 1e-5,
        temperature: float = 1.0,
        tanh_constant: float | None = 2.5,
        op_tanh_reduce: float = 1.0,
    ) -> None:
        check_settings(self.name, round_size=(round_size, 1, None))
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
        self._round_size = round_size

    def ask(self) -> Round:
        """Return what is new among the samples of a round."""
        drawn = self._policy.ask(self._round_size)
        return Round(proposals=tuple(Proposal(genotype=genotype) for genotype in drawn))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Update the policy."""
        self._policy.tell(trials)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the policy."""
        return {"policy": self._policy.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._policy.load_state_dict(state["policy"])
