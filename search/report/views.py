"""What a report shows, ready to be laid out: texts, drawn charts and tables. The template adds nothing but markup."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from genotools.files import to_json
from genotools.genotype.documents import genotype_to_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.prose import describe
from genotools.genotype.svg import Drawing, Drawings
from genotools.search.report.alphas import HeatMap
from genotools.search.report.charts import Chart, draw_chart
from genotools.search.report.commands import Command

__all__ = [
    "Card",
    "Cell",
    "Column",
    "Figure",
    "Notice",
    "Row",
    "Section",
    "Step",
    "Table",
    "Task",
    "Tile",
    "card",
    "figure",
]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that stands out; ``tone`` is good, bad, code for a digest, or empty."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be missed; ``tone`` is info or warn."""

    text: str
    tone: str = "info"
    command: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn chart with its title, its legend (name, style, kind) and a sentence below."""

    title: str
    svg: Markup
    legend: Sequence[tuple[str, str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A genotype with what is known of it; without drawings, its words stand open."""

    id: str
    rank: str
    digest: str
    facts: Sequence[str]
    drawings: Sequence[Drawing]
    words: str
    document: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """The cells at one moment of a search, and what changed since the moment before."""

    title: str
    digest: str
    drawings: Sequence[Drawing]
    words: str
    changes: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers are set flush right."""

    label: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, what it is sorted by, a place it leads to, and a long text to unfold."""

    text: str
    key: str | float = ""
    href: str = ""
    unfolded: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; ``tone`` is best, failed or empty."""

    cells: Sequence[Cell]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be sorted by every column."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do, and the command that does it."""

    title: str
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A search in the report; ``parts`` are its seeds where they are told one by one."""

    id: str
    title: str
    lead: str
    path: str
    tiles: Sequence[Tile] = ()
    notices: Sequence[Notice] = ()
    figures: Sequence[Figure] = ()
    heat_maps: Sequence[HeatMap] = ()
    cards_title: str = ""
    cards: Sequence[Card] = ()
    cards_note: str = ""
    steps: Sequence[Step] = ()
    table: Table | None = None
    tasks: Sequence[Task] = ()
    facts: Sequence[tuple[str, str]] = ()
    config: Sequence[tuple[str, str]] = ()
    parts: Sequence["Section"] = field(default=())


def figure(chart: Chart, note: str = "") -> Figure:
    """Return a chart, drawn."""
    return Figure(chart.title, draw_chart(chart), chart.legend, note)


def card(
    genotype: Genotype,
    drawings: Drawings,
    *,
    id: str,
    rank: str,
    facts: Sequence[str],
    is_open: bool = False,
) -> Card:
    """Return the card of a genotype."""
    return Card(
        id=id,
        rank=rank,
        digest=genotype.digest,
        facts=facts,
        drawings=drawings.of(genotype),
        words=describe(genotype),
        document=to_json(genotype_to_document(genotype)),
        is_open=is_open,
    )
