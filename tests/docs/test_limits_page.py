"""The page tells the limits that the code has."""

import re
from pathlib import Path

import pytest

from genotools import files
from genotools.data import _layout as store
from genotools.data import bed, fasta, hdf5, label_layout, mat
from genotools.data.from_deepsea import MAX_NAMES_BYTES
from genotools.export import _reference, runtime
from genotools.genotype import cells, darts, documents, macro, task
from genotools.genotype import genotype as genotypes
from genotools.nn import builder
from genotools.search import engine_state, journal, motifs
from genotools.search.study import outcomes, protocol
from genotools.training import history
from genotools.variants import background, features
from genotools.zoo import card, remote

LIMITS: dict[str, list[int]] = {
    "JSON": [
        files.MAX_JSON_BYTES,
        files.MAX_JSON_DEPTH,
        outcomes.MAX_RESULT_BYTES,
        engine_state.MAX_BYTES,
    ],
    "genotype": [cells.MAX_NODES, documents.MAX_EDGES, genotypes.MAX_NAME, darts.MAX_TEXT],
    "search space": [cells.MAX_NODES, documents.MAX_OPS],
    "macro-architecture": [macro.MAX_LENGTH_BP, macro.MAX_LAYERS, macro.MAX_CHANNELS],
    "task": [task.MAX_OUTPUTS],
    "network": [builder.MAX_PARAMS, _reference.MAX_PARAMS],
    "ONNX": [runtime.MAX_BYTES],
    "entry of a zoo": [card.MAX_CARD_BYTES, card.MAX_FILES, remote.MAX_FILE_BYTES],
    "index of a zoo": [files.MAX_JSON_BYTES, remote.MAX_INDEX_BYTES],
    "protocol of a study": [protocol.MAX_BYTES],
    "journal of a search": [journal.MAX_BYTES, files.MAX_JSON_BYTES],
    "history of a training": [history.MAX_BYTES],
    "sequence store": [
        store.MAX_ROWS,
        macro.MAX_LENGTH_BP,
        task.MAX_OUTPUTS,
        label_layout.MAX_CLASSES,
        store.MAX_CONTIGS,
        hdf5.MAX_TEXT_BYTES,
    ],
    "HDF5 of others, background": [hdf5.MAX_CHUNK_BYTES, background.MAX_BYTES],
    "`.mat` of version 5": [mat.MAX_PACKED_BYTES],
    "text: VCF, BED, GFF, bedGraph, tables": [files.MAX_LINE_BYTES, bed.MAX_LINES],
    "FASTA": [fasta.MAX_CONTIGS, fasta.MAX_UNPACKED_BYTES],
    "lists of outputs (`--features @FILE`), names of labels (`--labels`)": [
        features.MAX_BYTES,
        MAX_NAMES_BYTES,
    ],
    "motifs in MEME format": [motifs.MAX_BYTES, motifs.MAX_MOTIFS, motifs.MAX_WIDTH],
}
"""By the first column of the page's table, in the order of the second."""


@pytest.fixture(scope="module")
def rows(root: Path) -> dict[str, str]:
    text = (root / "docs" / "limits.md").read_text(encoding="utf-8")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return dict(cells[2:])


def test_every_row_is_known(rows: dict[str, str]) -> None:
    assert list(rows) == list(LIMITS)


@pytest.mark.parametrize("name", LIMITS)
def test_the_page_tells_the_limits_of_the_code(name: str, rows: dict[str, str]) -> None:
    found = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", rows[name])]
    assert found == LIMITS[name]
