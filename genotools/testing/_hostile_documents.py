"""Readers of documents: JSON, TOML, and text that people write by hand."""

from pathlib import Path

import numpy as np

from genotools.genotype import GENOME_NAS, Genotype, Macro, SearchSpace, Task
from genotools.genotype.baselines import BaselineName
from genotools.genotype.darts import from_darts, to_darts
from genotools.genotype.documents import space_to_document
from genotools.testing._hostile_reader import Reader, as_bytes, as_document, as_text, folder_of

__all__ = ["NAMES", "READERS", "sampled"]

NAMES = ("first", "second")
"""Of the outputs of all tasks."""

PROTOCOL = """
format = "genotools/study"
version = 1
title = "Two engines"
searches = 2
evaluations = 3
macro = "small"
baselines = ["deepsea"]
genotypes = ["pooling-only"]
kmer = true

[engines.random]
trials = 2
objectives = ["valid_auprc:max"]

[engines.bonas]
engine = "bonas"
set = { width = 3, rate = 0.5 }

[training]
epochs = 2
lr = 0.1

[own_training.deepsea]
patience = 3

[seconds]
network = 0.01
"""

MEME = """MEME version 4

ALPHABET= ACGT

MOTIF MA0001.1 GATA
letter-probability matrix: alength= 4 w= 2 nsites= 9
0.1 0.2 0.3 0.4
1 0 0 0
URL http://jaspar

MOTIF second
letter-probability matrix:
.25 .25 2.5e-1 0.25
"""

FEATURES = "# outputs\nfirst\n1\n0-1\n^sec.*d$\n"


def sampled() -> Genotype:
    """Return the genotype that is in all files."""
    return GENOME_NAS.sample(rng=np.random.default_rng(0))


def _read_macro(path: Path) -> Macro:
    from genotools.files import read_json

    return Macro.from_document(read_json(path), where=str(path))


def _read_task(path: Path) -> Task:
    from genotools.files import read_json

    return Task.from_document(read_json(path), where=str(path))


def _read_darts(path: Path) -> Genotype:
    return from_darts(path.read_bytes().decode("utf-8", errors="replace"))


def _architecture() -> object:
    from genotools.genotype.documents import genotype_to_document

    small = Macro(length=60, channels=2, layers=Macro.small(60).layers[:2], head_hidden=4)
    return {"genotype": genotype_to_document(sampled()), "macro": small.to_document()}


def _read_architecture(path: Path) -> object:
    from genotools.files import read_json
    from genotools.nn.architecture import rebuild

    return rebuild(read_json(path), Task(2, names=NAMES), seed=0, where=str(path))


def _live_ops() -> object:
    from genotools.nn.live_ops import LiveOps

    return LiveOps.of(sampled()).to_document()


def _read_live_ops(path: Path) -> object:
    from genotools.files import read_json
    from genotools.nn.live_ops import LiveOps

    return LiveOps.from_document(read_json(path), where=str(path))


def _read_protocol(path: Path) -> object:
    from genotools.search.study.protocol import load_protocol
    from genotools.search.study.tasks import plan_tasks

    protocol = load_protocol(str(path))
    plans = [protocol.engine_plan(name) for name in protocol.engines]
    return plans, plan_tasks(protocol)


def _descriptors() -> object:
    shares = {"label_rates": [0.1, 0.2, 0.3], "gc": 0.4, "kmers": [1 / 256] * 256}
    return {
        "format": "genotools/data-descriptors",
        "version": 1,
        "length_bp": 60,
        "kind": "multilabel",
        "n_labels": 2,
        **shares,
    }


def _read_descriptors(path: Path) -> object:
    from genotools.search.warm_start import DESCRIPTORS, most_similar

    folder = folder_of(path)
    (folder / DESCRIPTORS).write_bytes(path.read_bytes())
    own = _descriptors()
    assert isinstance(own, dict)
    return most_similar(own, [folder])


def _read_features(path: Path) -> object:
    from genotools.variants.features import read_features, select_features

    return select_features(NAMES, read_features(f"@{path}"))


def _read_meme(path: Path) -> object:
    from genotools.search.motifs import read_meme

    return read_meme(path)


READERS = (
    Reader(
        "genotype",
        ".json",
        lambda path: sampled().save(path, force=True),
        Genotype.load,
        ("genotype.documents", "files"),
    ),
    Reader(
        "space",
        ".json",
        as_document(lambda: space_to_document(GENOME_NAS)),
        SearchSpace.load,
        ("genotype.documents", "files"),
    ),
    Reader("macro", ".json", as_document(lambda: Macro.small(200).to_document()), _read_macro, ("files",)),
    Reader("task", ".json", as_document(lambda: Task(2, names=NAMES).to_document()), _read_task, ("files",)),
    Reader(
        "baseline",
        ".json",
        lambda path: BaselineName.DANQ.save(path, force=True),
        BaselineName.load,
        ("files",),
    ),
    Reader("darts", ".txt", as_bytes(lambda: to_darts(sampled()).encode("ascii")), _read_darts),
    Reader("live ops", ".json", as_document(_live_ops), _read_live_ops, ("nn.live_ops", "files")),
    Reader(
        "architecture",
        ".json",
        as_document(_architecture),
        _read_architecture,
        ("nn.architecture",),
        is_slow=True,
    ),
    Reader("protocol", ".toml", as_text(PROTOCOL), _read_protocol, ("search.study.protocol",)),
    Reader("descriptors", ".json", as_document(_descriptors), _read_descriptors, ("search.warm_start",)),
    Reader("features", ".txt", as_text(FEATURES), _read_features, ("variants.features",)),
    Reader("motifs", ".meme", as_text(MEME), _read_meme, ("search.motifs",)),
)
