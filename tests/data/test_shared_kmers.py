import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.data import shared_kmers
from genotools.data.encoding import decode, reverse_complement
from genotools.data.shared_kmers import K, shared_fraction


def oracle(codes: NDArray[np.uint8], is_training: NDArray[np.bool_]) -> list[float]:
    """Return the fractions by text, window after window."""

    def kmers(row: NDArray[np.uint8]) -> list[str]:
        text = decode(row)
        return [text[i : i + K] for i in range(len(text) - K + 1) if "N" not in text[i : i + K]]

    known = {
        kmer
        for row in codes[is_training]
        for strand in (row, reverse_complement(row))
        for kmer in kmers(strand)
    }
    found = []
    for row, is_own in zip(codes, is_training, strict=True):
        mine = kmers(row)
        found.append(0.0 if is_own or not mine else sum(kmer in known for kmer in mine) / len(mine))
    return found


def windows(seed: int, *, length: int = 80) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return windows that share pieces on both strands, with unknown bases."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (40, length)).astype(np.uint8)
    for row in range(20, 40):
        piece = codes[row - 20, : int(rng.integers(K - 2, length))]
        codes[row, : piece.size] = piece if row % 2 else reverse_complement(piece)
    codes[rng.random(codes.shape) < 0.005] = 4
    return codes, np.arange(40) < 20


@pytest.mark.parametrize("seed", range(3))
def test_fractions_equal_those_by_text(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_kmers, "BLOCK_ROWS", 7)
    codes, is_training = windows(seed)
    found = shared_fraction(codes, is_training)
    np.testing.assert_allclose(found, oracle(codes, is_training))
    assert (found[20:] > 0).any()


def test_a_part_of_the_kmers_tells_about_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, is_training = windows(1, length=2000)
    whole = shared_fraction(codes, is_training)
    monkeypatch.setattr(shared_kmers, "MAX_KMERS", 2000 * 20 // 8)
    np.testing.assert_allclose(shared_fraction(codes, is_training), whole, atol=0.12)


def test_short_windows_and_no_training_windows_share_nothing() -> None:
    codes = np.zeros((3, K - 1), np.uint8)
    assert shared_fraction(codes, np.array([True, False, False])).tolist() == [0, 0, 0]
    codes = np.zeros((3, 2 * K), np.uint8)
    assert shared_fraction(codes, np.zeros(3, bool)).tolist() == [0, 0, 0]
    assert shared_fraction(codes, np.array([True, False, False])).tolist() == [0, 1, 1]
