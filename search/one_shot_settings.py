"""How a one-shot search is run: its stages, its two optimisers, and how the genotype is chosen."""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from genotools.errors import DataError
from genotools.training.settings import TrainingSettings

__all__ = ["MIN_BATCH", "AlphaData", "Carry", "OneShotSettings", "Order", "SearchStage", "Selection"]

Order = Literal["first", "second"]
Carry = Literal["none", "weights"]
AlphaData = Literal["train-half", "valid"]
Selection = Literal["argmax", "perturbation", "removal"]
"""What names a candidate: the alphas, or the loss without an op; ``removal`` is OSP-NAS's own."""

DROPOUT_DECAY = 0.2
MIN_BATCH = 2
"""Batch norms take their statistics over it."""

MAX_ALPHA_RATE = 1e30
"""Beyond it Adam's own numbers leave float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStage:
    """One supernet's training, and what is pruned when it ends.

    Parameters
    ----------
    epochs
        Epochs; also the length of the cosine schedule of the weights.
    weight_only_epochs
        Of these, the first ones in which the alphas stay as they are.
    skip_dropout
        Rate of dropout on skips at the start, see :meth:`skip_dropout_at`.
    conv_ops, recurrent_ops
        Ops that every edge keeps for the next stage; None keeps all.
    conv_edges, recurrent_edges
        In-edges that every node keeps for the next stage; None keeps all.
    """

    epochs: int
    weight_only_epochs: int = 0
    skip_dropout: float = 0.0
    conv_ops: int | None = None
    recurrent_ops: int | None = None
    conv_edges: int | None = None
    recurrent_edges: int | None = None

    def skip_dropout_at(self, epoch: int) -> float:
        """Return the rate in ``epoch`` (0-based): falls linearly at first, by ``exp(-0.2 ...)`` with the alphas.

        >>> stage = SearchStage(epochs=25, weight_only_epochs=10, skip_dropout=0.1)
        >>> [round(stage.skip_dropout_at(epoch), 4) for epoch in (0, 9, 10, 15)]
        [0.096, 0.06, 0.1, 0.0368]
        """
        if epoch < self.weight_only_epochs:
            return self.skip_dropout * (self.epochs - epoch - 1) / self.epochs
        return self.skip_dropout * math.exp(-DROPOUT_DECAY * (epoch - self.weight_only_epochs))

    def faults(self) -> list[str]:
        """Return every value that is out of range."""
        found = []
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "skip_dropout":
                if not _is_number(value) or not 0 <= value < 1:
                    found.append(f"{name} is {value!r}, it must be in [0, 1).")
            elif value is None and name not in ("epochs", "weight_only_epochs"):
                continue
            elif not _is_whole(value) or value < (0 if name == "weight_only_epochs" else 1):
                found.append(f"{name} is {value!r}, it must be a whole number, positive.")
        if not found and self.weight_only_epochs > self.epochs:
            found.append(f"weight_only_epochs is {self.weight_only_epochs} of {self.epochs} epochs.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OneShotSettings:
    """Everything that decides a one-shot search, space, macro-architecture, data and seed apart.

    Parameters
    ----------
    stages
        One after another; what each prunes is gone in the next.
    weights
        Training of the weights: steps, batch, rates, clipping, slowness, dropout of the recurrent cell, precision,
        strands. Its epochs, drop_path, patience and monitor do not count.
    alpha_lr, alpha_betas, alpha_weight_decay
        Adam of the alphas.
    alpha_clip_norm
        Largest norm of the gradient of the alphas; None does not clip.
    order
        ``first``: alphas follow their gradient at the weights as they are. ``second``: at the weights after one
        virtual step, which itself depends on the alphas (DARTS, equation 6); exact, several times slower.
    carry
        ``weights``: a stage goes on with the weights, statistics and alphas of the one before, by (edge, op).
        ``none``: it starts anew.
    alpha_data
        ``train-half``: the alphas have half of the training split to themselves, the weights the other.
        ``valid``: alphas take the validation split and weights all of the training split, as the reference does;
        the validation split has then been trained on and must not rank results.
    select
        How the finished supernet's genotype is chosen: ``argmax`` of the alphas, or ``perturbation``.
    max_skips
        Most skips in the normal cell with ``argmax``; None sets no limit.
    perturbation_batches
        Batches over which the loss is measured whenever an op or an edge is taken away.
    perturbation_steps
        Weight steps after each decision of the perturbation.

    Raises
    ------
    DataError
        Listing every value that is out of range.
    """

    stages: tuple[SearchStage, ...]
    weights: TrainingSettings
    alpha_lr: float = 6e-4
    alpha_betas: tuple[float, float] = (0.5, 0.999)
    alpha_weight_decay: float = 1e-3
    alpha_clip_norm: float | None = None
    order: Order = "first"
    carry: Carry = "none"
    alpha_data: AlphaData = "train-half"
    select: Selection = "argmax"
    max_skips: int | None = None
    perturbation_batches: int = 4
    perturbation_steps: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "alpha_betas", tuple(self.alpha_betas))
        faults = [] if self.stages else ["stages is empty, at least one is needed."]
        faults += [f"stages.{n}.{fault}" for n, stage in enumerate(self.stages) for fault in stage.faults()]
        if self.weights.batch_size < MIN_BATCH:
            faults.append(
                f"weights.batch_size is {self.weights.batch_size}, a supernet needs at least {MIN_BATCH}."
            )
        faults += self._choice_faults() + self._number_faults()
        if faults:
            raise DataError.from_faults("settings of the search", faults)

    def _choice_faults(self) -> list[str]:
        known = {
            "order": get_args(Order),
            "carry": get_args(Carry),
            "alpha_data": get_args(AlphaData),
            "select": ("argmax", "perturbation"),
        }
        return [
            f"{name} is {getattr(self, name)!r}, it must be one of {', '.join(choices)}."
            for name, choices in known.items()
            if getattr(self, name) not in choices
        ]

    def _number_faults(self) -> list[str]:
        faults = []
        for name in ("alpha_lr", "alpha_weight_decay"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= MAX_ALPHA_RATE:
                faults.append(f"{name} is {value!r}, it must be a number from 0 to {MAX_ALPHA_RATE:g}.")
        if len(self.alpha_betas) != 2 or not all(_is_number(b) and 0 <= b < 1 for b in self.alpha_betas):
            faults.append(f"alpha_betas is {self.alpha_betas!r}, it must be two numbers in [0, 1).")
        clip = self.alpha_clip_norm
        if clip is not None and (not _is_number(clip) or clip <= 0):
            faults.append(f"alpha_clip_norm is {clip!r}, it must be above 0, or None.")
        for name, lowest in (("max_skips", 0), ("perturbation_batches", 1), ("perturbation_steps", 0)):
            value = getattr(self, name)
            if not (value is None and name == "max_skips") and not (_is_whole(value) and value >= lowest):
                faults.append(f"{name} is {value!r}, it must be a whole number, at least {lowest}.")
        return faults

    def weights_in(self, stage: int) -> TrainingSettings:
        """Return the training of the weights in a stage (0-based): the cosine spans its epochs."""
        return replace(self.weights, epochs=self.stages[stage].epochs)

    def changed(
        self,
        *,
        epochs: int | None = None,
        weight_only_epochs: int | None = None,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        **values: object,
    ) -> "OneShotSettings":
        """Return these settings with others in place; None leaves a setting as it is.

        ``epochs`` and ``weight_only_epochs`` are those of every stage; with fewer epochs, weight-only ones keep
        their share.
        """
        stages = tuple(_with_epochs(stage, epochs, weight_only_epochs) for stage in self.stages)
        weights = self.weights.changed(steps_per_epoch=steps_per_epoch, batch_size=batch_size)
        given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
        return replace(self, stages=stages, weights=weights, **given)

    def to_document(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        document = asdict(self)
        stages = {str(number): asdict(stage) for number, stage in enumerate(self.stages, start=1)}
        return document | {"stages": stages, "alpha_betas": list(self.alpha_betas)}


def _with_epochs(stage: SearchStage, epochs: int | None, weight_only: int | None) -> SearchStage:
    new = stage.epochs if epochs is None else epochs
    if weight_only is None:
        weight_only = stage.weight_only_epochs * new // stage.epochs
    return replace(stage, epochs=new, weight_only_epochs=weight_only)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
