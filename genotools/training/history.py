"""What is recorded of every epoch, and its file: one JSON object a line."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import parse_json, read_bytes, write_text

__all__ = ["EpochRecord", "append_history", "read_history", "write_history"]

MAX_BYTES = 1 << 26
"""An epoch takes about three hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch.

    Parameters
    ----------
    epoch
        Number of the epoch, from 1.
    n_steps
        Optimiser steps in it.
    lr, recurrent_lr
        Learning rates of the two groups in it.
    train_loss, train_slowness
        Means over its steps, in training mode: the loss without the penalty, and the unweighted penalty.
    valid_loss
        Loss on the validation split in evaluation mode, forward strand.
    valid
        Metrics on the validation split by name, those of :data:`genotools.training.task_metrics.METRIC_NAMES`: means
        over the labels that can be scored, NaN where there is none. In the file ``valid_NAME``.
    is_best
        Whether the monitored value was the best so far.
    seconds
        Wall time of the epoch, validation included; an interrupted epoch counts from its last start.
    """

    epoch: int
    n_steps: int
    lr: float
    recurrent_lr: float
    train_loss: float
    train_slowness: float
    valid_loss: float
    valid: Mapping[str, float]
    is_best: bool
    seconds: float

    def to_document(self) -> dict[str, object]:
        """Return the record as JSON values, NaN as null."""
        values: dict[str, object] = {}
        for key, value in asdict(self).items():
            values |= (
                {f"valid_{name}": number for name, number in value.items()}
                if key == "valid"
                else {key: value}
            )
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in values.items()
        }

    @classmethod
    def from_document(cls, document: object, *, where: str = "history") -> "EpochRecord":
        """Read a record from JSON values, null as NaN; raises DataError where a key is missing or unknown."""
        names = [field.name for field in fields(cls) if field.name != "valid"]
        metrics = {key for key in document if _is_metric(key)} if isinstance(document, Mapping) else set()
        if not isinstance(document, Mapping) or not metrics or set(document) - metrics != set(names):
            raise DataError(
                f"{where}: an epoch must be an object with the keys {', '.join(names)}, and metrics as valid_NAME."
            )
        values: dict[str, Any] = {
            key: math.nan if value is None else value for key, value in document.items()
        }
        faults = [
            f"{key} is {value!r}, not a number."
            for key, value in values.items()
            if not isinstance(value, int | float)
        ]
        if faults:
            raise DataError.from_faults(where, faults)
        valid = {key.removeprefix("valid_"): values.pop(key) for key in document if key in metrics}
        return cls(**values, valid=valid)


def _is_metric(key: object) -> bool:
    return isinstance(key, str) and key.startswith("valid_") and key != "valid_loss"


def append_history(path: Path | str, record: EpochRecord) -> None:
    """Add one line, and have it on disk before returning."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())


def write_history(path: Path | str, records: Iterable[EpochRecord]) -> None:
    """Write a whole history in one step."""
    write_text(path, "".join(map(_line, records)))


def read_history(path: Path | str) -> list[EpochRecord]:
    """Read a history file; a last line that a kill cut off is left out.

    Raises
    ------
    DataError
        If the file is missing, or a complete line is no record; names the line.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a device or a pipe need not end
        raise DataError(f"{path}: not an ordinary file.")
    try:
        text = read_bytes(path, max_bytes=MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a readable history: {error}.") from error
    complete = text[: text.rfind("\n") + 1].splitlines()
    records = []
    for number, line in enumerate(complete, start=1):
        where = f"{path}, line {number}"
        records.append(EpochRecord.from_document(parse_json(line, where=where), where=where))
    return records


def _line(record: EpochRecord) -> str:
    return json.dumps(record.to_document(), allow_nan=False) + "\n"
