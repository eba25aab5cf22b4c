"""Scored variants as files: text, HDF5, parquet. Annotated VCF is :mod:`genotools.variants.vcf_output`.

A writer appends to growing files (:mod:`genotools.variants.partial`) and makes the table of them in the end.

TSV
    ``##key=value`` lines, a line of column names, a line an ALT. Scores have columns ``score:output``; with a number
    of top outputs, ``topN_feature`` and ``score:topN`` instead, outputs by descending |diff|.
HDF5
    ``variants/COLUMN`` ``(n,)``, ``scores/NAME`` float32 ``(n, K)`` and ``outputs`` ``(K,)``; what TSV has in its
    first lines are attributes.
parquet
    The columns of TSV, scores as float32; the first lines are the schema's metadata.
"""

import gzip
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.data.hdf5_writing import writing_hdf5
from genotools.extras import require
from genotools.formats import VARIANTS
from genotools.variants.scoring import ScoredVariants
from genotools.variants.table import NA, SUMMARY_COLUMNS, VARIANT_COLUMNS, variant_fields

__all__ = ["ArrayWriter", "Layout", "TextWriter", "Writer"]

BLOCK_ROWS = 16_384
INTEGERS = ("pos", "n_pad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a table holds: scores by name, outputs, how many top ones instead of all (None), and its first lines."""

    scores: tuple[str, ...]
    features: tuple[str, ...]
    header: Mapping[str, str]
    top_k: int | None = None

    @property
    def n_values(self) -> int:
        """Numbers of a row."""
        return len(self.scores) * (self.n_top if self.top_k else len(self.features))

    @property
    def n_top(self) -> int:
        """Top outputs that a row tells of."""
        return min(self.top_k or 0, len(self.features))

    def row_bytes(self, suffix: str) -> int:
        """Return about how many bytes a row takes in a file of that suffix."""
        text = 70 + (12 * self.n_top if self.top_k else 0)
        each = {".tsv": 11, ".gz": 5, ".h5": 4, ".parquet": 4, ".vcf": 8}.get(suffix, 11)
        return text + each * self.n_values

    def top(self, batch: ScoredVariants) -> NDArray[np.int64]:
        """Return the outputs with the largest |diff| of each row, ``(n, n_top)``, ties by index."""
        return np.argsort(-np.abs(batch.diff), axis=1, kind="stable")[:, : self.n_top]


class Writer(Protocol):
    """Something that turns batches into a file."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the growing files, the first being empty."""
        ...

    def open(self, paths: Mapping[str, Path], *, is_new: bool) -> None:
        """Go on at the end of the growing files."""
        ...

    def add(self, batch: ScoredVariants) -> None:
        """Append rows."""
        ...

    def flush(self) -> bool:
        """Hand everything to the system; return whether the files end where a run can be taken up."""
        ...

    def finish(self, path: Path) -> None:
        """Close the growing files and write the table to ``path``."""
        ...

    def close(self) -> None:
        """Close the growing files."""
        ...


class TextWriter:
    """TSV, plain, or gzip that is the same each time."""

    suffixes: tuple[str, ...] = ("",)

    def __init__(self, layout: Layout, *, is_packed: bool) -> None:
        self._layout, self._is_packed = layout, is_packed

    def open(self, paths: Mapping[str, Path], *, is_new: bool) -> None:
        """Go on at the end of the growing file; a new one begins with its header."""
        self._path = paths[""]
        # What was not UTF-8 in the VCF comes out as it went in.
        self._file = self._path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n")
        if is_new:
            layout = self._layout
            self._file.writelines(f"##{key}={value}\n" for key, value in layout.header.items())
            columns = [*VARIANT_COLUMNS, *SUMMARY_COLUMNS, *_value_columns(layout)]
            self._file.write("\t".join(columns) + "\n")

    def add(self, batch: ScoredVariants) -> None:
        """Append a line an ALT."""
        layout = self._layout
        top = layout.top(batch) if layout.top_k else None
        pattern = "\t".join(["%.6g"] * len(layout.features))
        n_empty = len(SUMMARY_COLUMNS) + len(_value_columns(layout))
        for place, row in enumerate(batch.rows):
            fields = variant_fields(row)
            best = int(batch.max_absdiff_feature[place])
            if best < 0:
                fields += [NA] * n_empty
            else:
                fields += [f"{batch.max_absdiff[place]:.6g}", batch.features[best]]
                if top is not None:
                    fields += _top_cells(batch, place, top[place], layout)
                else:
                    fields += [pattern % tuple(batch.scores[name][place].tolist()) for name in layout.scores]
            self._file.write("\t".join(fields) + "\n")

    def flush(self) -> bool:
        """Hand everything to the system."""
        self._file.flush()
        return True

    def finish(self, path: Path) -> None:
        """Move the growing file to ``path``, or pack it there."""
        self.close()
        if not self._is_packed:
            self._path.replace(path)
            return
        # Without name and time in its header, equal tables make equal files.
        with (
            self._path.open("rb") as plain,
            path.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=4) as packed,
        ):
            shutil.copyfileobj(plain, packed, 1 << 20)

    def close(self) -> None:
        """Close the growing file."""
        self._file.close()


def _value_columns(layout: Layout) -> list[str]:
    if layout.top_k:
        ranks = range(1, layout.n_top + 1)
        return [name for rank in ranks for name in (f"top{rank}", *(f"{s}:top{rank}" for s in layout.scores))]
    return [f"{name}:{label}" for name in layout.scores for label in layout.features]


def _top_cells(batch: ScoredVariants, place: int, top: NDArray[np.int64], layout: Layout) -> list[str]:
    return [
        cell
        for index in top.tolist()
        for cell in (
            batch.features[index],
            *(f"{batch.scores[name][place, index]:.6g}" for name in layout.scores),
        )
    ]


class ArrayWriter:
    """HDF5 or parquet: numbers and texts grow apart, and become one file in the end."""

    suffixes: tuple[str, ...] = ("", ".rows")

    def __init__(self, layout: Layout, *, is_parquet: bool) -> None:
        if is_parquet:
            require("pyarrow", extra="io")
        self._layout, self._is_parquet = layout, is_parquet

    def open(self, paths: Mapping[str, Path], *, is_new: bool) -> None:
        """Go on at the end of the growing files."""
        del is_new
        self._paths = paths
        self._numbers: IO[bytes] = paths[""].open("ab")
        self._texts = paths[".rows"].open("a", encoding="utf-8", errors="surrogateescape", newline="\n")

    def add(self, batch: ScoredVariants) -> None:
        """Append rows."""
        layout = self._layout
        top = layout.top(batch) if layout.top_k else None
        values = [batch.scores[name] for name in layout.scores]
        if top is not None:
            values = [np.take_along_axis(value, top, axis=1) for value in values]
        numbers = np.concatenate([batch.max_absdiff[:, None], *values], axis=1)
        self._numbers.write(numbers.astype("<f4").tobytes())
        for place, row in enumerate(batch.rows):
            best = int(batch.max_absdiff_feature[place])
            fields = [*variant_fields(row), NA if best < 0 else batch.features[best]]
            if top is not None:
                fields += [NA if best < 0 else batch.features[index] for index in top[place].tolist()]
            self._texts.write("\t".join(fields) + "\n")

    def flush(self) -> bool:
        """Hand everything to the system."""
        self._numbers.flush()
        self._texts.flush()
        return True

    def close(self) -> None:
        """Close the growing files."""
        self._numbers.close()
        self._texts.close()

    def finish(self, path: Path) -> None:
        """Write the table, block by block."""
        self.close()
        (self._write_parquet if self._is_parquet else self._write_hdf5)(path)

    def _blocks(self) -> Iterator[tuple[dict[str, list[str]], NDArray[np.float32]]]:
        """Yield texts by column, and numbers ``(n, 1 + values)``."""
        names = [*VARIANT_COLUMNS, SUMMARY_COLUMNS[1]]
        names += [f"top{rank}" for rank in range(1, self._layout.n_top + 1)]
        width = 1 + self._layout.n_values
        with (
            self._paths[".rows"].open(encoding="utf-8", errors="surrogateescape", newline="\n") as texts,
            self._paths[""].open("rb") as numbers,
        ):
            while lines := [line for _, line in zip(range(BLOCK_ROWS), texts, strict=False)]:
                cells = zip(*(line.rstrip("\n").split("\t") for line in lines), strict=True)
                block = np.frombuffer(numbers.read(4 * width * len(lines)), dtype="<f4").reshape(-1, width)
                yield dict(zip(names, map(list, cells), strict=True)), block

    def _write_hdf5(self, path: Path) -> None:
        layout = self._layout
        with writing_hdf5(path) as file:
            file.attrs.update({**VARIANTS.header, **layout.header})
            text = h5py.string_dtype()
            file.create_dataset("outputs", data=list(layout.features), dtype=text, track_times=False)
            places: dict[str, h5py.Dataset] = {}
            width = layout.n_top if layout.top_k else len(layout.features)
            first = 0

            def append(name: str, values: Any, dtype: Any) -> None:
                shape = (None, *np.shape(values)[1:])
                if name not in places:
                    empty = (0, *shape[1:])
                    places[name] = file.create_dataset(
                        name, empty, dtype, maxshape=shape, track_times=False, chunks=True
                    )
                places[name].resize(first + len(values), axis=0)
                places[name][first:] = values

            for texts, numbers in self._blocks():
                for name, column in texts.items():
                    if name in INTEGERS:
                        append(f"variants/{name}", [-1 if cell == NA else int(cell) for cell in column], "i8")
                    else:
                        append(f"variants/{name}", [_utf8(cell) for cell in column], text)
                append("variants/max_absdiff", numbers[:, 0], "f4")
                for index, score in enumerate(layout.scores):
                    append(f"scores/{score}", numbers[:, 1 + index * width : 1 + (index + 1) * width], "f4")
                first += len(numbers)

    def _write_parquet(self, path: Path) -> None:
        arrow, parquet = require("pyarrow", extra="io"), require("pyarrow.parquet", extra="io")
        layout = self._layout
        labels = [f"top{rank}" for rank in range(1, layout.n_top + 1)] if layout.top_k else layout.features
        names = ["max_absdiff", *(f"{score}:{label}" for score in layout.scores for label in labels)]
        texts = [*VARIANT_COLUMNS, SUMMARY_COLUMNS[1], *(labels if layout.top_k else ())]
        fields = [(name, arrow.int64() if name in INTEGERS else arrow.string()) for name in texts]
        schema = arrow.schema([*fields, *((name, arrow.float32()) for name in names)])
        schema = schema.with_metadata({key: str(value) for key, value in layout.header.items()})
        with parquet.ParquetWriter(str(path), schema) as writer:
            for columns, numbers in self._blocks():
                arrays: list[Any] = [_column(name, columns[name]) for name in texts]
                arrays += [np.ascontiguousarray(numbers[:, index]) for index in range(len(names))]
                table = [
                    arrow.array(array, type=field.type, from_pandas=True)  # NaN is null
                    for array, field in zip(arrays, schema, strict=True)
                ]
                writer.write_table(arrow.Table.from_arrays(table, schema=schema))


def _column(name: str, cells: list[str]) -> list[int | str | None]:
    """Return a column of texts as parquet has it."""
    if name in INTEGERS:
        return [None if cell == NA else int(cell) for cell in cells]
    return [None if cell == NA else _utf8(cell) for cell in cells]


def _utf8(text: str) -> str:
    """Return text that is UTF-8; what was none in the VCF is shown as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
