"""What a network is asked to predict: number, names and kind of its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from genotools.errors import DataError

__all__ = ["Task", "TaskKind"]


MAX_OUTPUTS = 1_000_000
"""Outputs a network may have: every one has a name."""


class TaskKind(StrEnum):
    """What the outputs mean, hence which loss trains them and which function turns logits into predictions."""

    MULTILABEL = "multilabel"
    """K yes-or-no labels: sigmoid, binary cross-entropy."""
    MULTICLASS = "multiclass"
    """One of K classes: softmax, cross-entropy."""
    REGRESSION = "regression"
    """K real values: identity, mean squared error."""
    COUNTS = "counts"
    """K counts or rates: exponential, Poisson loss."""


@dataclass(frozen=True, slots=True)
class Task:
    """The outputs of a network.

    Parameters
    ----------
    n_outputs
        Number of outputs K, at least 1.
    kind
        What they mean.
    names
        K names; by default ``output_0``, ...
    per_position
        Predict at every position of the last cell's output instead of once per sequence.
    one_strand
        The outputs hold for the strand that is given, as the next base does: the other strand of a window has others,
        so that neither training nor prediction may take it instead.

    Raises
    ------
    DataError
        If K is not positive or the number of names is not K.
    """

    n_outputs: int
    kind: TaskKind = TaskKind.MULTILABEL
    names: Sequence[str] = field(default=(), kw_only=True)
    per_position: bool = field(default=False, kw_only=True)
    one_strand: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not 1 <= self.n_outputs <= MAX_OUTPUTS:
            raise DataError(f"task: {self.n_outputs} outputs, from 1 to {MAX_OUTPUTS:,} are possible.")
        names = tuple(self.names) or tuple(f"output_{index}" for index in range(self.n_outputs))
        if len(names) != self.n_outputs:
            raise DataError(f"task: {len(names)} names for {self.n_outputs} outputs.")
        object.__setattr__(self, "kind", TaskKind(self.kind))
        object.__setattr__(self, "names", names)

    def to_document(self) -> dict[str, object]:
        """Return the task as JSON values; ``one_strand`` is there only where it holds."""
        document: dict[str, object] = {
            "kind": str(self.kind),
            "n_outputs": self.n_outputs,
            "names": list(self.names),
            "per_position": self.per_position,
        }
        return {**document, "one_strand": True} if self.one_strand else document

    @classmethod
    def from_document(cls, document: object, *, where: str = "task") -> "Task":
        """Read a task from JSON values; raises DataError listing every fault with its key."""
        from genotools.genotype.documents import task_values_from_document

        values = task_values_from_document(document, where=where)
        try:
            return cls(**values)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
