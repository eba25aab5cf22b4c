"""How the labels of a store lie in its file, by what they mean.

=========== ============== ==========================================================================
kind        in the file    content
=========== ============== ==========================================================================
multilabel  uint8 (⌈K/8⌉)  label ``k`` in bit ``k % 8`` of byte ``k // 8``
multiclass  uint16 (1)     the class, 0 to K - 1
regression  float32 (K)    values; NaN where nothing was measured
counts      float32 (K)    counts or rates, 0 or more; NaN where nothing was measured
=========== ============== ==========================================================================
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.genotype.task import TaskKind

__all__ = ["MAX_CLASSES", "LabelLayout"]

MAX_CLASSES = 1 << 16


@dataclass(frozen=True, slots=True)
class LabelLayout:
    """The layout of K labels of one kind; labels outside of the file are ``(n, K)``, of classes one-hot."""

    kind: TaskKind
    n_labels: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers in the file."""
        match self.kind:
            case TaskKind.MULTILABEL:
                return np.dtype(np.uint8)
            case TaskKind.MULTICLASS:
                return np.dtype(np.uint16)
        return np.dtype(np.float32)

    @property
    def width(self) -> int:
        """Numbers that a row takes."""
        match self.kind:
            case TaskKind.MULTILABEL:
                return -(-self.n_labels // 8)
            case TaskKind.MULTICLASS:
                return 1
        return self.n_labels

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes."""
        return self.width * self.dtype.itemsize

    def pack(self, labels: NDArray[Any], *, where: str) -> NDArray[Any]:
        """Return labels ``(n, K)`` as they lie in the file, ``(n, width)``; ``where`` begins every message.

        Raises
        ------
        DataError
            If a label is not of this kind.
        """
        match self.kind:
            case TaskKind.MULTILABEL:
                if labels.max(initial=0) > 1:
                    raise DataError(f"{where}: labels are 0 or 1, found {labels.max()}.")
                bits: NDArray[np.uint8] = labels.astype(np.uint8, copy=False)
                return np.packbits(bits, axis=1, bitorder="little")
            case TaskKind.MULTICLASS:
                if self.n_labels > MAX_CLASSES:
                    raise DataError(
                        f"{where}: {self.n_labels:,} classes, at most {MAX_CLASSES:,} are possible."
                    )
                if len(labels) and not ((labels != 0).sum(axis=1) == 1).all():
                    raise DataError(f"{where}: a row is of one class, found one of none or of several.")
                classes: NDArray[np.uint16] = labels.argmax(axis=1).astype(np.uint16)[:, None]
                return classes
        values = np.asarray(labels, dtype=np.float32)
        if np.isinf(values).any():
            raise DataError(f"{where}: an infinite value; a value that is not there is NaN.")
        if self.kind is TaskKind.COUNTS and (values < 0).any():
            raise DataError(f"{where}: counts are 0 or more, found {np.nanmin(values):g}.")
        return values

    def unpack(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return labels ``(n, K)`` for rows of the file: uint8 0 or 1, or float32."""
        match self.kind:
            case TaskKind.MULTILABEL:
                return np.unpackbits(stored, axis=1, count=self.n_labels, bitorder="little")
            case TaskKind.MULTICLASS:
                is_class: NDArray[np.bool_] = stored == np.arange(self.n_labels, dtype=np.uint16)
                return is_class.astype(np.uint8)
        return np.asarray(stored, dtype=np.float32)
