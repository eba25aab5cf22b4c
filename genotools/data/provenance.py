"""Where a store came from: the files it was made of, by name and SHA-256."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["provenance_of"]


def provenance_of(files: Mapping[str, Sequence[Path]], *, genome: str) -> dict[str, object]:
    """Return the provenance of a store made of files, by what each was for."""
    return {
        "genome": genome,
        "sources": [
            {"role": role, "name": path.name, "sha256": _sha256(path)}
            for role, paths in files.items()
            for path in paths
        ],
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
