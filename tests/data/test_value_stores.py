"""Stores of signals, of a table's windows, and of the next base, from files to rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.data.encoding import decode, reverse_complement
from genotools.data.from_bed import from_bed
from genotools.data.from_signal import from_signal
from genotools.data.from_table import from_table
from genotools.data.next_base import next_base
from genotools.data.recipe import BinRecipe
from genotools.data.store import SequenceStore
from genotools.data.values import Scaling, far_from_one
from genotools.errors import DataError, OutputExistsError
from genotools.genotype.task import TaskKind

LENGTHS = {"chrI": 1000, "chrII": 600}
RECIPE = BinRecipe(bin_bp=20, window_bp=60, keep="all", valid_contigs=("chrII",))
Build = Callable[..., SequenceStore]


@pytest.fixture
def genome() -> dict[str, str]:
    rng = np.random.default_rng(1)
    texts = {name: decode(rng.integers(0, 4, n).astype(np.uint8)) for name, n in LENGTHS.items()}
    texts["chrI"] = texts["chrI"][:500] + "N" + texts["chrI"][501:]
    return texts


@pytest.fixture
def fasta(tmp_path: Path, genome: dict[str, str]) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in genome.items()))
    return path


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """Write a table of a bedGraph and a bigWig: twice the number of the bin, and its square on chrI only."""
    lines = [
        f"{name}\t{start}\t{start + 20}\t{start / 10}\n"
        for name, n in LENGTHS.items()
        for start in range(0, n, 20)
    ]
    (tmp_path / "line.bg").write_text("".join(lines))
    file = pyBigWig.open(str(tmp_path / "square.bw"), "w")
    file.addHeader(list(LENGTHS.items()))
    starts = list(range(0, 1000, 20))
    values = [float((start // 20) ** 2) for start in starts]
    file.addEntries(["chrI"] * 50, starts, ends=[s + 20 for s in starts], values=values)
    file.close()
    path = tmp_path / "tracks.tsv"
    path.write_text("name\tpath\tgroup\nline\tline.bg\tG\nsquare\tsquare.bw\t\n")
    return path


@pytest.fixture
def from_tracks(fasta: Path, tracks: Path, tmp_path: Path) -> Build:
    def build(**options: Any) -> SequenceStore:
        from_signal(fasta, tracks, tmp_path / "s.h5", **{"recipe": RECIPE, **options})
        return SequenceStore.open(tmp_path / "s.h5")

    return build


def test_rows_have_the_values_of_their_bins(from_tracks: Build, genome: dict[str, str]) -> None:
    with from_tracks() as store:
        rows = np.arange(len(store))
        where, values, codes = store.coordinates(rows), store.labels(rows), store.codes(rows)
        assert store.task.kind is TaskKind.REGRESSION
        assert (store.names, store.groups) == (("line", "square"), ("G", ""))
        # 50 bins less 2 at the ends and 3 whose windows have the N; 30 less 2.
        assert [len(store.rows(split)) for split in ("train", "valid", "test")] == [45, 28, 0]
        for contig, start, (line, square), row in zip(
            where.contigs, where.starts, values, codes, strict=True
        ):
            index = (start + 20) // 20
            assert line == pytest.approx(2 * index)
            assert np.isnan(square) if contig == "chrII" else square == index**2
            assert decode(row) == genome[contig][start : start + 60]


def test_missing_statistic_and_column_are_the_tables(from_tracks: Build, tracks: Path) -> None:
    tracks.write_text("name\tpath\tstatistic\tmissing\tcolumn\nsum\tsquare.bw\tsum\t0\t\n")
    with from_tracks() as store:
        values = store.labels(np.arange(len(store)))[:, 0]
        assert (values[store.rows("valid")] == 0).all()
        assert values[0] == 20  # the second bin, 20 bases of 1
        assert store.provenance["statistics"] == {"sum": "sum"}


def test_values_are_transformed_and_standardised_by_the_training_split(
    from_tracks: Build, tracks: Path
) -> None:
    tracks.write_text("name\tpath\nline\tline.bg\n")
    with from_tracks() as store:
        plain = store.labels(np.arange(len(store)))
    with from_tracks(scaling=Scaling(transform="log1p", standardise=True), force=True) as store:
        scaled, train = store.labels(np.arange(len(store))), store.rows("train")
        done = store.provenance["values"]
    assert scaled[train].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[train].std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(np.expm1(scaled * done["deviation"] + done["mean"]), plain, rtol=1e-4)


def test_regions_choose_and_exclude_bins(from_tracks: Build, tmp_path: Path) -> None:
    (tmp_path / "in.bed").write_text("chrI\t100\t200\n")
    (tmp_path / "out.bed").write_text("chrI\t139\t140\n")
    with from_tracks(regions=tmp_path / "in.bed", exclude_regions=tmp_path / "out.bed") as store:
        starts = store.coordinates(np.arange(len(store))).starts + 20
    assert starts.tolist() == [100, 140, 160, 180]


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("name\tpath\nx\tnone.bw\n", {}, "none.bw: No such file"),
        ("name\tpath\tcolumn\nx\tline.bg\tfour\n", {}, "line 2: column 'four'"),
        ("name\tpath\tstatistic\nx\tline.bg\tmode\n", {}, "statistic 'mode' must be one of mean, max, sum"),
        ("name\tpath\tmissing\nx\tline.bg\tno\n", {}, "missing 'no' is no number"),
        ("name\tpath\nx\tline.bg\nx\tsquare.bw\n", {}, "line 3: name 'x' appears twice"),
        ("name\nx\n", {}, "line 1: no column 'path'"),
        ("name\tpath\nx\tline.bg\n", {"kind": TaskKind.MULTILABEL}, "regression or counts, not multilabel"),
        (
            "name\tpath\nx\tline.bg\n",
            {"kind": TaskKind.COUNTS, "scaling": Scaling(standardise=True)},
            "counts are",
        ),
        ("name\tpath\nx\tline.bg\n", {"recipe": BinRecipe(test_contigs=("chr9",))}, "test contig 'chr9'"),
    ],
)
def test_faulty_tracks_are_refused_and_nothing_is_written(
    fasta: Path, tracks: Path, tmp_path: Path, table: str, options: dict[str, Any], message: str
) -> None:
    tracks.write_text(table)
    with pytest.raises(DataError, match=message):
        from_signal(fasta, tracks, tmp_path / "s.h5", **{"recipe": RECIPE, **options})
    assert not list(tmp_path.glob("*.h5*"))


def test_values_far_from_one_are_noticed() -> None:
    is_training = np.ones(4, dtype=bool)
    assert far_from_one(np.array([[1.0], [2], [3], [4]], dtype=np.float32), is_training) is None
    assert far_from_one(
        np.array([[100.0], [200], [300], [400]], dtype=np.float32), is_training
    ) == pytest.approx(111.8, abs=0.1)


def test_a_bigwig_gives_labels_from_a_threshold_on(fasta: Path, tracks: Path, tmp_path: Path) -> None:
    tracks.write_text("name\tpath\tmin_signal\nhigh\tsquare.bw\t1600\n")
    from_bed(fasta, tracks, tmp_path / "s.h5", recipe=BinRecipe(bin_bp=20, window_bp=60))
    with SequenceStore.open(tmp_path / "s.h5") as store:
        starts = store.coordinates(np.arange(len(store))).starts + 20
    assert starts.tolist() == [*range(800, 980, 20)]  # 40² = 1600; the last bin's window leaves the contig


def test_a_bigwig_needs_a_threshold(fasta: Path, tracks: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a bigWig stands in a table with a name and a min_signal"):
        from_bed(fasta, tmp_path / "square.bw", tmp_path / "s.h5", recipe=RECIPE)


# A table of one's own windows.


def test_places_are_read_from_the_genome_on_their_strand(
    fasta: Path, tmp_path: Path, genome: dict[str, str]
) -> None:
    (tmp_path / "t.tsv").write_text(
        "contig\tstart\tend\tstrand\thigh\tlow\n"
        "chrI\t100\t101\t+\t1.5\t.\n1\t100\t101\t-\tNA\t-2\nchrII\t595\t600\t.\t3\t4\n"
    )
    from_table(
        tmp_path / "t.tsv",
        tmp_path / "s.h5",
        kind=TaskKind.REGRESSION,
        targets=["high", "low"],
        window_bp=20,
        fasta=fasta,
        valid_contigs=["II"],
    )
    with SequenceStore.open(tmp_path / "s.h5") as store:
        codes = store.codes(range(3))
        assert decode(codes[0]) == genome["chrI"][90:110]
        np.testing.assert_array_equal(codes[1], reverse_complement(codes[:1])[0])
        assert decode(codes[2]) == genome["chrII"][587:600] + "N" * 7
        np.testing.assert_array_equal(store.labels(range(3)), [[1.5, np.nan], [np.nan, -2], [3, 4]])
        assert (store.rows("train").tolist(), store.rows("valid").tolist()) == ([0, 1], [2])


def test_sequences_and_classes_are_read_from_the_table_itself(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(
        "sequence\tclass\tsplit\nACGTA\tstrong\ttrain\nacg\tweak\tvalid\nGGGG\tstrong\ttest\n"
    )
    from_table(
        tmp_path / "t.tsv", tmp_path / "s.h5", kind=TaskKind.MULTICLASS, targets=["class"], window_bp=5
    )
    with SequenceStore.open(tmp_path / "s.h5") as store:
        assert store.names == ("strong", "weak")
        assert [decode(row) for row in store.codes(range(3))] == ["ACGTA", "NACGN", "GGGGN"]
        assert store.labels(range(3)).tolist() == [[1, 0], [0, 1], [1, 0]]
        assert [len(store.rows(split)) for split in ("train", "valid", "test")] == [1, 1, 1]
        assert store.coordinates(range(3)).contigs.tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("table", "kind", "target", "message"),
    [
        ("sequence\ty\nACGT\tx\n", "regression", "y", "line 2: y is 'x', a number was expected"),
        ("sequence\ty\nACGTACGT\t1\n", "regression", "y", "line 2: a sequence of 8 bp, windows have 5"),
        ("sequence\ty\nACGT\t2\n", "multilabel", "y", "line 2: y is '2', 0 or 1"),
        ("sequence\ty\nACGT\t\n", "multiclass", "y", "line 2: y must be filled in"),
        ("sequence\ty\nACGT\t1\n", "regression", "z", "no column z; there are sequence, y"),
        ("sequence\ty\tsplit\nACGT\t1\tdev\n", "regression", "y", "split 'dev' must be train, valid, test"),
        ("contig\ty\nchrI\t1\n", "regression", "y", "no column 'sequence'"),
        ("sequence\ty\nAC!T\t1\n", "regression", "y", "line 2: '!' in a sequence, bases were expected"),
    ],
)
def test_faulty_tables_are_refused_and_nothing_is_written(
    tmp_path: Path, table: str, kind: str, target: str, message: str
) -> None:
    (tmp_path / "t.tsv").write_text(table)
    with pytest.raises(DataError, match=message):
        from_table(tmp_path / "t.tsv", tmp_path / "s.h5", kind=TaskKind(kind), targets=[target], window_bp=5)
    assert not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chr9\t1\t2\t1", "line 2: the FASTA has no contig 'chr9'"),
        ("chrI\t1\t2000\t1", "line 2: end 2000 lies past the end of chrI"),
        ("chrI\t2\t1\t1", "line 2: start '2' and end '1'"),
    ],
)
def test_faulty_places_are_named_by_line(fasta: Path, tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(f"contig\tstart\tend\ty\n{row}\n")
    with pytest.raises(DataError, match=message):
        from_table(
            tmp_path / "t.tsv",
            tmp_path / "s.h5",
            kind=TaskKind.REGRESSION,
            targets=["y"],
            window_bp=5,
            fasta=fasta,
        )


# The next base.


def test_every_window_knows_what_follows(fasta: Path, tmp_path: Path, genome: dict[str, str]) -> None:
    summary = next_base(fasta, tmp_path / "s.h5", window_bp=30, stride_bp=7, test_contigs=["2"])
    with SequenceStore.open(tmp_path / "s.h5") as store:
        rows = np.arange(len(store))
        where, labels, codes = store.coordinates(rows), store.labels(rows), store.codes(rows)
        assert (store.task.kind, store.task.one_strand, store.names) == (
            TaskKind.MULTICLASS,
            True,
            tuple("ACGT"),
        )
        assert len(store.rows("test")) == summary.n_rows["test"] == len(range(0, 570, 7))
        for contig, start, label, row in zip(where.contigs, where.starts, labels, codes, strict=True):
            assert decode(row) == genome[contig][start : start + 30]
            assert "ACGT"[label.argmax()] == genome[contig][start + 30]
            assert label.sum() == 1
    n_with_unknown = sum(start <= 500 <= start + 30 for start in range(0, 970, 7))
    assert summary.dropped_bins == {"unknown bases": n_with_unknown}


def test_a_genome_shorter_than_a_window_is_refused(fasta: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no window of 1,001 known bases"):
        next_base(fasta, tmp_path / "s.h5", window_bp=1000)
    assert not list(tmp_path.glob("*.h5*"))


def test_nothing_is_overwritten(fasta: Path, tracks: Path, tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_text("mine")
    with pytest.raises(OutputExistsError):
        next_base(fasta, tmp_path / "s.h5", window_bp=30)
    with pytest.raises(OutputExistsError):
        from_signal(fasta, tracks, tmp_path / "s.h5", recipe=RECIPE)
    assert (tmp_path / "s.h5").read_text() == "mine"


def test_the_commands_build_and_count(fasta: Path, tracks: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("sequence\ty\n" + "ACGT\t500\nTTTT\t1000\n")
    runs = [
        [
            "from-signal",
            "--fasta",
            fasta,
            "--tracks",
            tracks,
            "--bin",
            20,
            "--window",
            60,
            "--valid-chroms",
            "chrII",
        ],
        ["from-table", "--table", tmp_path / "t.tsv", "--task", "regression", "--target", "y", "--window", 4],
        ["next-base", "--fasta", fasta, "--window", 30],
    ]
    outputs = []
    for number, words in enumerate(runs):
        arguments = ["data", *map(str, words), "-o", str(tmp_path / f"{number}.h5")]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        outputs.append(done.output)
        counted = CliRunner().invoke(app, ["data", "stats", str(tmp_path / f"{number}.h5")])
        assert counted.exit_code == 0
    assert "±" in outputs[0]
    assert "standard deviation of 250 learn slowly" in outputs[1]
    assert "unknown bases" in outputs[2]
