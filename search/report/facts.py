"""What a report says of any run: where it looked, on which data, with which versions and settings."""

from collections.abc import Mapping
from typing import Any

import genotools
from genotools.search.report.data import Run
from genotools.search.report.subjects import Subject, data_digest, flat

__all__ = ["config_rows", "facts", "frame_words"]

HEADER = ("format", "version", "genotools")


def frame_words(run: Run) -> str:
    """Return the space and the data of a run, to end a sentence with."""
    space = run.config.get("space")
    name = space.get("name") if isinstance(space, dict) else space
    digest = data_digest(run.config)
    data = f"data {digest.removeprefix('sha256:')[:12]}" if digest else "data of unknown digest"
    return f"in space {name}, on {data}"


def facts(subject: Subject) -> list[tuple[str, str]]:
    """Return what a reader needs, besides the command, to repeat a search."""
    run = subject.runs[0]
    digest = data_digest(run.config)
    found = [
        ("Folder", str(subject.path)),
        ("Data", f"{digest}, which must be the digest of STORE.h5" if digest else "not recorded"),
        ("Seed" if len(subject.runs) == 1 else "Seeds", ", ".join(str(one.seed) for one in subject.runs)),
    ]
    versions = _versions(run)
    found += [(f"Version of {name}", version) for name, version in versions.items()]
    if not versions:
        found.append(("Versions", "not recorded by this run"))
    return [*found, ("Report written by", f"genotools {genotools.__version__}")]


def _versions(run: Run) -> dict[str, str]:
    """Return the versions that a run has recorded, under any of the names they go by."""
    found: dict[str, str] = {}
    for document in (run.config, run.result or {}):
        for key in ("versions", "packages"):
            part = document.get(key)
            if isinstance(part, dict):
                found |= {str(name): str(version) for name, version in part.items()}
        for name in ("genotools", "python", "torch", "torch_version"):
            if isinstance(document.get(name), str):
                found[name.removesuffix("_version")] = document[name]
    return found


def config_rows(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of a run as dotted names and values."""
    return list(flat({key: value for key, value in config.items() if key not in HEADER}).items())
