"""What the gallery shows of each entry, as texts and numbers; the template adds nothing but markup.

Cards come from anybody: of their free parts only what has the expected shape is shown, and at most so much.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genotools.errors import DataError
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.primitives import get_primitive
from genotools.genotype.prose import describe
from genotools.genotype.svg import Drawing, Drawings
from genotools.genotype.task import Task
from genotools.nn.cost import cost
from genotools.zoo.entry import GENOTYPE, ONNX, WEIGHTS, Entry

__all__ = ["Download", "Figure", "View", "make_view", "sort_choices"]

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "r2": "R²",
    "d2": "D²",
}
"""Metrics that are shown, all of which are the better the larger."""
PAPER_OUTPUTS = 919
MAX_TEXT = 600
MAX_SEARCH_TEXT = 6000


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of an entry, with what it is of."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file of an entry."""

    label: str
    href: str
    size: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is shown of an entry; ``keys`` are the numbers to sort by, ``text`` what a search looks through."""

    name: str
    summary: str
    space: str
    has_model: bool
    figures: Sequence[Figure]
    facts: Sequence[tuple[str, str]]
    drawings: Sequence[Drawing]
    words: str
    commands: Sequence[tuple[str, str]]
    downloads: Sequence[Download]
    keys: Mapping[str, float]
    text: str


def make_view(entry: Entry, drawings: Drawings) -> View:
    """Return what is shown of ``entry``."""
    scores = _scores(entry.card.metrics)
    params, figures = _sizes(entry)
    facts = _facts(entry)
    shown = [Figure(label, f"{value:.4f}", f"{split} split") for label, (value, split) in scores.items()]
    ops = sorted(_op_labels(entry.genotype))
    texts = [
        entry.name,
        entry.card.summary,
        entry.genotype.space,
        *entry.parts,
        *ops,
        *(fact for _, fact in facts),
    ]
    return View(
        name=entry.name,
        summary=entry.card.summary,
        space=entry.genotype.space,
        has_model=len(entry.parts) > 1,
        figures=[*figures, *shown],
        facts=facts,
        drawings=drawings.of(entry.genotype),
        words=describe(entry.genotype),
        commands=_commands(entry),
        downloads=_downloads(entry),
        keys={"parameters": params} | {label: value for label, (value, _) in scores.items()},
        text=" ".join(" ".join(texts).split()).lower()[:MAX_SEARCH_TEXT],
    )


def sort_choices(views: Sequence[View]) -> list[tuple[str, str]]:
    """Return the orders that the gallery offers: the key with its direction, and how a person reads it."""
    metrics = [label for label in METRICS.values() if any(label in view.keys for view in views)]
    return [
        ("name:up", "name"),
        ("parameters:up", "fewest parameters"),
        ("parameters:down", "most parameters"),
        *((f"{label}:down", f"best {label}") for label in metrics),
    ]


def _scores(metrics: Mapping[str, object] | None) -> dict[str, tuple[float, str]]:
    """Return metrics by label with their split: of the test split, else of the validation split."""
    for split, prefix in (("test", "mean_"), ("validation", "valid_")):
        values = (metrics or {}).get(split)
        if not isinstance(values, dict):
            continue
        found = {
            label: (float(value), split)
            for key, label in METRICS.items()
            if isinstance(value := values.get(prefix + key, values.get(key)), int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
        }
        if found:
            return found
    return {}


def _sizes(entry: Entry) -> tuple[int, list[Figure]]:
    """Return the number of parameters, and figures of the network: as trained, else as in the paper."""
    card, macro, task, of = entry.card, Macro.paper(), Task(PAPER_OUTPUTS), f"for {PAPER_OUTPUTS} outputs"
    if card.macro is not None and card.task is not None:
        try:
            macro, task = Macro.from_document(card.macro), Task.from_document(card.task)
            of = "as trained" if WEIGHTS in card.files or ONNX in card.files else "as in the card"
        except DataError:
            pass  # a card may describe a network that this version does not build
    figures = cost(entry.genotype, macro, task)
    known = card.metrics.get("params") if card.metrics else None
    params = known if isinstance(known, int) and not isinstance(known, bool) and known > 0 else figures.params
    return params, [
        Figure("parameters", _compact(params), of),
        Figure("multiply-adds", _compact(figures.macs), f"a sequence of {macro.length:,} bp"),
        Figure("receptive field", f"{figures.receptive_field_bp:,} bp", "before the recurrent cell"),
    ]


def _facts(entry: Entry) -> list[tuple[str, str]]:
    card = entry.card
    facts = [("origin", card.origin)]
    if card.task:
        names = card.task.get("names")
        listed = [str(name) for name in names] if isinstance(names, list) else []
        kind = f"{card.task.get('kind', 'task')}, {card.task.get('n_outputs', len(listed))} outputs"
        facts.append(("task", _short(f"{kind}: {', '.join(listed)}" if listed else kind)))
    facts += [("data", _short(_flat(card.data)))] if card.data else []
    relevant = ("genotype", "weights", "data") if len(entry.parts) > 1 else ("genotype",)
    licences = dict.fromkeys(relevant, "not stated") | card.licences.model_dump(exclude_none=True)
    facts.append(("licences", ", ".join(f"{part}: {text}" for part, text in licences.items())))
    facts.append(("digest", entry.genotype.digest))
    return facts


def _flat(value: object) -> str:
    """Return an object of JSON as a line of text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(inner) for inner in value)
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT].rstrip(', ')} …"


def _commands(entry: Entry) -> list[tuple[str, str]]:
    """Return what one does with an entry: what it is for, and the command."""
    name = entry.name
    if len(entry.parts) > 1:
        return [
            (
                "Score variants",
                f"genotools variants {name} --vcf variants.vcf.gz --fasta genome.fa -o scores.tsv",
            ),
            ("Predict", f"genotools predict {name} sequences.fa -o predictions.tsv"),
            ("Train anew", f"genotools train {name} --data store.h5 -o trained"),
        ]
    return [
        ("Train", f"genotools train {name} --data store.h5 -o trained"),
        ("Draw", f"genotools draw {name} -o {name}.svg"),
    ]


def _downloads(entry: Entry) -> list[Download]:
    labels = {GENOTYPE: "Genotype", WEIGHTS: "Weights", ONNX: "ONNX"}
    return [
        Download(
            label, f"{entry.name}/{file}", _size((entry.path / file).stat().st_size), entry.card.files[file]
        )
        for file, label in labels.items()
        if file in entry.card.files
    ]


def _op_labels(genotype: Genotype) -> set[str]:
    ops = {edge.op for cell in (genotype.normal, genotype.reduce) for edge in cell.edges}
    activations = {state.activation for state in genotype.recurrent.states}
    labels = {get_primitive(op, "conv").label for op in ops}
    return ops | activations | labels | {get_primitive(name, "activation").label for name in activations}


def _compact(value: int) -> str:
    """Return a count in few characters.

    >>> [_compact(value) for value in (950, 56_789, 27_600_000, 3_210_000_000)]
    ['950', '56.8 k', '27.6 M', '3.21 G']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value / size:,.0f} {unit}"
    return str(value)


def _size(n_bytes: int) -> str:
    return f"{_compact(n_bytes)}B" if n_bytes >= 1000 else f"{n_bytes} B"
