"""Tab-separated tables with a header, as people write them by hand."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genotools.data.bed import read_text
from genotools.errors import MAX_FAULTS, DataError

__all__ = ["Table", "TableRow", "read_table"]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of a table: its number, and what stands under each name of the header, stripped."""

    number: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def __iter__(self) -> Iterator[TableRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def read_table(
    path: Path, *, needed: Sequence[str] = (), known: Collection[str] | None = None, unique: str | None = None
) -> Table:
    """Read a table, gzip or not; blank lines do not count, and the header may begin with ``#``.

    Parameters
    ----------
    path
        The file.
    needed
        Columns that must be there, filled in every row.
    known
        All columns there may be; None takes any.
    unique
        A column that holds nothing twice.

    Raises
    ------
    DataError
        Listing every fault with its line.
    """
    lines = [(number, line) for number, line in read_text(path) if line.strip()]
    if not lines:
        raise DataError(f"{path}: the file is empty, a table with a header was expected.")
    first, header = lines[0][0], [name.strip() for name in lines[0][1].lstrip("#").split("\t")]
    faults = [
        f"line {first}: unknown column {column[:60]!r}; there are {', '.join(known)}"
        for column in header
        if known is not None and column not in known
    ]
    faults += [f"line {first}: no column {column!r}" for column in needed if column not in header]
    if len(set(header)) < len(header):
        faults.append(f"line {first}: a column appears twice")
    if faults:
        raise DataError.from_faults(path, faults)
    rows, seen = [], set[str]()
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in line.split("\t")]
        fields = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False))
        empty = [column for column in needed if not fields[column]]
        if len(cells) > len(header) or empty:
            what = f"{', '.join(empty)} must be filled in" if empty else f"{len(cells)} cells"
            faults.append(f"line {number}: {what}; the header has {len(header)} columns")
        elif unique is not None and fields[unique] in seen:
            faults.append(f"line {number}: {unique} {fields[unique][:60]!r} appears twice")
        if len(faults) >= MAX_FAULTS:
            break
        seen.add(fields.get(unique or "", ""))
        rows.append(TableRow(number, fields))
    if not rows:
        faults.append("the table has a header and no rows")
    if faults:
        raise DataError.from_faults(path, faults)
    return Table(path, tuple(header), tuple(rows))
