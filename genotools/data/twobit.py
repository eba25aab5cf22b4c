"""Reference sequences from UCSC's 2bit files, through py2bit (the extra ``io``)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN, encode
from genotools.data.fasta import Fasta, near_names
from genotools.errors import DataError
from genotools.extras import require

__all__ = ["TwoBit", "is_two_bit", "open_sequences"]

_MAGIC = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")


def is_two_bit(path: Path) -> bool:
    """Return whether a file begins as 2bit does; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False


def open_sequences(path: Path | str) -> "Fasta | TwoBit":
    """Open FASTA or 2bit, whichever it is; raises as the two do."""
    return TwoBit(path) if is_two_bit(Path(path)) else Fasta(path)


class TwoBit:
    """Sequences of a 2bit file by contig and position; soft-masked bases are bases.

    Not to be shared between processes: each opens its own.

    Raises
    ------
    DataError
        If the file is damaged.
    MissingExtraError
        If py2bit is not installed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        py2bit = require("py2bit", extra="io")
        try:
            self._file: Any = py2bit.open(str(path))
            lengths = dict(self._file.chroms())
        except RuntimeError as error:
            raise DataError(f"{path}: the 2bit file is damaged or cut off ({error}).") from error
        self.contigs: Mapping[str, int] = MappingProxyType(lengths)

    def codes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        """Return base codes as :meth:`genotools.data.fasta.Fasta.codes` does."""
        if contig not in self.contigs:
            raise DataError(f"{self.path}: no contig {contig!r}. {near_names(contig, self.contigs)}")
        if end < start:
            raise ValueError(f"{contig}:{start}-{end}: the end lies before the start.")
        result = np.full(end - start, UNKNOWN, dtype=np.uint8)
        first, last = max(start, 0), min(end, self.contigs[contig])
        if first < last:
            try:
                text = self._file.sequence(contig, first, last)
            except RuntimeError as error:
                raise DataError(f"{self.path}: damaged at {contig}:{first}-{last} ({error}).") from error
            result[first - start : last - start] = encode(text)
        return result

    def genome(self, contigs: Iterable[str] | None = None) -> dict[str, NDArray[np.uint8]]:
        """Return whole contigs (all, or those named) as codes in memory, one byte a base."""
        names = self.contigs if contigs is None else contigs
        return {name: self.codes(name, 0, self.contigs.get(name, 0)) for name in names}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
