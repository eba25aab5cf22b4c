"""What a study found: every run, means and spreads, and the differences between entrants; the table of it.

Times apart, the same study gives the same bytes, whatever it was interrupted by.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genotools.data.store import SequenceStore
from genotools.errors import MissingExtraError
from genotools.files import read_json, write_json
from genotools.formats import STUDY_RESULTS
from genotools.genotype.task import Task as DataTask
from genotools.search.study.outcomes import MAX_RESULT_BYTES, TrainingOutcome, read_training, selection_values
from genotools.search.study.protocol import KMER
from genotools.search.study.setup import StudyInputs, metric_of
from genotools.search.study.significance import holm, label_bootstrap, welch
from genotools.search.study.tasks import Phase, plan_tasks
from genotools.training.seeds import child_seed
from genotools.training.task_metrics import LOWER_IS_BETTER, METRIC_NAMES

__all__ = ["EntrantResult", "StudyResults", "collect", "write_results"]

BOOTSTRAP = 10
"""Branch of the tree of seeds, beside those of the phases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrantResult:
    """What is known of an entrant.

    Attributes
    ----------
    kind
        ``engine``, ``genotype``, ``baseline`` or ``kmer``.
    selection
        The deciding metric on the validation split, by number of the search; empty but for engines.
    chosen
        Number of the search whose genotype was evaluated.
    runs
        Its evaluations, by number.
    search_seconds
        Of all its finished searches together.
    """

    name: str
    kind: str
    selection: dict[int, float] = field(default_factory=dict)
    chosen: int | None = None
    runs: dict[int, TrainingOutcome] = field(default_factory=dict)
    search_seconds: float | None = None

    def values(self, metric: str) -> list[float]:
        """Return a metric of the test in every run that has it."""
        return [run.test[metric] for run in self.runs.values() if metric in run.test]

    def label_means(self, metric: str) -> NDArray[np.float64]:
        """Return the mean over runs of every label, ``(K,)``; empty where there is none."""
        rows = [run.by_label[metric] for run in self.runs.values() if metric in run.by_label]
        return np.array(rows, dtype=np.float64).mean(axis=0) if rows else np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """All entrants in the protocol's order, and what failed."""

    title: str
    metric: str
    metrics: tuple[str, ...]
    reference: str | None
    entrants: list[EntrantResult]
    comparisons: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    failures: dict[str, str]

    @property
    def ranked(self) -> list[EntrantResult]:
        """The entrants that were tested, best first; then the others."""
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        tested = [entrant for entrant in self.entrants if entrant.values(self.metric)]
        tested.sort(key=lambda entrant: -sign * statistics.fmean(entrant.values(self.metric)))
        return [*tested, *(entrant for entrant in self.entrants if entrant not in tested)]

    def to_document(self) -> dict[str, Any]:
        """Return everything as JSON values; keys with ``seconds`` in them hold times."""
        return {
            **STUDY_RESULTS.signed_header,
            "title": self.title,
            "metric": self.metric,
            "reference": self.reference,
            "entrants": [_entrant_document(entrant, self.metrics) for entrant in self.entrants],
            "comparisons": self.comparisons,
            "pairs": self.pairs,
            "failures": self.failures,
        }


def _entrant_document(entrant: EntrantResult, metrics: Sequence[str]) -> dict[str, Any]:
    runs = [
        {
            "run": number,
            "seconds": run.seconds,
            "valid": {name: run.valid[name] for name in metrics if name in run.valid},
            "test": {name: run.test[name] for name in metrics if name in run.test},
        }
        for number, run in entrant.runs.items()
    ]
    first = next(iter(entrant.runs.values()), None)
    return {
        "name": entrant.name,
        "kind": entrant.kind,
        "params": None if first is None else first.n_params,
        "digest": None if first is None else first.digest,
        "selection": [{"search": number, "valid": value} for number, value in entrant.selection.items()],
        "chosen": entrant.chosen,
        "search_seconds": entrant.search_seconds,
        "test": {name: spread(entrant.values(name)) for name in metrics if entrant.values(name)},
        "runs": runs,
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, standard deviation (None of a single value) and number."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


def collect(inputs: StudyInputs, *, failures: Mapping[str, str]) -> StudyResults:
    """Read what lies in the folders of a study, and compare it."""
    protocol = inputs.protocol
    with SequenceStore.open(inputs.store_path) as store:
        task: DataTask = store.task
    metric = metric_of(protocol, task)
    entrants = [_read_entrant(inputs, name, metric) for name in protocol.entrants()]
    tested = [entrant for entrant in entrants if entrant.values(metric)]
    reference = protocol.reference if protocol.reference in [one.name for one in tested] else None
    against = [
        (one, other) for other in tested for one in tested if other.name == reference and one is not other
    ]
    return StudyResults(
        title=protocol.title,
        metric=metric,
        metrics=METRIC_NAMES[task.kind],
        reference=reference,
        entrants=entrants,
        comparisons=_compare(against, metric, protocol.seed),
        pairs=_compare(list(itertools.combinations(tested, 2)), metric, protocol.seed),
        failures=dict(failures),
    )


def _read_entrant(inputs: StudyInputs, name: str, metric: str) -> EntrantResult:
    protocol, folder = inputs.protocol, inputs.folder
    tasks = [task for task in plan_tasks(protocol) if task.entrant == name and task.is_done(folder)]
    runs = {
        task.number: read_training(folder / task.name) for task in tasks if task.phase is Phase.EVALUATION
    }
    if name not in protocol.engines:
        kind = "kmer" if name == KMER else "genotype" if name in inputs.genotypes else "baseline"
        return EntrantResult(name=name, kind=kind, runs=runs)
    selection = selection_values(inputs, name, metric)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    searches = [task for task in tasks if task.phase is Phase.SEARCH]
    return EntrantResult(
        name=name,
        kind="engine",
        selection=selection,
        chosen=max(selection, key=lambda number: (sign * selection[number], -number)) if selection else None,
        runs=runs,
        search_seconds=sum(_seconds_of(folder / task.name / "result.json") for task in searches),
    )


def _seconds_of(path: Any) -> float:
    document = read_json(path, max_bytes=MAX_RESULT_BYTES)
    seconds = document.get("seconds") if isinstance(document, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _compare(
    pairs: Sequence[tuple[EntrantResult, EntrantResult]], metric: str, seed: int
) -> list[dict[str, Any]]:
    """Return the difference of every pair with its tests; Holm's correction is over all of them."""
    values = [(one.values(metric), other.values(metric)) for one, other in pairs]
    found = [welch(*pair) for pair in values]
    rows = []
    for (one, other), pair, p, corrected in zip(pairs, values, found, holm(found), strict=True):
        rng = np.random.default_rng(child_seed(seed, BOOTSTRAP))
        first, second = one.label_means(metric), other.label_means(metric)
        interval = label_bootstrap(first, second, rng=rng) if len(first) == len(second) else None
        rows.append(
            {
                "first": one.name,
                "second": other.name,
                "difference": statistics.fmean(pair[0]) - statistics.fmean(pair[1]),
                "p": p,
                "p_holm": corrected,
                "label_interval": None if interval is None else [interval.low, interval.high],
            }
        )
    return rows


def write_results(inputs: StudyInputs, *, failures: Mapping[str, str]) -> StudyResults:
    """Write ``results.json``, the table as TSV and Markdown, and the figures where matplotlib is installed."""
    from genotools.search.study.table import write_tables

    results = collect(inputs, failures=failures)
    write_json(inputs.folder / "results.json", results.to_document())
    write_tables(results, inputs.folder)
    from genotools.search.study.figures import draw_study

    try:
        draw_study(results, inputs.folder)
    except MissingExtraError:
        (inputs.folder / "evaluation.png").unlink(missing_ok=True)
    return results
