"""Where the first genotypes of a search come from: earlier runs, files, or the run on the most similar data.

Data are described by a few cheap numbers, and compared by them. Reference: AMBIENT's idea, by which architectures
found on one task start the search on a task that is like it.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genotools.data.loader import spread
from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import read_json, write_json
from genotools.formats import DATA_DESCRIPTORS, SEARCH
from genotools.genotype.documents import genotype_from_document, space_from_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.space import SearchSpace
from genotools.genotype.task import TaskKind
from genotools.search.folder import BEST_FILE
from genotools.search.journal import Journal
from genotools.search.one_shot_run import read_candidates
from genotools.search.trial_events import trial_from_event

__all__ = ["DESCRIPTORS", "descriptors", "distance", "genotypes_of_run", "most_similar", "write_descriptors"]

logger = logging.getLogger(__name__)

DESCRIPTORS = "data.json"
"""File of a run folder that says what its data are like."""

K = 4
MAX_WINDOWS = 4000
MAX_BASES = 8_000_000
"""Of long windows fewer are counted, so that a description takes neither seconds nor memory."""
QUANTILES = (0.1, 0.5, 0.9)


def genotypes_of_run(path: Path, n: int, space: SearchSpace) -> tuple[list[Genotype], int]:
    """Return up to ``n`` distinct genotypes of ``space``, best first, and how many others were left out.

    The answer of a search comes first. Of a sampling search follow the trials of the largest budget by score, then
    those of smaller budgets; of a one-shot search the candidates, the latest first.

    Parameters
    ----------
    path
        The folder of a search of either kind, finished or not, a folder with ``best.genotype.json`` or
        ``genotype.json``, a folder of genotype files, or a genotype file.
    n
        At most.
    space
        What the new search may propose.

    Raises
    ------
    DataError
        If nothing of the kind is there, or it is damaged.
    """
    found: dict[str, Genotype] = {}
    outside: set[str] = set()
    for genotype in _ranked(path, space):
        if space.contains(genotype):
            found.setdefault(genotype.digest, genotype)
        else:
            outside.add(genotype.digest)
    return list(found.values())[:n], len(outside)


def _ranked(path: Path, space: SearchSpace) -> list[Genotype]:
    """Return the genotypes of a file or folder, best first."""
    if path.is_file():
        return [_load(path, space)]
    if (path / "journal.jsonl").is_file():
        return _of_search(path, space)
    for name in (BEST_FILE, "genotype.json"):
        if (path / name).is_file():
            return [_load(path / name, space)]
    files = sorted(path.glob("*.json"))
    if not files:
        raise DataError(f"{path}: neither a search, nor a genotype file, nor a folder of such files.")
    return [_load(file, space) for file in files]


def _load(path: Path, space: SearchSpace) -> Genotype:
    """Return the genotype of a file; ``space`` need not be registered."""
    document = read_json(path)
    is_own = isinstance(document, dict) and document.get("space") == space.name
    return genotype_from_document(document, where=str(path), space=space if is_own else None)


def _of_search(folder: Path, space: SearchSpace) -> list[Genotype]:
    """Return the genotypes of a search, best first; none where it was stopped before there was one."""
    journal = Journal(folder / "journal.jsonl")
    own = _space_of_search(folder, space)
    ended = [event for event in journal.read() if event["event"] == "ended"]
    trials = [trial_from_event(event, own, where=str(journal.path)) for event in ended]
    if not trials:  # the choice of a one-shot search comes last
        return [candidate.genotype for candidate in reversed(read_candidates(folder, space=own))]
    finished = [trial for trial in trials if trial.score is not None]
    finished.sort(key=lambda trial: (-(trial.budget_epochs or 0), -(trial.score or 0.0), trial.number))
    # Where rounds share weights, the answer is not the highest score: those of different rounds do not compare.
    best = folder / BEST_FILE
    answer = [_load(best, own or space)] if best.is_file() else []
    return [*answer, *(trial.genotype for trial in finished)]


def _space_of_search(folder: Path, space: SearchSpace) -> SearchSpace | None:
    """Return the space a search was made in; None where it is a registered one."""
    path = folder / "config.json"
    named = SEARCH.check_object(read_json(path), where=path).get("space") if path.is_file() else None
    if isinstance(named, dict):
        return space_from_document(named, where=f"{path}, space")
    return space if named == space.name else None


def descriptors(store: SequenceStore) -> dict[str, Any]:
    """Return what the training split is like, as JSON values.

    ``length_bp``, ``kind`` of the task, ``n_labels``, ``label_rates`` (their 0.1, 0.5 and 0.9 quantiles),
    ``gc``, and ``kmers``: the frequencies of all 4-mers, each together with its reverse complement, of windows spread
    evenly over the split: up to 4000, and fewer where that would be more than 8 million bases.
    """
    rows = store.rows("train")
    if not len(rows):
        raise DataError(f"{store.path}: the training split is empty; there is nothing to describe.")
    codes = store.codes(spread(rows, min(MAX_WINDOWS, max(1, MAX_BASES // store.length))))
    labels = store.labels(spread(rows, MAX_WINDOWS))
    # Of values the share of windows in which they were measured: the part that has a meaning without their unit.
    rates = ((~np.isnan(labels)) if labels.dtype.kind == "f" else labels).mean(axis=0)
    known = codes[codes < 4]
    return {
        **DATA_DESCRIPTORS.header,
        "length_bp": store.length,
        "kind": str(store.task.kind),
        "n_labels": len(store.names),
        "label_rates": [round(float(rate), 6) for rate in np.quantile(rates, QUANTILES)],
        "gc": round(float(np.isin(known, (1, 2)).mean()), 6) if len(known) else 0.0,
        "kmers": [round(float(share), 8) for share in _spectrum(codes)],
    }


def _spectrum(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the frequencies ``(4**K,)`` of K-mers on both strands; those with an unknown base do not count.

    All are alike where no K-mer is known, or windows are shorter than one.
    """
    width = max(0, codes.shape[1] - K + 1)
    numbers = np.zeros((len(codes), width), dtype=np.int16)
    opposite = np.zeros_like(numbers)
    is_known = np.ones_like(numbers, dtype=bool)
    for offset in range(K):
        column = codes[:, offset : offset + width].astype(np.int16)
        numbers += column << 2 * (K - 1 - offset)
        opposite += (3 - column) << 2 * offset  # A, C, G, T are 0 to 3, so the complement is 3 minus the code
        is_known &= column < 4
    counts = np.bincount(numbers[is_known], minlength=4**K) + np.bincount(opposite[is_known], minlength=4**K)
    total = counts.sum()
    return counts / total if total else np.full(4**K, 1 / 4**K)


def distance(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Return how unlike two data sets are; 0 for equal descriptors, about 1 for very different ones in each part.

    The sum of: 1 for tasks of two kinds; the logarithm of the ratio of lengths, of numbers of labels and (their mean)
    of label rates, each against a factor of ten; ten times the difference in GC; and the square root of the
    Jensen-Shannon divergence (base 2) of the 4-mers times three, since genomes differ by a few hundredths only.
    """
    kinds = float(first["kind"] != second["kind"])
    ratios = [_log_ratio(first[name], second[name]) for name in ("length_bp", "n_labels")]
    rates = [
        _log_ratio(a + 1e-4, b + 1e-4)
        for a, b in zip(first["label_rates"], second["label_rates"], strict=True)
    ]
    spectra = 3 * math.sqrt(max(0.0, _jensen_shannon(np.array(first["kmers"]), np.array(second["kmers"]))))
    gc = 10 * abs(float(first["gc"]) - float(second["gc"]))
    return kinds + sum(ratios) + sum(rates) / len(rates) + gc + spectra


def _log_ratio(a: float, b: float) -> float:
    return abs(math.log10(a / b))


def _jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    middle = (p + q) / 2

    def divergence(x: NDArray[np.float64]) -> float:
        some = x > 0
        return float((x[some] * np.log2(x[some] / middle[some])).sum())

    return (divergence(p) + divergence(q)) / 2


def write_descriptors(path: Path, store: SequenceStore) -> None:
    """Write what the data of a search are like into its folder."""
    write_json(path, descriptors(store))


def most_similar(own: Mapping[str, Any], folders: Sequence[Path]) -> tuple[Path, float]:
    """Return the run folder whose data are most like ``own``, and their distance; the first of equals.

    Folders that do not say what their data are like are passed over; the log names them.

    Raises
    ------
    DataError
        If none of the folders says what its data are like, or one of them is damaged.
    """
    distances: dict[Path, float] = {}
    for folder in folders:
        if (folder / DESCRIPTORS).is_file():
            distances[folder] = distance(own, _read(folder / DESCRIPTORS))
        else:
            logger.info("%s: no %s in it, passed over.", folder, DESCRIPTORS)
    if not distances:
        names = ", ".join(folder.name for folder in folders[:5]) or "no folder"
        raise DataError(f"no run with a {DESCRIPTORS} among {names}; searches write it when they end.")
    nearest = min(distances, key=lambda folder: distances[folder])
    return nearest, distances[nearest]


class _Descriptors(BaseModel):
    """The file of :func:`descriptors`, as it is read."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["genotools/data-descriptors"]
    version: Literal[1]
    length_bp: Annotated[int, Field(ge=1)]
    kind: Annotated[TaskKind, Field(strict=False)] = TaskKind.MULTILABEL
    n_labels: Annotated[int, Field(ge=1)]
    label_rates: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=len(QUANTILES), max_length=len(QUANTILES))
    ]
    gc: Annotated[float, Field(ge=0, le=1)]
    kmers: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=4**K, max_length=4**K)]


def _read(path: Path) -> dict[str, Any]:
    document = DATA_DESCRIPTORS.check_object(read_json(path), where=path)
    try:
        return _Descriptors.model_validate(document).model_dump()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors()]
        raise DataError.from_faults(f"{path} (not the description of a data set)", faults) from error
