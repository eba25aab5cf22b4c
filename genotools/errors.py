"""The errors a user can meet, all below :class:`GenotoolsError`.

The command line prints a ``GenotoolsError`` as one message without a traceback. Programming errors stay
``TypeError`` and friends.

GenotoolsError
├── DataError            a file or value that was read is wrong (also a ValueError)
│   └── NewerVersionError  a file is of a version that only a later genotools reads
├── OutputExistsError    an output is there already and --force was not given
└── MissingExtraError    an optional package is not installed (also an ImportError)
"""

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "MAX_FAULTS",
    "N_SHOWN",
    "DataError",
    "GenotoolsError",
    "MissingExtraError",
    "NewerVersionError",
    "OutputExistsError",
]

N_SHOWN = 20
"""Faults that are told; readers spare themselves what only helps who reads them."""
MAX_FAULTS = 1000
"""Faults after which readers of lines stop: files may have any number of lines, all of them faulty."""


class GenotoolsError(Exception):
    """Base of every error that names a user's fault or a machine's lack, not a bug."""


class DataError(GenotoolsError, ValueError):
    """Something that was read or passed in is not what it must be."""

    @classmethod
    def from_faults(cls, where: Path | str, faults: Sequence[str]) -> "DataError":
        """Return one error that lists all ``faults`` found in ``where``."""
        if len(faults) == 1:
            return cls(f"{where}: {faults[0]}")
        shown = [f"  - {fault}" for fault in faults[:N_SHOWN]]
        if len(faults) > N_SHOWN:
            shown.append(f"  - and {len(faults) - N_SHOWN} more")
        or_more = " or more" if len(faults) == MAX_FAULTS else ""  # where the reader stopped
        return cls("\n".join([f"{where}: {len(faults)}{or_more} faults", *shown]))


class NewerVersionError(DataError):
    """A file is of a version that only a later genotools reads: nothing is wrong with it."""


class OutputExistsError(GenotoolsError):
    """An output path is taken and overwriting was not allowed."""

    def __init__(
        self,
        path: Path | str,
        way_out: str = "Choose another output, or allow overwriting with --force (force=True in Python).",
    ) -> None:
        super().__init__(f"{path} exists already. {way_out}")


class MissingExtraError(GenotoolsError, ImportError):
    """An optional dependency is needed and missing."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is needed for this and is not installed. Install it with: pip install 'genotools[{extra}]'"
        )
