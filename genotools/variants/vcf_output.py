"""A VCF with what a model says of its variants in INFO; everything else passes through as text, byte for byte.

Three fields are added, each with one entry for every ALT, in order:

``GT_STATUS``
    ``ok``, or why the ALT was not scored.
``GT_MAX``
    The largest |diff| over the chosen outputs; ``.`` where there is none.
``GT_TOP``
    The top outputs by |diff|, joined by ``&``: ``index|score|score...``, the index of the output and the scores that
    were asked for. The header names the outputs by index and the scores in order.
"""

import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from genotools.errors import DataError
from genotools.extras import require
from genotools.variants.outputs import Layout
from genotools.variants.scoring import ScoredVariants

__all__ = ["DEFAULT_TOP", "VcfWriter"]

DEFAULT_TOP = 3
FIELDS = ("GT_STATUS", "GT_MAX", "GT_TOP")
INFO = 7
N_COLUMNS = 8
"""A VCF has at least as many; INFO is the last of them."""


class VcfWriter:
    """Annotated VCF, plain or (through pysam, the extra ``io``) compressed by bgzip.

    :meth:`take_line` is given every line of the input before its variants are added.

    Parameters
    ----------
    layout
        Scores and outputs; ``top_k`` outputs are told, 3 where it is None.
    indices
        Number of each chosen output among all of the model's.
    n_done
        Variants that a stopped run has written: the lines of their records are passed over.
    """

    suffixes: tuple[str, ...] = ("",)

    def __init__(self, layout: Layout, indices: list[int], *, is_packed: bool, n_done: int = 0) -> None:
        if is_packed:
            require("pysam", extra="io")
        self._layout, self._indices, self._is_packed = layout, indices, is_packed
        self._n_skipped = n_done
        self._lines: deque[tuple[list[str], int]] = (
            deque()
        )  # fields of a record, and how many ALTs are to come
        self._entries: list[tuple[str, str, str]] = []

    def open(self, paths: Mapping[str, Path], *, is_new: bool) -> None:
        """Go on at the end of the growing file."""
        self._path, self._is_new = paths[""], is_new
        self._file = self._path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n")

    def take_line(self, line: str) -> None:
        """Take in a line of the input, header or record."""
        if line.startswith("#"):
            self._take_header(line)
            return
        fields = line.split("\t")
        if len(fields) < N_COLUMNS:
            raise DataError(
                f"an annotated VCF needs all {N_COLUMNS} columns; a record has {len(fields)}: {line[:60].strip()!r}. "
                "Write a table instead (.tsv)."
            )
        n_alts = fields[4].count(",") + 1
        if self._n_skipped:
            self._n_skipped -= n_alts
            return
        self._lines.append((fields, n_alts))

    def _take_header(self, line: str) -> None:
        if any(line.startswith(f"##INFO=<ID={field},") for field in FIELDS):
            raise DataError(
                f"the VCF has been annotated already: {line[:60].strip()!r}. Annotate the original."
            )
        if not self._is_new:
            return
        if line.upper().startswith("#CHROM"):
            end = "\r\n" if line.endswith("\r\n") else "\n"
            self._file.writelines(text + end for text in self._header())
        self._file.write(line)

    def _header(self) -> list[str]:
        layout = self._layout
        scores = "|".join(layout.scores)
        lines = [f"##genotools_{key}={value}" for key, value in layout.header.items()]
        lines += [
            f'##genotools_output=<ID={index},Name="{_quoted(name)}">'
            for index, name in zip(self._indices, layout.features, strict=True)
        ]
        return [
            *lines,
            '##INFO=<ID=GT_STATUS,Number=A,Type=String,Description="genotools: ok, or why ALT was not scored">',
            '##INFO=<ID=GT_MAX,Number=A,Type=Float,Description="genotools: largest |diff| over the outputs">',
            "##INFO=<ID=GT_TOP,Number=A,Type=String,Description="
            f'"genotools: top outputs by |diff|, joined by &: output|{scores}">',
        ]

    def add(self, batch: ScoredVariants) -> None:
        """Write the records all of whose ALTs are there."""
        top = self._layout.top(batch)
        for place, row in enumerate(batch.rows):
            best = int(batch.max_absdiff_feature[place])
            if best < 0:
                self._entries.append((row.status, ".", "."))
            else:
                tops = (self._top(batch, place, index) for index in top[place].tolist())
                self._entries.append((row.status, f"{batch.max_absdiff[place]:.6g}", "&".join(tops)))
            fields, n_alts = self._lines[0]
            if len(self._entries) == n_alts:
                self._lines.popleft()
                self._write(fields)

    def _top(self, batch: ScoredVariants, place: int, index: int) -> str:
        values = (f"{batch.scores[name][place, index]:.6g}" for name in self._layout.scores)
        return "|".join([str(self._indices[index]), *values])

    def _write(self, fields: list[str]) -> None:
        last = fields[INFO]
        text = last.rstrip("\r\n")
        by_field = zip(*self._entries, strict=True)
        added = [f"{name}={','.join(entries)}" for name, entries in zip(FIELDS, by_field, strict=True)]
        info = ";".join(added if text in ("", ".") else [text, *added])
        line = "\t".join([*fields[:INFO], info + last[len(text) :], *fields[INFO + 1 :]])
        self._file.write(line if line.endswith("\n") else line + "\n")
        self._entries.clear()

    def flush(self) -> bool:
        """Hand everything to the system; a run can be taken up only between two records."""
        self._file.flush()
        return not self._entries

    def close(self) -> None:
        """Close the growing file."""
        self._file.close()

    def finish(self, path: Path) -> None:
        """Move the growing file to ``path``, or pack it there."""
        self.close()
        if not self._is_packed:
            self._path.replace(path)
            return
        pysam = require("pysam", extra="io")
        with self._path.open("rb") as plain, pysam.BGZFile(str(path), "wb") as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
