"""Checkpoints: one safetensors file with everything that a training needs to go on bit for bit.

Tensors lie under ``network/``, ``momentum/``, ``best/``, ``rng/`` and ``meter/``; epoch, step, history and what the
training belongs to are JSON in the file's header. The file appears complete or not at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from genotools.errors import DataError
from genotools.files import parse_json
from genotools.formats import CHECKPOINT
from genotools.training.history import EpochRecord
from genotools.training.state_files import read_state, write_state

__all__ = [
    "Checkpoint",
    "check_identity",
    "load_checkpoint",
    "save_checkpoint",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A training between two steps.

    Parameters
    ----------
    identity
        What the training belongs to, as JSON values: settings, genotype, macro, task, seed, data.
    epoch, step
        Epochs finished, and steps done in the one that follows.
    history
        Records of the finished epochs.
    tensors
        All tensors by name.
    """

    identity: Mapping[str, object]
    epoch: int
    step: int
    history: tuple[EpochRecord, ...]
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors under ``name/``, that prefix taken off."""
        prefix = f"{name}/"
        return {
            key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)
        }


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` in place of what is at ``path``, which is kept as the one before."""
    path = Path(path)
    path.parent.mkdir(exist_ok=True)
    values = {
        "identity": checkpoint.identity,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "history": [record.to_document() for record in checkpoint.history],
    }
    write_state(path, CHECKPOINT, checkpoint.tensors, values)


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, its tensors on the CPU; the one before, with a warning, where it is damaged.

    Raises
    ------
    DataError
        If the file is missing, damaged, no checkpoint, or of a newer version.
    """
    return read_state(Path(path), CHECKPOINT, _parsed)


def _parsed(path: Path, metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> Checkpoint:
    keys = ("identity", "epoch", "step", "history")
    absent = [key for key in keys if key not in metadata]
    if absent:
        raise DataError(f"{path}: its header lacks {', '.join(absent)}.")
    state: dict[str, Any] = {key: parse_json(metadata[key], where=f"{path}: {key}") for key in keys}
    counts = {key: state[key] for key in ("epoch", "step")}
    if not all(type(count) is int and count >= 0 for count in counts.values()):
        raise DataError(f"{path}: epoch and step must be whole numbers, found {counts}.")
    identity, records = state["identity"], state["history"]
    if not isinstance(identity, dict) or not isinstance(records, list):
        raise DataError(f"{path}: identity must be an object and history a list.")
    history = tuple(EpochRecord.from_document(record, where=f"{path}: history") for record in records)
    if len(history) != state["epoch"]:
        raise DataError(f"{path}: {len(history)} epochs in the history of {state['epoch']} finished ones.")
    return Checkpoint(
        identity=identity, epoch=state["epoch"], step=state["step"], history=history, tensors=tensors
    )


def check_identity(found: Mapping[str, object], wanted: Mapping[str, object], *, where: Path | str) -> None:
    """Refuse to go on with a training that was started with something else.

    Raises
    ------
    DataError
        Listing every value that differs, as it was and as it is wanted.
    """
    before, now = (dict(_leaves(dict(values))) for values in (found, wanted))
    missing = "nothing"
    faults = [
        f"{key}: started with {_short(before.get(key, missing))}, now {_short(now.get(key, missing))}."
        for key in sorted(before | now)
        if before.get(key, missing) != now.get(key, missing)
    ]
    if faults:
        faults.append("Repeat what it was started with, or start anew in another folder or with --force.")
        raise DataError.from_faults(f"{where} cannot be resumed", faults)


def _leaves(values: Any, prefix: str = "") -> list[tuple[str, object]]:
    """Return the values of nested objects by dotted key; lists count as values."""
    if not isinstance(values, Mapping):
        return [(prefix, values)]
    pairs = []
    for key, value in values.items():
        pairs += _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return pairs


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
