import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from genotools.data.encoding import decode
from genotools.data.from_bed import from_bed
from genotools.data.recipe import BinRecipe
from genotools.data.store import SequenceStore
from genotools.errors import DataError

SMALL = BinRecipe(bin_bp=10, window_bp=20, test_contigs=("chr2",), exclude_contigs=("chrM",))
YEAST = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "yeast"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A genome of three contigs and peaks in two ways of writing them."""
    rng = np.random.default_rng(0)
    genome = {name: decode(rng.integers(0, 4, 60, dtype=np.uint8)) for name in ("chr1", "chr2", "chrM")}
    (tmp_path / "genome.fa").write_text("".join(f">{name}\n{text}\n" for name, text in genome.items()))
    (tmp_path / "x.bed").write_text("chr1\t10\t20\nchr2\t30\t50\n")
    (tmp_path / "a.bed.gz").write_bytes(
        gzip.compress(b"chr1\t8\t28\nchrX\t1\t2\n".replace(b"chrX", b"chrM"), mtime=0)
    )
    (tmp_path / "peaks.bed").write_text("chr1\t10\t20\tx\nchr1\t8\t28\ta\nchr2\t30\t50\tx\nchrM\t1\t2\ta\n")
    (tmp_path / "table.tsv").write_text("name\tpath\tgroup\nx\tx.bed\tTF\na\ta.bed.gz\t\n")
    return tmp_path


def test_one_bed_gives_labels_in_alphabetical_order(folder: Path) -> None:
    summary = from_bed(folder / "genome.fa", folder / "peaks.bed", folder / "s.h5", recipe=SMALL)
    assert summary.n_rows == {"train": 2, "valid": 0, "test": 2}
    with SequenceStore.open(folder / "s.h5") as store:
        assert store.names == ("a", "x")
        assert store.labels(np.arange(4)).tolist() == [[1, 1], [1, 0], [0, 1], [0, 1]]


def test_table_gives_labels_in_its_order_with_groups(folder: Path) -> None:
    from_bed(folder / "genome.fa", folder / "table.tsv", folder / "s.h5", recipe=SMALL)
    with SequenceStore.open(folder / "s.h5") as store:
        assert store.names == ("x", "a")
        assert store.groups == ("TF", "")
        assert store.labels(np.arange(4)).tolist() == [[1, 1], [0, 1], [1, 0], [1, 0]]


def test_provenance_names_sources_with_their_digest_and_no_folder(folder: Path) -> None:
    from_bed(
        folder / "genome.fa",
        folder / "table.tsv",
        folder / "s.h5",
        recipe=SMALL,
        exclude_regions=folder / "x.bed",
        genome="toy1",
    )
    with SequenceStore.open(folder / "s.h5") as store:
        provenance = store.provenance
    assert provenance["genome"] == "toy1"
    assert [(source["role"], source["name"]) for source in provenance["sources"]] == [
        ("fasta", "genome.fa"),
        ("table", "table.tsv"),
        ("peaks", "x.bed"),
        ("peaks", "a.bed.gz"),
        ("exclude_regions", "x.bed"),
    ]
    for source in provenance["sources"]:
        assert source["sha256"] == hashlib.sha256((folder / source["name"]).read_bytes()).hexdigest()
    assert provenance["recipe"]["test_contigs"] == ["chr2"]
    assert str(folder) not in str(provenance)


def test_compressed_genome_and_peaks_give_the_same_content(folder: Path) -> None:
    plain = from_bed(folder / "genome.fa", folder / "peaks.bed", folder / "one.h5", recipe=SMALL)
    for name in ("genome.fa", "peaks.bed"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes(), mtime=0))
    packed = from_bed(folder / "genome.fa.gz", folder / "peaks.bed.gz", folder / "two.h5", recipe=SMALL)
    assert packed.digest == plain.digest


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name\tpath\n", "a header and no rows"),
        ("name\tpath\tcolour\nx\tx.bed\tred\n", "line 1: unknown column 'colour'"),
        ("name\tpath\tname\nx\tx.bed\tx\n", "line 1: a column appears twice"),
        ("name\tpath\nx\n", "line 2: path must be filled in; the header has 2 columns"),
        ("name\tpath\n\tx.bed\n", "line 2: name must be filled in"),
        ("name\tpath\nx\tx.bed\textra\n", "line 2: 3 cells; the header has 2 columns"),
        ("name\tpath\nx\tx.bed\nx\ta.bed.gz\n", "line 3: name 'x' appears twice"),
        ("name\tpath\nx\tnone.bed\n", r"none\.bed: No such file"),
        ("", "the file is empty"),
    ],
)
def test_faulty_table_is_refused_and_nothing_written(folder: Path, table: str, message: str) -> None:
    (folder / "table.tsv").write_text(table)
    with pytest.raises(DataError, match=message):
        from_bed(folder / "genome.fa", folder / "table.tsv", folder / "s.h5", recipe=SMALL)
    assert not [entry for entry in folder.iterdir() if "s.h5" in entry.name]


def test_faults_of_several_beds_are_told_together(folder: Path) -> None:
    (folder / "x.bed").write_text("chr9\t1\t2\n")
    (folder / "a.bed.gz").write_bytes(b"chr1\t1\t61\n")
    with pytest.raises(
        DataError, match=r"(?s)table\.tsv: 2 faults.*x\.bed: line 1: the FASTA has no.*past the end"
    ):
        from_bed(folder / "genome.fa", folder / "table.tsv", folder / "s.h5", recipe=SMALL)


def test_unnamed_bed_alone_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)2 faults.*line 1: column 4, the name, is missing"):
        from_bed(folder / "genome.fa", folder / "x.bed", folder / "s.h5", recipe=SMALL)


def test_excluded_contig_that_exists_nowhere_is_refused(folder: Path) -> None:
    recipe = BinRecipe(bin_bp=10, window_bp=20, exclude_contigs=("chrm",))
    with pytest.raises(DataError, match=r"excluded contig 'chrm' does not exist. Did you mean 'chrM'"):
        from_bed(
            folder / "genome.fa", folder / "peaks.bed", folder / "s.h5", recipe=recipe, exact_contigs=True
        )


def test_contigs_are_found_under_other_names_unless_told_otherwise(folder: Path) -> None:
    (folder / "other.bed").write_text("1\t10\t20\tx\nCHR2\t30\t50\tx\nMT\t1\t2\tx\n")
    recipe = BinRecipe(bin_bp=10, window_bp=20, test_contigs=("2",), exclude_contigs=("MT",))
    summary = from_bed(folder / "genome.fa", folder / "other.bed", folder / "s.h5", recipe=recipe)
    assert summary.n_rows == {"train": 1, "valid": 0, "test": 2}
    with pytest.raises(DataError, match="the FASTA has no contig '1'"):
        from_bed(
            folder / "genome.fa", folder / "other.bed", folder / "t.h5", recipe=SMALL, exact_contigs=True
        )


NARROW = "chr1\t8\t30\tp1\t0\t.\t7.5\t-1\t-1\t15\nchr1\t40\t50\tp2\t0\t.\t2\t-1\t-1\t-1\n"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, {0: False, 1: True, 2: True, 3: False, 4: True}),
        ({"min_signal": "7"}, {1: True, 2: True, 4: False}),
        ({"point": "summit"}, {1: False, 2: True, 4: True}),  # bases 23 and, without a summit, 44
        ({"point": "centre"}, {1: True, 2: False, 4: True}),  # base 18
    ],
)
def test_peaks_are_chosen_by_signal_and_taken_as_points(
    folder: Path, columns: dict[str, str], expected: dict[int, bool]
) -> None:
    (folder / "n.narrowPeak").write_text(NARROW)
    head, row = ["name", "path", *columns], ["n", "n.narrowPeak", *columns.values()]
    (folder / "t.tsv").write_text("\t".join(head) + "\n" + "\t".join(row) + "\n")
    recipe = BinRecipe(bin_bp=10, window_bp=10, min_overlap=1, overlap_op="ge", keep="any")
    from_bed(folder / "genome.fa", folder / "t.tsv", folder / "s.h5", recipe=recipe)
    with SequenceStore.open(folder / "s.h5") as store:
        starts = store.coordinates(np.arange(len(store))).starts
    found = {int(start) // 10 for start in starts}
    overlapped = {0, 1, 2, 4} if not columns else found  # bin 0 is touched by bases 8 and 9
    assert found == overlapped
    assert {number: number in found for number in expected if number} == {
        number: is_there for number, is_there in expected.items() if number
    }


@pytest.mark.parametrize(
    ("line", "columns", "message"),
    [
        ("chr1\t8\t30\tp\t0\t.\tx", {"min_signal": "1"}, "line 1: column 7, the signal, is 'x'"),
        ("chr1\t8\t30", {"min_signal": "1"}, "line 1: column 7, the signal, is ''"),
        (
            "chr1\t8\t30\tp\t0\t.\t1\t1\t1\t22",
            {"point": "summit"},
            "the summit, is '22', -1 or a base of the peak",
        ),
        ("chr1\t8\t30", {"point": "middle"}, "line 2: point 'middle' must be centre or summit"),
        ("chr1\t8\t30", {"min_signal": "high"}, "line 2: min_signal 'high' is no number"),
        ("chr1\t8\t30\tp\t0\t.\t1", {"min_signal": "2"}, "none of its 1 records has a signal of 2.0 or more"),
    ],
)
def test_faulty_peaks_are_told_by_their_line(
    folder: Path, line: str, columns: dict[str, str], message: str
) -> None:
    (folder / "n.bed").write_text(line + "\n")
    head, row = ["name", "path", *columns], ["n", "n.bed", *columns.values()]
    (folder / "t.tsv").write_text("\t".join(head) + "\n" + "\t".join(row) + "\n")
    with pytest.raises(DataError, match=message):
        from_bed(folder / "genome.fa", folder / "t.tsv", folder / "s.h5", recipe=SMALL)
    assert not (folder / "s.h5").exists()


GFF = """##gff-version 3
chr1\tSGD\tgene\t11\t20\t.\t+\t.\tID=g1
chr1\tSGD\tCDS\t11\t30\t.\t+\t0\tParent=g1

chr2\tSGD\tgene\t31\t50\t.\t-\t.\tID=g2
##FASTA
>chr1
ACGT
"""


@pytest.mark.parametrize("name", ["x.gff3", "x.gtf", "x.GFF.gz"])
def test_gff_is_read_with_its_types_as_names(folder: Path, name: str) -> None:
    data = GFF.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    from_bed(folder / "genome.fa", folder / name, folder / "s.h5", recipe=SMALL)
    with SequenceStore.open(folder / "s.h5") as store:
        assert store.names == ("CDS", "gene")
        assert store.coordinates(np.arange(4)).starts.tolist() == [5, 15, 25, 35]
        assert store.labels(np.arange(4)).tolist() == [[1, 1], [1, 0], [0, 1], [0, 1]]
    (folder / "t.tsv").write_text(f"name\tpath\tfeature\ngenes\t{name}\tgene\n")
    from_bed(folder / "genome.fa", folder / "t.tsv", folder / "t.h5", recipe=SMALL)
    with SequenceStore.open(folder / "t.h5") as store:
        assert store.coordinates(np.arange(3)).starts.tolist() == [5, 25, 35]
    (folder / "t.tsv").write_text(f"name\tpath\tfeature\ngenes\t{name}\texon\n")
    with pytest.raises(DataError, match="none of its 3 records is called 'exon'"):
        from_bed(folder / "genome.fa", folder / "t.tsv", folder / "u.h5", recipe=SMALL)


@pytest.mark.parametrize("line", ["chr1\tSGD\tgene\t0\t20\t.\t+\t.\tx", "chr1\tSGD\tgene"])
def test_faulty_gff_is_told_by_its_line(folder: Path, line: str) -> None:
    (folder / "x.gff").write_text(f"##gff-version 3\n{line}\n")
    with pytest.raises(DataError, match=r"x.gff.*line 2: "):
        from_bed(folder / "genome.fa", folder / "x.gff", folder / "s.h5", recipe=SMALL)


@pytest.mark.skipif(not YEAST.is_dir(), reason="the yeast data are not there")
def test_yeast_factors_give_the_known_counts(tmp_path: Path) -> None:
    """Counted independently, by sets of bins: 240 factors, 20,094 windows."""
    recipe = BinRecipe(
        min_overlap=1,
        overlap_op="ge",
        min_positives=100,
        test_contigs=("chrVIII", "chrIX", "chrXIII"),
        valid_contigs=("chrX",),
        exclude_contigs=("chrM",),
    )
    summary = from_bed(
        YEAST / "sacCer3.fa.gz",
        YEAST / "rossi2021_chexmix_peaks.bed.gz",
        tmp_path / "yeast.h5",
        recipe=recipe,
        exclude_regions=YEAST / "chexmix_filter_regions.bed",
    )
    assert summary.n_rows == {"train": 15736, "valid": 1140, "test": 3218}
    assert summary.n_labels == 240
    with SequenceStore.open(tmp_path / "yeast.h5") as store:
        store.verify()
