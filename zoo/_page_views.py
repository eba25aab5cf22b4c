"""What the gallery shows of each entry, as texts and numbers; the template adds nothing but markup.

Cards come from anybody: of their free parts only what has the expected shape is shown, and at most so much.
"""

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
from genotools.zoo.card_text import METRICS, card_lines, scores
from genotools.zoo.entry import GENOTYPE, ONNX, WEIGHTS, Entry

__all__ = ["Download", "Figure", "View", "make_view", "sort_choices"]

PAPER_OUTPUTS = 919
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
    measured = scores(entry.card)
    params, figures = _sizes(entry)
    facts = card_lines(entry)
    shown = [Figure(label, f"{value:.4f}", f"{split} split") for label, (value, split) in measured.items()]
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
        keys={"parameters": params, "trained": float(len(entry.parts) > 1)}
        | {label: value for label, (value, _) in measured.items()},
        text=" ".join(" ".join(texts).split()).lower()[:MAX_SEARCH_TEXT],
    )


def _keys(entry: Entry, params: int, measured: Mapping[str, tuple[float, str]]) -> dict[str, float]:
    values = {label: value for label, (value, _) in measured.items()}
    return {"parameters": params, "trained": float(len(entry.parts) > 1), **values}


def sort_choices(views: Sequence[View]) -> list[tuple[str, str]]:
    """Return the orders that the gallery offers: the key with its direction, and how a person reads it."""
    metrics = [label for label in METRICS.values() if any(label in view.keys for view in views)]
    some = 0 < sum(view.has_model for view in views) < len(views)
    return [
        *([("trained:down", "trained first")] if some else []),
        ("name:up", "name"),
        ("parameters:up", "fewest parameters"),
        ("parameters:down", "most parameters"),
        *((f"{label}:down", f"best {label}") for label in metrics),
    ]


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
