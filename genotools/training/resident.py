"""Training windows that lie on the device, packed: a batch is decoded there, and none is copied.

All of DeepSEA's 2.2 million forward windows take 0.8 GB like this.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from genotools.data.encoding import UNKNOWN
from genotools.data.store import SequenceStore
from genotools.data.strands import opposite_labels
from genotools.genotype.task import TaskKind

__all__ = ["ResidentRows", "fits_on"]

SHARE = 0.25
"""Part of the device's free memory that the windows may take; activations need the rest."""


def fits_on(device: torch.device, store: SequenceStore, n_rows: int) -> bool:
    """Return whether so many rows of a store fit beside a network; only CUDA devices hold them."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_rows * store.row_bytes < SHARE * free


class ResidentRows:
    """Rows of a store on a device.

    Parameters
    ----------
    store
        Read once.
    rows
        Ascending.
    device
        Where they will lie.
    """

    def __init__(self, store: SequenceStore, rows: NDArray[np.int64], *, device: torch.device) -> None:
        packed = store.packed(rows)
        self._rows = rows
        self._length, self._task = store.length, store.task
        self._bases = torch.from_numpy(packed.bases).to(device)
        is_of_classes = store.task.kind is TaskKind.MULTICLASS  # PyTorch has few operations on uint16
        labels = packed.labels.astype(np.int32) if is_of_classes else packed.labels
        self._labels = torch.from_numpy(labels).to(device)
        self._unknown = torch.from_numpy(packed.unknown).to(device)  # row * L + position
        self._opposite = torch.from_numpy(np.asarray(opposite_labels(store.names))).to(device)
        self._base_shifts = torch.arange(0, 8, 2, dtype=torch.uint8, device=device)
        self._label_shifts = torch.arange(8, dtype=torch.uint8, device=device)

    def batch(
        self, rows: NDArray[np.int64], is_reversed: NDArray[np.bool_], shifts: NDArray[np.int64] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return base codes ``(n, L)`` uint8 and labels ``(n, K)`` float32 of the store's ``rows``.

        Parameters
        ----------
        rows
            Any of those this was made of.
        is_reversed
            Which are given as their other strand, labels of a strand pair exchanged.
        shifts
            How far each is moved to the right then, unknown bases in its place.
        """
        device = self._bases.device
        index = torch.from_numpy(np.searchsorted(self._rows, rows)).to(device, non_blocking=True)
        flip = torch.from_numpy(is_reversed).to(device, non_blocking=True)[:, None]
        codes = self._codes(index)
        complement = torch.where(codes < UNKNOWN, 3 - codes, codes).flip(1)
        labels = self._decoded(self._labels[index])
        labels = torch.where(flip, labels[:, self._opposite], labels)
        codes = torch.where(flip, complement, codes)
        if shifts is not None and shifts.any():
            source = torch.arange(self._length, device=device) - torch.from_numpy(shifts).to(device)[:, None]
            is_inside = (source >= 0) & (source < self._length)
            codes = torch.where(is_inside, codes.gather(1, source.clamp(0, self._length - 1)), UNKNOWN)
        return codes, labels.float()

    def _decoded(self, labels: Tensor) -> Tensor:
        """Return stored labels as ``(n, K)``, see :mod:`genotools.data.label_layout`."""
        match self._task.kind:
            case TaskKind.MULTILABEL:
                return (labels[:, :, None] >> self._label_shifts & 1).flatten(1)[:, : self._task.n_outputs]
            case TaskKind.MULTICLASS:
                return one_hot(labels[:, 0].long(), self._task.n_outputs)
        return labels

    def _codes(self, index: Tensor) -> Tensor:
        codes = (self._bases[index][:, :, None] >> self._base_shifts & 3).flatten(1)[:, : self._length]
        if not len(self._unknown):
            return codes
        # Whether row * L + position is listed, for every position: no result whose size must be waited for.
        place = index[:, None] * self._length + torch.arange(self._length, device=index.device)
        found = torch.searchsorted(self._unknown, place).clamp(max=len(self._unknown) - 1)
        return torch.where(self._unknown[found] == place, UNKNOWN, codes)
