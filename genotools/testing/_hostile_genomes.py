"""Readers of sequences, intervals, signals, variants and tables."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from genotools.testing._hostile_reader import Reader, as_bytes, as_gzip, as_text, folder_of, write_once

__all__ = ["READERS", "bigwig", "two_bit"]

SEQUENCES = {"chrI": "ACGTNACGTNACGTACGTAC", "chrII": "TTTTGGGGCCCCAAAA"}
CONTIGS = {name: len(text) for name, text in SEQUENCES.items()}
FASTA = ">chrI first\nACGTNACGTN\nACGTACGTAC\n>chrII\nTTTTGGGGCCCCAAAA\n"
INDEX = "chrI\t20\t12\t10\t11\nchrII\t16\t41\t16\t17\n"
VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chrI,length=20>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chrI\t3\trs1\tG\tA,<DEL>\t.\tPASS\tAF=0.5\nchrII\t5\t.\tGG\tG\t50\t.\t.\n"
)
BED = "track name=x\nchrI\t1\t8\tfirst\t100\t+\nchrII\t0\t5\tsecond\t3.5\t-\n"
PEAKS = "chrI\t1\t8\tfirst\t100\t+\t3.5\t1\t1\t2\nchrII\t0\t5\tsecond\t3\t-\t2\t-1\t-1\t-1\n"
GFF = "##gff-version 3\nchrI\tx\tgene\t1\t9\t.\t+\t.\tID=a\n"
SIGNAL = {"chrI": [(0, 5, 1.5), (5, 9, -2.0)], "chrII": [(3, 12, 3.0)]}
BEDGRAPH = "chrI\t0\t5\t1.5\nchrI\t5\t9\t-2\n"
TABLE = "name\tsequence\tvalue\na\tACGTACGT\t1.5\nb\tTTTTACGT\tNA\n"
ROWS = "contig\tstart\tend\tstrand\tsplit\tvalue\nchrI\t2\t8\t+\ttrain\t1.5\nchrII\t1\t9\t-\tvalid\tNA\n"
CLASSES = "sequence\tsplit\tkind\nACGTACGT\ttrain\ta\nTTTTACGT\tvalid\tb\n"
PEAK_TABLE = "name\tpath\tgroup\tmin_signal\tpoint\nfirst\tpeaks.bed\tx\t1\tsummit\n"
TRACKS = "name\tpath\tgroup\tcolumn\tstatistic\tmissing\none\tsignal.bedgraph\tx\t4\tmax\t0\n"


def two_bit(sequences: Mapping[str, str]) -> bytes:
    """Return a 2bit file as UCSC describes it: T, C, A, G are 0 to 3, four bases a byte, blocks of N apart."""
    packed = []
    for text in map(str.upper, sequences.values()):
        blocks = [place for place, base in enumerate(text) if base == "N"]
        codes = [max("TCAG".find(base), 0) for base in text] + [0] * (-len(text) % 4)
        data = bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in zip(*[iter(codes)] * 4, strict=True))
        numbers = [len(text), len(blocks), *blocks, *[1] * len(blocks), 0, 0]
        packed.append(struct.pack(f"<{len(numbers)}I", *numbers) + data)
    place = 16 + sum(5 + len(name) for name in sequences)
    index = b""
    for name, data in zip(sequences, packed, strict=True):
        index += bytes([len(name)]) + name.encode("ascii") + struct.pack("<I", place)
        place += len(data)
    return struct.pack("<4I", 0x1A412743, 0, len(packed), 0) + index + b"".join(packed)


def bigwig(contigs: Mapping[str, int], records: Mapping[str, Sequence[tuple[int, int, float]]]) -> bytes:
    """Return a bigWig file with a packed block of intervals for each contig, and trees of one node each."""
    key = max(map(len, contigs))
    tree = struct.pack("<IIIIQQBBH", 0x78CA8C91, 256, key, 8, len(contigs), 0, 1, 0, len(contigs))
    for number, (name, length) in enumerate(contigs.items()):
        tree += name.encode("ascii").ljust(key, b"\0") + struct.pack("<II", number, length)
    data_place = 64 + 40 + len(tree)
    data, leaves = struct.pack("<Q", len(records)), b""
    for number, name in enumerate(contigs):
        items = records[name]
        first, last = items[0][0], items[-1][1]
        head = struct.pack("<IIIIIBBH", number, first, last, 0, 0, 1, 0, len(items))
        block = zlib.compress(head + b"".join(struct.pack("<IIf", *item) for item in items))
        leaves += struct.pack("<IIIIQQ", number, first, number, last, data_place + len(data), len(block))
        data += block
    index_place, n = data_place + len(data), len(contigs)
    index = struct.pack(
        "<IIQIIIIQII", 0x2468ACE0, 256, n, 0, 0, n - 1, max(contigs.values()), index_place, 1, 0
    )
    index += struct.pack("<BBH", 1, 0, n) + leaves
    header = struct.pack(
        "<IHHQQQHHQQIQ", 0x888FFC26, 4, 0, 104, data_place, index_place, 0, 0, 0, 64, 1 << 15, 0
    )
    n_covered = sum(end - start for items in records.values() for start, end, _ in items)
    return header + struct.pack("<Qdddd", n_covered, 0, 0, 0, 0) + tree + data + index


def _read_fasta(path: Path) -> object:
    from genotools.data.twobit import open_sequences

    try:
        with open_sequences(path) as sequences:
            return sequences.genome()
    finally:
        path.with_name(f"{path.name}.fai").unlink(missing_ok=True)


def _read_index(path: Path) -> object:
    from genotools.data.fasta import Fasta

    folder = folder_of(path)
    write_once(folder, {"genome.fa": as_text(FASTA)})
    (folder / "genome.fa.fai").write_bytes(path.read_bytes())
    with Fasta(folder / "genome.fa") as fasta:
        return fasta.genome()


def _read_bed(path: Path) -> object:
    from genotools.data.bed import read_bed

    return read_bed(path, contigs=CONTIGS)


def _read_peaks(path: Path) -> object:
    from genotools.data.bed import read_bed

    regions = read_bed(path, min_signal=1.0, point="summit", with_names=True)
    return regions.by_name(), regions.by_contig()


def _read_signal(path: Path) -> object:
    from genotools.data.signal import open_signal

    signal = open_signal(path, contigs=CONTIGS)
    return [
        signal.over_bins(name, length // 4, bin_bp=4, statistic="mean") for name, length in CONTIGS.items()
    ]


def _write_bcf(path: Path) -> None:
    from genotools.extras import require

    pysam = require("pysam", extra="io")
    header = pysam.VariantHeader()
    header.contigs.add("chrI", length=20)
    with pysam.VariantFile(str(path), "wb", header=header) as file:
        file.write(header.new_record(contig="chrI", start=2, alleles=("G", "A"), id="rs1"))


def _read_vcf(path: Path) -> object:
    from genotools.variants.vcf import count_variants, read_variants

    return count_variants(path), list(read_variants(path))


def _read_table(path: Path) -> object:
    from genotools.data.tsv import read_table

    return list(read_table(path, needed=("name",), unique="name"))


def _removed(path: Path) -> Path:
    """Return where a store goes; what is left of one that was begun before is removed."""
    output = path.with_name(f"{path.stem}.store.h5")
    for left in path.parent.glob(f"{output.name}*"):
        left.unlink()
    return output


def _read_rows(path: Path) -> object:
    from genotools.data.from_table import from_table
    from genotools.genotype import TaskKind

    folder = folder_of(path)
    write_once(folder, {"genome.fa": as_text(FASTA)})
    fasta = folder / "genome.fa"
    return from_table(
        path, _removed(path), kind=TaskKind.REGRESSION, targets=("value",), window_bp=12, fasta=fasta
    )


def _read_classes(path: Path) -> object:
    from genotools.data.from_table import from_table
    from genotools.genotype import TaskKind

    return from_table(path, _removed(path), kind=TaskKind.MULTICLASS, targets=("kind",), window_bp=12)


def _beside(path: Path) -> Path:
    """Return the file in a folder with the genome and the files that tables name."""
    folder = folder_of(path)
    files = {"genome.fa": as_text(FASTA), "peaks.bed": as_text(PEAKS), "signal.bedgraph": as_text(BEDGRAPH)}
    write_once(folder, files)
    (folder / "table.tsv").write_bytes(path.read_bytes())
    return folder / "table.tsv"


def _read_peak_table(path: Path) -> object:
    from genotools.data.build import BinRecipe
    from genotools.data.from_bed import from_bed

    table = _beside(path)
    recipe = BinRecipe(bin_bp=4, window_bp=4, keep="all", min_overlap=1, overlap_op="ge")
    return from_bed(table.with_name("genome.fa"), table, _removed(table), recipe=recipe)


def _read_tracks(path: Path) -> object:
    from genotools.data.build import BinRecipe
    from genotools.data.from_signal import from_signal

    table = _beside(path)
    recipe = BinRecipe(bin_bp=4, window_bp=4)
    return from_signal(table.with_name("genome.fa"), table, _removed(table), recipe=recipe)


def _read_label_names(path: Path) -> object:
    from genotools.data.from_deepsea import read_label_names

    return read_label_names(path, 2)


_TEXT = ("data.bed", "data.gff", "data.tsv")
_FASTA = ("data.fasta", "data.twobit")

READERS = (
    Reader("fasta", ".fa", as_text(FASTA), _read_fasta, _FASTA),
    Reader("fasta.gz", ".fa.gz", as_gzip(FASTA), _read_fasta, _FASTA),
    Reader("fasta index", ".fai", as_text(INDEX), _read_index, _FASTA),
    Reader("2bit", ".2bit", as_bytes(lambda: two_bit(SEQUENCES)), _read_fasta, _FASTA),
    Reader("bed", ".bed", as_text(BED), _read_bed, _TEXT),
    Reader("bed.gz", ".bed.gz", as_gzip(BED), _read_bed, _TEXT),
    Reader("peaks", ".narrowPeak", as_text(PEAKS), _read_peaks, _TEXT),
    Reader("gff", ".gff", as_text(GFF), _read_bed, _TEXT),
    Reader("signal", ".bedgraph", as_text(BEDGRAPH), _read_signal, ("data.signal", *_TEXT)),
    Reader(
        "bigwig",
        ".bw",
        as_bytes(lambda: bigwig(CONTIGS, SIGNAL)),
        _read_signal,
        ("data.signal", "data.bigwig"),
    ),
    Reader("vcf", ".vcf", as_text(VCF), _read_vcf, ("variants.vcf",)),
    Reader("vcf.gz", ".vcf.gz", as_gzip(VCF), _read_vcf, ("variants.vcf",)),
    Reader("bcf", ".bcf", _write_bcf, _read_vcf, ("variants.vcf",)),
    Reader("table", ".tsv", as_text(TABLE), _read_table, _TEXT),
    Reader("table of rows", ".tsv", as_text(ROWS), _read_rows, ("data.from_table", *_TEXT)),
    Reader("table of classes", ".tsv", as_text(CLASSES), _read_classes, ("data.from_table", *_TEXT)),
    Reader("table of peaks", ".tsv", as_text(PEAK_TABLE), _read_peak_table, ("data.from_bed", *_TEXT)),
    Reader("table of signals", ".tsv", as_text(TRACKS), _read_tracks, ("data.from_signal", *_TEXT)),
    Reader("label names", ".txt", as_text("one\ntwo\n"), _read_label_names, ("data.from_deepsea",)),
)
