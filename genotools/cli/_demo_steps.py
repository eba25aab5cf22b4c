"""The steps of the demo: each does what one command does, keeps what is there, and reports in a few lines."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from genotools.errors import DataError
from genotools.files import read_json, replacing, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genotools.data.store import SequenceStore
    from genotools.training.kmer import KmerRegression

__all__ = ["STEPS", "DemoFolder"]

LOCUS, LABEL = "tY(GUA)M1", "tRNA"
"""The locus whose substitutions are scored, a tRNA gene of a test chromosome, and the label to look at."""

N_SHOWN_EFFECTS = 5


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the demo keeps what."""

    path: Path

    def __getitem__(self, name: str) -> Path:
        return self.path / name

    def contents(self) -> list[tuple[str, str]]:
        """Return name and meaning of everything the demo has made."""
        files = {
            "yeast.h5": "the sequence store: windows and labels",
            "yeast.fa": "the genome",
            "kmer.json": "test metrics of the 6-mer logistic regression",
            "search/": "the random search: journal, best.genotype.json",
            "genotype.png": "the best genotype, drawn",
            "genotype.svg": "the same for a page or a paper",
            "model/": "the trained network: weights, history, curves, test metrics",
            "model.onnx": "the network in one file; predicts without PyTorch",
            "locus.vcf": f"every substitution of {LOCUS}",
            "effects.tsv": "their effects on every label",
        }
        return [(name, what) for name, what in files.items() if (self.path / name).exists()]


class Step(Protocol):
    """Makes what is missing in the folder and yields lines for a person."""

    def __call__(self, folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
        """Run the step."""
        ...


def make_data(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Write the store and the FASTA of the embedded genome."""
    del seed, device
    from genotools.data.demo import write_demo_fasta, write_demo_store
    from genotools.data.store import SequenceStore

    if not folder["yeast.h5"].exists():
        write_demo_store(folder["yeast.h5"])
    if not folder["yeast.fa"].exists():
        write_demo_fasta(folder["yeast.fa"])
    with SequenceStore.open(folder["yeast.h5"]) as store:
        sizes = ", ".join(f"{len(store.rows(split)):,} {split}" for split in ("train", "valid", "test"))
        yield f"S. cerevisiae R64: {sizes} windows of {store.length} bp, {len(store.names)} labels"
        yield f"labels: {', '.join(store.names)}"


def fit_kmers(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Fit the k-mer logistic regression, the line a network must beat."""
    del seed, device
    from genotools.data.store import SequenceStore
    from genotools.training.evaluate import evaluate
    from genotools.training.kmer import fit_kmer_regression

    with SequenceStore.open(folder["yeast.h5"]) as store:
        if not folder["kmer.json"].exists() or _object(folder["kmer.json"]).get("store") != store.digest:
            rows = store.rows("train")
            regression = fit_kmer_regression(store.codes(rows), store.labels(rows))
            metrics = evaluate(_KmerPredictor(regression, store), store, "test")
            write_json(folder["kmer.json"], {"store": store.digest, "test": metrics.to_json()})
    found = _metrics(folder["kmer.json"])
    yield f"test mean AUROC {found['mean_auroc']:.3f}, AUPRC {found['mean_auprc']:.3f}"


class _KmerPredictor:
    """The regression as a predictor, so that it is tested as a network is."""

    digest = ""

    def __init__(self, regression: "KmerRegression", store: "SequenceStore") -> None:
        self._regression = regression
        self.names: Sequence[str] = store.names
        self.length = store.length

    def predict(self, codes: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        return self._regression.predict(codes)


def run_search(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Search at random among a few genotypes."""
    from genotools.cli._trial_progress import TrialProgress
    from genotools.data.store import SequenceStore
    from genotools.genotype import GENOME_NAS, Macro
    from genotools.search import search
    from genotools.search.evaluator import TrainingEvaluator
    from genotools.search.presets import get_search_preset
    from genotools.search.registry import engine_preset
    from genotools.training.device import choose_device

    preset, n_trials = get_search_preset("quick"), engine_preset("random", "quick").n_trials
    with SequenceStore.open(folder["yeast.h5"]) as store, TrialProgress(n_trials) as progress:
        evaluator = TrainingEvaluator(
            store,
            Macro.small(store.length),
            preset.training,
            device=str(choose_device(device)),
            on_step=progress.on_step,
        )
        result = search(
            "random",
            GENOME_NAS,
            evaluator,
            folder["search"],
            n_trials=n_trials,
            seed=seed,
            resume=True,
            on_trial=progress.on_trial,
        )
    for trial in result.trials:
        mark = "  <- best" if trial is result.best else ""
        score = "failed" if trial.score is None else f"validation AUPRC {trial.score:.3f}"
        yield f"trial {trial.number}  {trial.genotype.digest[:12]}  {score}{mark}"


def draw_best(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Draw the best genotype."""
    del seed, device
    from genotools.errors import MissingExtraError
    from genotools.genotype import Genotype, Macro
    from genotools.genotype.drawing import draw
    from genotools.genotype.prose import describe

    best = Genotype.load(folder["search"] / "best.genotype.json")
    for name in ("genotype.png", "genotype.svg"):
        try:
            draw(best, folder[name], macro=Macro.small(), force=True)
        except MissingExtraError as error:
            yield f"not drawn: {error}"
            return
    yield f"drawn as {folder['genotype.png']} and .svg; its normal cell in words:"
    yield from describe(best).splitlines()[3:8]


def train_best(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Train the best genotype."""
    from genotools.cli._training_progress import TrainingProgress
    from genotools.data.store import SequenceStore
    from genotools.genotype import Genotype, Macro
    from genotools.training.interruption import stop_on_signals
    from genotools.training.run import train
    from genotools.training.settings import get_preset

    with SequenceStore.open(folder["yeast.h5"]) as store:
        length = store.length
    with stop_on_signals() as stop, TrainingProgress(Console(stderr=True)) as progress:
        result = train(
            Genotype.load(folder["search"] / "best.genotype.json"),
            folder["yeast.h5"],
            folder["model"],
            macro=Macro.small(length),
            settings=get_preset("quick"),
            seed=seed,
            device=device,
            resume=True,
            should_stop=stop,
            reporter=progress,
        )
    yield f"{result.n_params:,} parameters, {result.n_epochs} epochs in {result.seconds:,.0f} s"


def show_test(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Print the test metrics next to those of the k-mer regression."""
    del seed, device
    ours, kmers = _metrics(folder["model"] / "result.json"), _metrics(folder["kmer.json"])
    yield f"{'label':<26}{'positives':>9}   {'AUROC':>5} {'6-mer':>6}   {'AUPRC':>5} {'6-mer':>6}"
    for mine, line in zip(ours["labels"], kmers["labels"], strict=True):
        yield (
            f"{mine['name']:<26}{mine['positive_rate']:>9.1%}   {mine['auroc']:5.3f} {line['auroc']:6.3f}   "
            f"{mine['auprc']:5.3f} {line['auprc']:6.3f}"
        )
    yield (
        f"{'mean':<26}{'':>9}   {ours['mean_auroc']:5.3f} {kmers['mean_auroc']:6.3f}   "
        f"{ours['mean_auprc']:5.3f} {kmers['mean_auprc']:6.3f}"
    )


def export_best(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Export the network and say how closely the file follows it."""
    del seed, device
    from genotools.export import export_onnx
    from genotools.export.runtime import OnnxPredictor
    from genotools.training.weights import load_network
    from genotools.training.weights_header import read_weights_header

    path, weights = folder["model.onnx"], folder["model"] / "weights.safetensors"
    if not path.exists() or OnnxPredictor(path).digest != read_weights_header(weights)["model_digest"]:
        network = load_network(weights)
        export_onnx(network, path, force=True)
    predictor = OnnxPredictor(path)
    size_mb = folder["model.onnx"].stat().st_size / 1e6
    yield f"{size_mb:.1f} MB; largest difference to PyTorch {predictor.max_difference:.1e} (checked at export)"


def score_locus(folder: DemoFolder, *, seed: int, device: str) -> Iterator[str]:
    """Score every substitution of a real locus with the ONNX file, as ``genotools variants`` does."""
    del seed, device
    from genotools.data.demo import demo_loci
    from genotools.data.fasta import Fasta
    from genotools.export.runtime import OnnxPredictor
    from genotools.variants import score_to_file, substitutions

    locus = demo_loci()[LOCUS]
    with Fasta(folder["yeast.fa"]) as genome:
        variants = list(substitutions(genome, locus.contig, locus.start, locus.end))
    lines = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{v.chrom}\t{v.position + 1}\t.\t{v.ref}\t{v.alt}\t.\t.\t." for v in variants]
    with replacing(folder["locus.vcf"]) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    started = time.monotonic()
    predictor = OnnxPredictor(folder["model.onnx"])
    summary = score_to_file(
        predictor, folder["locus.vcf"], folder["yeast.fa"], folder["effects.tsv"], force=True
    )
    seconds = time.monotonic() - started
    yield (
        f"{summary.n_variants} substitutions of {LOCUS} ({locus.contig}:{locus.start + 1}-{locus.end}), "
        f"{summary.n_variants / seconds:,.0f} a second; those that move the label {LABEL!r} most:"
    )
    rows = [line.split("\t") for line in folder["effects.tsv"].read_text().splitlines() if line[:2] != "##"]
    column = {name.lstrip("#"): index for index, name in enumerate(rows[0])}
    effect = column[f"diff:{LABEL}"]
    for row in sorted(rows[1:], key=lambda row: -abs(float(row[effect])))[:N_SHOWN_EFFECTS]:
        chrom, pos, ref, alt = (row[column[name]] for name in ("chrom", "pos", "ref", "alt"))
        yield f"{chrom}:{pos} {ref}>{alt}  {float(row[effect]):+.4f}"


def _metrics(path: Path) -> dict[str, Any]:
    """Return the test metrics in a file that an earlier step wrote."""
    test = _object(path).get("test")
    if not isinstance(test, dict) or "mean_auroc" not in test:
        raise DataError(f"{path}: no test metrics in it. Remove the file and run the demo again.")
    return test


def _object(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise DataError(f"{path}: a JSON object is expected. Remove the file and run the demo again.")
    return document


STEPS: Sequence[tuple[str, Step]] = (
    ("Data: the embedded yeast genome and its annotated features", make_data),
    ("The line to beat: logistic regression on 6-mers", fit_kmers),
    ("Search: random genotypes, each trained briefly", run_search),
    ("Drawing of the best genotype", draw_best),
    ("Training of the best genotype", train_best),
    ("Test chromosomes VIII, IX, XIII, next to the 6-mer regression", show_test),
    ("Export to ONNX", export_best),
    ("Variants: what every substitution of a tRNA gene does", score_locus),
)
