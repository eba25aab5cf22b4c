"""Predictions for the records of a FASTA file, or for the regions of a BED file over a genome.

A record or region of any length becomes one window of the model's length around its centre: longer ones are cropped,
shorter FASTA records are padded with unknown bases, shorter regions see the genome around them. Results are
streamed; :mod:`genotools.export.tables` writes them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools import __version__
from genotools.data.bed import read_bed
from genotools.data.encoding import UNKNOWN
from genotools.data.fasta import Fasta
from genotools.data.strands import Strands, default_strands, describe_forward, predict_strands
from genotools.data.twobit import TwoBit, open_sequences
from genotools.export.tables import Column, check_table_output, open_table
from genotools.predictor import Predictor

__all__ = ["PredictionSummary", "Progress", "Strands", "predict_bed", "predict_fasta", "predict_windows"]

Progress = Callable[[int, int], None]
"""Called with the number of windows done and their total."""

Region = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSummary:
    """What was predicted.

    Parameters
    ----------
    n_windows
        Records or regions, one window each.
    n_cropped
        Those longer than a window, of which the middle was taken.
    n_padded
        Those whose window reaches over the end of their record or contig.
    n_blank
        Those without a single known base: their predictions mean nothing.
    """

    n_windows: int
    n_cropped: int
    n_padded: int
    n_blank: int

    def to_document(self) -> dict[str, int]:
        """Return the counts as JSON values."""
        return asdict(self)


def predict_windows(
    predictor: Predictor,
    codes: NDArray[np.uint8],
    *,
    strands: Strands | None = None,
    batch_size: int = 256,
    name_of: Callable[[int], str] = "window {}".format,
) -> NDArray[np.float32]:
    """Return outputs ``(N, K)`` for windows ``(N, L)``, by default the mean over both strands.

    On the other strand, labels that come in pairs (``NAME_plus``, ``NAME_minus``) change places.
    ``batch_size`` counts windows in one call of the predictor; ``name_of`` tells a person which one the i-th is.

    Raises
    ------
    DataError
        If the model returns another shape, or values that are not finite, whose windows are named.
    """
    used = strands or default_strands(predictor)
    by_strand = predict_strands(predictor, codes, strands=used, batch_size=batch_size, name_of=name_of)
    return np.asarray(by_strand.mean(axis=0))


def predict_fasta(
    predictor: Predictor,
    fasta: Path | str,
    output: Path | str,
    *,
    strands: Strands | None = None,
    batch_size: int = 256,
    force: bool = False,
    on_progress: Progress | None = None,
) -> PredictionSummary:
    """Predict every record of a FASTA file, in its order, into a ``.tsv``, ``.tsv.gz`` or ``.h5`` file.

    Parameters
    ----------
    predictor
        The model.
    fasta
        Sequences, plain or gzip.
    output
        Where to write; nothing is left there if anything fails. The columns are ``record``, ``length_bp``,
        ``n_cropped``, ``n_padded``, ``n_unknown`` (positions of the window), then one per output.
    strands
        Both, averaged, or the forward one; by default both, where outputs hold for both.
    batch_size
        Windows in one call of the predictor.
    force
        Replace an existing output.
    on_progress
        Called with the number of windows done and their total.

    Raises
    ------
    OutputExistsError
        If ``output`` is taken and ``force`` is off.
    DataError
        If an input cannot be read, the suffix of ``output`` is another, or a prediction is not finite (names the
        record).
    """
    path = check_table_output(output, force=force)
    with Fasta(fasta) as records:
        regions = [(name, 0, length) for name, length in records.contigs.items()]
        job = _Job(
            predictor, records, regions, strands=strands, batch_size=batch_size, on_progress=on_progress
        )
        columns: dict[str, Column] = {
            "record": [name for name, _, _ in regions],
            "length_bp": [end for _, _, end in regions],
        }
        header = {"sequences": Path(fasta).name, "window": "middle of the record, unknown bases around it"}
        return job.write(path, columns, header)


def predict_bed(
    predictor: Predictor,
    bed: Path | str,
    fasta: Path | str,
    output: Path | str,
    *,
    strands: Strands | None = None,
    batch_size: int = 256,
    force: bool = False,
    on_progress: Progress | None = None,
) -> PredictionSummary:
    """Predict every region of a BED file, in its order; see :func:`predict_fasta`.

    The window lies around the region's centre: its base ``(L - 1) // 2`` is the region's ``(length - 1) // 2``, so
    a region of L bp is its own window. Columns are ``chrom``, ``start``, ``end``, ``name`` (where every line has
    one), ``window_start``, ``n_cropped``, ``n_padded``, ``n_unknown``, then one per output.

    Raises
    ------
    OutputExistsError
        If ``output`` is taken and ``force`` is off.
    DataError
        If an input cannot be read, a region lies outside the FASTA's contigs (all of them are listed), or the
        suffix of ``output`` is another.
    """
    path = check_table_output(output, force=force)
    with open_sequences(fasta) as genome:
        found = read_bed(bed, contigs=genome.contigs)
        regions = [
            (contig, int(start), int(end))
            for contig, (start, end) in zip(found.contigs, found.intervals, strict=True)
        ]
        columns: dict[str, Column] = {
            "chrom": found.contigs,
            "start": found.intervals[:, 0].tolist(),
            "end": found.intervals[:, 1].tolist(),
            **({"name": found.names} if found.names else {}),
            "window_start": [window_start(region, predictor.length) for region in regions],
        }
        job = _Job(
            predictor, genome, regions, strands=strands, batch_size=batch_size, on_progress=on_progress
        )
        header = {
            "regions": Path(bed).name,
            "fasta": Path(fasta).name,
            "coordinates": "0-based, the end not included",
            "window": f"{predictor.length} bp from window_start on, around the region's centre",
        }
        return job.write(path, columns, header)


def window_start(region: Region, length: int) -> int:
    """Return where the window of ``length`` bp around a region's centre starts; it may be negative.

    >>> window_start(("chr1", 100, 200), 100), window_start(("chr1", 100, 101), 1000)
    (100, -399)
    """
    _, start, end = region
    return start + (end - start - 1) // 2 - (length - 1) // 2


def _name_of(regions: Sequence[Region], index: int) -> str:
    contig, start, end = regions[index]
    return f"{contig}:{start}-{end}"


class _Job:
    """One pass over regions: windows in batches, predictions to a table, counts."""

    def __init__(
        self,
        predictor: Predictor,
        fasta: Fasta | TwoBit,
        regions: Sequence[Region],
        *,
        strands: Strands | None,
        batch_size: int,
        on_progress: Progress | None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1.")
        self.predictor, self.fasta, self.regions = predictor, fasta, regions
        self.strands: Strands = strands or default_strands(predictor)
        self.batch_size, self.on_progress = batch_size, on_progress
        self.n_cropped = self.n_padded = self.n_blank = 0

    def write(
        self, path: Path, columns: Mapping[str, Column], header: Mapping[str, str]
    ) -> PredictionSummary:
        """Predict all regions into ``path``; ``columns`` describe them, one value a region."""
        kinds = {name: type(values[0]) for name, values in columns.items() if values}
        counts = {"n_cropped": int, "n_padded": int, "n_unknown": int}
        names, header = self.predictor.names, {**self._provenance(), **header}
        with open_table(path, columns={**kinds, **counts}, outputs=names, header=header) as table:
            for rows, found, probs in self._batches():
                table.add({**{name: values[rows] for name, values in columns.items()}, **found}, probs)
                if self.on_progress:
                    self.on_progress(min(rows.stop, len(self.regions)), len(self.regions))
        return PredictionSummary(
            n_windows=len(self.regions),
            n_cropped=self.n_cropped,
            n_padded=self.n_padded,
            n_blank=self.n_blank,
        )

    def _provenance(self) -> dict[str, str]:
        order = (
            "both strands, predictions averaged"
            if self.strands == "both"
            else describe_forward(self.predictor)
        )
        return {
            "genotools_version": __version__,
            "model_digest": self.predictor.digest,
            "model_outputs": str(len(self.predictor.names)),
            "window_bp": str(self.predictor.length),
            "strands": order,
        }

    def _batches(self) -> Iterator[tuple[slice, dict[str, list[int]], NDArray[np.float32]]]:
        """Yield rows, what their windows are made of, and their predictions."""
        length = self.predictor.length
        for first in range(0, len(self.regions), self.batch_size):
            rows = slice(first, first + self.batch_size)
            regions = self.regions[rows]
            starts = [window_start(region, length) for region in regions]
            codes = np.stack(
                [
                    self.fasta.codes(contig, start, start + length)
                    for (contig, _, _), start in zip(regions, starts, strict=True)
                ]
            )
            found = {
                "n_cropped": [max(0, end - start - length) for _, start, end in regions],
                "n_padded": [
                    max(0, -start) + max(0, start + length - self.fasta.contigs[contig])
                    for (contig, _, _), start in zip(regions, starts, strict=True)
                ],
                "n_unknown": (codes == UNKNOWN).sum(axis=1).tolist(),
            }
            self.n_cropped += sum(n > 0 for n in found["n_cropped"])
            self.n_padded += sum(n > 0 for n in found["n_padded"])
            self.n_blank += found["n_unknown"].count(length)
            probs = predict_windows(
                self.predictor,
                codes,
                strands=self.strands,
                batch_size=self.batch_size,
                name_of=partial(_name_of, regions),
            )
            yield rows, found, probs
