"""Other tasks than yes-or-no labels, trained on the embedded genome, beside predictors that need no network.

Three stores are made by the commands that anybody would use and trained with the ``quick`` preset:

- values: the share of each 200-bp bin that codes for protein, on either strand (``data from-signal``);
- classes: whether the middle of a window lies in a gene of the plus strand, of the minus strand, or between genes
  (``data from-table``);
- the next base of the genome (``data next-base``).

    python benchmarks/tasks.py --output tasks --epochs 4

prints metrics on held-out chromosomes beside chance (the mean, or the frequencies of the classes) and, for the next
base, beside a Markov chain. On one thread the whole takes about half an hour.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data.demo import demo_features, demo_genome, write_demo_fasta
from genotools.data.store import SequenceStore
from genotools.files import read_json

HELD_OUT = ("--valid-chroms", "chrX", "--test-chroms", "chrVIII,chrIX,chrXIII")
CLASSES = ("between", "gene_minus", "gene_plus")  # a pair of strands: they change places on the other


def main() -> None:
    """Build, train, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="A folder.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--genotype", default="separable-residual")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "genome.fa").exists():
        write_demo_fasta(folder / "genome.fa")
    stores = {"values": values(folder), "classes": classes(folder), "next base": following(folder)}
    for name, store in stores.items():
        print(f"\n{name}", flush=True)
        run = folder / name.replace(" ", "-")
        words = ["--epochs", str(arguments.epochs), "--steps", str(arguments.steps)]
        if name == "next base":  # far less to be learnt from a window: more of them, in larger steps
            words = ["--epochs", str(arguments.epochs + 1), "--steps", "1500", "--batch-size", "32"]
            words += ["--lr", "0.05", "--recurrent-lr", "2"]
        if not (run / "result.json").exists():
            genotools("train", arguments.genotype, "--data", store, "-o", run, *words, "--force")
        genotools("evaluate", run, "--data", store)
        seconds = read_json(run / "result.json")["seconds"]
        print(f"trained in {seconds:,.0f} s")
    print("\nnext base, by Markov chains (counts of the training split; accuracy, nats a base)")
    for order in (0, 1, 3, 5, 7):
        print("  order {}: {:.4f}  {:.4f}".format(order, *markov(stores["next base"], order)))


def genotools(*words: object) -> None:
    """Run the command."""
    subprocess.run([sys.executable, "-m", "genotools", *map(str, words)], check=True)


def values(folder: Path) -> Path:
    """Return a store of the share of bins that is coding, by strand."""
    store = folder / "values.h5"
    if store.exists():
        return store
    features, lines = demo_features(), ["name\tpath\tmissing\n"]
    for strand in ("plus", "minus"):
        with (folder / f"{strand}.bedgraph").open("w") as file:
            for contig, codes in demo_genome().items():
                marked = np.zeros(len(codes) + 2, dtype=np.int8)
                for start, end in features[f"CDS_{strand}"][contig]:
                    marked[start + 1 : end + 1] = 1
                bounds = np.flatnonzero(np.diff(marked)).reshape(-1, 2)
                file.writelines(f"{contig}\t{start}\t{end}\t1\n" for start, end in bounds)
        lines.append(f"coding_{strand}\t{strand}.bedgraph\t0\n")
    (folder / "tracks.tsv").write_text(
        "".join(lines).replace("missing\n", "missing\tstatistic\n").replace("\t0\n", "\t0\tsum\n")
    )
    genotools(
        "data", "from-signal", "--fasta", folder / "genome.fa", "--tracks", folder / "tracks.tsv", "-o", store,
        "--standardise", *HELD_OUT,
    )  # fmt: skip
    return store


def classes(folder: Path) -> Path:
    """Return a store of whether the middle of a window lies in a gene, and of which strand."""
    store = folder / "classes.h5"
    if store.exists():
        return store
    features = demo_features()
    with (folder / "windows.tsv").open("w") as file:
        file.write("contig\tstart\tend\tgene\n")
        for contig, codes in demo_genome().items():
            state = np.zeros(len(codes), dtype=np.int8)
            for number, strand in enumerate(("minus", "plus"), start=1):
                for start, end in features[f"gene_{strand}"][contig]:
                    state[start:end] = number
            for middle in range(500, len(codes) - 500, 300):
                file.write(f"{contig}\t{middle}\t{middle + 1}\t{CLASSES[state[middle]]}\n")
    genotools(
        "data", "from-table", "--table", folder / "windows.tsv", "--fasta", folder / "genome.fa", "--task",
        "multiclass", "--target", "gene", "-o", store, *HELD_OUT,
    )  # fmt: skip
    return store


def following(folder: Path) -> Path:
    """Return a store that asks for the next base after 64."""
    store = folder / "next-base.h5"
    if not store.exists():
        words = ("--window", "64", "--stride", "30", *HELD_OUT)
        genotools("data", "next-base", "--fasta", folder / "genome.fa", "-o", store, *words)
    return store


def markov(path: Path, order: int) -> tuple[float, float]:
    """Return accuracy and cross entropy of a Markov chain, one added to every count."""
    with SequenceStore.open(path) as store:
        counts = np.ones((4**order, 4))
        train, test = store.rows("train"), store.rows("test")
        np.add.at(counts, contexts(store.codes(train), order), store.labels(train))
        probs = counts / counts.sum(axis=1, keepdims=True)
        found, wanted = probs[contexts(store.codes(test), order)], store.labels(test).argmax(axis=1)
    right = found[np.arange(len(wanted)), wanted]
    return float((found.argmax(axis=1) == wanted).mean()), float(-np.log(right).mean())


def contexts(codes: NDArray[np.uint8], order: int) -> NDArray[np.int64]:
    """Return the number of the last bases of each window."""
    last = codes[:, codes.shape[1] - order :].astype(np.int64)
    return last @ (4 ** np.arange(order)) if order else np.zeros(len(codes), dtype=np.int64)


if __name__ == "__main__":
    main()
