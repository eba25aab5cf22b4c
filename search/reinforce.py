"""A controller that learns from scores: REINFORCE with a moving baseline and an entropy bonus.

The gradient of the expected score is that of ``(score - baseline) log p``, averaged over the samples of a round.
Where a round makes several updates, the policy has moved since its samples were drawn: every update after the first
maximises the clipped surrogate of proximal policy optimisation, whose first step is that of REINFORCE exactly. The
entropies of all decisions are added to what is maximised, with their gradient; the released code of ENAS adds them
to the reward instead.

References: Williams 1992; Zoph and Le, Neural Architecture Search with Reinforcement Learning (2017); Schulman et
al., Proximal Policy Optimization Algorithms (2017), equation 7.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.search.controller import Controller
from genotools.search.engine import check_settings
from genotools.search.event_values import as_number, as_object
from genotools.search.source import Source
from genotools.search.surrogate import one_thread
from genotools.search.trial import Trial

__all__ = ["Reinforce", "clipped_gains"]

STATE = "state of a controller"

CLIP = 0.2
"""How far from 1 the probability of a sample, over that at the time it was drawn, still counts in its favour."""

MAX_LOG_RATIO = 20.0
"""Beyond, where only an absurd learning rate leads, ratios would soon be infinite."""

MAX_REDRAWS = 1000
"""Samples in a row that may all be known or refused before the policy counts as exhausted."""


class Reinforce:
    """A policy over a source's space that draws samples and is told their scores.

    No genotype is asked for twice. A sample that was scored before has its latest score as its reward. One whose
    trial failed, or that the constraints refuse, has the lowest score seen so far: the policy learns to avoid it.
    Warm starts are samples of the first rounds like any other; a source's preference does not act, since it is the
    policy that prefers.

    Parameters
    ----------
    engine
        Name of the engine, for errors.
    source
        Of warm starts, constraints and randomness; it is asked whether a sample is fresh.
    hidden, temperature, tanh_constant, op_tanh_reduce
        Of the :class:`~genotools.search.controller.Controller`.
    lr
        Learning rate of Adam.
    baseline_decay
        What is kept of the baseline when it takes in a score, one after another; it starts at the mean of the first
        round that has any.
    entropy_weight
        What a nat of a sample's entropy is worth, in units of the score.
    n_updates
        Steps of Adam in a round, each on all of its samples.

    Raises
    ------
    DataError
        Listing every setting that is out of range.
    """

    def __init__(
        self,
        engine: str,
        source: Source,
        *,
        hidden: int,
        lr: float,
        baseline_decay: float,
        entropy_weight: float,
        temperature: float,
        tanh_constant: float | None,
        op_tanh_reduce: float,
        n_updates: int,
    ) -> None:
        check_settings(
            engine,
            hidden=(hidden, 1, 4096),
            lr=(lr, 0, 1),
            baseline_decay=(baseline_decay, 0, 1),
            entropy_weight=(entropy_weight, 0, 1e6),
            temperature=(temperature, 1e-3, 1e6),
            tanh_constant=(1 if tanh_constant is None else tanh_constant, 1e-3, 1e3),
            op_tanh_reduce=(op_tanh_reduce, 1e-3, 1e3),
            n_updates=(n_updates, 1, None),
        )
        self._source = source
        self._controller = Controller(
            source.space,
            seed=_seed(source.rng),
            hidden=hidden,
            temperature=temperature,
            tanh_constant=tanh_constant,
            op_tanh_reduce=op_tanh_reduce,
        )
        self._weights = list(self._controller.parameters())
        self._optimiser = torch.optim.Adam(self._weights, lr=lr)
        nothing = torch.zeros(sum(weight.numel() for weight in self._weights))
        self._set_moments(nothing, nothing, 0)
        self._baseline_decay, self._entropy_weight = baseline_decay, entropy_weight
        self._n_updates = n_updates
        self._baseline: float | None = None
        self._scores: dict[str, float | None] = {}  # the latest by digest, None for a failure
        self._samples: list[Genotype] = []  # of the round that was asked last
        self._decisions = torch.empty(0)

    def draw(self, n: int) -> list[Genotype]:
        """Return ``n`` samples of the policy, known and refused ones included."""
        return self._sample(n)[0]

    def ask(self, n: int) -> list[Genotype]:
        """Draw the ``n`` samples of a round and return those to be evaluated, marked as given out.

        Warm starts come first. A round in which nothing is new is drawn again; the result is empty where some 1000
        samples held nothing new.
        """
        warm = [genotype for _ in range(n) if (genotype := self._source.warm_start()) is not None]
        known = [self._controller.decisions_of(genotype) for genotype in warm]
        drawn, decisions = self._sample(n - len(warm))
        fresh = warm + self._taken(drawn)
        for _ in range(MAX_REDRAWS // n):
            if fresh:
                break
            drawn, decisions = self._sample(n)
            fresh = self._taken(drawn)
        self._samples, self._decisions = warm + drawn, torch.cat([*(row[None] for row in known), decisions])
        return fresh

    def derive(self, n: int) -> list[Genotype]:
        """Return ``n`` samples that were never asked for, marked as given out; nothing is learned from them.

        There are fewer where they cannot be found among some 1000 samples.
        """
        fresh: list[Genotype] = []
        for _ in range(1 + MAX_REDRAWS // n):
            for genotype in self.draw(n):
                if len(fresh) < n and self._source.is_fresh(genotype):
                    fresh.append(self._source.take(genotype))
            if len(fresh) == n:
                break
        return fresh

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from the round that was asked last."""
        for trial in trials:
            is_scored = trial.score is not None and math.isfinite(trial.score)
            self._scores[trial.genotype.digest] = trial.score if is_scored else None
        seen = [score for score in self._scores.values() if score is not None]
        if not seen:
            return
        lowest = min(seen)
        scores = (self._scores.get(genotype.digest) for genotype in self._samples)
        self._learn([lowest if score is None else score for score in scores])

    def _learn(self, rewards: Sequence[float]) -> None:
        baseline = sum(rewards) / len(rewards) if self._baseline is None else self._baseline
        advantages = torch.tensor([reward - baseline for reward in rewards])
        with one_thread():
            before: Tensor | None = None
            for _ in range(self._n_updates):
                log_probs, entropies = self._controller.log_prob_and_entropy(self._decisions)
                before = log_probs.detach() if before is None else before
                ratios = (log_probs - before).clamp(max=MAX_LOG_RATIO).exp()
                gains = clipped_gains(ratios, advantages)
                self._step(-(gains + self._entropy_weight * entropies).mean())
        for reward in rewards:
            baseline = self._baseline_decay * baseline + (1 - self._baseline_decay) * reward
        self._baseline = baseline

    def _step(self, loss: Tensor) -> None:
        if not loss.requires_grad:  # a space of one genotype: there is nothing to decide
            return
        # Weights that a space has no use for, such as those of the attention, take part with zeros.
        gradients = torch.autograd.grad(loss, self._weights, allow_unused=True, materialize_grads=True)
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        self._optimiser.step()

    def _sample(self, n: int) -> tuple[list[Genotype], Tensor]:
        generator = torch.Generator().manual_seed(_seed(self._source.rng))
        with one_thread():
            return self._controller.sample(n, generator=generator)

    def _taken(self, genotypes: Sequence[Genotype]) -> list[Genotype]:
        """Return those that are fresh, each once, marked as given out."""
        return [self._source.take(genotype) for genotype in genotypes if self._source.is_fresh(genotype)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state between two rounds as JSON values.

        Weights and moments are strings: little-endian float32 numbers of all parameters, one after another in the
        controller's order, in base64.
        """
        moments = list(self._optimiser.state_dict()["state"].values())
        return {
            "source": self._source.state_dict(),
            "weights": _packed(self._weights),
            "first_moments": _packed([one["exp_avg"] for one in moments]),
            "second_moments": _packed([one["exp_avg_sq"] for one in moments]),
            "n_steps": int(moments[0]["step"]),
            "baseline": self._baseline,
            "scores": dict(self._scores),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`.

        Raises
        ------
        DataError
            If it is the state of another space or another width.
        """
        n_weights = sum(weight.numel() for weight in self._weights)
        names = ("weights", "first_moments", "second_moments")
        weights, first, second = (_unpacked(state[name], n_weights) for name in names)
        vector_to_parameters(weights, self._weights)
        self._set_moments(first, second, int(state["n_steps"]))
        baseline = state["baseline"]
        self._baseline = None if baseline is None else as_number(baseline, "baseline", STATE)
        self._scores = {
            digest: None if score is None else as_number(score, "score", STATE)
            for digest, score in as_object(state["scores"], STATE).items()
        }
        self._source.load_state_dict(state["source"])

    def _set_moments(self, first: Tensor, second: Tensor, n_steps: int) -> None:
        """Put Adam where it has made ``n_steps`` steps and has these moments, both ``(n_weights,)``."""
        sizes = [weight.numel() for weight in self._weights]
        parts = zip(self._weights, torch.split(first, sizes), torch.split(second, sizes), strict=True)
        state = {
            index: {
                "step": torch.tensor(float(n_steps)),
                "exp_avg": mean.view_as(weight).clone(),
                "exp_avg_sq": square.view_as(weight).clone(),
            }
            for index, (weight, mean, square) in enumerate(parts)
        }
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})


def clipped_gains(ratios: Tensor, advantages: Tensor) -> Tensor:
    """Return what each sample adds to the surrogate, from its probability over that when it was drawn.

    >>> clipped_gains(torch.tensor([1.0, 1.5, 1.5]), torch.tensor([5.0, 5.0, -5.0])).tolist()
    [5.0, 6.0, -7.5]
    """
    return torch.minimum(ratios * advantages, ratios.clamp(1 - CLIP, 1 + CLIP) * advantages)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 63))


def _packed(tensors: Sequence[Tensor]) -> str:
    vector = parameters_to_vector(tensors).detach().numpy().astype("<f4")
    return base64.b64encode(vector.tobytes()).decode("ascii")


def _unpacked(text: str, n: int) -> Tensor:
    data = base64.b64decode(text)
    if len(data) != 4 * n:
        raise DataError(
            f"{STATE}: {len(data) // 4:,} numbers, this one has {n:,}; "
            "it was saved with another search space or another hidden."
        )
    return torch.from_numpy(np.frombuffer(data, dtype="<f4").astype(np.float32))
