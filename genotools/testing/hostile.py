"""Every reader of files that may come from strangers, with a valid file to damage: what fuzzers and tests drive.

The promise: whatever the bytes, a reader returns or raises one of :data:`OURS`, in bounded time and memory, and
nothing it reads is run. ``tools/fuzz.py`` searches with coverage, tests with a few hundred damaged files each.
"""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from genotools.errors import GenotoolsError
from genotools.genotype import GENOME_NAS, Genotype, Layer, Macro, SearchSpace, Task
from genotools.genotype.darts import from_darts, to_darts
from genotools.genotype.documents import genotype_to_document, space_to_document

__all__ = ["OURS", "READERS", "Damage", "Reader", "damaged"]

OURS: tuple[type[Exception], ...] = (GenotoolsError, OSError)
"""What a reader may raise: our errors, or the operating system's about the file itself."""

LENGTH_BP, NAMES = 60, ("first", "second")


@dataclass(frozen=True, slots=True)
class Reader:
    """A way into the program.

    Parameters
    ----------
    name
        What is read.
    suffix
        How such files end.
    seed
        Writes a valid file.
    read
        Reads a file as a command does, to its end.
    """

    name: str
    suffix: str
    seed: Callable[[Path], None]
    read: Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Damage:
    """A change of a file: at a share of its length, remove ``cut`` bytes and put others in their place."""

    at: float
    cut: int
    put: bytes


def damaged(data: bytes, damages: Sequence[Damage]) -> bytes:
    """Return ``data`` with all damages done, one after the other.

    >>> damaged(b"genotype", [Damage(0.5, 1, b"TT")])
    b'genoTType'
    """
    for damage in damages:
        start = int(damage.at * len(data))
        data = data[:start] + damage.put + data[start + damage.cut :]
    return data


def _genotype() -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(0))


def _text(value: str) -> Callable[[Path], None]:
    return lambda path: _write(path, value.encode("utf-8"))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _document(value: Callable[[], object]) -> Callable[[Path], None]:
    return lambda path: _write(path, json.dumps(value()).encode("utf-8"))


def _read_macro(path: Path) -> Macro:
    from genotools.files import read_json

    return Macro.from_document(read_json(path), where=str(path))


def _read_task(path: Path) -> Task:
    from genotools.files import read_json

    return Task.from_document(read_json(path), where=str(path))


def _seed_card(path: Path) -> None:
    from genotools.zoo.places import shipped_zoo

    _write(path, (shipped_zoo() / "dense-heavy" / "card.json").read_bytes())


def _read_card(path: Path) -> object:
    from genotools.zoo.card import read_card

    return read_card(path)


def _seed_zoo_index(path: Path) -> None:
    from genotools.zoo.index import make_index
    from genotools.zoo.places import shipped_zoo

    _write(path, make_index(shipped_zoo()).model_dump_json().encode("utf-8"))


def _read_zoo_index(path: Path) -> object:
    from genotools.zoo.index import read_index

    return read_index(path, where=str(path))


def _seed_journal(path: Path) -> None:
    trial = {"number": 0, "genotype": genotype_to_document(_genotype()), "status": "complete"}
    events = [{"event": "trial", **trial, "scores": [0.5], "seconds": 1.0}, {"event": "round", "number": 1}]
    _write(path, "".join(json.dumps(event) + "\n" for event in events).encode("utf-8"))


def _read_journal(path: Path) -> object:
    from genotools.search.journal import Journal
    from genotools.search.trial_events import read_trials

    return read_trials(Journal(path))


def _seed_history(path: Path) -> None:
    from genotools.training.history import EpochRecord, write_history

    record = EpochRecord(
        epoch=1,
        n_steps=2,
        lr=0.1,
        recurrent_lr=1.0,
        train_loss=0.7,
        train_slowness=0.0,
        valid_loss=0.6,
        valid={"auroc": 0.5, "auprc": 0.5, "weighted_f1": 0.5},
        is_best=True,
        seconds=1.0,
    )
    write_history(path, [record])


def _read_history(path: Path) -> object:
    from genotools.training.history import read_history

    return read_history(path)


def _codes(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 5, size=(n, LENGTH_BP), dtype=np.uint8)


def _seed_store(path: Path) -> None:
    from genotools.data.write import write_store

    labels = np.random.default_rng(1).integers(0, 2, size=(12, 2), dtype=np.uint8)
    splits = np.repeat([0, 1, 2], 4)
    write_store(path, codes=_codes(12), labels=labels, names=NAMES, splits=splits, provenance={})


def _read_store(path: Path) -> object:
    from genotools.data.store import SequenceStore

    with SequenceStore.open(path) as store:
        rows = store.rows("train")
        return store.task, store.codes(rows), store.labels(rows)


def _seed_mat(path: Path) -> None:
    rng = np.random.default_rng(2)
    bases = rng.integers(0, 4, size=(8, 1000))
    one_hot = np.zeros((1000, 4, 8), dtype=np.uint8)
    for row in range(8):
        one_hot[np.arange(1000), bases[row], row] = 1
    with h5py.File(path, "w") as file:
        file["trainxdata"] = one_hot
        file["traindata"] = rng.integers(0, 2, size=(3, 8), dtype=np.uint8)


def _read_mat(path: Path) -> object:
    from genotools.data.from_deepsea import from_deepsea

    output = path.with_name(f"{path.stem}.store.h5")
    try:
        return from_deepsea({"train": path}, output, channel_order="AGCT", force=True)
    finally:
        for left in path.parent.glob(f"{output.name}*"):
            left.unlink()


def _seed_mat5(path: Path) -> None:
    import scipy.io

    rng = np.random.default_rng(2)
    one_hot = np.zeros((8, 4, 1000), dtype=np.uint8)
    for row in range(8):
        one_hot[row, rng.integers(0, 4, size=1000), np.arange(1000)] = 1
    labels = rng.integers(0, 2, size=(8, 3), dtype=np.uint8)
    scipy.io.savemat(path, {"validxdata": one_hot, "validdata": labels}, do_compression=True)


def _network() -> "object":
    from genotools.nn import build

    macro = Macro(
        length=LENGTH_BP, channels=2, layers=(Layer("reduce", 4), Layer("reduce", 3)), head_hidden=4
    )
    return build(_genotype(), macro, Task(2, names=NAMES), seed=0)


def _seed_weights(path: Path) -> None:
    from genotools.nn import GenomeNet
    from genotools.training import save_weights

    network = _network()
    assert isinstance(network, GenomeNet)
    save_weights(path, network)


def _read_weights(path: Path) -> object:
    from genotools.training.weights import load_network

    return load_network(path)


def _seed_onnx(path: Path) -> None:
    from genotools.export import export_onnx
    from genotools.nn import GenomeNet

    network = _network()
    assert isinstance(network, GenomeNet)
    export_onnx(network, path, force=True)


def _read_onnx(path: Path) -> object:
    from genotools.export import verify_onnx

    return verify_onnx(path)


FASTA = ">chrI first\nACGTNacgtn\nACGT\n>chrII\nTTTTGGGGCCCCAAAA\n"
VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chrI,length=14>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chrI\t3\trs1\tG\tA,<DEL>\t.\tPASS\tAF=0.5\nchrII\t5\t.\tGG\tG\t50\t.\t.\n"
)
BED = "track name=x\nchrI\t1\t8\tfirst\t100\t+\nchrII\t0\t5\tsecond\t3.5\t-\n"
GFF = "##gff-version 3\nchrI\tx\tgene\t1\t9\t.\t+\t.\tID=a\n"
BEDGRAPH = "chrI\t0\t5\t1.5\nchrI\t5\t9\t-2\n"
TABLE = "name\tsequence\tvalue\na\tACGTACGT\t1.5\nb\tTTTTACGT\tNA\n"


def _read_fasta(path: Path) -> object:
    from genotools.data.twobit import open_sequences

    try:
        with open_sequences(path) as sequences:
            return sequences.genome()
    finally:
        path.with_name(f"{path.name}.fai").unlink(missing_ok=True)


def _read_vcf(path: Path) -> object:
    from genotools.variants.vcf import read_variants

    return list(read_variants(path))


def _read_bed(path: Path) -> object:
    from genotools.data.bed import read_bed

    return read_bed(path)


def _read_signal(path: Path) -> object:
    from genotools.data.signal import open_signal

    return open_signal(path, contigs={"chrI": 14, "chrII": 16})


def _read_table(path: Path) -> object:
    from genotools.data.tsv import read_table

    return list(read_table(path, needed=("name",)))


def _packed(text: str) -> Callable[[Path], None]:
    return lambda path: _write(path, gzip.compress(text.encode("utf-8"), mtime=0))


def _read_darts(path: Path) -> object:
    return from_darts(path.read_bytes().decode("utf-8", errors="replace"))


READERS: tuple[Reader, ...] = (
    Reader("genotype", ".json", lambda path: _genotype().save(path, force=True), Genotype.load),
    Reader("space", ".json", _document(lambda: space_to_document(GENOME_NAS)), SearchSpace.load),
    Reader("macro", ".json", _document(lambda: Macro.small(200).to_document()), _read_macro),
    Reader("task", ".json", _document(lambda: Task(2, names=NAMES).to_document()), _read_task),
    Reader("darts", ".txt", lambda path: _write(path, to_darts(_genotype()).encode("ascii")), _read_darts),
    Reader("card", ".json", _seed_card, _read_card),
    Reader("zoo index", ".json", _seed_zoo_index, _read_zoo_index),
    Reader("journal", ".jsonl", _seed_journal, _read_journal),
    Reader("history", ".jsonl", _seed_history, _read_history),
    Reader("store", ".h5", _seed_store, _read_store),
    Reader("mat 7.3", ".mat", _seed_mat, _read_mat),
    Reader("mat 5", ".mat", _seed_mat5, _read_mat),
    Reader("weights", ".safetensors", _seed_weights, _read_weights),
    Reader("onnx", ".onnx", _seed_onnx, _read_onnx),
    Reader("fasta", ".fa", _text(FASTA), _read_fasta),
    Reader("fasta.gz", ".fa.gz", _packed(FASTA), _read_fasta),
    Reader("vcf", ".vcf", _text(VCF), _read_vcf),
    Reader("vcf.gz", ".vcf.gz", _packed(VCF), _read_vcf),
    Reader("bed", ".bed", _text(BED), _read_bed),
    Reader("gff", ".gff", _text(GFF), _read_bed),
    Reader("signal", ".bedgraph", _text(BEDGRAPH), _read_signal),
    Reader("table", ".tsv", _text(TABLE), _read_table),
)
"""In the order of what they need: documents first, PyTorch and onnxruntime last but for text."""
