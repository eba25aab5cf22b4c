"""Tiny genomes and models whose right answers can be worked out by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.data.encoding import encode
from genotools.predictor import Predictor
from genotools.variants import Genome


class TextGenome:
    """Sequences given as text."""

    def __init__(self, sequences: Mapping[str, str]) -> None:
        self._codes = {name: encode(text) for name, text in sequences.items()}
        self.contigs: Mapping[str, int] = {name: codes.size for name, codes in self._codes.items()}

    def codes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        places = np.arange(start, end)
        inside = (places >= 0) & (places < self.contigs[contig])
        result = np.full(places.size, 4, dtype=np.uint8)
        result[inside] = self._codes[contig][places[inside]]
        return result


class PositionModel:
    """Probability = sigmoid of a sum of weights, one for each position, base and output (unknown base: 0)."""

    def __init__(self, weights: NDArray[np.float64], *, names: Sequence[str] | None = None) -> None:
        self.weights = np.concatenate([weights, np.zeros_like(weights[:, :1])], axis=1)  # (L, 5, K)
        self.names: Sequence[str] = names or [f"output{k}" for k in range(weights.shape[2])]
        self.length = len(weights)
        self.digest = "0" * 64
        self.batch_sizes: list[int] = []

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batch_sizes.append(len(codes))
        logits = np.zeros((len(codes), self.weights.shape[2]))
        for place in range(self.length):
            logits += self.weights[place, codes[:, place]]
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


@pytest.fixture(scope="session")
def make_genome() -> Callable[[Mapping[str, str]], Genome]:
    return TextGenome


@pytest.fixture(scope="session")
def make_model() -> Callable[..., PositionModel]:
    def make(
        *, length: int = 21, n_outputs: int = 3, seed: int = 0, names: Sequence[str] | None = None
    ) -> PositionModel:
        weights = np.random.default_rng(seed).normal(scale=0.5, size=(length, 4, n_outputs))
        return PositionModel(weights, names=names)

    return make


@pytest.fixture
def model(make_model: Callable[..., Predictor]) -> Predictor:
    return make_model()


@pytest.fixture
def genome_text() -> dict[str, str]:
    rng = np.random.default_rng(7)
    return {name: "".join(rng.choice(list("ACGT"), size=300)) for name in ("chr1", "chr2")}


@pytest.fixture
def genome(genome_text: dict[str, str]) -> Genome:
    return TextGenome(genome_text)


@pytest.fixture
def fasta_path(tmp_path: Path, genome_text: dict[str, str]) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in genome_text.items()))
    return path


@pytest.fixture
def write_vcf(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes rows of (CHROM, POS, ID, REF, ALT) as a VCF with header."""

    def write(rows: Sequence[Sequence[object]], *, name: str = "calls.vcf") -> Path:
        head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        body = "".join("\t".join(map(str, row)) + "\t.\tPASS\tX=1\n" for row in rows)
        path = tmp_path / name
        path.write_text(head + body)
        return path

    return write


@pytest.fixture
def nasty_vcf(genome_text: dict[str, str], write_vcf: Callable[..., Path]) -> Path:
    """A file with every status, several ALTs, and names with and without chr."""
    text = genome_text["chr1"]

    def ref(pos: int, n: int = 1) -> str:
        return text[pos - 1 : pos - 1 + n]

    def other(pos: int, n: int = 0) -> str:
        return [base for base in "ACGT" if base != ref(pos)][n]

    return write_vcf(
        [
            ("chr1", 100, "snv", ref(100), f"{other(100)},<DEL>,*,{ref(100)}"),
            ("1", 1, "edge", ref(1).lower(), f"{ref(1)}{other(1)}".lower()),
            ("chr1", 90, "mismatch", other(90), other(90, 1)),
            ("chr1", 90, "swapped", other(90), ref(90)),
            ("scaffold_7", 5, "nowhere", "A", "C"),
            ("chr1", 301, "outside", "A", "C"),
            ("chr1", 50, "long", ref(50), ref(50) + "ACGTACGTACGTACGT"),
            ("chr1", 60, "missing", ref(60), "."),
            ("chr1", 70, "iupac", ref(70), "N"),
            ("chr1", 80, "del", ref(80, 4), ref(80)),
        ]
    )
