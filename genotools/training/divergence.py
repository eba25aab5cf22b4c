"""What is said, and what is kept, when the numbers of a training or a search are no longer finite."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from genotools.errors import GenotoolsError
from genotools.files import write_json
from genotools.formats import DIVERGENCE

__all__ = ["RECORD", "DivergedError", "not_finite", "placed", "recorded", "weights_fault"]

RECORD = "diverged.json"
N_SHOWN_ROWS = 8


class DivergedError(GenotoolsError):
    """A loss, a gradient, a weight or an alpha is NaN or infinite.

    Parameters
    ----------
    what
        The fault, as ``the training loss is not a finite number``.
    place
        Where it was first seen: epoch, step and what counts besides, from 1.
    rows, store_path
        Rows of the store that the step or the prediction was made on, in order; none where it was no one batch.
    state
        File with the last state before, where one was saved.
    way_out
        A sentence.

    Attributes
    ----------
    best_epoch, weights_path
        Best epoch of the training so far, and a file with its weights; None where there is none.
    record_path
        File that lists all rows; None where there is none.
    """

    def __init__(
        self,
        what: str,
        *,
        place: Mapping[str, int] | None = None,
        rows: Iterable[int] = (),
        store_path: Path | None = None,
        state: Path | None = None,
        way_out: str = "",
    ) -> None:
        super().__init__(what)
        self.what, self.place = what, dict(place or {})
        self.rows, self.store_path = tuple(int(row) for row in rows), store_path
        self.state = state if state is not None and state.exists() else None
        self.way_out = way_out
        self.best_epoch: int | None = None
        self.weights_path: Path | None = None
        self.record_path: Path | None = None

    def __str__(self) -> str:
        sentences = [self.what + (f": {self._where()}" if self.place else ""), *self._about_rows()]
        if self.state is not None:
            sentences.append(f"The last state before it is kept in {self.state}")
        if self.weights_path is not None:
            sentences.append(
                f"The weights of epoch {self.best_epoch}, the best so far, are in {self.weights_path}"
            )
        return " ".join([*(f"{sentence}." for sentence in sentences), self.way_out]).rstrip()

    def _where(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in self.place.items())

    def _about_rows(self) -> list[str]:
        """Return a sentence on the rows, the first of them listed; nothing where there are none."""
        if not self.rows:
            return []
        n_more = len(self.rows) - N_SHOWN_ROWS
        shown = ", ".join(map(str, self.rows[:N_SHOWN_ROWS])) + (
            f" and {n_more:,} more" if n_more > 0 else ""
        )
        listed = f" (all of them in {self.record_path})" if self.record_path is not None else ""
        return [f"It was computed on rows {shown} of {self.store_path}{listed}"]

    def to_document(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            **DIVERGENCE.signed_header,
            "what": self.what,
            **self.place,
            "rows": list(self.rows),
            "store": None if self.store_path is None else str(self.store_path),
            "state": None if self.state is None else str(self.state),
        }


@contextmanager
def placed(**place: int) -> Iterator[None]:
    """Say where the block was, if it diverges: numbers by name, which go before those the error has itself."""
    try:
        yield
    except DivergedError as error:
        error.place = {**place, **error.place, **place}
        raise


@contextmanager
def recorded(folder: Path, *, state: Path | None = None) -> Iterator[None]:
    """Leave ``diverged.json`` in a run's folder where the block diverges; a block that ends well removes it.

    ``state`` is the file that the run keeps its state in, for an error that does not name it.
    """
    path = folder / RECORD
    try:
        yield
    except DivergedError as error:
        if error.state is None and state is not None and state.exists():
            error.state = state
        write_json(path, error.to_document())
        error.record_path = path
        raise
    path.unlink(missing_ok=True)


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinity; waits for the device once."""
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    if not names:
        return []
    largest = torch._foreach_norm([tensors[name] for name in names], float("inf"))
    flags = torch.stack([torch.isfinite(norm) for norm in largest]).tolist()
    return [name for name, is_finite in zip(names, flags, strict=True) if not is_finite]


def weights_fault(tensors: Mapping[str, Tensor]) -> str | None:
    """Return what is wrong with weights and statistics that are not finite, None where all are."""
    names = not_finite(tensors)
    if not names:
        return None
    others = f" and {len(names) - 1:,} more tensors" if len(names) > 1 else ""
    return f"weights or statistics are not finite, in {names[0]}{others}"
