"""Does a model look at the motif? Scrambling it against scrambling a flank of the same size.

    python benchmarks/motif_scrambling.py MODEL --data yeast.h5

For each factor: the held-out windows that carry its label and its known motif in the middle bin. There the motif is
scrambled, and in another copy of the window a stretch of the same size beside it; both several times. Printed is the
share of windows in which the motif's scrambling lowers the factor's prediction more, and the mean of both changes.
"""

import argparse
import re

import numpy as np
from numpy.typing import NDArray

from genotools.cli._models import load_predictor
from genotools.data.encoding import decode
from genotools.data.store import SequenceStore
from genotools.data.strands import default_strands, predict_strands
from genotools.predictor import Predictor

MOTIFS = {
    "Reb1": "TTACCCG",
    "Abf1": "RTCRYNNNNNACG",
    "Rap1": "CACCCRNACA",
    "Cbf1": "RTCACRTG",
    "Mcm1": "CCNNNWWRGG",
}
"""Consensus sequences of textbook sites."""

LETTERS = {"R": "[AG]", "Y": "[CT]", "N": ".", "W": "[AT]", "M": "[AC]"}
COMPLEMENT = str.maketrans("ACGTRYNWM", "TGCAYRNWK")
MIDDLE_BP = 200
GAP_BP = 15


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    model = load_predictor(arguments.model)
    print(f"{'factor':<8}{'windows':>8}{'motif lowers more':>19}{'by motif':>10}{'by flank':>10}")
    with SequenceStore.open(arguments.data) as store:
        rows = store.rows(arguments.split)
        for factor, motif in MOTIFS.items():
            if factor not in store.names:
                continue
            index = store.names.index(factor)
            labelled = rows[store.labels(rows)[:, index] == 1]
            codes, places = with_motif(store.codes(labelled), motif)
            if not len(codes):
                continue
            rng = np.random.default_rng(arguments.seed)
            drops = [changes(model, codes, places, len(motif), index, rng) for _ in range(arguments.repeats)]
            by_motif, by_flank = np.mean(drops, axis=0)
            share = (by_motif < by_flank).mean()
            print(
                f"{factor:<8}{len(codes):>8,}{share:>19.1%}{by_motif.mean():>10.4f}{by_flank.mean():>10.4f}",
                flush=True,
            )


def with_motif(codes: NDArray[np.uint8], motif: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the windows that have the motif in their middle, on either strand, and where it begins."""
    other = motif[::-1].translate(COMPLEMENT).replace("K", "[GT]")
    patterns = [re.compile("".join(LETTERS.get(base, base) for base in motif))]
    patterns.append(re.compile("".join(LETTERS.get(base, base) for base in re.findall(r"\[..\]|.", other))))
    first, middle = (codes.shape[1] - MIDDLE_BP) // 2, codes.shape[1] // 2
    found: list[int] = []
    kept: list[int] = []
    for row, window in enumerate(codes):
        text = decode(window[first : first + MIDDLE_BP])
        starts = [first + match.start() for pattern in patterns for match in pattern.finditer(text)]
        if starts:
            kept.append(row)
            found.append(min(starts, key=lambda start: abs(start - middle)))
    return codes[kept], np.array(found, dtype=np.int64)


def changes(
    model: Predictor,
    codes: NDArray[np.uint8],
    places: NDArray[np.int64],
    size: int,
    output: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return what scrambling the motif, and a flank on a side drawn by lot, does to the prediction: ``(2, n)``."""
    before = predicted(model, codes, output)
    sides = np.where(rng.random(len(places)) < 0.5, -GAP_BP - size, GAP_BP + size)
    return np.stack(
        [
            predicted(model, scrambled(codes, start, size, rng), output) - before
            for start in (places, places + sides)
        ]
    )


def scrambled(
    codes: NDArray[np.uint8], starts: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return windows with the bases of one stretch each in another order, which differs in half of the places."""
    result = codes.copy()
    for row, start in enumerate(starts):
        stretch = codes[row, start : start + size]
        tries = [rng.permutation(stretch) for _ in range(20)]
        result[row, start : start + size] = max(tries, key=lambda one, old=stretch: int((one != old).sum()))
    return result


def predicted(model: Predictor, codes: NDArray[np.uint8], output: int) -> NDArray[np.float64]:
    """Return the prediction of one output, strands averaged."""
    both = predict_strands(model, codes, strands=default_strands(model))
    mean: NDArray[np.float64] = both.mean(axis=0, dtype=np.float64)[:, output]
    return mean


if __name__ == "__main__":
    main()
