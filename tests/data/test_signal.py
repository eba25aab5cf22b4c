"""Values over bins against a loop over single bases, from text and from bigWig."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from genotools.data.contig_names import ContigNames
from genotools.data.signal import STATISTICS, Statistic, is_bigwig, open_signal, regions_above
from genotools.errors import DataError

CONTIGS = {"chrI": 1000, "chrII": 437, "chrIII": 90}
BIN_BP = 40
Record = tuple[str, int, int, float]


def records(seed: int) -> list[Record]:
    """Return disjoint intervals with numbers, on the first two contigs, with gaps."""
    rng = np.random.default_rng(seed)
    found: list[Record] = []
    for contig in ("chrI", "chrII"):
        position = int(rng.integers(0, 30))
        while position < CONTIGS[contig] - 1:
            end = min(CONTIGS[contig], position + int(rng.integers(1, 120)))
            found.append((contig, position, end, float(np.round(rng.normal(3, 5), 3))))
            position = end + int(rng.choice([0, 0, int(rng.integers(1, 150))]))
    return found


def write_bigwig(path: Path, found: list[Record], contigs: dict[str, int] = CONTIGS) -> Path:
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(contigs.items()))
    names, starts, ends, values = zip(*found, strict=True)
    file.addEntries(list(names), list(starts), ends=list(ends), values=list(values))
    file.close()
    return path


def write_bedgraph(path: Path, found: list[Record]) -> Path:
    lines = ["track type=bedGraph\n", *(f"{c}\t{s}\t{e}\t{v}\n" for c, s, e, v in found)]
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(lines)
    return path


def oracle(found: list[Record], contig: str, n_bins: int, statistic: Statistic) -> np.ndarray:
    """Return what every bin's bases say, one after the other."""
    bases: list[float | None] = [None] * CONTIGS[contig]
    for name, start, end, value in found:
        if name == contig:
            bases[start:end] = [value] * (end - start)
    result = []
    for index in range(n_bins):
        inside = [value for value in bases[index * BIN_BP : (index + 1) * BIN_BP] if value is not None]
        sums = {"mean": sum(inside) / max(1, len(inside)), "max": max(inside, default=0), "sum": sum(inside)}
        result.append(float(sums[statistic]) if inside else np.nan)
    return np.array(result)


@pytest.mark.parametrize("suffix", ["bw", "bg", "bg.gz"])
@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("seed", range(5))
def test_bins_have_what_their_bases_have(
    tmp_path: Path, suffix: str, statistic: Statistic, seed: int
) -> None:
    found = records(seed)
    path = tmp_path / f"signal.{suffix}"
    (write_bigwig if suffix == "bw" else write_bedgraph)(path, found)
    signal = open_signal(path, contigs=CONTIGS)
    for contig, length in CONTIGS.items():
        n_bins = length // BIN_BP
        values = signal.over_bins(contig, n_bins, bin_bp=BIN_BP, statistic=statistic)
        np.testing.assert_allclose(values, oracle(found, contig, n_bins, statistic), rtol=1e-5, atol=1e-5)


def test_stretches_of_a_bigwig_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bigwig(tmp_path / "s.bw", records(0))
    whole = open_signal(path, contigs=CONTIGS).over_bins("chrI", 25, bin_bp=BIN_BP, statistic="mean")
    monkeypatch.setattr("genotools.data.signal.STRETCH_BINS", 3)
    parts = open_signal(path, contigs=CONTIGS).over_bins("chrI", 25, bin_bp=BIN_BP, statistic="mean")
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("stretch", [7, 1 << 20])
def test_regions_above_are_those_of_the_bases(
    tmp_path: Path, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genotools.data.signal.STRETCH_BP", stretch)
    found = records(1)
    regions = regions_above(write_bigwig(tmp_path / "s.bw", found), 4.0, contigs=CONTIGS)
    for contig, length in CONTIGS.items():
        expected, marked = np.zeros(length, dtype=bool), np.zeros(length, dtype=bool)
        for name, start, end, value in found:
            expected[start:end] |= (name == contig) and value >= 4
        for start, end in regions.get(contig, []):
            assert not marked[start:end].any()
            marked[start:end] = True
        np.testing.assert_array_equal(marked, expected)


def test_contigs_are_found_under_other_names(tmp_path: Path) -> None:
    found = [("1", 0, 40, 2.0)]
    path = write_bigwig(tmp_path / "s.bw", found, {"1": 1000, "2": 437})
    aliases = ContigNames(CONTIGS)
    signal = open_signal(path, contigs=CONTIGS, aliases=aliases)
    assert signal.over_bins("chrI", 2, bin_bp=40, statistic="mean")[0] == 2
    with pytest.raises(DataError, match=r"none of its contigs \(1, 2, \.\.\.\) is one of the FASTA's"):
        open_signal(path, contigs=CONTIGS)


def test_another_assembly_is_noticed(tmp_path: Path) -> None:
    path = write_bigwig(tmp_path / "s.bw", [("chrI", 0, 40, 2.0)], {"chrI": 999})
    with pytest.raises(DataError, match=r"999 bp, the FASTA's chrI 1,000\. They are of two assemblies"):
        open_signal(path, contigs=CONTIGS)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("chrI\t0\t5\tx", 4, "line 1: column 4 is 'x', a number was expected"),
        ("chrI\t0\t5\tinf", 4, "a finite number"),
        ("chrI\t5\t5\t1", 4, "the start below the end"),
        ("chrI\t0\t1001\t1", 4, "past the end of chrI, 1,000 bp"),
        ("chrX\t0\t5\t1", 4, "no contig 'chrX'"),
        ("chrI\t0\t5\t1", 7, "4 columns, at least 7 are needed"),
        ("chrI\t0\t5\tNA", 4, "no number in column 4"),
        ("", 4, "no number in column 4"),
    ],
)
def test_faulty_text_is_named_by_line(tmp_path: Path, line: str, column: int, message: str) -> None:
    (tmp_path / "s.bg").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        open_signal(tmp_path / "s.bg", contigs=CONTIGS, column=column)


def test_a_column_of_choice_and_missing_numbers(tmp_path: Path) -> None:
    (tmp_path / "s.bed").write_text("chrI\t0\t40\tname\t0\t+\t7.5\nchrI\t40\t80\tname\t0\t+\t.\n")
    signal = open_signal(tmp_path / "s.bed", contigs=CONTIGS, column=7)
    values = signal.over_bins("chrI", 2, bin_bp=40, statistic="mean")
    assert values[0] == 7.5
    assert np.isnan(values[1])


@contextmanager
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Swallow what the C library writes to standard error itself."""
    yield
    capfd.readouterr()


def test_damaged_and_missing_files_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_bigwig(tmp_path / "s.bw", records(2))
    path.write_bytes(path.read_bytes()[:30])
    with quiet(capfd), pytest.raises(DataError, match="the bigWig file is damaged or cut off"):
        open_signal(path, contigs=CONTIGS)
    with pytest.raises(DataError, match="No such file"):
        open_signal(tmp_path / "none.bw", contigs=CONTIGS)
    assert not is_bigwig(write_bedgraph(tmp_path / "s.bg", records(2)))


def test_nowhere_high_enough_is_refused(tmp_path: Path) -> None:
    path = write_bigwig(tmp_path / "s.bw", [("chrI", 0, 40, 2.0)])
    with pytest.raises(DataError, match="nowhere 3 or more"):
        regions_above(path, 3, contigs=CONTIGS)
