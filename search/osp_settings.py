"""How OSP-NAS is run. No PyTorch.

Published numbers are those of the code, 10 epochs of training before and 5 in each of 17 rounds; no paper describes
the method. The preset ``reference`` measures losses on the validation split, as that code does.
"""

from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from genotools.errors import DataError
from genotools.search.darts import PAPER_WEIGHTS, QUICK_WEIGHTS
from genotools.search.one_shot_settings import MIN_BATCH, AlphaData
from genotools.training.settings import TrainingSettings

__all__ = ["PRESETS", "OspSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OspSettings:
    """Everything that decides an OSP-NAS search, space, macro-architecture, data and seed apart.

    Parameters
    ----------
    weights
        Training of the weights: steps, batch, clipping, dropout of the recurrent cell, strands. Epochs, slowness,
        drop path, patience and monitor do not count.
    n_initial
        (Edge, op) pairs that are live in each cell at first, drawn at random; all where there are fewer.
    n_proposed
        Pairs of each cell that are proposed for removal in a round; all but one of them go.
    pretrain_epochs, pretrain_schedule
        Epochs before the first round, and the span of their schedule of rates.
    round_epochs
        Epochs after each removal, and the span of their schedule.
    lr_fall, recurrent_lr_fall
        What the first learning rates lose with every round.
    head_dropout
        Dropout in front of the head.
    loss_batches
        Batches over which a removal is judged.
    alpha_data
        What they come from: half of the training split (``train-half``), or the validation split (``valid``), which
        must then not rank results.

    Raises
    ------
    DataError
        Listing every value that is out of range.
    """

    weights: TrainingSettings
    n_initial: int = 108
    n_proposed: int = 7
    pretrain_epochs: int = 10
    pretrain_schedule: int = 60
    round_epochs: int = 5
    lr_fall: float = 2e-4
    recurrent_lr_fall: float = 0.1
    head_dropout: float = 0.5
    loss_batches: int = 125
    alpha_data: AlphaData = "train-half"

    def __post_init__(self) -> None:
        lowest = {
            "n_initial": 1,
            "n_proposed": 2,
            "pretrain_epochs": 0,
            "pretrain_schedule": 1,
            "round_epochs": 1,
            "lr_fall": 0,
            "recurrent_lr_fall": 0,
            "head_dropout": 0,
            "loss_batches": 1,
        }
        faults = [
            f"{name} is {getattr(self, name)!r}, it must be at least {low}."
            for name, low in lowest.items()
            if not getattr(self, name) >= low
        ]
        if self.head_dropout >= 1:
            faults.append(f"head_dropout is {self.head_dropout!r}, it must be below 1.")
        if self.pretrain_schedule < self.pretrain_epochs:
            faults.append(
                f"pretrain_schedule is {self.pretrain_schedule}, it must span the {self.pretrain_epochs} epochs."
            )
        if self.weights.batch_size < MIN_BATCH:
            faults.append(
                f"weights.batch_size is {self.weights.batch_size}, a supernet needs at least {MIN_BATCH}."
            )
        if self.alpha_data not in ("train-half", "valid"):
            faults.append(f"alpha_data is {self.alpha_data!r}, it must be one of train-half, valid.")
        if faults:
            raise DataError.from_faults("settings of the search", faults)

    def weights_in(self, number: int) -> TrainingSettings:
        """Return the training of a round; round 0 is what comes before the first removal."""
        if number == 0:
            return replace(self.weights, epochs=self.pretrain_schedule)
        return replace(
            self.weights,
            epochs=self.round_epochs,
            lr=max(self.weights.lr - self.lr_fall * number, 0.0),
            recurrent_lr=max(self.weights.recurrent_lr - self.recurrent_lr_fall * number, 0.0),
        )

    def epochs_in(self, number: int) -> int:
        """Return the epochs of a round."""
        return self.pretrain_epochs if number == 0 else self.round_epochs

    def changed(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        alpha_data: AlphaData | None = None,
        **others: object,
    ) -> "OspSettings":
        """Return these settings with others in place; None leaves a setting as it is.

        ``epochs`` are those of every round; those before the first keep their ratio to them.

        Raises
        ------
        DataError
            If a setting is given that OSP-NAS does not have.
        """
        given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]
        if given:
            raise DataError(f"engine 'osp-nas' has no use for {', '.join(given)}.")
        weights = self.weights.changed(steps_per_epoch=steps_per_epoch, batch_size=batch_size)
        changed = replace(self, weights=weights, alpha_data=alpha_data or self.alpha_data)
        if epochs is None:
            return changed
        before = max(1, self.pretrain_epochs * epochs // self.round_epochs) if self.pretrain_epochs else 0
        schedule = max(before, self.pretrain_schedule * epochs // self.round_epochs)
        return replace(changed, round_epochs=epochs, pretrain_epochs=before, pretrain_schedule=schedule)

    def to_document(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)


PAPER = OspSettings(weights=replace(PAPER_WEIGHTS, dropout_x=0.1, dropout_h=0.05))

PRESETS = MappingProxyType(
    {
        "paper": PAPER,
        "reference": replace(PAPER, alpha_data="valid"),
        "quick": OspSettings(
            weights=QUICK_WEIGHTS,
            n_proposed=26,
            pretrain_epochs=2,
            pretrain_schedule=4,
            round_epochs=1,
            lr_fall=0.0,
            recurrent_lr_fall=0.0,
            loss_batches=2,
        ),
    }
)
