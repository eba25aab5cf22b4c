"""How a network is trained: one value that holds every choice, and the two presets.

Reference: Scheppach et al., Neural Architecture Search for Genomic Sequence Data, section IV and appendix A.
"""

from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from genotools.errors import DataError
from genotools.genotype.macro import MAX_LENGTH_BP
from genotools.genotype.task import Task
from genotools.training.precision import Precision
from genotools.training.task_metrics import HEADLINE, METRIC_NAMES

__all__ = ["PRESETS", "Monitor", "Precision", "TrainingSettings", "get_preset"]

Monitor = Literal["loss", "auroc", "auprc", "weighted_f1", "accuracy", "cross_entropy", "pearson", "r2", "d2"]

_CHOICES = {"precision": get_args(Precision), "monitor": get_args(Monitor)}
_COUNTS = ("epochs", "steps_per_epoch", "batch_size", "patience")
MAX_COUNT = 10**12
_RATES = ("drop_path", "dropout_x", "dropout_h", "momentum")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything that decides how a network is trained, the seed apart. The defaults are the published values.

    Parameters
    ----------
    epochs
        Epochs at most; also the length of the cosine schedule.
    steps_per_epoch
        Optimiser steps in an epoch at most; None uses the whole training split. An epoch never visits a window
        twice, so a split smaller than ``steps_per_epoch * batch_size`` windows makes shorter epochs.
    batch_size
        Windows in a step. A remainder smaller than a batch is left out of the epoch.
    lr, recurrent_lr
        Learning rate of the first epoch: of all parameters outside the recurrent cell, and of those in it.
    lr_min
        Learning rate, of both groups, that the cosine schedule ends at.
    momentum
        Momentum of the group outside the recurrent cell; the recurrent group has none.
    weight_decay, recurrent_weight_decay
        L2 penalty added to the gradients of the two groups.
    clip_norm
        Largest Euclidean norm of the gradient of all parameters together; a longer one is scaled down to it.
    slowness
        Weight of the slowness penalty: the mean squared change of the recurrent outputs from one position to
        the next.
    drop_path
        Probability that an edge of a convolutional cell gives zero for a sequence.
    dropout_x, dropout_h
        Variational dropout of the recurrent cell's inputs and states, probabilities.
    patience
        Epochs without a new best validation value after which training stops; None never stops early.
    monitor
        The validation value whose best epoch is kept: ``loss``, or one of
        :data:`genotools.training.task_metrics.METRIC_NAMES` for the kind of task.
    precision
        ``fp32``, ``tf32`` or ``bf16``, see :mod:`genotools.training.precision`.
    reverse_complement_rate
        Probability with which a training window is given as its other strand. Labels that come in strand pairs
        (``NAME_plus``, ``NAME_minus``) are exchanged with it.
    shift_bp
        A training window is moved by as many bases at most, to either side; bases that would come from outside are
        unknown. 0 leaves it where it is.

    Raises
    ------
    DataError
        Listing every value that is out of range.
    """

    epochs: int = 50
    steps_per_epoch: int | None = 3000
    batch_size: int = 100
    lr: float = 0.025
    recurrent_lr: float = 8.0
    lr_min: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    recurrent_weight_decay: float = 5e-7
    clip_norm: float = 0.25
    slowness: float = 1e-3
    drop_path: float = 0.2
    dropout_x: float = 0.1
    dropout_h: float = 0.05
    patience: int | None = 5
    monitor: Monitor = "loss"
    precision: Precision = "fp32"
    reverse_complement_rate: float = 0.0
    shift_bp: int = 0

    def __post_init__(self) -> None:
        faults = [fault for field in fields(self) for fault in self._faults_of(field.name)]
        if faults:
            raise DataError.from_faults("training settings", faults)

    def _faults_of(self, name: str) -> list[str]:
        value = getattr(self, name)
        if name in _CHOICES:
            known = _CHOICES[name]
            return [] if value in known else [f"{name} is {value!r}, it must be one of {', '.join(known)}."]
        if name in _COUNTS:
            if value is None and name in ("steps_per_epoch", "patience"):
                return []
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            return (
                []
                if is_whole and 1 <= value <= MAX_COUNT
                else [f"{name} is {value!r:.60}, it must be a whole number from 1 to {MAX_COUNT:,}."]
            )
        if name == "shift_bp" and not (
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_LENGTH_BP
        ):
            return [f"shift_bp is {value!r:.60}, it must be a whole number from 0 to {MAX_LENGTH_BP:,}."]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            return [f"{name} is {value!r}, it must be a number, 0 or above."]
        if name in _RATES and value >= 1:
            return [f"{name} is {value!r}, it must be below 1."]
        if name == "reverse_complement_rate" and value > 1:
            return [f"{name} is {value!r}, it must be at most 1."]
        if name == "clip_norm" and value == 0:
            return ["clip_norm is 0, it must be above 0."]
        return []

    def for_task(self, task: Task) -> "TrainingSettings":
        """Return these settings with what has no meaning for a task put right.

        A metric that the task does not have is replaced by the one that counts there
        (:data:`genotools.training.task_metrics.HEADLINE`), and windows are neither turned nor moved where labels hold
        for the strand and the place that is given.
        """
        values: dict[str, Any] = {}
        if self.monitor not in ("loss", *METRIC_NAMES[task.kind]):
            values["monitor"] = HEADLINE[task.kind]
        if task.one_strand:
            values |= {"reverse_complement_rate": 0.0, "shift_bp": 0}
        return replace(self, **values)

    def faults_for(self, task: Task) -> list[str]:
        """Return what :meth:`for_task` would put right, in words."""
        faults = []
        if self.monitor not in ("loss", *METRIC_NAMES[task.kind]):
            known = ", ".join(("loss", *METRIC_NAMES[task.kind]))
            faults.append(f"monitor is {self.monitor!r}; a task of kind {task.kind} has {known}.")
        if task.one_strand and (self.reverse_complement_rate or self.shift_bp):
            faults.append(
                "its labels hold for the windows as they are: reverse_complement_rate (--reverse-complement) and "
                "shift_bp (--shift) must be 0."
            )
        return faults

    def changed(self, **values: object) -> "TrainingSettings":
        """Return these settings with ``values`` in place of the old ones; None leaves a setting as it is.

        Raises
        ------
        DataError
            Listing every unknown setting and every value that is out of range.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return TrainingSettings.from_document(self.to_document() | given)

    def to_document(self) -> dict[str, object]:
        """Return the settings as JSON values; :meth:`from_document` gives them back."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: object, *, where: str = "training settings") -> "TrainingSettings":
        """Read settings from JSON values; a missing key has its default.

        Raises
        ------
        DataError
            Listing every unknown key and every value that is out of range.
        """
        if not isinstance(document, dict):
            raise DataError(f"{where}: a JSON object is expected, not {type(document).__name__}.")
        known = [field.name for field in fields(cls)]
        unknown = [
            f"{key}: no such setting. Known: {', '.join(known)}." for key in document if key not in known
        ]
        values: dict[str, Any] = {key: document[key] for key in known if key in document}
        try:
            settings = cls(**values)
        except DataError as error:
            raise DataError("\n".join([f"{where}: {error}", *unknown])) from error
        if unknown:
            raise DataError.from_faults(where, unknown)
        return settings


PRESETS = MappingProxyType(
    {
        "paper": TrainingSettings(),
        "quick": TrainingSettings(
            epochs=4,
            steps_per_epoch=240,
            batch_size=16,
            lr=0.2,
            drop_path=0.0,
            dropout_x=0.0,
            dropout_h=0.0,
            patience=None,
            reverse_complement_rate=0.5,
        ),
    }
)
"""``paper``: the published final training. ``quick``: two to three minutes for a small network on a laptop.

``quick`` was measured on the embedded yeast data with ``Macro.small()``: for a fixed number of windows, batches of 16
learn faster than of 32 or 64, a rate of 0.2 faster than of 0.1 or 0.05, and the published recurrent rate of 8 faster
than 1 or 20; so few steps need no dropout.
"""


def get_preset(name: str) -> TrainingSettings:
    """Return the settings of that name.

    Raises
    ------
    DataError
        If there is none, naming those there are.
    """
    if name not in PRESETS:
        raise DataError(f"no training preset {name!r}. Known: {', '.join(PRESETS)}.")
    return PRESETS[name]
