import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from genotools.data.bed import Intervals
from genotools.data.demo import (
    TEST_CONTIGS,
    VALID_CONTIGS,
    DemoSummary,
    demo_features,
    demo_gene,
    demo_genome,
    demo_loci,
    write_demo_fasta,
    write_demo_store,
)
from genotools.data.encoding import decode, reverse_complement
from genotools.data.store import SequenceStore
from genotools.errors import DataError, OutputExistsError

# Lengths of sacCer3, from the assembly's own table.
LENGTHS = {
    "chrI": 230218, "chrII": 813184, "chrIII": 316620, "chrIV": 1531933, "chrV": 576874, "chrVI": 270161,
    "chrVII": 1090940, "chrVIII": 562643, "chrIX": 439888, "chrX": 745751, "chrXI": 666816, "chrXII": 1078177,
    "chrXIII": 924431, "chrXIV": 784333, "chrXV": 1091291, "chrXVI": 948066,
}  # fmt: skip

Genome = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
Features = Mapping[str, Intervals]


@pytest.fixture(scope="module")
def genome() -> Genome:
    return demo_genome()


@pytest.fixture(scope="module")
def features() -> Features:
    return demo_features()


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    return write_demo_store(tmp_path_factory.mktemp("demo") / "yeast.h5")


def test_embedded_file_is_small_and_is_the_one_its_readme_describes() -> None:
    folder = resources.files("genotools.data") / "embedded"
    content = (folder / "scerevisiae_r64.npz").read_bytes()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(content) <= 4_000_000
    assert f"sha256: `{hashlib.sha256(content).hexdigest()}`" in readme
    assert f"size: {len(content):,} bytes" in readme
    assert "CC BY 4.0" in (folder / "LICENCE.md").read_text(encoding="utf-8")


def test_genome_has_the_chromosomes_of_r64_without_the_mitochondrion(genome: Genome) -> None:
    assert {contig: codes.size for contig, codes in genome.items()} == LENGTHS
    assert list(genome) == list(LENGTHS)
    assert sum(codes.size for codes in genome.values()) == 12_071_326
    assert all(codes.dtype == np.uint8 and codes.max() == 3 for codes in genome.values())


def test_features_lie_within_their_contigs_in_order(features: Features) -> None:
    for name, track in features.items():
        assert list(track) == list(LENGTHS), name
        for contig, spans in track.items():
            assert (spans[:, 0] < spans[:, 1]).all(), name
            assert spans.min(initial=0) >= 0, name
            assert spans.max(initial=0) <= LENGTHS[contig], name
            assert (np.diff(spans[:, 0]) >= 0).all(), name


def test_feature_counts_are_those_of_the_records(features: Features) -> None:
    def count(*names: str) -> int:
        return sum(len(spans) for name in names for spans in features[name].values())

    assert count("tRNA_plus", "tRNA_minus") == 275
    assert count("LTR_plus", "LTR_minus") == 383
    assert count("transposon_plus", "transposon_minus") == 50
    assert count("ARS") == 352
    assert count("telomere") == 32
    assert count("intron_plus", "intron_minus") == 280
    assert all(len(spans) == 1 for spans in features["centromere"].values())


def test_single_exon_genes_start_and_stop_with_codons(genome: Genome, features: Features) -> None:
    starts, stops = [], []
    for strand in ("plus", "minus"):
        for contig, spans in features[f"gene_{strand}"].items():
            for start, end in spans.tolist():
                codes = genome[contig][start:end]
                text = decode(codes if strand == "plus" else reverse_complement(codes))
                starts.append(text[:3])
                stops.append(text[-3:])
    assert np.mean([codon == "ATG" for codon in starts]) > 0.999
    assert np.mean([codon in ("TAA", "TAG", "TGA") for codon in stops]) > 0.999


def test_introns_begin_with_gt_and_end_with_ag(genome: Genome, features: Features) -> None:
    texts = [
        decode(genome[contig][start:end])
        for contig, spans in features["intron_plus"].items()
        for start, end in spans.tolist()
    ]
    assert np.mean([text.startswith("GT") and text.endswith("AG") for text in texts]) > 0.9


def test_gene_is_found_by_name_where_the_records_have_it() -> None:
    # BK006936.2: GAL1 279021..280607, GAL10 complement(276253..278352), 1-based.
    gal1, gal10 = demo_gene("GAL1"), demo_gene("GAL10")
    assert (gal1.contig, gal1.start, gal1.end, gal1.strand) == ("chrII", 279_020, 280_607, 1)
    assert (gal10.contig, gal10.start, gal10.end, gal10.strand) == ("chrII", 276_252, 278_352, -1)
    with pytest.raises(DataError, match="no gene 'BRCA1'"):
        demo_gene("BRCA1")


def test_gal_promoter_holds_its_four_gal4_sites(genome: Genome) -> None:
    locus = demo_loci()["GAL1-GAL10"]
    promoter = decode(genome[locus.contig][locus.start : locus.end])
    assert len(promoter) == 668
    # Giniger et al. 1985: four related 17-bp sequences; in R64 the first three are CGG N11 CCG, the last CGC.
    sites = re.findall(r"(?=(CG[GC][ACGT]{11}CCG))", promoter)
    assert [site[:3] for site in sites] == ["CGG", "CGG", "CGG", "CGC"]
    assert sites[0] == "CGGATTAGAAGCCGCCG"


def test_loci_lie_where_the_features_say(features: Features) -> None:
    loci = demo_loci()
    assert all(name == locus.name and locus.start < locus.end for name, locus in loci.items())
    assert {locus.contig for name, locus in loci.items() if name != "GAL1-GAL10"} <= set(TEST_CONTIGS)
    tub1 = loci["TUB1-intron"]
    assert [tub1.start, tub1.end] in features["intron_minus"][tub1.contig].tolist()
    assert loci["SUC2-promoter"].end == demo_gene("SUC2").start


def test_centromere_locus_holds_the_conserved_element(genome: Genome) -> None:
    locus = demo_loci()["CEN9"]
    codes = genome[locus.contig][locus.start : locus.end]
    # The core of CDEIII, which binds CBF3.
    assert "TTCCGAA" in decode(codes) + "-" + decode(reverse_complement(codes))


def test_fasta_has_every_base(tmp_path: Path, genome: Genome) -> None:
    path = write_demo_fasta(tmp_path / "yeast.fa")
    blocks = path.read_text(encoding="ascii").split(">")[1:]
    texts = {block.partition("\n")[0]: block.partition("\n")[2] for block in blocks}
    assert list(texts) == list(genome)
    assert texts["chrIX"].replace("\n", "") == decode(genome["chrIX"])
    assert max(map(len, texts["chrI"].split("\n"))) == 60
    with pytest.raises(OutputExistsError, match="--force"):
        write_demo_fasta(path)


def test_store_is_the_same_every_time(tmp_path: Path, summary: DemoSummary) -> None:
    again = write_demo_store(tmp_path / "again.h5")
    assert again.digest == summary.digest
    assert again.path.read_bytes() == summary.path.read_bytes()
    with pytest.raises(OutputExistsError, match="--force"):
        write_demo_store(again.path)


def test_splits_are_disjoint_by_chromosome(summary: DemoSummary) -> None:
    with SequenceStore.open(summary.path) as store:
        contigs = {split: set(store.coordinates(store.rows(split)).contigs) for split in summary.windows}
        sizes = {split: store.rows(split).size for split in summary.windows}
    assert contigs["test"] == set(TEST_CONTIGS)
    assert contigs["valid"] == set(VALID_CONTIGS)
    assert contigs["train"] == set(LENGTHS) - set(TEST_CONTIGS) - set(VALID_CONTIGS)
    assert sizes == summary.windows


def test_summary_counts_what_the_store_holds(summary: DemoSummary) -> None:
    with SequenceStore.open(summary.path) as store:
        assert store.names == summary.names
        for split in summary.windows:
            sums = store.labels(store.rows(split)).sum(axis=0)
            assert dict(zip(store.names, sums.tolist(), strict=True)) == {
                name: counts[split] for name, counts in summary.positives.items()
            }


def test_every_label_can_be_learnt_and_tested_and_the_others_have_a_reason(summary: DemoSummary) -> None:
    assert 20 <= len(summary.names) <= 30
    assert all(
        counts["train"] >= 80 and counts["valid"] >= 5 and counts["test"] >= 20
        for counts in summary.positives.values()
    )
    assert set(summary.dropped).isdisjoint(summary.names)
    assert "3 positive test windows of 20 needed" in summary.dropped["centromere"]


def test_window_around_gal1_start_is_labelled_by_the_rules(summary: DemoSummary, genome: Genome) -> None:
    # GAL1 begins at 279,020: bin 279,000 to 279,200, window 278,600 to 279,600; 180 of its 200 bp are CDS.
    with SequenceStore.open(summary.path) as store:
        rows = store.rows("train")
        places = store.coordinates(rows)
        row = rows[(places.contigs == "chrII") & (places.starts == 278_600)]
        names = {name for name, value in zip(store.names, store.labels(row)[0], strict=True) if value}
        assert names == {"gene_start_plus", "CDS_plus"}
        assert decode(store.codes(row)[0]) == decode(genome["chrII"][278_600:279_600])


def test_labels_follow_from_counting_base_by_base(summary: DemoSummary, features: Features) -> None:
    needed_bp = {"gene_end_minus": 1, "tRNA": 36, "LTR": 101}
    covered = {name: np.zeros(LENGTHS["chrIX"], dtype=bool) for name in needed_bp}
    covered["gene_end_minus"][features["gene_minus"]["chrIX"][:, 0]] = True
    for name in ("tRNA", "LTR"):
        for strand in ("plus", "minus"):
            for start, end in features[f"{name}_{strand}"]["chrIX"].tolist():
                covered[name][start:end] = True
    with SequenceStore.open(summary.path) as store:
        rows = store.rows("test")
        places = store.coordinates(rows)
        is_there = places.contigs == "chrIX"
        labels, starts = store.labels(rows[is_there]), places.starts[is_there]
    for name, overlap_bp in needed_bp.items():
        expected = [covered[name][start + 400 : start + 600].sum() >= overlap_bp for start in starts]
        assert sum(expected) > 0
        assert labels[:, summary.names.index(name)].tolist() == expected


def test_held_out_windows_are_no_copies_of_other_chromosomes(
    summary: DemoSummary, features: Features
) -> None:
    with SequenceStore.open(summary.path) as store:
        for split in ("valid", "test"):
            places = store.coordinates(store.rows(split))
            for contig in np.unique(places.contigs):
                is_repeat = np.zeros(LENGTHS[contig], dtype=bool)
                for start, end in features["repeat"][contig].tolist():
                    is_repeat[start:end] = True
                chosen = places.starts[places.contigs == contig]
                assert max(int(is_repeat[start : start + 1000].sum()) for start in chosen) <= 250


def test_repeat_regions_are_found_on_another_chromosome(genome: Genome, features: Features) -> None:
    others = [decode(codes) for contig, codes in genome.items() if contig != "chrIX"]
    chosen = features["repeat"]["chrIX"]
    chosen = chosen[np.linspace(0, len(chosen) - 1, 5).astype(int)]
    for start in chosen[:, 0].tolist():
        codes = genome["chrIX"][start : start + 32]
        both = decode(codes), decode(reverse_complement(codes))
        assert any(text in other for other in others for text in both)
